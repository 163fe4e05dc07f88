"""How a response reads in a notebook: the answer's text, what it cost, and the whole of it for whoever opens it.

Decides what of a JSON value a person looks for. A value that is no response and no failure is None: it is shown as any text.
A model's answer is untrusted: everything is escaped, by `html`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import orjson

from duck_or.answer_values import text_of_content
from duck_or.call_summary import CallSummary, summary
from duck_or.html import CELL_CHARACTERS, Html, faint, preformatted, wrapped
from duck_or.lenient import mapping_of
from duck_or.outcome import Failure
from duck_or.wording import rough_dollars, short_count

_FAILURE = {"code", "message", "retryable", "attempts", "http_status", "provider"}
assert {field.name for field in fields(Failure)} >= _FAILURE

WHOLE = 1_000_000  # characters of a response that is shown by itself


class Response:
    """One response (a value of `chat_completions`, a JSON text) as a notebook shows it. text: the JSON."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_html_(self) -> str:
        return response_html(self.text, WHOLE) or wrapped(self.text, WHOLE)

    def __repr__(self) -> str:
        return response_text(self.text) or self.text


def response_html(text: str, limit: int = CELL_CHARACTERS) -> Html | None:
    """A response, or the `error` object of a failed row, as HTML; None for everything else. limit: of characters."""
    parsed = _parsed(text)
    if parsed is None:
        return None
    whole = orjson.dumps(parsed, option=orjson.OPT_INDENT_2).decode()
    said = "".join(wrapped(part, limit) for part in _said(parsed))
    facts = " · ".join(_facts(parsed))
    return Html(f"{said}{faint(facts)}{preformatted(whole, 'JSON', limit)}")


def response_text(text: str) -> str | None:
    """What a response or a failed row says, in words alone; None for everything else, and where it says nothing."""
    parsed = _parsed(text)
    return None if parsed is None else "\n".join(_said(parsed)) or None


def _parsed(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = mapping_of(orjson.loads(text))
    except orjson.JSONDecodeError:
        return None
    return value if _choices(value) or _is_failure(value) else None


def _is_failure(value: Mapping[str, Any]) -> bool:
    return value.keys() == {"error"} and mapping_of(value["error"]).keys() == _FAILURE


def _choices(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The messages of a response's choices; none where it is no response."""
    choices = value.get("choices")
    if not isinstance(choices, list) or not all("message" in mapping_of(choice) for choice in choices):
        return []
    return [mapping_of(mapping_of(choice)["message"]) for choice in choices]


def _said(value: Mapping[str, Any]) -> Iterator[str]:
    """What a person reads first: the texts, the tools that are called, why there is no answer."""
    if _is_failure(value):
        yield f"failed: {value['error']['message']}"
    for message in _choices(value):
        if said := text_of_content(message.get("content")) or text_of_content(message.get("refusal")):
            yield said
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            function = mapping_of(mapping_of(call).get("function"))
            yield f"→ {function.get('name')}({function.get('arguments')})"


def _facts(value: Mapping[str, Any]) -> Iterator[str]:
    if _is_failure(value):
        yield str(value["error"]["code"])
        yield f"attempts {value['error']['attempts']}"
        return
    yield from _summary_facts(summary(value))


def _summary_facts(told: CallSummary) -> Iterator[str]:
    if told.model_served:
        yield told.model_served
    if told.finish_reason not in (None, "stop"):
        yield f"finish_reason {told.finish_reason}"
    if told.prompt_tokens is not None and told.completion_tokens is not None:
        yield f"{short_count(told.prompt_tokens)} tokens in, {short_count(told.completion_tokens)} out"
    if told.cost_usd is not None:
        yield rough_dollars(told.cost_usd)
