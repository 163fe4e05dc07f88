"""A Python callable as a function of DuckDB.

DuckDB 2.0 does not keep the callable alive: only the connection that registered it does, and a call after that one is gone
crashes the process. So every callable that is registered here stays in KEPT for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

KEPT: list[Callable[..., Any]] = []


@dataclass(frozen=True, slots=True)
class Function:
    """One call of `create_function`. parameters: DuckDB type names, None for any number of any type."""

    name: str
    call: Callable[..., Any]
    parameters: Sequence[str] | None
    returns: str
    volatile: bool = False
    arrow: bool = True

    def create(self, cursor: duckdb.DuckDBPyConnection) -> None:
        KEPT.append(self.call)
        create: Callable[..., object] = (
            cursor.create_function
        )  # its declared types differ between DuckDB's versions
        create(
            self.name,
            self.call,
            None if self.parameters is None else [duckdb.type(name) for name in self.parameters],
            duckdb.type(self.returns),
            type="arrow" if self.arrow else "native",
            null_handling="special",  # else a NULL option would skip the call
            # Not volatile although it talks to the world: DuckDB may then fold, share and skip calls, and the engine
            # makes a repeated call free.
            side_effects=self.volatile,
        )
