"""Decides whether there is money left for one more request. Knows no prices: the caller names the worst case.

Amounts are kept as whole pico-dollars. Integers add exactly, in any order, however many; floats do not, and Decimal
only within a precision that is a setting of the calling thread. A pico-dollar is a ten-thousandth of the cheapest
token on offer.
"""

from __future__ import annotations

import math

_PER_DOLLAR = 10**12


class Budget:
    """Reserve the worst case before sending, settle with what it did cost.

    limit_usd: None means no limit. While no request costs more than was reserved for it, the limit is never passed.
    """

    __slots__ = ("_limit", "_reserved", "_spent")

    def __init__(self, limit_usd: float | None) -> None:
        self._limit = None if limit_usd is None else _pico(limit_usd)
        self._reserved = 0
        self._spent = 0

    @property
    def spent_usd(self) -> float:
        return self._spent / _PER_DOLLAR

    @property
    def reserved_usd(self) -> float:
        return self._reserved / _PER_DOLLAR

    @property
    def remaining_usd(self) -> float | None:
        """What is neither spent nor reserved; below zero if requests cost more than their worst case; None: no limit."""
        return None if self._limit is None else (self._limit - self._spent - self._reserved) / _PER_DOLLAR

    def allows(self, worst_case_usd: float) -> bool:
        """Whether `reserve` would say yes now: for a caller that needs several budgets to agree."""
        amount = _pico(worst_case_usd)
        return self._limit is None or self._spent + self._reserved + amount <= self._limit

    def reserve(self, worst_case_usd: float) -> bool:
        """Set the worst case aside. False, and nothing set aside, when that would pass the limit."""
        if not self.allows(worst_case_usd):
            return False
        self._reserved += _pico(worst_case_usd)
        return True

    def settle(self, reserved_usd: float, actual_usd: float) -> None:
        """A request came back: its reservation ends and its real cost, whatever it was, is spent."""
        actual = _pico(actual_usd)
        self.release(reserved_usd)
        self._spent += actual

    def release(self, reserved_usd: float) -> None:
        """A request cost nothing. Raises ValueError when more is released than was reserved."""
        amount = _pico(reserved_usd)
        if amount > self._reserved:
            raise ValueError(
                f"released {reserved_usd!r} USD, but only {self.reserved_usd!r} USD are reserved"
            )
        self._reserved -= amount


def _pico(usd: float) -> int:
    """To the nearest pico-dollar. Rounding keeps order, so a cost never exceeds the reservation it was below."""
    if not 0 <= usd < math.inf:
        raise ValueError(f"an amount in USD must be a finite number, 0 or more, not {usd!r}")
    return round(usd * _PER_DOLLAR)
