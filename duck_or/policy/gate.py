"""Decides when the next request may leave: configured rate, learned pace, limit in flight and shared pause in one answer.

The engine asks before each request and reports what became of it; which of the four holds a request back is not its
business. Knows no clock: `now` is seconds of a monotonic clock, the same one for every call.
"""

from __future__ import annotations

from duck_or.policy.concurrency import AdaptiveLimit
from duck_or.policy.pace import AdaptivePace, Ticket
from duck_or.policy.rate_limit import TokenBucket


class Gate:
    """One per (endpoint, key). A request that failed without an answer (network, deadline) is reported to neither hook.

    rate_per_minute: None or 0 means unlimited; the server's own limit is then found by `AdaptivePace`.
    """

    __slots__ = ("_bucket", "_limit", "_pace")

    def __init__(self, rate_per_minute: float | None, max_in_flight: int) -> None:
        self._bucket = TokenBucket(rate_per_minute)
        self._pace = AdaptivePace()
        self._limit = AdaptiveLimit(max_in_flight)

    def change(self, rate_per_minute: float | None, max_in_flight: int, now: float) -> None:
        """Other limits of ours from now on. What the server taught, a pause above all, stays; no new burst is given."""
        self._bucket = TokenBucket(rate_per_minute)
        self._bucket.drain(now)
        self._limit = AdaptiveLimit(max_in_flight)

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return self._limit.limit

    @property
    def pace(self) -> float | None:
        """Requests per second learned from refusals; None while there were none."""
        return self._pace.pace

    @property
    def paused_until(self) -> float:
        """When the shared pause ends or ended; -inf if there was none."""
        return self._pace.paused_until

    def next_delay(self, now: float, in_flight: int) -> float | None:
        """0.0: one may leave now. More: ask again after that many seconds. None: ask again after the next answer."""
        full = in_flight >= self._limit.limit
        delay = max(self._bucket.delay(now), self._pace.delay(now, in_flight))
        if full or (delay > 0 and in_flight > 0):
            self._pace.on_queued()
        return None if full else delay

    def on_sent(self, now: float, in_flight: int) -> Ticket:
        """A request leaves; `in_flight` counts it. Hand the ticket back with its answer."""
        self._bucket.take(now)
        return self._pace.on_sent(now, in_flight)

    def on_accepted(self, ticket: Ticket, in_flight: int) -> None:
        """The server took the request, whatever it answered; `in_flight` counts it still."""
        self._limit.on_success(ticket.in_flight, in_flight)

    def on_refused(self, now: float, ticket: Ticket, wait: float | None) -> None:
        """The server asked to slow down (429, 503, transient 402), for `wait` seconds if it said so."""
        # While the pace is in doubt, refusals are its doing or chance, and say nothing about the number in flight.
        settled = self._pace.settled
        self._pace.on_refused(now, ticket, wait)
        if settled:
            self._limit.on_slow_down(now, ticket.sent_at, ticket.in_flight)
