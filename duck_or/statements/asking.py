"""Whether a query may ask at all, told cheaply: most do not, and those should cost next to nothing more.

Errs towards yes; a no that is out of date costs speed only, since a query that is not planned is answered chunk by chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb

from duck_or.queries.library import Library
from duck_or.queries.marks import calls
from duck_or.queries.tokens import tokens
from duck_or.sql.family import ASKING

REMEMBERED_S = 1.0
"""Seconds for which the names in the catalog are believed: other connections may make views, too."""

# How statements begin that make no view and no macro, nor let others be seen.
_HARMLESS = frozenset(
    {
        *("select", "from", "values", "with", "explain", "describe", "show", "summarize"),
        *("insert", "update", "delete", "merge", "copy", "begin"),
    }
)


@dataclass(slots=True)
class Changes:
    """How often a session's connections ran what may have changed the catalog."""

    count: int = 0


@dataclass(slots=True)
class Asking:
    """For one connection: the names of its views and macros that ask. theirs: names that ask only where they are qualified,
    since the user has functions of these names."""

    con: duckdb.DuckDBPyConnection
    changes: Changes
    clock: Callable[[], float] = time.monotonic
    theirs: Callable[[], frozenset[str]] = frozenset
    _names: frozenset[str] = frozenset()
    _read_at: float = field(default=-REMEMBERED_S)
    _seen: int = -1

    def may(self, query: str, before_reading: Callable[[], object] | None = None) -> bool:
        """Whether a query holds a call, or a name behind which there may be one. Reads the catalog now and then.

        before_reading: called first then. Raises duckdb.ResourceInUseException where a result is in the way, from DuckDB 2.0.
        """
        text = query.lower()
        if any(name in text for name in ASKING):
            theirs = {(name,) for name in self.theirs()}
            if calls(tokens(query), ASKING, theirs):
                return True
        return any(name in text for name in self._behind_names(before_reading))

    def ran(self, query: str) -> None:
        """Something was run; the catalog may be another one since."""
        words = query.split(None, 1)
        if not words or words[0].lower() not in _HARMLESS or ";" in query:
            self.changes.count += 1

    def _behind_names(self, before_reading: Callable[[], object] | None) -> frozenset[str]:
        now = self.clock()
        if self._seen != self.changes.count or now - self._read_at >= REMEMBERED_S:
            if before_reading is not None:
                before_reading()
            try:
                names = Library(self.con).asking
            except duckdb.TransactionException:  # it has failed, and nothing but ROLLBACK will run
                return frozenset()
            self._seen, self._read_at, self._names = self.changes.count, now, names
        return self._names
