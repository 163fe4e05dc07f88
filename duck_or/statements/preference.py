"""Which of several predicates that ask a model decides first: the one that drops most for its price.

A row that one predicate drops is not asked about by the next, so what a predicate costs is its price divided by the share
of the rows that it drops; the least goes first. Both are learned from a sample. How the sample is run, this module must
not know.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from cachetools import LRUCache

from duck_or.queries.guard import Choice, as_written

SAMPLE = 32
"""Rows on which each predicate is tried, other ones for each: one of them would have to be asked about a row anyway."""

WORTH_IT = 500
"""Questions of a statement from which on a sample is taken."""

PREDICATES = 1000
"""Predicates remembered, by their text."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What a predicate did to `seen` rows. price_usd: of one request, None if nothing was billed."""

    seen: int
    passed: int
    price_usd: float | None

    def rank(self, with_price: bool) -> float:
        """What it costs to drop a row. With one row of either kind added, so that no share is nothing or everything."""
        dropped = 1 - (self.passed + 1) / (self.seen + 2)
        price = self.price_usd if with_price and self.price_usd is not None else 1.0
        return price / dropped


@dataclass(slots=True)
class Preferences:
    """Learned by one session. Safe to use from several threads."""

    _known: LRUCache[str, Experience] = field(default_factory=lambda: LRUCache(PREDICATES))
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, key: str, experience: Experience) -> None:
        with self._guard:
            self._known[key] = experience

    def order(self, choice: Choice) -> list[int]:
        """As `guard` wants it: the places of the choice's predicates. As written where one of them is not known."""
        known = self._of(choice)
        if None in known:
            return as_written(choice)
        found = [each for each in known if each is not None]
        with_price = all(each.price_usd for each in found)
        return sorted(range(len(found)), key=lambda place: found[place].rank(with_price))

    def knows(self, choice: Choice) -> bool:
        return None not in self._of(choice)

    def _of(self, choice: Choice) -> list[Experience | None]:
        with self._guard:
            return [self._known.get(key) for key in choice.keys]
