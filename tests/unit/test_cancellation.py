from __future__ import annotations

from collections.abc import Iterator

import pytest

from duck_or.engine import cancellation
from duck_or.engine.batch import Statement
from duck_or.engine.cancellation import BETWEEN_CHUNKS, cancel_running, running

# The registry is the process's; each test lives in an hour of its own, so that none sees another's statements.
_hours = iter(range(1, 10**6))


class Clock:
    def __init__(self) -> None:
        self.now = 1e9 + 3600.0 * next(_hours)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()
    yield clock
    clock.now += 10 * BETWEEN_CHUNKS
    with running(Statement(), clock):  # the next to leave sweeps
        pass


def test_a_statement_that_answers_a_chunk_is_cancelled(clock: Clock) -> None:
    statement = Statement()
    with running(statement, clock):
        cancel_running(clock)
    assert statement.cancelled


def test_between_two_chunks_it_still_counts_as_running_for_a_while(clock: Clock) -> None:
    early, late = Statement(), Statement()
    for statement in (early, late):
        with running(statement, clock):
            pass
    clock.now += BETWEEN_CHUNKS / 2
    with running(late, clock):
        pass
    clock.now += BETWEEN_CHUNKS * 0.75
    cancel_running(clock)
    assert (early.cancelled, late.cancelled) == (False, True)


def test_a_statement_on_two_threads_runs_until_the_second_has_ended_too(clock: Clock) -> None:
    statement = Statement()
    with running(statement, clock):
        with running(statement, clock):
            pass
        clock.now += 10 * BETWEEN_CHUNKS
        with running(Statement(), clock):  # a sweep in between
            pass
        assert cancel_running(clock) >= 1
    assert statement.cancelled


def test_an_exception_ends_it_too(clock: Clock) -> None:
    statement = Statement()
    with pytest.raises(ZeroDivisionError), running(statement, clock):
        raise ZeroDivisionError
    clock.now += 2 * BETWEEN_CHUNKS
    cancel_running(clock)
    assert not statement.cancelled


def test_ended_statements_are_forgotten(clock: Clock) -> None:
    with running(Statement(), clock):  # a long one does not keep the others from being forgotten
        for _ in range(1000):
            with running(Statement(), clock):
                pass
            clock.now += 1.0
        assert len(cancellation._running_until) < 20
