"""Decides whether a failed request is tried again, and after how long. Waits for nothing and knows no clock.

Only the row's own waiting counts towards the cap; a pause of the whole pool is nobody's fault and is not passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from duck_or.outcome import Action, Failure

# Attempts a code deserves where that is fewer than the setting allows.
ATTEMPTS_BY_CODE = MappingProxyType(
    {
        "empty_answer": 3,  # two retries: an empty answer is often what the model has to say, and each one is paid for
    }
)
# A connection kept alive fails at once when the server has closed it meanwhile; a new one most likely works.
AT_ONCE = frozenset({("network", 1)})


@dataclass(frozen=True, slots=True)
class Retry:
    delay: float  # seconds


@dataclass(frozen=True, slots=True)
class GiveUp:
    failure: Failure


RetryDecision: TypeAlias = Retry | GiveUp


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full-jitter exponential backoff under a cap of attempts and a cap of waiting.

    attempts: HTTP attempts per row, the first included. base, cap: seconds; the n-th backoff is drawn evenly from
    0 to min(cap, base * 2**(n-1)). max_total_wait: seconds one row may spend waiting (the setting `max_wait`).
    """

    attempts: int
    base: float = 0.5
    cap: float = 30.0
    max_total_wait: float = 300.0

    def decide(
        self, failure: Failure, attempt: int, waited: float, random: Callable[[], float]
    ) -> RetryDecision:
        """What to do after the `attempt`-th attempt (from 1) failed and `waited` seconds were spent waiting.

        random: draws from [0, 1).
        """
        allowed = min(self.attempts, ATTEMPTS_BY_CODE.get(failure.code, self.attempts))
        if failure.action is not Action.RETRY or attempt >= allowed:
            return GiveUp(failure)
        left = max(0.0, self.max_total_wait - waited)
        if failure.wait is not None and failure.wait > left:
            return GiveUp(self._hint_too_long(failure, failure.wait, left))
        if failure.wait is None and (failure.code, attempt) in AT_ONCE:
            return Retry(0.0)
        if left <= 0.0:
            return GiveUp(self._out_of_patience(failure))
        return Retry(min(left, self._delay(failure.wait, attempt, random())))

    def _delay(self, hint: float | None, attempt: int, share: float) -> float:
        backoff = min(self.cap, self.base * 2.0 ** min(attempt - 1, 60))
        if hint is None:
            return share * backoff
        # Every row was given the same hint: spread them after it, never before it.
        return max(0.0, hint) + share * min(backoff, max(self.base, hint / 4))

    def _hint_too_long(self, failure: Failure, hint: float, left: float) -> Failure:
        return replace(
            failure,
            message=f"{failure.message} (the service asks for a wait of {hint:g} s, but only {left:g} s are left of "
            f"max_wait = {self.max_total_wait:g} s; raise max_wait to sit it out)",
        )

    def _out_of_patience(self, failure: Failure) -> Failure:
        return replace(
            failure,
            message=f"{failure.message} (retries have waited for all of max_wait = {self.max_total_wait:g} s)",
        )
