"""Decides how fast requests leave when the server, not the user, sets the rate. Knows no clock: `now` is an argument.

Nothing is known until the server refuses. Then counting what it accepted brackets the rate R it sustains. A limiter's
bucket (of unknown depth) is empty at a refusal, so over a run that ends in one

    accepted / (run + pause)            <= R   with equality for a deep bucket or a fixed window
    (accepted - depth) / run            <= R   with equality for a bucket drained by a steady pace
    pace at the refusal - what a bucket of that depth can hide from a rising pace   <= R
    pace at the refusal                 >= R

The pace restarts in the bracket, near its lower end, and rises: fast at first, four times slower after each congestion
event, until growth and refusals balance at about one refusal in HOLD answers. From then on a refusal on its own is the
price of using all of the rate: the pace steps back by 1 % and only that row waits. Refusals close together are a
congestion event, which pauses everyone, once. A long silence lets the pace rise faster again: the limit may have risen.
"""

from __future__ import annotations

import math
from typing import NamedTuple

HOLD = 64  # accepted answers that outweigh one refusal, so about 1.5 % are refused at the steady pace
CAREFUL_HOLD = 4 * HOLD  # the same where overshooting keeps ending in a pause
STEP_BACK = 0.01  # of the pace, for a refusal on its own
SILENCE = 6  # this many times HOLD answers without a refusal are no accident
SAFETY = 0.95  # of the estimate, where the pace restarts
SLOWER = 4.0  # each congestion event makes the search slower by this factor; a refusal on its own by the next
SLIGHTLY_SLOWER = 1.5
DENSE = 2.2  # weight of recent refusals that makes a congestion event: three close together
NEIGHBOURS = 32  # requests over which the weight of a refusal fades to 1/e
ENOUGH = 8  # accepted requests from which a rate can be told
CONVINCING = 40  # accepted requests after which the first estimate needs no fast search
NOISE = 0.05  # share of refusals around the first one below which the event was no congestion
NOISE_SAMPLE = 20
FLOOR = 8.0  # refusals that do not depend on the pace cannot bring it below this part of a proven rate
LATENESS = 0.002  # seconds by which a request may leave late and the next one still keep its place
FASTEST = 100_000.0  # requests per second: no limit at all, and far from overflow
DEFAULT_PAUSE = 1.0  # seconds, when the server asks to slow down and does not say for how long
SHORTEST_PAUSE = 0.1  # seconds; the unit of the search may not be zero


class Ticket(NamedTuple):
    """What was true when a request left; it comes back with the answer."""

    sent_at: float
    serial: int
    pace: float  # requests per second that set its distance from the request before; inf: none did
    in_flight: int  # itself included


class AdaptivePace:
    """Learns the rate from refusals and owns the one pause that all rows share.

    Ask `delay` before each request; report `on_sent` and then `on_accepted` or `on_refused`, refusals at once. Times
    are seconds of a monotonic clock, rates are requests per second.
    """

    def __init__(self) -> None:
        self.paused_until = -math.inf
        self._pace = math.inf
        self._spaced = math.inf  # the pace that the last slot was given by
        self._slot = -math.inf  # when the next request may leave at this pace
        self._doubling = math.inf  # seconds in which a searching pace doubles
        self._hold = HOLD
        self._floor = 0.0
        self._serial = 0
        self._quiet = 0  # accepted since the last refusal
        self._run = _Run(0, 0.0, math.inf)
        self._waiting = True  # nothing was sent since the start or the last congestion event
        self._event_serial = 0  # a refusal of an earlier request belongs to an event that is known already
        self._pause = DEFAULT_PAUSE
        self._depth: int | None = None  # no bucket can be deeper than what the first run got accepted
        self._suspicion: _Suspicion | None = None

    @property
    def pace(self) -> float | None:
        """Requests per second; None while nothing is learned."""
        return None if self._pace == math.inf else self._pace

    @property
    def settled(self) -> bool:
        """The pace is learned and no longer searching: refusals now may have another reason than the rate."""
        return self._pace < math.inf and self._doubling > 8 * self._pause

    def delay(self, now: float) -> float:
        """Seconds until the next request may leave; takes nothing."""
        return max(0.0, self.paused_until - now, self._slot - now)

    def on_sent(self, now: float, in_flight: int) -> Ticket:
        """A request leaves; `in_flight` counts it. Keep the ticket for its answer."""
        if self._waiting:
            self._resume(now)
        ticket = Ticket(now, self._serial, self._spaced, in_flight)
        self._serial += 1
        if self._pace < math.inf:
            self._take_slot(now)
        return ticket

    def on_accepted(self, ticket: Ticket) -> None:
        """Any answer but a refusal."""
        self._quiet += 1
        if self._suspicion is not None:
            self._suspicion.accepted += ticket.serial > self._suspicion.first.serial - NEIGHBOURS

    def on_refused(self, now: float, ticket: Ticket, wait: float | None) -> bool:
        """The server asked to slow down, for `wait` seconds if it said so. True: a congestion event, all pause."""
        self._quiet = 0
        weight = self._suspect(ticket)
        if ticket.serial >= self._run.serial:
            self._run.refused += 1
        if ticket.serial < self._event_serial:
            return False
        if self._event_serial and weight < DENSE:
            self._pace = max(self._floor, self._pace * (1 - STEP_BACK))
            self._doubling *= SLIGHTLY_SLOWER
            return False
        self._pause = DEFAULT_PAUSE if wait is None else max(0.0, wait)
        self._run.end(now, self._serial, now - ticket.sent_at)
        self._event_serial = self._serial
        self._waiting = True
        self.paused_until = max(self.paused_until, now + self._pause)
        return True

    def _take_slot(self, now: float) -> None:
        interval = 1.0 / self._pace
        late = now - self._slot
        self._slot = (self._slot if late <= LATENESS else now) + interval
        self._spaced = self._pace
        if late > max(interval, LATENESS):
            return  # something else held this request back: the pace is not tried out, so it may not grow
        growth = STEP_BACK / self._hold
        silence = self._quiet / (SILENCE * self._hold)
        if silence > 1.0:
            growth = min(STEP_BACK, growth * silence * silence)
        growth = max(growth, min(0.5, math.log(2) * interval / self._doubling))
        self._pace = min(FASTEST, self._pace * (1.0 + growth))

    def _suspect(self, ticket: Ticket) -> float:
        """The weight of this refusal and its recent neighbours, in the order in which they were sent."""
        known = self._suspicion
        fresh = ticket.serial >= self._event_serial
        weight = 1.0 if known is None else 1.0 + known.faded(ticket.serial)
        if known is None or (weight < 1.5 and fresh and ticket.serial > known.first.serial):
            known = self._suspicion = _Suspicion(ticket, *self._run.until(ticket))
        known.weight, known.last = weight, ticket.serial
        known.refused += ticket.serial >= known.first.serial
        return weight

    def _resume(self, now: float) -> None:
        """The pause is over and its answers are in: learn from the run before it and begin the next."""
        self._waiting = False
        suspicion, self._suspicion = self._suspicion, None
        if suspicion is None:
            self._run = _Run(self._serial, now, self._pace)
            return
        self._slot = now
        if suspicion.is_noise():
            self._run.resume(now, self._pause)
            return
        if self._learn(suspicion):
            self._run = _Run(self._event_serial, now, self._pace)
        else:
            self._run.resume(now, self._pause)
        self._spaced = self._pace

    def _learn(self, suspicion: _Suspicion) -> bool:
        """Choose the pace of the next run. False: too little was accepted, the evidence is kept and added to."""
        run, pause = self._run, max(self._pause, SHORTEST_PAUSE)
        accepted = run.accepted
        sustained = accepted / (run.active + run.idle + pause)
        if self._depth is None:
            self._depth = accepted
            self._pace = max(sustained, ENOUGH / (run.active + pause))
            self._doubling = max(2 * run.echo, pause / 4 if accepted < CONVINCING else pause * SLOWER)
            return True
        high = max(sustained, suspicion.first.pace)
        if accepted < ENOUGH:
            self._floor /= 2
            self._pace = max(sustained, high / 2, 1 / pause)
            self._doubling = self._doubling * 2 if accepted else min(self._doubling, 2 * pause)
            return False
        low, high = self._bracket(suspicion, sustained, high)
        self._floor = max(self._floor, sustained / FLOOR)
        self._pace = max(self._floor, SAFETY * low**0.75 * high**0.25)
        self._doubling *= SLOWER
        return True

    def _bracket(self, suspicion: _Suspicion, sustained: float, high: float) -> tuple[float, float]:
        """Bounds of the sustainable rate; see the head of the module."""
        depth, start = self._depth or 0, self._run.pace
        active = max(suspicion.active, 1e-6)
        low = max(sustained, (suspicion.passed - depth) / active)
        if start < low and start < high:  # the pace rose past the rate during this run
            slope = high * math.log(high / start) / active
            low = max(low, high - math.sqrt(2 * max(0, depth - 1) * slope))
        elif self.settled:
            self._hold = CAREFUL_HOLD
        if self.settled:
            high = min(high, max(low, suspicion.passed / active))
        return min(low, high), high


class _Run:
    """What is sent between two congestion events that taught a rate: counts and seconds."""

    __slots__ = ("_resumed", "_until", "active", "echo", "idle", "pace", "refused", "serial")

    def __init__(self, serial: int, now: float, pace: float) -> None:
        self.serial = serial  # of its first request
        self.pace = pace  # at its beginning
        self.refused = 0
        self.active = 0.0  # sending, up to the last event
        self.idle = 0.0  # pausing within it
        self.echo = 0.0  # from the refused request to its refusal
        self._resumed = now
        self._until = serial

    @property
    def accepted(self) -> int:
        """Up to the last event. What is still in flight counts: refusals come fast, and a pause has passed."""
        return max(0, self._until - self.serial - self.refused)

    def until(self, ticket: Ticket) -> tuple[int, float]:
        """Requests accepted before this one left, and the seconds of sending."""
        return ticket.serial - self.serial - self.refused, self.active + ticket.sent_at - self._resumed

    def end(self, now: float, serial: int, echo: float) -> None:
        self.active += now - self._resumed
        self._until = serial
        self.echo = echo

    def resume(self, now: float, paused: float) -> None:
        self.idle += paused
        self._resumed = now


class _Suspicion:
    """A refusal and its neighbours: congestion, or bad luck?"""

    __slots__ = ("accepted", "active", "first", "last", "passed", "refused", "weight")

    def __init__(self, first: Ticket, passed: int, active: float) -> None:
        self.first = first
        self.passed = passed  # accepted in the run before the first refusal
        self.active = active  # seconds of sending before it
        self.accepted = 0
        self.refused = 0
        self.weight = 0.0
        self.last = first.serial

    def faded(self, serial: int) -> float:
        return self.weight * math.exp(-abs(serial - self.last) / NEIGHBOURS)

    def is_noise(self) -> bool:
        known = self.accepted + self.refused
        return known >= NOISE_SAMPLE and self.refused <= NOISE * known
