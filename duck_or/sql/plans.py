"""What a planned statement looks like from the functions' side, and how its calls are recognised.

Every call of a planned statement carries a mark: which plan, and which call in it. What a plan is for, this module must
not know.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple, Protocol

from cachetools import LRUCache

from duck_or.engine.chunk import Answered, Group, Repeated
from duck_or.session import OnError

PLANNED = "__duck_or_planned_"
"""How the names of the macros begin whose first argument is a mark."""

CALLS = 1000
"""Calls that one statement may hold."""

LARGEST = 10**12
"""Marks stay below: as a time in microseconds, which the unmarked functions hand over, it is a day in 1970."""

KEPT_PLANS = 256
"""Plans remembered, since results and relations are read after their statements ran. Rows of a forgotten one are answered
from the caches, as a plain call's are."""


class Mark(NamedTuple):
    plan: int
    call: int

    @property
    def number(self) -> int:
        return self.plan * CALLS + self.call


def mark_in(identity: int | None) -> Mark | None:
    """The mark that a chunk carries as its statement; None for a statement that was not planned."""
    return Mark(*divmod(identity, CALLS)) if identity is not None and identity < LARGEST else None


class Plan(Protocol):
    """Answers the chunks of one planned statement."""

    def answer(self, call: int, groups: Sequence[Group], on_error: OnError) -> Answered: ...

    def repeat(self, call: int, repeated: Repeated) -> None: ...

    @property
    def collects(self) -> bool:
        """Whether this is a run that asks nothing yet, so that nothing counts either."""

    def landed(self) -> bool:
        """Whether all that was asked ahead is answered; waits a moment if not."""


class Plans:
    """The plans of one database instance by number. Safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._numbers = count(1)
        self._plans: LRUCache[int, Plan] = LRUCache(KEPT_PLANS)

    def number(self) -> int:
        return next(self._numbers)

    def enter(self, number: int, plan: Plan) -> None:
        with self._guard:
            self._plans[number] = plan

    def find(self, number: int) -> Plan | None:
        with self._guard:
            return self._plans.get(number)
