"""What ends a statement, what it ends with, and what goes on regardless: other statements, answers in the air."""

from __future__ import annotations

import pytest

from duck_or.engine.batch import Statement
from duck_or.outcome import Completion, Failure
from support.engine_world import (
    NEVER,
    Reply,
    answer,
    error,
    failure,
    raises,
    refused,
    text_of,
    texts,
    world,
)

WRONG_KEY = error(401, "No auth credentials found", seconds=0.5)


def test_a_configuration_error_sends_nothing_further_for_its_statement() -> None:
    statement = Statement()
    with world({"a": [WRONG_KEY]}, max_in_flight=2) as w:
        batch = w.submit("a", *(f"r{n}" for n in range(50)), statement=statement)
        w.settle()
        assert w.transport.names == ["a", "r0"]
        assert statement.stopped is not None
        assert statement.stopped.code == "authentication"
        assert text_of(batch.outcomes[1]) == "r0"  # was on the wire: its answer is kept
        assert {text_of(outcome) for outcome in batch.outcomes[2:]} == {"authentication"}
        assert (w.stats.sent, w.stats.withdrawn) == (2, 49)


def test_other_statements_go_on_and_keep_the_requests_they_share_with_a_stopped_one() -> None:
    with world({"a": [WRONG_KEY]}, max_in_flight=1) as w:
        stopped = w.submit("a", "b", "c", statement=Statement())
        other = w.submit("c", "d", statement=Statement())
        w.settle()
        assert texts(other) == ["c", "d"]
        assert texts(stopped) == ["authentication", "authentication", "c"]
        assert w.transport.names == ["a", "c", "d"]


def test_whoever_joined_a_request_that_was_never_sent_has_nothing_to_count_but_its_withdrawal() -> None:
    statement = Statement()
    with world({"a": [WRONG_KEY]}, max_in_flight=1) as w:
        other = w.session()
        w.submit("a", "b", statement=statement)
        w.submit("b", statement=statement, ledger=other)
        w.settle()
        assert (other.stats.read().requests, other.stats.read().withdrawn) == (0, 1)


def test_a_stopped_statement_sends_no_later_chunk_and_no_retry() -> None:
    statement = Statement()
    with world({"a": [WRONG_KEY], "b": [error(500, seconds=1.0), answer("b")]}) as w:
        first = w.submit("a", "b", statement=statement)
        w.settle()
        second = w.submit("c", statement=statement)
        w.settle()
        assert texts(first) == ["authentication", "server_error"]
        assert texts(second) == ["authentication"]
        assert w.transport.names == ["a", "b"]


@pytest.mark.parametrize("phase", ["looking", "queued", "resting"])
def test_a_stop_reaches_requests_in_every_phase_at_once(phase: str) -> None:
    script: dict[str, list[Reply]] = {"a": [WRONG_KEY], "rest": [error(500, seconds=0.0, retry_after="100")]}
    statement = Statement()
    with world(script, max_in_flight=2, read_seconds=0.0 if phase != "looking" else 1.0) as w:
        if phase == "looking":
            w.submit("a", statement=statement)
            w.advance(0.9)
            batch = w.submit("late", statement=statement)
        else:
            batch = w.submit("a", "rest", "r0", "r1", "r2", statement=statement)
        w.advance(1.2)
        w.settle()
        assert w.now < 5.0
        assert None not in texts(batch)
        assert "late" not in w.transport.names


def test_one_failed_row_stops_a_statement_that_asked_for_it_and_answers_in_the_air_are_kept() -> None:
    statement = Statement()
    with world({"a": [error(400, seconds=0.5)]}, max_in_flight=4) as w:
        batch = w.submit("a", *(f"r{n}" for n in range(20)), statement=statement, stop_on_failure=True)
        w.settle()
        assert statement.stopped is not None
        assert statement.stopped.code == "bad_request"
        answered = [outcome for outcome in batch.outcomes if isinstance(outcome, Completion)]
        assert len(answered) == 3
        assert len(w.store.writes) == 3


def test_rows_fail_alone_where_the_statement_did_not_ask_to_stop() -> None:
    with world({"r1": [error(400)], "r3": [error(403)]}) as w:
        batch = w.submit(*(f"r{n}" for n in range(5)))
        w.settle()
        assert texts(batch) == ["r0", "bad_request", "r2", "permission_denied", "r4"]


def test_a_shared_failure_stops_only_the_statement_that_asked_for_it() -> None:
    strict, lenient = Statement(), Statement()
    with world({"a": [error(400)]}) as w:
        w.submit("a", statement=strict, stop_on_failure=True)
        w.submit("a", statement=lenient)
        w.settle()
        assert strict.stopped is not None
        assert lenient.stopped is None


def test_a_failure_tells_its_attempts_status_and_provider() -> None:
    with world({"a": [error(502, "upstream"), error(502, "upstream")]}) as w:
        batch = w.submit("a", attempts=2)
        w.settle()
        told = failure(batch)
        assert (told.attempts, told.http_status, told.retryable) == (2, 502, True)
        [row] = w.ledger.calls.failures()
        assert (row["attempts"], row["http_status"], row["code"]) == (2, 502, told.code)


# --- bugs ----------------------------------------------------------------------------------------------------------


def test_a_bug_in_the_transport_costs_its_row_only(caplog: pytest.LogCaptureFixture) -> None:
    with world({"a": [raises(ZeroDivisionError("oops"))]}) as w:
        batch = w.submit("a", "b")
        w.settle()
        assert texts(batch) == ["internal_error", "b"]
        assert "ZeroDivisionError: oops" in failure(batch).message
        assert w.stats.under_way == 0
    assert "report" in caplog.text


@pytest.mark.parametrize("reads", [0.0, 1.0])
def test_a_bug_in_a_callback_fails_every_row_that_waits_and_the_lane_goes_on(reads: float) -> None:
    script = {"fly": [NEVER], "rest": [refused(wait=50)]}
    with world(script, read_seconds=reads, write_seconds=1.0, max_in_flight=2, bugs=True) as w:
        batch = w.submit("fly", "rest", "ok", "queued")
        joined = w.submit("fly", ledger=w.session())
        w.advance(reads + 0.5)
        looking = w.submit("looking", ledger=w.session(read_seconds=5.0))
        w.advance(0.1)
        w.loop.call_soon(_break)
        w.settle()
        assert {text for each in (batch, joined, looking) for text in texts(each)} <= {"internal_error", "ok"}
        assert None not in texts(batch) + texts(joined) + texts(looking)
        assert (w.transport.in_flight, w.stats.under_way, w.queued()) == (0, 0, 0)
        again = w.submit("fine")
        w.settle()
        assert texts(again) == ["fine"]


def test_a_write_that_lands_after_a_bug_disturbs_nobody() -> None:
    with world(write_seconds=5.0, bugs=True) as w:
        batch = w.submit("a")
        w.advance(2)
        w.loop.call_soon(_break)
        w.advance(1)
        second = w.submit("a")
        w.settle()
        assert texts(batch) == ["internal_error"]
        assert texts(second) == ["a"]
        assert (w.stats.sent, w.stats.answered, w.stats.failed) == (2, 1, 1)
        assert len(w.loop.bugs) == 1


def _break() -> None:
    raise ZeroDivisionError("a bug")


# --- closing -------------------------------------------------------------------------------------------------------


def test_closing_tells_every_row_sends_nothing_more_and_closes_the_transport() -> None:
    script = {"fly": [NEVER], "rest": [refused(wait=50)]}
    with world(script, max_in_flight=2) as w:
        batch = w.submit("fly", "rest", "queued", "too")
        w.advance(0.5)
        sent = len(w.transport.sends)
        w.loop.run_until_complete(w.lane.close())
        late = w.submit("late")
        w.settle()
        assert texts(batch)[0] == "session_closed"
        assert set(texts(batch)) == {"session_closed"}
        assert texts(late) == ["session_closed"]
        assert len(w.transport.sends) == sent
        assert w.transport.closed
        assert (w.transport.in_flight, w.stats.under_way) == (0, 0)


def test_a_session_that_leaves_takes_its_own_requests_along_and_no_others() -> None:
    with world(max_in_flight=4) as w:
        leaving = w.session()
        gone = w.submit("mine", "shared", ledger=leaving)
        stays = w.submit("shared", "theirs")
        w.advance(0.5)
        w.loop.call_soon(w.lane.dismiss, leaving)
        w.settle()
        assert texts(stays) == ["shared", "theirs"]
        assert texts(gone) == ["session_closed", "session_closed"]
        assert gone.statement.stopped == failure(gone)
        assert stays.statement.stopped is None
        assert w.transport.cancelled == ["mine"]


def test_the_first_reason_to_stop_stays() -> None:
    statement = Statement()
    statement.stop(Failure("first", ""))
    statement.stop(Failure("second", ""))
    assert statement.stopped == Failure("first", "")
