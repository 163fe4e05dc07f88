"""A lane asks once more where the answer says what to change, and every attempt is paid for in the open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from duck_or.engine.spending import Spending
from duck_or.models import Model
from duck_or.outcome import Failure, RawResponse
from duck_or.request import Request
from duck_or.wanted import Wanted
from support.engine_world import Reply, World, answer, error, request, store_of, texts, world


def cut_off(tokens: int = 16, cost: float = 0.25) -> Reply:
    """The model thought until its tokens were used up, and said nothing."""
    choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": ""}}
    usage = {"prompt_tokens": 10, "completion_tokens": tokens, "cost": cost}
    return Reply(RawResponse(200, {}, orjson.dumps({"choices": [choice], "usage": usage})))


def number(name: str) -> Request:
    """A request whose answer has to be a number."""
    return replace(request(name), wanted=Wanted(demand=_no_number))


def _no_number(text: str) -> str | None:
    return None if text.isdecimal() else f"{text!r} is not a number"


def bodies(w: World) -> list[Any]:
    return [orjson.loads(body) for body in w.transport.bodies if body is not None]


def test_an_answer_that_was_cut_off_before_its_first_word_gets_more_room_once() -> None:
    with world({"a": [cut_off(), answer("yes", cost=0.5)]}) as w:
        batch = w.submit("a")
        w.settle()
        assert texts(batch) == ["yes"]
        assert [body.get("max_tokens") for body in bodies(w)] == [None, 4096]
        assert (w.stats.sent, w.stats.attempts, w.stats.retries, w.stats.answered) == (1, 2, 1, 1)


def test_the_answer_is_kept_under_the_question_that_was_asked_first() -> None:
    with world({"a": [cut_off(), answer("yes")]}) as w:
        w.submit("a")
        w.settle()
        assert list(store_of(w.ledger).answers) == [request("a").key]


def test_what_the_useless_attempt_cost_is_counted() -> None:
    with world({"a": [cut_off(16, 0.25), answer("yes", cost=0.5)]}) as w:
        w.submit("a")
        w.settle()
        assert (w.stats.cost_usd, w.stats.completion_tokens, w.stats.prompt_tokens) == (0.75, 18, 20)
        [call] = w.ledger.calls.calls()
        assert (call["attempts"], call["cost_usd"], call["completion_tokens"]) == (2, 0.75, 18)


def test_nothing_again_is_an_error_that_says_so_and_what_it_cost() -> None:
    with world({"a": [cut_off(16, 0.25), cut_off(4096, 0.5)]}) as w:
        batch = w.submit("a")
        w.settle()
        [failure] = batch.outcomes
        assert isinstance(failure, Failure)
        assert (failure.code, failure.attempts) == ("cut_off_empty", 2)
        assert failure.again is None  # what the model said is not remembered with the failure
        assert "Raise max_tokens" in failure.message
        assert "asked twice, the second time with room for 4096 tokens" in failure.message
        assert (w.stats.cost_usd, w.stats.failed, w.stats.attempts) == (0.75, 1, 2)


def test_the_second_asking_is_retried_like_the_first() -> None:
    with world({"a": [cut_off(), error(503), error(503), answer("yes")]}) as w:
        batch = w.submit("a")
        w.settle()
        assert texts(batch) == ["yes"]
        assert [body.get("max_tokens") for body in bodies(w)] == [None, 4096, 4096, 4096]


@pytest.mark.parametrize(
    ("replies", "outcome", "rooms"),
    [
        ([answer("Once upon", finish="length"), answer("Once upon a time.")], "Once upon a time.", [None, 8]),
        ([answer("Once upon", finish="length")], "cut_off", [None, 8]),
    ],
)
def test_half_an_answer_is_none_where_it_has_to_be_whole(
    replies: list[Reply], outcome: str, rooms: list[int | None]
) -> None:
    with world({"a": replies}) as w:
        batch = w.submit(requests=[replace(request("a"), wanted=Wanted(whole=True))])
        w.settle()
        assert texts(batch) == [outcome]
        assert [body.get("max_tokens") for body in bodies(w)] == rooms


def test_one_attempt_is_one_attempt() -> None:
    with world({"a": [cut_off(), answer("yes")]}) as w:
        batch = w.submit("a", attempts=1)
        w.settle()
        assert texts(batch) == ["cut_off_empty"]
        assert w.transport.names == ["a"]


def test_a_stopped_statement_asks_nothing_again() -> None:
    with world({"a": [cut_off(), answer("yes")], "b": [error(401, seconds=0.5)]}) as w:
        batch = w.submit("a", "b")
        w.settle()
        assert texts(batch) == ["authentication", "authentication"] or texts(batch)[0] == "cut_off_empty"
        assert sorted(w.transport.names) == ["a", "b"]


def test_an_answer_that_is_not_what_was_demanded_is_corrected_once() -> None:
    with world({"a": [answer("seven", cost=0.25), answer("7", cost=0.5)]}) as w:
        batch = w.submit(requests=[number("a")])
        w.settle()
        assert texts(batch) == ["7"]
        first, second = bodies(w)
        assert first["messages"] == "a"
        assert second["messages"][1] == {"role": "assistant", "content": "seven"}
        assert "'seven' is not a number" in second["messages"][2]["content"]
        assert (w.stats.attempts, w.stats.cost_usd) == (2, 0.75)


def test_a_wrong_answer_after_the_correction_is_a_failure_with_the_models_text() -> None:
    with world({"a": [answer("seven"), answer("eight")]}) as w:
        batch = w.submit(requests=[number("a")])
        w.settle()
        [failure] = batch.outcomes
        assert isinstance(failure, Failure)
        assert failure.code == "invalid_answer"
        assert "'eight' is not a number" in failure.message
        assert "It said: eight" in failure.message
        assert "asked twice, the second time with what was wrong with its first answer" in failure.message
        assert store_of(w.ledger).answers == {}


def test_a_budget_pays_for_both_askings() -> None:
    prices = {"test/model": Model("test/model", None, 100_000, 10_000, 0.0, 1e-6, None, None, [], None)}
    spending = Spending(1.0, prices)
    with world({"a": [cut_off(16, 0.25), answer("yes", cost=0.5)]}, spending=spending) as w:
        w.submit("a")
        w.settle()
        assert (spending.spent_usd, spending.remaining_usd) == (0.75, 0.25)


def test_money_that_is_gone_after_the_first_asking_ends_it() -> None:
    prices = {"test/model": Model("test/model", None, 100_000, 10_000, 0.0, 1e-4, None, None, [], None)}
    spending = Spending(1.0, prices)
    with world({"a": [cut_off(16, 0.9), answer("yes")]}, spending=spending) as w:
        batch = w.submit("a")
        w.settle()
        assert texts(batch) == ["budget_exhausted"]
        assert spending.spent_usd == pytest.approx(0.9)


def test_whoever_joins_between_the_askings_gets_the_same_answer() -> None:
    with world({"a": [cut_off(), answer("yes", seconds=3.0)]}) as w:
        one = w.submit("a")
        w.advance(2.0)
        other = w.submit("a")
        w.settle()
        assert (texts(one), texts(other)) == (["yes"], ["yes"])
        assert len(w.transport.names) == 2
