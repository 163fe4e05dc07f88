"""How much a lane may send: one session's limits, and what holds where sessions with different ones share a lane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from duck_or.engine.shared_rate import Bucket


@dataclass(frozen=True, slots=True)
class Limits:
    """rate_limit: requests per minute, None = unlimited. max_in_flight: requests on the wire at once. bucket: where the
    tokens come from if other machines draw from it too, None: the rate is this process's own."""

    rate_limit: float | None
    max_in_flight: int
    bucket: Bucket | None = None

    @property
    def own_rate(self) -> float | None:
        """What this process has to keep by itself."""
        return self.rate_limit if self.bucket is None else None


def strictest(limits: Iterable[Limits]) -> Limits:
    every = list(limits)
    rates = [each.rate_limit for each in every if each.rate_limit]
    buckets = (each.bucket for each in every if each.bucket is not None)
    return Limits(min(rates, default=None), min(each.max_in_flight for each in every), next(buckets, None))
