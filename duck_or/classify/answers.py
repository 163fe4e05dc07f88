"""Is a JSON object that came without an error a whole answer, a partial one, or none at all?

Reads the first choice (the service ignores `n`). Knows nothing of errors: those go to `reported`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from duck_or.answer_values import text_of_content
from duck_or.call_summary import summary
from duck_or.classify import rules
from duck_or.classify.conformity import conforms
from duck_or.classify.reported import failure_of_error, plain_failure
from duck_or.classify.rules import Rule
from duck_or.lenient import mapping_of, number_of
from duck_or.outcome import Completion, Correction, Failure, MoreRoom, RawResponse
from duck_or.wanted import CUT_OFF, Wanted


@dataclass(frozen=True, slots=True)
class Finish:
    """What a finish_reason says. whole: the answer is complete, so it may be stored. may_be_empty: an answer without
    text can be meant (see `_meant_empty`). if_empty: what an answer without content is then."""

    whole: bool
    if_empty: Rule
    may_be_empty: bool = False


_STOP = Finish(whole=True, if_empty=rules.EMPTY_ANSWER, may_be_empty=True)
_CALLS = Finish(whole=True, if_empty=rules.EMPTY_ANSWER)
_CUT_OFF = Finish(whole=False, if_empty=rules.CUT_OFF_EMPTY)
_FILTERED = Finish(whole=False, if_empty=rules.FILTERED)
# No reason, or a word nobody has defined: the answer goes to its row, for it was paid for and may be all there is, but it
# cannot be shown to be whole, so it is not kept for ever.
_UNTOLD = Finish(whole=False, if_empty=rules.EMPTY_ANSWER)

FINISHES: dict[str, Finish] = {
    "stop": _STOP,
    "tool_calls": _CALLS,
    "function_call": _CALLS,  # the older form of tool_calls
    **dict.fromkeys(CUT_OFF, _CUT_OFF),
    "content_filter": _FILTERED,
    # Providers' own words, which compatible servers pass on untranslated.
    "eos": _STOP,
    "eos_token": _STOP,
    "end_turn": _STOP,
    "stop_sequence": _STOP,
    "tool_use": _CALLS,
    "safety": _FILTERED,
}

# Message fields that are an answer even where `content` is null, and the type each must have.
OTHER_CONTENT: tuple[tuple[str, type], ...] = (
    ("tool_calls", list),
    ("refusal", str),
    ("images", list),
    ("audio", dict),
    ("function_call", dict),
)
_REASONING = ("reasoning", "reasoning_content", "reasoning_details")


def judge_answer(
    response: RawResponse,
    body: bytes,
    parsed: dict[str, Any],
    wanted: Wanted,
    *,
    wall_now: float,
) -> Completion | Failure:
    """A Completion, or why there is no answer. body: the JSON bytes of `parsed`, white space removed."""
    choices = parsed.get("choices")
    if not isinstance(choices, list) or not choices:
        return plain_failure(rules.NO_CHOICES, "the response holds no choices", response, parsed)
    choice = choices[0]
    if not isinstance(choice, dict):
        return plain_failure(rules.MALFORMED, "the first choice is not an object", response, parsed)
    reason = choice.get("finish_reason")
    if choice.get("error") or reason == "error":
        said = f"the provider broke off ({choice.get('native_finish_reason') or 'no reason given'})"
        return failure_of_error(response, choice.get("error"), parsed, wall_now=wall_now, fallback=said)
    message = choice.get("message")
    if not isinstance(message, dict):
        return plain_failure(rules.MALFORMED, "the first choice holds no message", response, parsed)
    finish = FINISHES.get(reason, _UNTOLD) if isinstance(reason, str) else _UNTOLD
    if not (_has_content(message) or (finish.may_be_empty and _meant_empty(message, parsed))):
        said = f"the model's answer is empty (finish_reason {reason})"
        failure = plain_failure(finish.if_empty, said, response, parsed)
        return replace(failure, again=_more_room(parsed)) if finish is _CUT_OFF else failure
    if wanted.whole and finish is _CUT_OFF:
        failure = plain_failure(
            rules.CUT_OFF, "the model's answer was cut off in the middle", response, parsed
        )
        return replace(failure, again=_more_room(parsed, begun=True))
    if wanted.demand is not None:
        text = text_of_content(message.get("content"))
        if not text and message.get("refusal"):  # it would say so again
            said = f"the model refused: {message['refusal']}"
            return plain_failure(rules.INVALID_ANSWER, said, response, parsed)
        if complaint := wanted.demand(text):
            return _refused(text, complaint, finish, response, parsed)
    storable = finish.whole and (wanted.schema is None or _keeps_to(message, wanted.schema))
    return Completion(body, storable, summary(parsed))


def _refused(
    text: str, complaint: str, finish: Finish, response: RawResponse, parsed: dict[str, Any]
) -> Failure:
    """An answer that is not what was demanded. One that was cut off may have been going to be."""
    said = f"the model's answer is not what was asked for ({complaint}). It said: {text or 'nothing'}"
    failure = plain_failure(rules.INVALID_ANSWER, said, response, parsed)
    again = _more_room(parsed, begun=bool(text)) if finish is _CUT_OFF else Correction(text, complaint)
    return replace(failure, again=again)


def _more_room(parsed: Mapping[str, Any], *, begun: bool = False) -> MoreRoom:
    return MoreRoom(summary(parsed).completion_tokens, begun)


def _has_content(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    if isinstance(content, str) and content:
        return True
    if isinstance(content, list) and any(map(_part_says_something, content)):
        return True
    return any(isinstance(value := message.get(name), kind) and value for name, kind in OTHER_CONTENT)


def _part_says_something(part: object) -> bool:
    """A part of another type than text (an image) is content by being there."""
    fields = mapping_of(part)
    return bool(fields.get("text")) if fields.get("type", "text") == "text" else True


def _meant_empty(message: Mapping[str, Any], parsed: Mapping[str, Any]) -> bool:
    """The model did work, and its answer is the empty string: "reply with nothing if …" is a legitimate prompt."""
    if any(message.get(name) for name in _REASONING):
        return True
    return (number_of(mapping_of(parsed.get("usage")).get("completion_tokens")) or 0) > 0


def _keeps_to(message: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """A call of a tool is not bound by response_format; everything else is, a refusal too (its content is null)."""
    return bool(message.get("tool_calls")) or conforms(text_of_content(message.get("content")), schema)
