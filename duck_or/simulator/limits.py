"""What the account may do: request rate, concurrency, `:free` limits, credits, key limit, money in flight.

Each limit is a small class that says yes or refuses with OpenRouter's own reply. Time is an argument (seconds since the
epoch); nothing here reads a clock, sleeps, or knows a socket.
"""

from __future__ import annotations

import math
from collections import deque

from duck_or.simulator.faults.statuses import (
    CREDITS_MESSAGE,
    CREDITS_METADATA,
    IN_FLIGHT_MESSAGE,
    IN_FLIGHT_METADATA,
    KEY_LIMIT_MESSAGE,
    KEY_LIMIT_METADATA,
    TOO_EXPENSIVE_METADATA,
    free_limit_reply,
)
from duck_or.simulator.reply import Reply, error_reply
from duck_or.simulator.scenario import Scenario

_MINUTE, _DAY = 60.0, 86_400.0


class TokenBucket:
    """`rpm` tokens a minute, at most `burst` saved up; full at the start."""

    def __init__(self, rpm: float, burst: int | None) -> None:
        self._per_second = rpm / 60
        self._size = float(burst if burst is not None else max(1, math.ceil(self._per_second)))
        self._tokens = self._size
        self._filled_at: float | None = None

    def take(self, now: float) -> float:
        """0.0 and the token is taken; or the seconds until there is one, and nothing is taken."""
        elapsed = 0.0 if self._filled_at is None else max(0.0, now - self._filled_at)
        self._tokens = min(self._size, self._tokens + elapsed * self._per_second)
        self._filled_at = now
        # a billionth of a token is rounding, not a request too many
        if self._tokens >= 1 - 1e-9:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._per_second


class Window:
    """At most `limit` in each fixed window of `length` seconds since the epoch."""

    def __init__(self, limit: int, length: float) -> None:
        self._limit = limit
        self._length = length
        self._window = -1.0
        self._used = 0

    def full(self, now: float) -> bool:
        self._turn(now)
        return self._used >= self._limit

    def use(self, now: float) -> None:
        self._turn(now)
        self._used += 1

    def ends_at(self, now: float) -> float:
        return (now // self._length + 1) * self._length

    def _turn(self, now: float) -> None:
        if now // self._length != self._window:
            self._window, self._used = now // self._length, 0


class InFlightBudget:
    """Holds of running requests plus the real cost of those that finished less than `settle_after` ago."""

    def __init__(self, budget: float, settle_after: float) -> None:
        self.budget = budget
        self._settle_after = settle_after
        self._held = 0.0
        self._settling: deque[tuple[float, float]] = deque()

    def fits(self, hold: float, now: float) -> bool:
        while self._settling and self._settling[0][0] <= now:
            self._held -= self._settling.popleft()[1]
        return self._held + hold <= self.budget + 1e-12

    def hold(self, amount: float) -> None:
        self._held += amount

    def release(self, amount: float, cost: float, now: float) -> None:
        self._held += cost - amount
        if cost:
            self._settling.append((now + self._settle_after, cost))


class Limits:
    """All limits of one scenario. `admit` either refuses or takes what the request needs; `settle` gives it back."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._bucket = TokenBucket(scenario.rpm, scenario.burst) if scenario.rpm else None
        self._free_minute = Window(scenario.free_rpm, _MINUTE) if scenario.free_rpm else None
        self._free_day = Window(scenario.free_rpd, _DAY) if scenario.free_rpd else None
        budget = scenario.in_flight_budget_usd
        self._budget = InFlightBudget(budget, scenario.settle_after) if budget else None
        self.spent_usd = 0.0

    @property
    def wants_hold(self) -> bool:
        """Whether `admit` looks at the hold, so that nobody computes it in vain."""
        return self._budget is not None

    def admit(self, now: float, *, free: bool, in_flight: int, hold: float) -> Reply | None:
        """A refusal, or None. in_flight counts this request; hold is in USD and must go back through `settle`."""
        refused = (
            self._rate(now)
            or self._concurrency(in_flight)
            or (self._free(now) if free else self._money())
            or self._in_flight_money(hold, now)
        )
        if refused is None and self._budget is not None:
            self._budget.hold(hold)
        return refused

    def settle(self, now: float, hold: float, cost: float) -> None:
        self.spent_usd += cost
        if self._budget is not None:
            self._budget.release(hold, cost, now)

    def _rate(self, now: float) -> Reply | None:
        wait = self._bucket.take(now) if self._bucket else 0.0
        if not wait:
            return None
        headers = {
            "Retry-After": str(max(1, math.ceil(wait))),
            "X-RateLimit-Limit": f"{self._scenario.rpm:g}",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(math.ceil((now + wait) * 1000)),
        }
        metadata = {"headers": headers, "error_type": "rate_limit_exceeded"}
        return error_reply(429, "Rate limit exceeded", metadata=metadata, headers=headers)

    def _concurrency(self, in_flight: int) -> Reply | None:
        most = self._scenario.max_concurrency
        if most is None or in_flight <= most:
            return None
        metadata = {
            "raw": "Too many concurrent requests",
            "provider_name": "Simulator",
            "is_byok": False,
            "retry_after_seconds": 1,
            "headers": {"Retry-After": "1"},
        }
        return error_reply(429, "Provider returned error", metadata=metadata, headers={"Retry-After": "1"})

    def _free(self, now: float) -> Reply | None:
        windows = (
            (self._free_minute, "free-models-per-min", self._scenario.free_rpm),
            (self._free_day, "free-models-per-day", self._scenario.free_rpd),
        )
        for window, name, limit in windows:
            if window is not None and limit is not None and window.full(now):
                return free_limit_reply(name, limit, window.ends_at(now))
        for window, _, _ in windows:
            if window is not None:
                window.use(now)
        return None

    def _money(self) -> Reply | None:
        scenario = self._scenario
        if scenario.credits_usd is not None and self.spent_usd >= scenario.credits_usd:
            return error_reply(402, CREDITS_MESSAGE, metadata=CREDITS_METADATA)
        if scenario.key_limit_usd is not None and self.spent_usd >= scenario.key_limit_usd:
            metadata = KEY_LIMIT_METADATA if scenario.key_limit_status == 402 else None
            return error_reply(scenario.key_limit_status, KEY_LIMIT_MESSAGE, metadata=metadata)
        return None

    def _in_flight_money(self, hold: float, now: float) -> Reply | None:
        if self._budget is None or self._budget.fits(hold, now):
            return None
        if hold > self._budget.budget:
            message = "This request requires more credits, or fewer max_tokens."
            return error_reply(402, message, metadata=TOO_EXPENSIVE_METADATA)
        wait = str(min(3, max(1, math.ceil(self._scenario.settle_after))))
        return error_reply(402, IN_FLIGHT_MESSAGE, metadata=IN_FLIGHT_METADATA, headers={"Retry-After": wait})
