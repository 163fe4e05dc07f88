"""The functions whose value is the model's text: prompt, summarize, translate, and the steps of llm_reduce."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from duck_or.errors import ArgumentError
from duck_or.functions.conversation import conversing
from duck_or.functions.template import Call, Template
from duck_or.json_values import shown
from duck_or.request import Request, max_tokens_of
from duck_or.wanted import Wanted

SUMMARIZE = (
    "Summarize the user's text in its own language, in a few sentences. Give only the summary, and nothing that the text "
    "does not say."
)
TRANSLATE = (
    "Translate the user's text into {language}. Give only the translation. Keep names, numbers, markup and line breaks; a "
    "text that is in that language already is given back as it is."
)


def _said(call: Call, system: str | None) -> Template:
    """The model's text as it is. It has to be whole, unless the call itself says how long it may be."""
    body = call.body()
    whole = max_tokens_of(body) is None
    return conversing(call.chat(body, Wanted(whole=whole)), system, lambda text: text)


def prompt(call: Call) -> Template:
    system = call.own.get("system")
    if system is not None and not isinstance(system, str):
        raise ArgumentError(f"{call.function}: system must be text; got {shown(system)}")
    return _said(call, system)


def summarize(call: Call) -> Template:
    return _said(call, SUMMARIZE)


def translate(call: Call) -> Template:
    system = TRANSLATE.format(language=call.text("language"))
    return _said(call, system)


# --- llm_reduce: one step ----------------------------------------------------------------------------------------------

STEPS: dict[str, str] = {
    "whole": "The user gives you a list of texts, each in <text> tags. {instruction}",
    "part": (
        "The user gives you one part of a long list of texts, each in <text> tags. Work on this part alone, and keep all "
        "that is needed to combine it with the results of the other parts later. {instruction}"
    ),
    "merge": (
        "A long list of texts was worked on in parts, by this instruction: {instruction} The user gives you the results of "
        "the parts, each in <text> tags. Combine them into the one result for the whole list."
    ),
}


def reduce_step(call: Call) -> Template:
    """A row is a JSON list of texts; the step says what they are."""
    instruction = call.text("instruction")
    system = STEPS[call.own.get("step", "whole")].format(instruction=instruction)
    said = _said(call, system)
    return Template(said.model, _of_lists(said.request), said.read)


def _of_lists(request: Callable[[str], Request]) -> Callable[[str], Request]:
    return lambda row: request(orjson.dumps(tagged(orjson.loads(row))).decode())


def tagged(texts: list[str]) -> str:
    return "\n".join(f"<text>\n{text}\n</text>" for text in texts)
