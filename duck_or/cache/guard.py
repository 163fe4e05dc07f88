"""A store that never costs a row: what goes wrong is counted, reported once for each kind, and answered with "nothing".

It decides only what a store's failure means to its caller. What failed and what to do about it, the store's own message
says. Only StoreError is caught: anything else is a bug and must be seen.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from duck_or.cache.contract import Kept, Looked, Store, StoreError

Kind: TypeAlias = Literal["read", "write"]

CONSEQUENCE: Mapping[Kind, str] = {
    "read": "answers that were paid for before may be asked for again",
    "write": "new answers are kept in memory only",
}

log = logging.getLogger("duck_or")


def log_warning(message: str) -> None:
    log.warning("%s", message)


class Trouble:
    """Counts a store's failures and says the first one of each kind.

    report: called with the first failure of each kind; later ones are only counted, in `errors`.
    """

    def __init__(self, report: Callable[[str], None] = log_warning) -> None:
        self.errors: Counter[Kind] = Counter()
        self._report = report

    def enter(self, kind: Kind, error: StoreError) -> None:
        self.errors[kind] += 1
        if self.errors[kind] == 1:
            self._report(f"{error}; until then {CONSEQUENCE[kind]} (said once, counted from here on)")


class GuardedStore:
    """A store of one machine without its StoreError. report: see `Trouble`."""

    rest: float | None = None

    def __init__(self, store: Store, report: Callable[[str], None] = log_warning) -> None:
        self._store = store
        self._trouble = Trouble(report)

    @property
    def errors(self) -> Counter[Kind]:
        return self._trouble.errors

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        """What the store found; nothing where it failed."""
        try:
            return self._store.get_many(keys, now)
        except StoreError as error:
            self._trouble.enter("read", error)
            return {}

    def look_up(self, keys: Sequence[bytes], now: float) -> Looked:
        """The same: what is missing here, nobody else sends."""
        return Looked(self.get_many(keys, now))

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> bool:
        """Whether the items are stored now."""
        try:
            self._store.put_many(items, now)
        except StoreError as error:
            self._trouble.enter("write", error)
            return False
        return True

    def holds(self, epoch: int) -> bool:
        """Nobody takes anything over."""
        return True

    def release_many(self, keys: Sequence[bytes]) -> None:
        """Nobody else waits for them."""

    def tick(self) -> None:
        """There is nothing to do between calls."""

    def hurry(self) -> None:
        """It never waits for anything to pass."""

    def close(self) -> None:
        self._store.close()
