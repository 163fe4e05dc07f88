"""A store that never costs a row: what goes wrong is counted, reported once for each kind, and answered with "nothing".

It decides only what a store's failure means to its caller. What failed and what to do about it, the store's own message
says. Only StoreError is caught: anything else is a bug and must be seen.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from duck_or.cache.contract import Kept, Store, StoreError

Kind: TypeAlias = Literal["read", "write"]

CONSEQUENCE: Mapping[Kind, str] = {
    "read": "answers that were paid for before may be asked for again",
    "write": "new answers are kept in memory only",
}

log = logging.getLogger("duck_or")


def log_warning(message: str) -> None:
    log.warning("%s", message)


class GuardedStore:
    """`get_many` and `put_many` of `store` without its StoreError.

    report: called with the first failure of each kind; later ones are only counted, in `errors`.
    """

    def __init__(self, store: Store, report: Callable[[str], None] = log_warning) -> None:
        self.errors: Counter[Kind] = Counter()
        self._store = store
        self._report = report

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        """What the store found; nothing where it failed."""
        try:
            return self._store.get_many(keys, now)
        except StoreError as error:
            self._failed("read", error)
            return {}

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> bool:
        """Whether the items are stored now."""
        try:
            self._store.put_many(items, now)
        except StoreError as error:
            self._failed("write", error)
            return False
        return True

    def close(self) -> None:
        self._store.close()

    def _failed(self, kind: Kind, error: StoreError) -> None:
        self.errors[kind] += 1
        if self.errors[kind] == 1:
            self._report(f"{error}; until then {CONSEQUENCE[kind]} (said once, counted from here on)")
