"""The functions that ask: from the options that a macro packs to what is done with each row.

options: the JSON object that the macros make. Its member "function" says which of FUNCTIONS it is for; without one it is
chat_completions, whose rows are conversations and whose value is the whole response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from duck_or.arguments import read_options
from duck_or.functions import embeddings, ranking, texts, typed
from duck_or.functions.template import Call, Template, Unreadable
from duck_or.json_values import JsonObject
from duck_or.request import BodyTemplate

__all__ = ["FUNCTIONS", "Call", "Template", "Unreadable", "template_of"]

COMMON = ("model", "model_kwargs", "provider")
"""The arguments of every function."""

FUNCTIONS: Mapping[str, Callable[[Call], Template]] = {
    "prompt": texts.prompt,
    "prompt_as": typed.prompt_as,
    "classify": typed.classify,
    "extract": typed.extract,
    "llm_filter": typed.llm_filter,
    "score": typed.score,
    "summarize": texts.summarize,
    "translate": texts.translate,
    "llm_reduce": texts.reduce_step,
    "embed": embeddings.embed,
    "rerank": ranking.rerank,
}


def template_of(options_json: str, base_url: str, default_model: str | None) -> Template:
    """What one options text makes of its rows. Slow and exact: keep the result. Raises ArgumentError."""
    options: JsonObject = read_options(options_json)
    function = options.pop("function", None)
    if function is None:
        chat = BodyTemplate.from_options(options_json, base_url, default_model)
        return Template(chat.model, chat.request)
    common = {name: options.pop(name, None) for name in COMMON}
    return FUNCTIONS[function](Call(function, options, common, base_url, default_model))
