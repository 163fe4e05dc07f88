"""Which SQL argument a value is, seen from the value alone.

Decides whether a value stands in another argument's place and words the refusal. A positional call counts
wrong easily, and a call that was refused costs less than one that asked for something else. Must not know
what a right value means.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from duck_or.errors import ArgumentError
from duck_or.json_values import JsonObject, read_json, shown

EXPECTED = {
    "model": "the name of a model, for example 'openai/gpt-5-mini'",
    "model_kwargs": "an object, for example {'temperature': 0}",
    "tools": "a non-empty list of tools, for example [{'name': 'get_weather', 'parameters': {…}}]",
    "tool_choice": "'auto', 'none', 'required' or {'tool': 'get_weather'}",
    "provider": "an object, for example {'order': ['openai']}",
    "transforms": "['middle-out'], [] or NULL",
}
CHOICE_WORDS = ("auto", "none", "required")
MIDDLE_OUT = "middle-out"

# Each argument's own vocabulary. No name stands in two of them.
# fmt: off
PROVIDER_MEMBERS = frozenset({
    "order", "only", "ignore", "sort", "allow_fallbacks", "require_parameters", "data_collection", "zdr",
    "quantizations", "max_price", "enforce_distillable_text", "preferred_min_throughput",
    "preferred_max_latency", "options",
})
CHOICE_MEMBERS = frozenset({"type", "function", "tool", *CHOICE_WORDS})
MESSAGE_MEMBERS = frozenset({"role", "content"})
TOOL_MEMBERS = frozenset({"name", "description", "parameters", "strict"})
BODY_MEMBERS = frozenset({
    "model", "models", "preset", "route", "provider", "plugins", "transforms", "tools", "tool_choice",
    "parallel_tool_calls", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k",
    "min_p", "top_a", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "logit_bias",
    "logprobs", "top_logprobs", "stop", "response_format", "structured_outputs", "reasoning",
    "reasoning_effort", "include_reasoning", "verbosity", "usage", "cache_control", "prompt_cache_key",
    "prompt_cache_options", "prediction", "user", "session_id", "metadata", "trace", "service_tier",
    "modalities", "image_config", "audio", "stream", "stream_options", "web_search_options",
    "stop_server_tools_when", "deferred_tools", "n",
})
# fmt: on
_OWN_MEMBERS = {
    "provider": PROVIDER_MEMBERS,
    "tool_choice": CHOICE_MEMBERS,
    "messages": MESSAGE_MEMBERS,
    "tools": TOOL_MEMBERS,
    "model_kwargs": BODY_MEMBERS,
}


def refuse(name: str, value: Any, detail: str = "") -> NoReturn:
    """Raise the ArgumentError for `value` in the place of the argument `name`."""
    meant = _meant_for(value)
    guess = f". It looks like {meant}: name the argument, {meant} := …" if meant not in (None, name) else ""
    raise ArgumentError(f"{name} must be {EXPECTED[name]}; got {shown(value)}{detail}{guess}")


def refuse_members(name: str, value: JsonObject, others: Iterable[str]) -> None:
    """Raise ArgumentError if `value`, given for `name`, has members that belong to the arguments `others`."""
    for other in others:
        strange = sorted(_OWN_MEMBERS[other] & value.keys())
        if strange:
            raise ArgumentError(f"{name} has {', '.join(map(repr, strange))}, which belongs in {other}")


def _meant_for(value: Any) -> str | None:
    if isinstance(value, str):
        return _text_meant_for(value)
    if isinstance(value, dict):
        return next((name for name, members in _OWN_MEMBERS.items() if members & value.keys()), None)
    if isinstance(value, list) and value:
        return _list_meant_for(value[0])
    return None


def _list_meant_for(first: Any) -> str | None:
    if isinstance(first, dict):
        return "messages" if "role" in first else "tools"
    return "transforms" if first == MIDDLE_OUT else None


def _text_meant_for(text: str) -> str | None:
    if text in CHOICE_WORDS:
        return "tool_choice"
    if text.lstrip()[:1] in ("{", "["):
        return _json_meant_for(text)
    return "model" if "/" in text and not any(map(str.isspace, text)) else None


def _json_meant_for(text: str) -> str | None:
    try:
        value = read_json(text)
    except ValueError:
        return None  # text that only begins like JSON: there is nothing to guess from
    return _meant_for(value)
