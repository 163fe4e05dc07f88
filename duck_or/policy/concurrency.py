"""Decides how many requests may be in flight. Knows no transport and no rate: how fast they leave is `pace`'s business.

TCP's congestion control with requests for packets: slow start, multiplicative decrease, additive increase. A server
that limits the rate must not shrink it, so a refusal counts only where more were in flight than ever got accepted.
"""

from __future__ import annotations

DECREASE = 0.9  # milder than TCP's: the limit need not make room for others, only find where refusals begin
INITIAL = 32  # 256 is reached in three round trips; a server that takes one at a time refuses 31
FADE = 256  # answers over which a high of the past is forgotten: the server may have shrunk


class AdaptiveLimit:
    """A limit on requests in flight, always between 1 and `maximum`.

    Below the threshold every success adds 1 (the limit doubles per round trip), above it every `limit` successes do.
    It grows only while it is what holds requests back: an unused limit proves nothing.
    """

    __slots__ = ("_decreased_at", "_limit", "_maximum", "_proven", "_successes", "_threshold")

    def __init__(self, maximum: int, initial: int = INITIAL) -> None:
        if maximum < 1 or initial < 1:
            raise ValueError(f"maximum and initial must be at least 1, not {maximum!r} and {initial!r}")
        self._maximum = maximum
        self._limit = min(initial, maximum)
        self._threshold = maximum
        self._successes = 0  # since the last additive increase
        self._proven = 0.0  # in flight when a request left that was accepted
        self._decreased_at = float("-inf")

    @property
    def limit(self) -> int:
        return self._limit

    def on_success(self, in_flight_at_start: int, in_flight: int) -> None:
        """A request was accepted. Both counts include it: when it left, and now."""
        self._proven = max(in_flight_at_start, self._proven - (self._proven - in_flight_at_start) / FADE)
        limit = self._limit
        if limit >= self._maximum or in_flight < limit:
            return
        if limit >= self._threshold:
            self._successes += 1
            if self._successes < limit:
                return
            self._successes = 0
        self._limit = limit + 1

    def on_slow_down(self, now: float, sent_at: float, in_flight_at_start: int) -> bool:
        """A request was refused that had left as the `in_flight_at_start`-th. True: the limit was decreased.

        Once per congestion event: what was sent before the last decrease was refused by the old limit. The others that
        were in flight were not refused, so the limit does not fall below their number.
        """
        if sent_at <= self._decreased_at or in_flight_at_start <= self._proven:
            return False
        self._decreased_at = now
        self._successes = 0
        others = min(self._limit, in_flight_at_start) - 1
        self._limit = self._threshold = max(1, others, int(self._limit * DECREASE))
        return True
