"""A DuckDB connection whose statements are planned without being asked to: `duck_or.connect(...)`.

It stands in front of a real connection and hands on what it does not know, so that code written for DuckDB runs faster
and otherwise as before. Asking ahead happens when a statement runs, never when a relation is made: `con.sql(...)` is lazy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType
from typing import Any, Self, TypeVar

import duckdb

from duck_or.statements.planner import Parameters
from duck_or.statements.runner import Runner
from duck_or.statements.session import Session
from duck_or.statements.tokens import tokens

T = TypeVar("T")

# What evaluates a relation to its last row. Everything else (filter, limit, show, …) may need less than all of it.
COMPLETE = frozenset(
    {
        *("fetchall", "fetchdf", "df", "to_df", "fetchnumpy", "pl", "torch", "tf", "execute"),
        *("arrow", "fetch_arrow_table", "to_arrow_table", "__arrow_c_stream__"),
        *("fetch_arrow_reader", "fetch_record_batch", "record_batch", "to_arrow_reader"),
        *("to_table", "create", "insert_into", "to_csv", "write_csv", "to_parquet", "write_parquet"),
    }
)


class Connection:
    """Like a DuckDBPyConnection. session: its counters, budget, estimates. con: the real connection, for what wants one.

    With `prefetch = 'off'` every statement runs as DuckDB runs it, chunk by chunk.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, session: Session) -> None:
        self.con = con
        self.session = session
        self._runner: Runner | None = session.runner(con) if session.settings.prefetch == "auto" else None

    def execute(self, query: Any, parameters: Parameters = None) -> Self:
        """Run the statements of a query; the last one's result is then to be fetched from here."""
        if self._runner is None or not isinstance(query, str):
            self.con.execute(query, parameters)
        else:
            _seeing(relations_named(query), partial(self._runner.execute, query, parameters))
        return self

    def sql(self, query: Any, *, alias: str = "", params: Parameters = None) -> Any:
        """A relation, or None where there is nothing to return."""
        if self._runner is None or not isinstance(query, str):
            return self.con.sql(query, alias=alias, params=params)
        relations = relations_named(query)
        if not _seeing(relations, partial(self._runner.asks, query, params)):
            return _seeing(relations, partial(self._runner.sql, query, params, alias=alias))
        return Relation(self._runner, query, params, alias)

    query = sql
    from_query = sql

    def cursor(self) -> Connection:
        """Another connection to the same database, planned as this one is."""
        return Connection(self.con.cursor(), self.session)

    duplicate = cursor

    def begin(self) -> Self:
        self.con.begin()
        return self

    def commit(self) -> Self:
        self.con.commit()
        return self

    def rollback(self) -> Self:
        self.con.rollback()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.con.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.con, name)

    def __repr__(self) -> str:
        return f"<duck_or connection over {self.con!r}>"


class Relation:
    """Like the relation of a query that asks. Where all of it is wanted, its questions are asked ahead, once."""

    def __init__(self, runner: Runner, query: str, parameters: Parameters, alias: str) -> None:
        self._runner = runner
        self._query = query
        self._parameters = parameters
        self._alias = alias
        self._plain = runner.plain(query, parameters, alias)
        self._answered: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole() if name in COMPLETE else self._answered or self._plain, name)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._whole().__arrow_c_stream__(requested_schema)

    @property
    def plain(self) -> Any:
        """The relation as DuckDB made it: evaluated chunk by chunk, and by as much as is wanted of it."""
        return self._answered or self._plain

    def __len__(self) -> int:
        return len(self._plain)

    def __getitem__(self, name: str) -> Any:
        return self._plain[name]

    def __repr__(self) -> str:
        return repr(self._answered or self._plain)

    def _whole(self) -> Any:
        if self._answered is None:
            self._answered = self._runner.sql(self._query, self._parameters, alias=self._alias)
        return self._answered


def relations_named(query: str) -> dict[str, Any]:
    """The relations among the variables of whoever called us that a query may name in its FROM."""
    names = {token.text for token in tokens(query)}
    found: dict[str, Any] = {}
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and names:
        for name in names.intersection(frame.f_locals):
            if isinstance(value := frame.f_locals[name], Relation):
                found.setdefault(name, value.plain)
        frame = frame.f_back
    return found


def _seeing(relations: Mapping[str, Any], work: Callable[[], T]) -> T:
    """Work in a place where DuckDB, which looks for such names among variables, finds relations that it knows."""
    if not relations:
        return work()
    result: T = eval("work()", {**relations, "work": work})
    return result
