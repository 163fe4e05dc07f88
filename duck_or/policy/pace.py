"""Decides how fast requests leave when the server, not the user, sets the rate. Knows no clock: `now` is an argument.

Nothing is known until the server refuses. Then the pace is a model of the server: what it accepts per second while it
refuses part of what is sent. No depth of bucket or length of window is assumed; two measurements carry the decisions:

    the share refused, over a sample that begins at a refusal (a bucket is empty then): pace * (1 - share) is the rate
    what was accepted over a run, its pause included: right for fixed windows and some buckets, else a first guess

Requests are counted in trials of one pace each. A quiet trial lets the pace grow. A sample with few refusals makes it
step back; the rows retry, nobody else waits. When at least half is refused, everyone pauses, once, for what the server
asks, and the pace is learned anew. In between the reason is in doubt, and a test decides: one trial well below what the
server just accepted. A server that limits the rate refuses next to nothing there. If it goes on refusing, the refusals
are not our rate's doing (an overloaded provider behind a router): the old pace returns, that share counts as normal.

Only a queue has a pace. A caller who sends one request after another sets the rate: the pause holds these back, the
pace does not, and their refusals say nothing about a rate. Nor does a handful of requests; and a pace that no queue
needed for a while is forgotten.

What is not refused counts as accepted: answers may take a minute, refusals come fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

TRIAL = 64  # requests; enough to tell 5 % refused from none
TRIAL_TIME = 0.5  # seconds a quiet trial lasts at least, so that a fast pace does not grow by the millisecond
ENOUGH = 4  # refusals beyond the normal ones that put the pace in doubt; requests that teach one at all
CERTAIN = 6  # the same, for a pause: where one in five is refused by chance, six of twelve are rare
HALF = 0.5  # of a sample refused: far too fast, or down
TOLERANCE = 2.0  # times the normal share are still normal
DECAY = 0.99  # of the normal share per trial: it is tested again after some thousand requests
CAUTIOUS = 0.8  # of what was accepted, the pace of a test
UNCURED = 0.25  # of the share refused before a test; more than that during it is no cure
MUCH = 0.15  # share refused in a test; believed only when a second test, slower still, repeats it
SAFETY = 0.95  # of the measured rate, so that a bucket fills again
STEP_BACK = 0.01  # of the pace, for a refusal on its own
GROWTH = 0.004  # of the pace, times the number of quiet trials in a row: slow at first, soon fast if the limit rose
TRIED = 1.5  # times the time that a trial takes at its pace; if it took longer, the pace was not tried out
CLIMB = 0.25  # of what the pace misses to where it was last refused, and of the pace at most: the growth far below
NEAR = 0.9  # of the pace that was last refused, where the climb ends
SEARCH_TIME = 0.25  # of the pause, in which the pace doubles while too little was accepted to tell a rate
TOO_FEW = TRIAL // 2  # accepted requests: the search is needed
CONVINCING = 2 * TRIAL  # accepted requests: not even the climb is
FIRST_GUESS = 8.0  # requests per pause, where the search begins
LATENESS = 0.02  # seconds by which a request may leave late (a busy event loop) and the next one still keep its place
DEFAULT_PAUSE = 1.0  # seconds, when the server asks to slow down and does not say for how long
SHORTEST_PAUSE = 0.1  # seconds; the unit of the search may not be zero
SLACK = 1.0  # seconds without a request, though none waited: the caller sets the rate, not we
UNNEEDED = 30.0  # seconds without a queue, after which the pace is forgotten
FASTEST = 100_000.0  # requests per second: no limit at all, and far from overflow


class Ticket(NamedTuple):
    """What was true when a request left; it comes back with a refusal."""

    sent_at: float
    serial: int
    in_flight: int  # itself included


@dataclass(slots=True)
class _Span:
    """Requests from one serial number on."""

    start: int
    began: float
    sample: bool = False  # it begins behind a refusal, which is not counted
    refused: int = 0


class _Test(NamedTuple):
    """What was measured at the pace that is in doubt, until the trial at the cautious pace is over."""

    pace: float
    share: float
    accepted: float  # requests per second
    repeated: bool


class AdaptivePace:
    """Learns the rate from refusals and owns the one pause that all rows share.

    Ask `delay` before each request; report `on_queued`, `on_sent`, and refusals at once by `on_refused`. Times are
    seconds of a monotonic clock, rates are requests per second.
    """

    def __init__(self) -> None:
        # When: the shared pause, and the next place at this pace.
        self.paused_until = -math.inf
        self._pause = DEFAULT_PAUSE
        self._pausing = False  # until the first request after a pause
        self._slot = -math.inf
        self._queued = False  # since the last request left
        self._sent_at = -math.inf  # when that was
        # What is believed of the server.
        self._pace = math.inf
        self._normal = 0.0  # share refused for reasons of its own
        self._refused_at = math.inf  # the pace of the last congestion
        self._disputed = 0.0  # fastest pace given up since a trial was quiet, perhaps for nothing; 0: none
        self._searching = False  # too little was accepted to tell a rate
        self._search_time = 0.0  # seconds until the pace doubles, then
        self._wary = True  # it may accept nothing at all: the next refusal pauses
        # What is being counted.
        self._serial = 0  # of the next request
        self._since = 0  # a refusal of an earlier request belongs to what is decided already
        self._lag = 0  # requests that leave before a refusal is known
        self._quiet = 0  # trials in a row
        self._run = _Span(0, 0.0)  # since the last pause or test
        self._trial = _Span(0, 0.0)
        self._turn_at = 0  # the serial that ends the trial
        self._test: _Test | None = None

    @property
    def pace(self) -> float | None:
        """Requests per second; None while nothing is learned."""
        return None if self._pace == math.inf else self._pace

    @property
    def settled(self) -> bool:
        """The pace is learned and nothing is in doubt: refusals now may have another reason than the rate."""
        learned = self._pace < math.inf and not self._searching and not self._pausing
        return learned and self._disputed == 0.0 and self._normal < STEP_BACK

    def delay(self, now: float, in_flight: int) -> float:
        """Seconds until the next request may leave, while `in_flight` others are under way; takes nothing."""
        paced = self._queued or in_flight > 0
        ready = self._slot if paced and self._slot > self.paused_until else self.paused_until
        return ready - now if ready > now else 0.0

    def on_queued(self) -> None:
        """A request must wait while others are in flight, whatever for: the callers are faster than we are."""
        self._queued = True

    def on_sent(self, now: float, in_flight: int) -> Ticket:
        """A request leaves; `in_flight` counts it. Keep the ticket for its answer."""
        serial = self._serial
        unhurried = not self._queued and (in_flight == 1 or now - self._sent_at > SLACK)
        if unhurried and not self._pausing:
            self._start_anew(now)
        if serial >= self._turn_at:
            self._turn(now)
        self._serial, self._sent_at, self._queued = serial + 1, now, False
        if self._pace < math.inf and not unhurried:
            self._slot = (self._slot if now - self._slot <= LATENESS else now) + 1.0 / self._pace
        return Ticket(now, serial, in_flight)

    def on_refused(self, now: float, ticket: Ticket, wait: float | None) -> bool:
        """The server asked to slow down, for `wait` seconds if it said so. True: everyone pauses from now on."""
        self._run.refused += ticket.serial >= self._run.start
        alone = self._serial - 1 == ticket.serial == self._run.start
        if alone and not self._pausing:
            self._stop(now, wait)
            return True
        counting = self._test is not None or self._trial.sample
        if ticket.serial < (self._trial.start if counting else self._since):
            return False
        self._lag = self._serial - ticket.serial
        if counting:
            self._trial.refused += 1
        else:
            self._begin(_Span(ticket.serial + 1, ticket.sent_at, sample=True), TRIAL + self._lag)
        if self._pausing:
            return False
        sent = ticket.serial + 1 - self._trial.start
        excess, half = self._excess(sent), self._trial.refused >= HALF * sent
        if (half and excess >= CERTAIN) or (self._wary and not counting):
            self._stop(now, wait)
            return True
        if self._trial.sample and excess >= ENOUGH and not half and self._is_measurable(now):
            self._turn_at = self._serial
        return False

    def _excess(self, sent: int) -> float:
        """Refusals of the trial beyond the normal ones."""
        return self._trial.refused - min(HALF, TOLERANCE * self._normal) * sent

    def _is_measurable(self, now: float) -> bool:
        """What leaves unpaced leaves in bursts: only over some time is it a rate."""
        return self._pace < math.inf or now - self._run.began > TRIAL_TIME

    def _begin(self, trial: _Span, length: int) -> None:
        self._trial = trial
        self._turn_at = trial.start + length

    def _begin_quiet(self, now: float) -> None:
        length: float = TRIAL
        if self._searching:
            length = min(TRIAL, max(2.0, self._pace * self._search_time))
        elif self._pace < math.inf:
            length = max(TRIAL, self._pace * TRIAL_TIME)
        self._begin(_Span(self._serial, now), int(length))

    def _start_anew(self, now: float) -> None:
        """The caller sets the rate: a new run. Where no pace is known or needed, nothing is counted on either."""
        believed = self._pace if self._test is None else self._test.pace
        if believed == math.inf or now - max(self._slot, self.paused_until) > UNNEEDED:
            self._pace = self._refused_at = math.inf
            self._disputed, self._searching, self._test = 0.0, False, None
            self._begin_quiet(now)
        self._run = _Span(self._serial, now)

    def _forget(self, now: float) -> None:
        """A new run; whatever is still refused of the old one says nothing new."""
        self._run = _Span(self._serial, now)
        self._since = self._serial
        self._slot = now

    def _turn(self, now: float) -> None:
        """A trial or a pause is over: decide what comes next."""
        if self._pausing:
            self._resume(now)
        elif self._test is not None:
            if self._trial.refused == 1 and self._turn_at - self._trial.start < 2 * TRIAL:
                self._turn_at += TRIAL  # one refusal is neither a cure nor none
                return
            if self._end_test(now, self._test):
                return
        elif self._trial.sample:
            if self._end_sample(now):
                return
        else:
            self._grow(now)
            if not self._searching:
                self._disputed = 0.0
        self._normal *= DECAY
        self._begin_quiet(now)

    # --- the trials -------------------------------------------------------------------------------------------------

    def _grow(self, now: float) -> None:
        """Nothing spoke against this pace: try a faster one."""
        due = (now - self._trial.began) * self._pace
        if self._pace == math.inf or due > TRIED * (self._serial - self._trial.start):
            return  # something else held requests back
        missing = NEAR * self._refused_at / self._pace - 1
        if self._searching:
            growth = 1.0
        elif missing > STEP_BACK:
            growth = min(CLIMB, CLIMB * missing)
        else:
            self._quiet += 1
            growth = GROWTH * self._quiet
        self._pace = min(FASTEST, self._pace * (1.0 + growth))

    def _end_sample(self, now: float) -> bool:
        """True: its refusals are put to the test."""
        trial = self._trial
        sent = max(1, trial.refused, self._serial - self._lag - trial.start)
        excess = self._excess(sent)
        self._searching = False
        self._since = self._serial - self._lag
        if excess >= ENOUGH:
            self._begin_test(now, trial.refused / sent)
            return True
        if excess <= 0 < self._normal:
            self._grow(now)
            return False
        self._quiet = 0
        self._disputed = max(self._disputed, self._pace)
        self._pace *= 1 - max(STEP_BACK, excess / sent)
        if self._pace < CAUTIOUS * self._disputed < math.inf:  # step by step, and no trial was quiet: no cure
            self._normal, self._pace = (1 + trial.refused) / (1 + sent), self._disputed
        return False

    def _begin_test(self, now: float, share: float, repeated: bool = False) -> None:
        """Send so slowly for a trial that a server which limits the rate would refuse nothing."""
        pace = self._pace
        if pace == math.inf:
            pace = (self._serial - self._run.start) / max(TRIAL_TIME, now - self._run.began)
        self._test = _Test(self._pace, share, pace * max(HALF, 1 - share), repeated)
        self._disputed = max(self._disputed, self._pace)
        self._quiet = 0
        self._pace = CAUTIOUS * self._test.accepted
        self._since = self._serial
        self._slot = now
        self._begin(_Span(self._serial, now), TRIAL + self._lag)

    def _end_test(self, now: float, test: _Test) -> bool:
        """What is refused at the cautious pace is normal; where that is much of what was refused before, all is.

        True: too much to be believed at once, since the first sample may have been small. Tested once more.
        """
        refused = self._trial.refused
        share = refused / max(1, refused, self._serial - self._lag - self._trial.start)
        uncured = refused > 1 and share >= UNCURED * test.share
        if uncured and share >= MUCH and not test.repeated:
            self._begin_test(now, share, repeated=True)
            return True
        if uncured:
            self._pace = self._disputed
        else:
            self._pace = SAFETY * test.accepted
            self._disputed, self._refused_at = 0.0, test.pace
        self._normal = share
        self._test = None
        self._forget(now)
        return False

    # --- the pause --------------------------------------------------------------------------------------------------

    def _stop(self, now: float, wait: float | None) -> None:
        pause = DEFAULT_PAUSE if wait is None else max(0.0, wait)
        self._pausing = True
        self._pause = max(SHORTEST_PAUSE, pause)
        self.paused_until = max(self.paused_until, now + pause)
        self._turn_at = self._serial

    def _resume(self, now: float) -> None:
        """The pause is over and its refusals are in: learn from the run before it."""
        self._pausing = False
        self._quiet = 0
        sent = self._serial - self._trial.start
        accepted = self._serial - self._run.start - self._run.refused
        self._wary = accepted <= 0
        half = sent >= ENOUGH and self._trial.refused >= HALF * sent
        if (self._wary or half) and self._serial - self._run.start >= ENOUGH:
            self._disputed = max(self._disputed, self._pace)
            self._learn(accepted, accepted / max(now - self._run.began, self._pause), sent)
        elif self._test is not None:
            self._pace = self._test.pace
        self._test = None
        self._forget(now)

    def _learn(self, accepted: int, sustained: float, sent: int) -> None:
        """At least half was refused, of `sent` requests: choose the pace of the next run."""
        first, pause = self._pace == math.inf, self._pause
        self._searching = accepted < (TOO_FEW if first else ENOUGH)
        if accepted < ENOUGH:
            # No rate can be told: the pauses do the waiting, the pace only keeps few under way until one is known.
            pause = min(pause, DEFAULT_PAUSE)
            self._pace = FIRST_GUESS / pause if first else max(self._pace / 2, 1 / pause)
        elif first:
            self._pace = max(SAFETY * sustained, FIRST_GUESS / pause)
            brief = accepted <= 2 * pause * sustained  # about as long as its pause: no slow start spoils it
            self._refused_at = self._pace if brief and accepted >= CONVINCING else math.inf
        else:
            self._refused_at = self._pace
            self._pace = SAFETY * max(sustained, self._pace * (1 - self._trial.refused / sent))
        self._search_time = SEARCH_TIME * pause
