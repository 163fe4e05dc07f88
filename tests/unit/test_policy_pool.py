"""The gate against servers that refuse: a discrete-event model of the dispatcher on a virtual clock.

Requests leave when the gate lets them, refused ones wait out their own retry delay without holding a slot and then go
first, the longest rested before the others. Nothing here sleeps: an hour of virtual time takes milliseconds.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from duck_or.outcome import Action, Failure
from duck_or.policy.gate import Gate
from duck_or.policy.pace import Ticket
from duck_or.policy.retry import Retry, RetryPolicy

MAX_IN_FLIGHT = 256


@dataclass
class Open:
    """A server without limits. `arrive` returns None or, for a refusal, a failure with the server's wait hint."""

    def arrive(self, now: float) -> Failure | None:
        return None

    def leave(self, now: float) -> None:
        """An accepted request was answered."""


def refusal(wait: float | None) -> Failure:
    return Failure("rate_limited", "slow down", True, action=Action.RETRY, wait=wait, slow_down=True)


@dataclass
class Bucket(Open):
    rate: Callable[[float], float]  # requests per second, at a time
    depth: float
    hint: float | None = 1.0
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.depth

    def arrive(self, now: float) -> Failure | None:
        self.tokens = min(self.depth, self.tokens + (now - self.at) * self.rate(now))
        self.at = now
        if self.tokens < 1 - 1e-9:
            return refusal(self.hint)
        self.tokens -= 1
        return None


@dataclass
class MinuteCounter(Open):
    per_minute: int
    minute: int = -1
    used: int = 0

    def arrive(self, now: float) -> Failure | None:
        minute = int(now // 60)
        if minute != self.minute:
            self.minute, self.used = minute, 0
        if self.used >= self.per_minute:
            return refusal((minute + 1) * 60 - now)
        self.used += 1
        return None


@dataclass
class Slots(Open):
    slots: int
    used: int = 0

    def arrive(self, now: float) -> Failure | None:
        if self.used >= self.slots:
            return refusal(1.0)
        self.used += 1
        return None

    def leave(self, now: float) -> None:
        self.used -= 1


@dataclass
class Unlucky(Open):
    """Refuses a share of the requests whatever their rate, beside what the server behind it refuses."""

    share: float
    seed: int = 5
    behind: Open = field(default_factory=Open)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed).random

    def arrive(self, now: float) -> Failure | None:
        return refusal(1.0) if self.draw() < self.share else self.behind.arrive(now)


@dataclass
class Refusing(Open):
    """What a statement meets that asks for one overloaded model."""

    hint: float | None

    def arrive(self, now: float) -> Failure | None:
        return refusal(self.hint)


@dataclass
class Outage(Open):
    begin: float
    end: float

    def arrive(self, now: float) -> Failure | None:
        return refusal(1.0) if self.begin <= now < self.end else None


@dataclass
class Result:
    answered: int = 0
    refused: int = 0
    failed: int = 0  # rows out of attempts
    finished: float = 0.0  # seconds
    full_at: float = math.inf  # when MAX_IN_FLIGHT was reached
    sent_at: list[float] = field(default_factory=list)


class Heedless(Gate):
    """A plain client: only the refused row waits."""

    def __init__(self) -> None:
        super().__init__(None, MAX_IN_FLIGHT)

    def on_refused(self, now: float, ticket: Ticket, wait: float | None) -> None:
        pass


class VirtualPool:
    def __init__(
        self,
        server: Open,
        latency: Callable[[], float],
        refusal_latency: Callable[[], float] = lambda: 0.005,
        lateness: Callable[[], float] = lambda: 0.0,
        gate: Gate | None = None,
    ) -> None:
        self.gate = Gate(None, MAX_IN_FLIGHT) if gate is None else gate
        self.server, self.latency, self.refusal_latency = server, latency, refusal_latency
        self.lateness = lateness  # seconds by which the event loop's timers fire late
        self.retry = RetryPolicy(attempts=6)
        self.random = random.Random(1).random
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.order = count()
        self.fresh = 0  # rows that were not sent yet
        self.rested: deque[int] = deque()  # attempts made, of each row that may go again
        self.in_flight = 0
        self.now = 0.0
        self.wake_at = math.inf
        self.result = Result()

    def run(self, rows: int) -> Result:
        """One statement; another may follow."""
        self.fresh = rows
        self._dispatch()
        while self.events:
            self.now, _, act, arguments = heapq.heappop(self.events)
            act(*arguments)
            self._dispatch()
        return self.result

    def _at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self.events, (when, next(self.order), act, arguments))

    def _dispatch(self) -> None:
        while self.rested or self.fresh:
            delay = self.gate.next_delay(self.now, self.in_flight)
            if delay is None:
                return
            if delay > 0:
                if self.now + delay < self.wake_at:
                    self.wake_at = self.now + delay
                    self._at(self.wake_at + self.lateness(), self._woken)
                return
            if self.rested:
                self._send(self.rested.popleft() + 1)
            else:
                self.fresh -= 1
                self._send(1)

    def _woken(self) -> None:
        self.wake_at = math.inf

    def _send(self, attempt: int) -> None:
        self.in_flight += 1
        ticket = self.gate.on_sent(self.now, self.in_flight)
        self.result.sent_at.append(self.now)
        if self.in_flight == MAX_IN_FLIGHT:
            self.result.full_at = min(self.result.full_at, self.now)
        failure = self.server.arrive(self.now)
        if failure is None:
            self._at(self.now + self.latency(), self._answered, ticket)
        else:
            self._at(self.now + self.refusal_latency(), self._refused, ticket, attempt, failure)

    def _answered(self, ticket: Ticket) -> None:
        self.server.leave(self.now)
        self.gate.on_accepted(ticket, self.in_flight)
        self.in_flight -= 1
        self.result.answered += 1
        self.result.finished = self.now

    def _refused(self, ticket: Ticket, attempt: int, failure: Failure) -> None:
        self.gate.on_refused(self.now, ticket, failure.wait)
        self.in_flight -= 1
        self.result.refused += 1
        decision = self.retry.decide(failure, attempt, 0.0, self.random)
        if isinstance(decision, Retry):
            self._at(self.now + decision.delay, self.rested.append, attempt)
        else:
            self.result.failed += 1


def always(value: float) -> Callable[..., float]:
    return lambda *_: value


def evenly(low: float, high: float) -> Callable[[], float]:
    draw = random.Random(9)
    return lambda: draw.uniform(low, high)


def lognormal(mean: float, sigma: float) -> Callable[[], float]:
    draw = random.Random(3)
    return lambda: draw.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma)


@dataclass(frozen=True)
class Case:
    server: Callable[[], Open]
    rows: int
    ideal: float  # seconds, of a client that knows the server
    refused: float  # share of the rows, at most
    ratio: float  # of the ideal time, at most
    latency: Callable[[], Callable[[], float]] = lambda: always(0.3)
    refusal_latency: Callable[[], float] = lambda: 0.005
    lateness: Callable[[], float] = lambda: 0.0


def bucket(depth: float, rate: float = 100) -> Callable[[], Open]:
    return lambda: Bucket(always(rate), depth)


def uneven() -> Callable[[], float]:
    return lognormal(0.3, 0.8)


CASES = {
    # The benchmark: 6,000 per minute, unknown to us, at most 3 % refused and 1.15 times the ideal time. With margin.
    "bucket of 100": Case(bucket(100), 4000, 39.3, 0.025, 1.1),
    "its refusals take a while": Case(
        bucket(100), 4000, 39.3, 0.025, 1.1, refusal_latency=evenly(0.02, 0.05)
    ),
    "requests leave late": Case(bucket(100), 4000, 39.3, 0.025, 1.1, lateness=evenly(0, 0.002)),
    "both": Case(
        bucket(100), 4000, 39.3, 0.025, 1.1, refusal_latency=evenly(0.02, 0.05), lateness=evenly(0, 0.002)
    ),
    "a busy event loop": Case(bucket(100), 4000, 39.3, 0.03, 1.1, lateness=evenly(0, 0.02)),
    "uneven latency": Case(bucket(100), 4000, 39.3, 0.025, 1.1, latency=uneven),
    "no hint": Case(lambda: Bucket(always(100), 100, hint=None), 4000, 39.3, 0.025, 1.1),
    # Refusals that come as late as answers: several hundred are under way before the first is known.
    "slow refusals": Case(bucket(100), 4000, 39.3, 0.07, 1.15, refusal_latency=always(0.3)),
    # Such a server refuses two requests that come a hair too close.
    "bucket of 1": Case(bucket(1), 4000, 40.3, 0.03, 1.35),
    "bucket of 1, late": Case(bucket(1), 4000, 40.3, 0.03, 1.35, lateness=evenly(0, 0.002)),
    "bucket of 2": Case(bucket(2), 4000, 40.3, 0.03, 1.15),
    "bucket of 5": Case(bucket(5), 4000, 40.2, 0.03, 1.15),
    "bucket of 20": Case(bucket(20), 4000, 40.1, 0.03, 1.15),
    "bucket of 50": Case(bucket(50), 4000, 39.8, 0.03, 1.15),
    "bucket of 150": Case(bucket(150), 4000, 38.8, 0.03, 1.15),
    # Nearly 200 of the requests that leave at one moment, 0.9 seconds after the first, find it empty.
    "bucket of 200": Case(bucket(200), 4000, 38.3, 0.06, 1.15),
    "bucket of 300": Case(bucket(300), 4000, 37.3, 0.035, 1.15),
    "500 per second": Case(bucket(100, 500), 20_000, 40, 0.02, 1.35),
    "long latency": Case(
        bucket(100, 30), 4000, 135, 0.03, 1.15, lambda: lognormal(5, 0.5), refusal_latency=always(0.1)
    ),
    # The first sample is misleading here: one test alone takes the limit for bad luck.
    "refused while still searching": Case(
        bucket(20), 4000, 40.8, 0.03, 1.25, lambda: lognormal(1, 0.8), refusal_latency=evenly(0.03, 0.03)
    ),
    "minute counter": Case(lambda: MinuteCounter(600), 4000, 360.3, 0.05, 1.2),
    "free tier": Case(lambda: MinuteCounter(20), 200, 540.3, 0.2, 1.3, refusal_latency=always(0.1)),
    "50 slots": Case(lambda: Slots(50), 4000, 24.0, 0.05, 1.4),
    "50 slots, uneven latency": Case(lambda: Slots(50), 4000, 24.0, 0.05, 1.4, latency=uneven),
    "4 slots": Case(lambda: Slots(4), 4000, 300, 0.05, 1.4),
    "limit rises": Case(lambda: Bucket(lambda t: 100 if t < 30 else 300, 100), 12_000, 59.7, 0.03, 1.4),
    "limit falls": Case(lambda: Bucket(lambda t: 300 if t < 30 else 100, 100), 12_000, 59.0, 0.03, 1.4),
    "ten seconds of outage": Case(lambda: Outage(5, 15), 20_000, 33.4, 0.03, 1.3),
    "a limit and bad luck": Case(lambda: Unlucky(0.05, 5, Bucket(always(100), 100)), 4000, 39.3, 0.15, 1.4),
    "no limit": Case(Open, 20_000, 23.4, 0, 1.05),
}


@pytest.mark.parametrize("name", CASES)
def test_every_row_is_answered_with_few_refusals_in_nearly_the_ideal_time(name: str) -> None:
    case = CASES[name]
    pool = VirtualPool(case.server(), case.latency(), case.refusal_latency, case.lateness)
    result = pool.run(case.rows)
    assert result.answered == case.rows
    assert result.refused <= case.refused * case.rows
    assert result.finished <= case.ratio * case.ideal


@pytest.mark.parametrize("latency", [lambda: always(0.3), uneven], ids=["even", "uneven"])
@pytest.mark.parametrize(
    ("share", "rows", "seed", "ratio"),
    [(0.01, 4000, seed, 1.3) for seed in (5, 6, 7)]
    + [(0.05, 4000, seed, 1.5) for seed in (5, 6, 7)]
    + [(0.1, 4000, seed, 2) for seed in (5, 6, 7)]
    + [(0.2, 4000, seed, 3) for seed in (5, 6, 7)]
    + [(0.01, 20_000, 5, 1.3), (0.05, 20_000, 5, 1.5), (0.1, 20_000, 5, 2), (0.2, 20_000, 5, 3)],
)
def test_refusals_at_random_cost_little_more_than_their_own_wait(
    share: float, rows: int, seed: int, ratio: float, latency: Callable[[], Callable[[], float]]
) -> None:
    """An overloaded provider behind a router refuses some requests however slowly they come."""
    plain = VirtualPool(Unlucky(share, seed), latency(), gate=Heedless()).run(rows)
    result = VirtualPool(Unlucky(share, seed), latency()).run(rows)
    assert result.finished <= ratio * plain.finished
    assert result.answered + result.failed == rows
    assert result.failed <= 3 * share**6 * rows + 1  # six attempts that all had bad luck


def test_an_unlimited_server_is_fully_used_after_three_round_trips() -> None:
    result = VirtualPool(Open(), always(0.3)).run(2000)
    assert result.full_at <= 3 * 0.3 + 1e-6


def test_nobody_sends_during_the_pause_the_server_asked_for() -> None:
    result = VirtualPool(Bucket(always(100), 1), always(0.3)).run(500)
    first_refusal_known = 0.005
    assert not [t for t in result.sent_at if first_refusal_known < t < first_refusal_known + 1.0]


def test_the_steady_pace_uses_nearly_all_of_the_rate() -> None:
    """Ten minutes against 100 per second: 60,000 rows, at most 10 % of the time and 2 % of the requests lost."""
    result = VirtualPool(Bucket(always(100), 5), always(0.3)).run(60_000)
    assert result.finished <= 1.1 * 600
    assert result.refused <= 0.02 * 60_000


# --- light traffic: one small statement after another, on a key whose pace was learned or not -------------------------

LATENCY = 0.01


def statement(pool: VirtualPool, server: Open, rows: int = 1, attempts: int = 2) -> float:
    """Run it and return the seconds until its last answer or failure."""
    pool.server, pool.retry, began = server, RetryPolicy(attempts=attempts), pool.now
    pool.run(rows)
    return pool.now - began


HINTS = (None, 1.0, 5.0, 30.0)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 20, 100])
@pytest.mark.parametrize("hint", HINTS)
def test_a_model_that_always_refuses_does_not_slow_the_next_statements(hint: float | None, rows: int) -> None:
    pool = VirtualPool(Open(), always(LATENCY))
    for _ in range(8):
        statement(pool, Refusing(hint), rows)
    pool.now = max(pool.now, pool.gate.paused_until)
    assert statement(pool, Open()) <= 1 + LATENCY
    for _ in range(4):
        statement(pool, Open())
    assert statement(pool, Open()) == pytest.approx(LATENCY)
    # A small queue: soon without much delay either.
    assert statement(pool, Open(), 5) <= 1
    for _ in range(4):
        statement(pool, Open(), 5)
    assert statement(pool, Open(), 5) <= 0.1


def test_a_sweep_through_many_models_one_at_a_time_leaves_no_delay_behind() -> None:
    pool = VirtualPool(Open(), always(LATENCY))
    for model in range(90):
        statement(pool, Refusing(HINTS[model % 4]) if model % 5 == 0 else Open())
    pool.now = max(pool.now, pool.gate.paused_until)
    assert [statement(pool, Open()) for _ in range(6)] == pytest.approx([LATENCY] * 6)


def test_after_a_job_on_the_free_tier_single_statements_go_at_once() -> None:
    pool = VirtualPool(Open(), always(LATENCY))
    statement(pool, MinuteCounter(20), 60, attempts=6)
    pool.now = max(pool.now, pool.gate.paused_until)
    assert pool.gate.pace is not None
    assert [statement(pool, Open()) for _ in range(6)] == pytest.approx([LATENCY] * 6)


def test_one_caller_on_the_free_tier_waits_once_a_minute() -> None:
    pool, server = VirtualPool(Open(), always(LATENCY)), MinuteCounter(20)
    for _ in range(200):
        statement(pool, server)
    assert pool.result.answered == 200
    assert pool.result.refused <= 9
    assert pool.now <= 9 * 60 + 20


@pytest.mark.parametrize("latency", [LATENCY, 5.0], ids=["one at a time", "overlapping"])
@pytest.mark.parametrize("refusing", [False, True])
def test_a_job_after_an_hour_of_light_traffic_finds_the_rate_as_if_it_were_the_first(
    latency: float, refusing: bool
) -> None:
    gate = Gate(None, MAX_IN_FLIGHT)
    for minute in range(60):
        for n in range(20):  # each three seconds after the one before
            now, in_flight = minute * 60 + n * 3.0, 1 if latency < 3 else 2
            now += gate.next_delay(now, in_flight - 1) or 0.0
            ticket = gate.on_sent(now, in_flight)
            if refusing and n == 19:
                gate.on_refused(now + 0.1, ticket, 1.0)
            else:
                gate.on_accepted(ticket, in_flight)
    pool = VirtualPool(Open(), always(0.3), gate=gate)
    pool.now = 3600.0
    pool.in_flight = in_flight - 1  # a slow one is still under way
    server = Bucket(always(100), 100, at=pool.now)
    assert statement(pool, server, 4000, attempts=6) <= 1.15 * 39.3
    assert pool.result.answered == 4000
    assert pool.result.refused <= 0.05 * 4000
