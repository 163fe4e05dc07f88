"""One answer per request: flights are shared, fail together, and are abandoned only when nobody waits any more."""

from __future__ import annotations

import pytest

from duck_or.engine.batch import Statement
from duck_or.errors import TransportError
from support.engine_world import NEVER, answer, error, failure, raises, refused, texts, world


def test_equal_requests_of_different_statements_share_one_call() -> None:
    with world() as w:
        batches = [w.submit("a", "b"), w.submit("b", "c"), w.submit("b")]
        w.settle()
        assert [texts(batch) for batch in batches] == [["a", "b"], ["b", "c"], ["b"]]
        assert sorted(w.transport.names) == ["a", "b", "c"]
        assert (w.stats.sent, w.stats.joined, w.stats.requests) == (3, 2, 5)


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.05, 1.5, 2.05, 3.0])
def test_a_request_joins_its_flight_in_every_phase(moment: float) -> None:
    """Looking up (0 to 1), on the wire (1 to 2), resting (2 to 4), on the wire again, being written (5 to 6)."""
    script = {"a": [refused(wait=2, seconds=1.0), answer("a")]}
    with world(script, read_seconds=1.0, write_seconds=1.0) as w:
        first = w.submit("a")
        w.advance(moment * 2)
        second = w.submit("a")
        w.settle()
        assert texts(first) == texts(second) == ["a"]
        assert len(w.transport.sends) == 2
        assert (w.stats.sent, w.stats.joined, w.stats.memory_hits) == (1, 1, 0)


def test_a_request_whose_flight_has_landed_is_answered_from_memory() -> None:
    with world() as w:
        w.submit("a")
        w.settle()
        second = w.submit("a")
        w.settle()
        assert texts(second) == ["a"]
        assert (w.stats.sent, w.stats.joined, w.stats.memory_hits) == (1, 0, 1)


def test_a_failure_reaches_every_waiter_and_is_not_kept_for_the_next() -> None:
    with world({"a": [error(400), answer("a")]}) as w:
        first, second = w.submit("a"), w.submit("a")
        w.settle()
        assert texts(first) == texts(second) == ["bad_request"]
        third = w.submit("a")
        w.settle()
        assert texts(third) == ["a"]
        assert w.store.writes == [third.requests[0].key]


def test_a_flight_is_abandoned_only_when_its_last_waiter_leaves() -> None:
    with world({"a": [NEVER]}) as w:
        first, second = w.submit("a"), w.submit("a")
        w.advance(1)
        w.withdraw(first)
        w.advance(1)
        assert w.transport.cancelled == []
        w.withdraw(second)
        w.advance(1)
        assert w.transport.cancelled == ["a"]
        assert (w.transport.in_flight, w.stats.under_way) == (0, 0)


def test_whoever_stays_gets_the_answer_after_the_owner_has_left() -> None:
    with world() as w:
        owner, other = w.submit("a"), w.submit("a", ledger=w.session())
        w.advance(0.5)
        w.withdraw(owner)
        w.settle()
        assert texts(other) == ["a"]
        assert texts(owner) == [None]
        assert w.stats.answered == 1


@pytest.mark.parametrize("moment", [0.5, 1.05, 1.5, 2.5])
def test_what_is_withdrawn_stops_in_every_phase(moment: float) -> None:
    """Looking up, on the wire, resting, on the wire again: no further request, no timer, no task, no slot."""
    with world({"a": [refused(wait=1), NEVER]}, read_seconds=1.0) as w:
        batch = w.submit("a")
        w.advance(moment)
        sent = len(w.transport.sends)
        w.withdraw(batch)
        w.settle()
        assert w.now == pytest.approx(
            moment if moment > 1 else 1.0
        )  # nothing but the look-up was still to come
        assert len(w.transport.sends) == sent
        stats = w.stats
        assert (stats.sent, stats.failed, stats.withdrawn) == ((1, 1, 0) if sent else (0, 0, 1))


def test_an_answer_that_is_being_written_is_kept_although_nobody_waits_any_more() -> None:
    with world(write_seconds=1.0) as w:
        batch = w.submit("a")
        w.advance(1.5)
        w.withdraw(batch)
        w.settle()
        assert batch.requests[0].key in w.store.answers
        assert (w.stats.answered, w.stats.under_way) == (1, 0)


def test_a_slot_is_not_lost_when_its_task_is_cancelled_before_its_first_step() -> None:
    with world(max_in_flight=1) as w:
        for _ in range(3):
            w.withdraw(w.submit("a"))  # launched and cancelled in the same turn of the loop
        w.settle()
        later = w.submit("b")
        w.settle()
        assert texts(later) == ["b"]
        assert w.transport.names == ["b"]


def test_a_queue_that_cannot_move_does_not_gather_what_was_withdrawn() -> None:
    with world({"a": [NEVER]}, max_in_flight=1) as w:
        stuck = w.submit("a", timeout=1e6)
        w.advance(1)
        for _ in range(5):
            w.withdraw(w.submit(*(f"b{n}" for n in range(20))))
            w.advance(1)
        assert w.queued() == 0
        w.withdraw(stuck)
        w.settle()


def test_a_transport_that_gives_a_request_up_costs_a_retry_not_the_row() -> None:
    """As aiohttp does with requests that wait for a connection when it closes."""
    import asyncio

    with world({"a": [raises(asyncio.CancelledError()), answer("a")]}) as w:
        batch = w.submit("a")
        w.settle()
        assert texts(batch) == ["a"]
        assert w.stats.retries == 1


def test_withdrawing_a_batch_twice_or_after_its_answer_changes_nothing() -> None:
    with world() as w:
        batch = w.submit("a")
        w.settle()
        before = w.stats
        w.withdraw(batch)
        w.withdraw(batch)
        w.settle()
        assert texts(batch) == ["a"]
        assert w.stats == before


def test_the_deadline_ends_an_answer_that_never_ends() -> None:
    with world({"a": [NEVER]}) as w:
        batch = w.submit("a", timeout=5.0, attempts=2)
        w.settle()
        ended = failure(batch)
        assert (ended.code, ended.attempts, ended.retryable) == ("timeout", 2, True)
        assert w.transport.cancelled == ["a", "a"]
        assert w.now == pytest.approx(2 * 5.0 + 0.25)  # half of the first backoff: the jitter is 0.5


def test_a_network_failure_is_tried_again_at_once_and_told_in_the_end() -> None:
    with world({"a": [raises(TransportError("refused"), 0.0)]}) as w:
        batch = w.submit("a", attempts=3)
        w.settle()
        assert failure(batch).code == "network"
        assert [send.at for send in w.transport.sends] == pytest.approx([0.0, 0.0, 0.5])
        assert (w.stats.sent, w.stats.attempts, w.stats.retries, w.stats.failed) == (1, 3, 2, 1)


def test_waiting_in_total_has_a_cap() -> None:
    with world({"a": [error(500, seconds=0.0)]}) as w:
        batch = w.submit("a", attempts=1000, max_wait=20.0)
        w.settle()
        assert w.now == pytest.approx(20.0)
        assert "max_wait" in failure(batch).message


def test_a_statement_remembers_its_failure_for_a_repeated_expression() -> None:
    statement = Statement()
    with world({"a": [error(400), answer("a")]}) as w:
        batch = w.submit("a", statement=statement)
        w.settle()
        key = batch.requests[0].key
        assert statement.recall([key]) == {key: failure(batch)}
