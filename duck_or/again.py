"""The second asking: what a request becomes where asking the same once more would bring the same.

Two answers are no answers and yet say what to change: one that was cut off too early to be one, and one that is not what
was demanded. The changed request keeps its key, since it asks the same question: its answer is the answer. That this
happens once, and what it costs, is the engine's business.
"""

from __future__ import annotations

from dataclasses import replace

from duck_or.json_values import JsonObject, read_json
from duck_or.outcome import Correction, Failure, MoreRoom
from duck_or.request import Request, canonical_body, max_tokens_of

ROOM_FACTOR = 4
"""Times as many tokens as were not enough. Reasoning seldom stops just short of its limit."""

LEAST_ROOM = 4096
"""Tokens where the answer had not begun: what a reasoning model takes for a question of middling difficulty."""


def asked_again(request: Request, change: MoreRoom | Correction) -> Request:
    """The request with the same key that asks again, in other words or with more room."""
    body: JsonObject = read_json(request.body.decode())
    body |= _more_room(body, change) if isinstance(change, MoreRoom) else _corrected(body, change)
    return replace(request, body=canonical_body(body), max_tokens=max_tokens_of(body), second=True)


def told_of_both(failure: Failure, request: Request) -> Failure:
    """The failure of a second asking, saying that it was one."""
    if isinstance(failure.again, Correction):
        how = ", the second time with what was wrong with its first answer"
    else:
        how = f", the second time with room for {request.max_tokens} tokens" if request.max_tokens else ""
    return replace(failure, message=f"{failure.message} The model was asked twice{how}.")


def _more_room(body: JsonObject, change: MoreRoom) -> JsonObject:
    name = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    used = max(max_tokens_of(body) or 0, change.used_tokens or 0)
    return {name: max(ROOM_FACTOR * used, 0 if change.begun and used else LEAST_ROOM)}


def _corrected(body: JsonObject, change: Correction) -> JsonObject:
    complaint = (
        f"That answer cannot be used: {change.complaint}. Answer again, with the corrected answer only."
    )
    said = [{"role": "assistant", "content": change.said}] if change.said else []
    return {"messages": [*body["messages"], *said, {"role": "user", "content": complaint}]}
