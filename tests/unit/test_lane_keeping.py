"""Paid is kept: what came back is in the store before its row is returned, for every session that waited for it."""

from __future__ import annotations

import pytest

from duck_or.cache.contract import Kept
from duck_or.engine.batch import Statement
from duck_or.outcome import Completion, Failure
from duck_or.wanted import Wanted
from support.engine_world import answer, error, request, store_of, texts, world


def test_a_row_is_returned_only_when_its_answer_is_durable() -> None:
    with world(write_seconds=2.0) as w:
        batch = w.submit("a")
        w.advance(2.9)
        assert texts(batch) == [None]
        assert w.store.answers == {}
        w.advance(0.2)
        assert texts(batch) == ["a"]
        assert batch.requests[0].key in w.store.answers


def test_an_answer_is_written_once_for_each_session_that_waits() -> None:
    with world(write_seconds=1.0) as w:
        other = w.session(write_seconds=3.0)
        batches = [w.submit("a"), w.submit("a", ledger=other), w.submit("a", ledger=other)]
        w.advance(2.5)
        assert [texts(batch) for batch in batches] == [[None]] * 3  # the slower store is still writing
        w.settle()
        assert [texts(batch) for batch in batches] == [["a"]] * 3
        assert w.store.writes == store_of(other).writes == [request("a").key]


def test_a_session_that_joins_during_the_write_gets_its_own() -> None:
    with world(write_seconds=2.0) as w:
        w.submit("a")
        w.advance(2.0)
        other = w.session(write_seconds=2.0)
        joined = w.submit("a", ledger=other)
        w.advance(1.5)
        assert texts(joined) == [None]
        w.settle()
        assert texts(joined) == ["a"]
        assert request("a").key in store_of(other).answers
        assert len(w.transport.sends) == 1


def test_what_the_store_knows_is_not_asked_and_goes_to_memory_with_its_age() -> None:
    known = answer("kept").content
    assert known is not None
    with world(read_seconds=0.5) as w:
        key = request("a").key
        w.store.answers[key] = Kept(known.body, -100.0)  # type: ignore[union-attr]
        batch = w.submit("a", "b")
        w.settle()
        assert texts(batch) == ["kept", "b"]
        assert w.transport.names == ["b"]
        assert (w.stats.store_hits, w.stats.sent, w.stats.answered) == (1, 1, 1)
        hit = next(row for row in w.ledger.calls.calls() if row["cache_hit"])
        assert (hit["cost_usd"], hit["attempts"], hit["latency_s"]) == (0.0, 0, None)
        assert w.ledger.memory.get_many([key], 0.0)[0] is not None


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_cut_off_answer_is_returned_but_kept_for_its_statement_only(finish: str) -> None:
    statement = Statement()
    with world({"a": [answer("half", finish=finish), answer("whole")]}) as w:
        batch = w.submit("a", statement=statement)
        w.settle()
        key = batch.requests[0].key
        assert texts(batch) == ["half"]
        assert w.store.writes == []
        assert w.ledger.memory.get_many([key], 0.0) == [None]
        assert isinstance(statement.recall([key])[key], Completion)
        again = w.submit("a")
        w.settle()
        assert texts(again) == ["whole"]


def test_an_answer_that_breaks_its_schema_is_not_kept() -> None:
    from dataclasses import replace

    asked = replace(request("a"), wanted=Wanted(schema={"type": "object", "required": ["x"]}))
    with world({"a": [answer('{"y": 1}'), answer('{"x": 1}')]}) as w:
        first = w.submit(requests=[asked])
        w.settle()
        second = w.submit(requests=[asked])
        w.settle()
        assert texts(first) == ['{"y": 1}']
        assert texts(second) == ['{"x": 1}']
        assert len(w.store.writes) == 1


@pytest.mark.parametrize("reply", [error(400), answer("", finish="error"), error(200)])
def test_no_failure_is_kept(reply: object) -> None:
    with world({"a": [reply]}) as w:  # type: ignore[list-item]
        batch = w.submit("a", attempts=1)
        w.settle()
        assert isinstance(batch.outcomes[0], Failure)
        assert w.store.writes == []


def test_nothing_is_left_over_when_everything_has_landed() -> None:
    with world({"b": [error(500), answer("b")]}, write_seconds=0.5, max_in_flight=3) as w:
        w.submit(*(f"r{n}" for n in range(30)), "b")
        w.settle()
        w.batches.clear()
        assert w.leftovers() == (0, 0, 0, 0)
