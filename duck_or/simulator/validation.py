"""Is this a chat request at all? OpenRouter's 400s, before any model is looked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from duck_or.simulator.reply import Reply, error_reply

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_PROVIDER_KEYS = frozenset(
    {
        *(
            "order",
            "allow_fallbacks",
            "require_parameters",
            "data_collection",
            "zdr",
            "enforce_distillable_text",
        ),
        *("only", "ignore", "quantizations", "sort", "preferred_min_throughput", "preferred_max_latency"),
        *("max_price", "options"),
    }
)
_PROVIDER_LISTS = ("order", "only", "ignore", "quantizations")
_FORMATS = frozenset({"text", "json_object", "json_schema", "grammar", "python"})


def refusal_of(body: Any) -> Reply | None:
    """The 400 for a body that breaks the request schema; None if it keeps to it."""
    if not isinstance(body, dict):
        return error_reply(400, "Invalid JSON body: an object is expected")
    problem = _messages_problem(body.get("messages"))
    for name, find_problem in _OPTIONAL.items():
        if problem is None and body.get(name) is not None:
            problem = find_problem(name, body[name])
    return None if problem is None else error_reply(400, problem, metadata={"error_type": "invalid_request"})


def _messages_problem(messages: Any) -> str | None:
    if not messages or not isinstance(messages, list):
        return 'Input required: specify "prompt" or "messages"'
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return f"messages.{index}.role: Invalid input: one of {', '.join(sorted(_ROLES))} is expected"
        content = message.get("content")
        if content is None and message["role"] != "assistant":
            return f"messages.{index}.content: Invalid input: expected string, received undefined"
        if content is not None and not isinstance(content, str | list):
            return f"messages.{index}.content: Invalid input: expected string or array"
        if isinstance(content, list) and not all(
            isinstance(part, dict) and "type" in part for part in content
        ):
            return f"messages.{index}.content: Invalid input: every part is an object with a type"
    return None


def _text(name: str, value: Any) -> str | None:
    return None if isinstance(value, str) else f"{name}: Invalid input: expected string"


def _texts(name: str, value: Any) -> str | None:
    good = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return None if good else f"{name}: Invalid input: expected array of strings"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive(name: str, value: Any) -> str | None:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return None if good else f"{name}: Invalid input: expected a whole number of at least 1"


def _between(low: float, high: float) -> Callable[[str, Any], str | None]:
    def problem(name: str, value: Any) -> str | None:
        good = _is_number(value) and low <= value <= high
        return None if good else f"{name}: Invalid input: expected a number from {low:g} to {high:g}"

    return problem


def _provider(name: str, value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return "provider: Invalid input: expected object"
    if unknown := sorted(set(value) - _PROVIDER_KEYS):
        return f'provider: Unrecognized key: "{unknown[0]}"'
    lists = (_texts(f"provider.{key}", value[key]) for key in _PROVIDER_LISTS if value.get(key) is not None)
    prices = value.get("max_price") or {}
    if not isinstance(prices, dict) or not all(_is_number(price) for price in prices.values()):
        return "provider.max_price: Invalid input: expected an object of numbers"
    return next((problem for problem in lists if problem), None)


def _response_format(name: str, value: Any) -> str | None:
    if not isinstance(value, dict) or value.get("type") not in _FORMATS:
        return f"response_format.type: Invalid input: one of {', '.join(sorted(_FORMATS))} is expected"
    schema = value.get("json_schema")
    if value["type"] == "json_schema" and not (
        isinstance(schema, dict) and isinstance(schema.get("name"), str)
    ):
        return "response_format.json_schema.name: Invalid input: expected string"
    return None


def _tools(name: str, value: Any) -> str | None:
    if not isinstance(value, list) or not all(
        isinstance(tool, dict) and isinstance(tool.get("type"), str) for tool in value
    ):
        return "tools: Invalid input: expected array of objects with a type"
    for index, tool in enumerate(value):
        function = tool.get("function")
        if tool["type"] == "function" and not (
            isinstance(function, dict) and isinstance(function.get("name"), str)
        ):
            return f"tools.{index}.function.name: Invalid input: expected string"
    return None


def _tool_choice(name: str, value: Any) -> str | None:
    if value in ("none", "auto", "required"):
        return None
    if isinstance(value, dict) and "type" in value and isinstance(value.get("function", {}), dict):
        return None
    return 'tool_choice: Invalid input: expected "none", "auto", "required" or an object with a type'


_OPTIONAL: dict[str, Callable[[str, Any], str | None]] = {
    "model": _text,
    "models": _texts,
    "max_tokens": _positive,
    "max_completion_tokens": _positive,
    "temperature": _between(0, 2),
    "top_p": _between(0, 1),
    "top_logprobs": _between(0, 20),
    "provider": _provider,
    "response_format": _response_format,
    "tools": _tools,
    "tool_choice": _tool_choice,
}
