"""The second asking: same key, another body."""

from __future__ import annotations

import orjson
import pytest

from duck_or.again import LEAST_ROOM, asked_again
from duck_or.outcome import Correction, MoreRoom
from duck_or.request import BodyTemplate, Request

HELLO = '[{"role":"user","content":"Hello"}]'


def first(**body: object) -> Request:
    return BodyTemplate("http://x/v1", {"model": "m", **body}).request(HELLO)


@pytest.mark.parametrize(
    ("body", "used", "name", "tokens"),
    [
        ({}, None, "max_tokens", LEAST_ROOM),
        ({}, 2000, "max_tokens", 8000),
        ({"max_tokens": 16}, 16, "max_tokens", LEAST_ROOM),
        ({"max_tokens": 3000}, 3000, "max_tokens", 12_000),
        ({"max_completion_tokens": 3000}, None, "max_completion_tokens", 12_000),
    ],
)
def test_more_room_is_four_times_what_was_not_enough(
    body: dict[str, object], used: int | None, name: str, tokens: int
) -> None:
    request = first(**body)
    again = asked_again(request, MoreRoom(used))
    assert orjson.loads(again.body) == orjson.loads(request.body) | {name: tokens}
    assert (again.max_tokens, again.key, again.second) == (tokens, request.key, True)


def test_an_answer_that_had_begun_needs_no_room_for_thoughts() -> None:
    again = asked_again(first(max_tokens=60), MoreRoom(60, begun=True))
    assert again.max_tokens == 240


def test_a_correction_shows_the_answer_and_what_is_wrong_with_it() -> None:
    request = first(seed=2**70)
    again = asked_again(request, Correction("seven", "'seven' is not a number"))
    body = orjson.loads(again.body.replace(str(2**70).encode(), b"0"))
    assert str(2**70).encode() in again.body  # integers stay exact
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == "seven"
    assert "'seven' is not a number" in body["messages"][2]["content"]
    assert (again.key, again.second, again.wanted) == (request.key, True, request.wanted)
