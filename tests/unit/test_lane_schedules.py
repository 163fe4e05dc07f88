"""Random lives of a lane: whatever comes together in whatever order, nobody waits for ever and every counter adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.engine.batch import Batch, Statement
from duck_or.engine.ledger import Ledger
from duck_or.engine.limits import Limits
from duck_or.errors import TransportError
from duck_or.outcome import Completion
from support.engine_world import (
    NEVER,
    Reply,
    World,
    answer,
    error,
    raises,
    refused,
    store_of,
    world,
)

NAMES = [f"r{n}" for n in range(6)]

replies = st.sampled_from(
    [
        answer("fine", 1.0),
        answer("fast", 0.0),
        answer("half", 1.0, finish="length"),
        error(400, seconds=0.5),
        error(401, seconds=0.5),
        error(500, seconds=0.0),
        refused(wait=2),
        refused(),
        raises(TransportError("reset"), 0.2),
        raises(ZeroDivisionError("bug")),
        NEVER,
    ]
)
scripts = st.dictionaries(st.sampled_from(NAMES), st.lists(replies, min_size=1, max_size=4))


@dataclass
class Life:
    """One world, two sessions, three statements, and what was done so far."""

    w: World
    ledgers: list[Ledger]
    statements: list[Statement] = field(default_factory=lambda: [Statement() for _ in range(3)])
    gone: list[Batch] = field(default_factory=list)
    disturbed: bool = False

    def submit(self, names: list[str], ledger: int, statement: int, strict: bool) -> None:
        self.w.submit(
            *names,
            ledger=self.ledgers[ledger],
            statement=self.statements[statement],
            stop_on_failure=strict,
            timeout=8.0,
            attempts=3,
            max_wait=20.0,
        )

    def withdraw(self, index: int) -> None:
        self.disturbed = True
        if self.w.batches:
            self.gone.append(self.w.batches[index % len(self.w.batches)])
            self.w.withdraw(self.gone[-1])

    def dismiss(self, ledger: int) -> None:
        """The session leaves; its batches end, its books stay open for later ones, which are a new session's."""
        self.disturbed = True
        self.w.loop.call_soon(self.w.lane.dismiss, self.ledgers[ledger])

    def limit(self, slots: int) -> None:
        self.w.loop.call_soon(self.w.lane.limit, Limits(None, slots))

    def asked(self, ledger: Ledger) -> int:
        return sum(len(batch.requests) for batch in self.w.batches if batch.ledger is ledger)


Step = Callable[[Life], None]

steps = st.one_of(
    st.builds(
        lambda names, ledger, statement, strict: lambda life: life.submit(names, ledger, statement, strict),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True),
        st.integers(0, 1),
        st.integers(0, 2),
        st.booleans(),
    ),
    st.builds(
        lambda seconds: lambda life: life.w.advance(seconds), st.sampled_from([0.0, 0.1, 0.7, 1.0, 3.0])
    ),
    st.builds(lambda index: lambda life: life.withdraw(index), st.integers(0, 20)),
    st.builds(lambda ledger: lambda life: life.dismiss(ledger), st.integers(0, 1)),
    st.builds(lambda slots: lambda life: life.limit(slots), st.integers(1, 4)),
)


@given(
    scripts,
    st.lists(steps, max_size=25),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([0.0, 0.5]),
    st.integers(1, 4),
)
def test_every_life_ends_well(
    script: dict[str, list[Reply]], life_steps: list[Step], reads: float, writes: float, slots: int
) -> None:
    with world(script, read_seconds=reads, write_seconds=writes, max_in_flight=slots) as w:
        life = Life(w, [w.ledger, w.session(read_seconds=reads, write_seconds=writes)])
        for step in life_steps:
            step(life)
        w.settle()

        assert not w.transport.overlapped  # single-flight
        assert_rows_are_right(life)
        for ledger in life.ledgers:
            assert_books_are_right(ledger, life.asked(ledger))
        attempts = sum(ledger.stats.read().attempts for ledger in life.ledgers)
        assert attempts >= len(w.transport.sends)
        if (
            not life.disturbed
        ):  # what is taken back before its task's first step was an attempt, but never sent
            assert attempts == len(w.transport.sends)
        life.gone.clear()
        w.batches.clear()
        assert w.leftovers() == (0, 0, 0, 0)


def assert_rows_are_right(life: Life) -> None:
    for batch in life.w.batches:
        assert batch in life.gone or None not in batch.outcomes
        for asked, outcome in zip(batch.requests, batch.outcomes, strict=True):
            if isinstance(outcome, Completion) and outcome.storable:
                assert asked.key in store_of(batch.ledger).answers


def assert_books_are_right(ledger: Ledger, asked: int) -> None:
    stats = ledger.stats.read()
    assert stats.memory_hits + stats.store_hits + stats.joined + stats.sent + stats.withdrawn == asked
    assert stats.requests == stats.cache_hits + stats.joined + stats.sent
    assert stats.under_way == 0
    assert stats.sent == stats.answered + stats.failed
    assert stats.attempts == stats.sent + stats.retries
    calls = ledger.calls.calls()
    assert len(calls) == stats.sent + stats.cache_hits
    assert sum(call["attempts"] for call in calls) == stats.attempts


@given(scripts, st.lists(steps, max_size=12), st.integers(0, 11))
def test_a_bug_at_any_moment_leaves_nobody_waiting(
    script: dict[str, list[Reply]], life_steps: list[Step], moment: int
) -> None:
    with world(script, read_seconds=0.5, write_seconds=0.5, max_in_flight=2, bugs=True) as w:
        life = Life(w, [w.ledger, w.session(read_seconds=0.5, write_seconds=0.5)])
        for number, step in enumerate(life_steps):
            step(life)
            if number == moment:
                w.loop.call_soon(_break)
        w.settle()
        for batch in w.batches:
            assert batch in life.gone or None not in batch.outcomes
        for ledger in life.ledgers:
            assert_books_are_right(ledger, life.asked(ledger))
        after = w.submit("after")
        w.settle()
        assert after.outcomes != [None]


def _break() -> None:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("slots", [1, 7])
def test_a_long_life_leaves_as_little_behind_as_a_short_one(slots: int) -> None:
    with world({"r3": [error(500), answer("r3")]}, max_in_flight=slots) as w:
        for chunk in range(20):
            w.submit(*(f"c{chunk % 7}-{n}" for n in range(20)), "r3")
            w.advance(5.0)
        w.settle()
        w.batches.clear()
        assert w.leftovers() == (0, 0, 0, 0)
