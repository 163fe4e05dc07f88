"""Decides when the next request may leave under a configured rate. Knows no clock: `now` is an argument.

A token bucket in its "virtual scheduling" form (GCRA): instead of refilling a counter it remembers the time at which
the bucket will be full again. One number, no timer, and nothing to lose between two refills.
"""

from __future__ import annotations


class TokenBucket:
    """At most `burst + rate * W` requests in any window of W seconds.

    rate_per_minute: None or 0 means unlimited. burst: requests that may leave at once after an idle time, at least 1.

    The default burst is one second's worth, at least 1. One token alone would turn every late timer into lost rate;
    a whole minute's worth would send it in the first second, which servers that count per second refuse. A second's
    worth hides late timers and exceeds a server's minute counter by at most 1/60, once.
    """

    __slots__ = ("_rate", "_since", "_slack", "_taken")

    def __init__(self, rate_per_minute: float | None, burst: int | None = None) -> None:
        if rate_per_minute is not None and not rate_per_minute >= 0:
            raise ValueError(f"rate_per_minute must be 0 or more, not {rate_per_minute!r}")
        if burst is not None and burst < 1:
            raise ValueError(f"burst must be at least 1, not {burst!r}")
        self._rate = (rate_per_minute or 0.0) / 60.0
        size = max(1, int(self._rate)) if burst is None else burst
        self._slack = (size - 1) / self._rate if self._rate else 0.0
        # The bucket is full again at `_since + _taken / _rate`. A count, not a running sum of floats, so that hours of
        # additions cannot drift.
        self._since = float("-inf")
        self._taken = 0

    def delay(self, now: float) -> float:
        """Seconds until a request may leave; takes nothing."""
        if not self._rate:
            return 0.0
        return max(0.0, self._since + self._taken / self._rate - self._slack - now)

    def take(self, now: float) -> None:
        """One request has the next token, whether it leaves at once or after `delay(now)`."""
        if not self._rate:
            return
        if self._since + self._taken / self._rate <= now:
            self._since, self._taken = now, 0
        self._taken += 1

    def drain(self, now: float) -> None:
        """As if the whole burst had left just now."""
        self._since, self._taken = now, int(self._slack * self._rate + 0.5) + 1

    def reserve(self, now: float) -> float:
        """Take a token; seconds until the request that took it may leave (0.0: now)."""
        delay = self.delay(now)
        self.take(now)
        return delay
