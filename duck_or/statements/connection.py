"""A DuckDB connection whose statements are planned without being asked to: `duck_or.connect(...)`.

It stands in front of a real connection and hands on what it does not know, so that code written for DuckDB runs faster
and otherwise as before. Asking ahead happens when a statement runs, never when a relation is made: `con.sql(...)` is lazy.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import duckdb

from duck_or.statements.ending import end_at_exit
from duck_or.statements.planner import Parameters
from duck_or.statements.relation import Relation
from duck_or.statements.runner import Runner
from duck_or.statements.session import Session
from duck_or.statements.viewpoint import Viewpoint, variables_around

EAGER_WITH_PARAMETERS = duckdb.__version__.startswith("1.")
"""Whether DuckDB's own `con.sql(query, params=...)` runs the query at once."""


class Connection:
    """Like a DuckDBPyConnection. session: its counters, budget, estimates. con: the real connection, for what wants one.

    With `prefetch = 'off'` every statement runs as DuckDB runs it, chunk by chunk.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, session: Session) -> None:
        self.con = con
        self.session = session
        self._runner: Runner | None = session.runner(con) if session.settings.prefetch == "auto" else None
        self._viewpoint = Viewpoint(con)
        end_at_exit(con)

    def execute(self, query: Any, parameters: Parameters = None) -> Self:
        """Run the statements of a query; the last one's result is then to be fetched from here."""
        if self._runner is None or not isinstance(query, str):
            with self._viewpoint.seeing(variables_around(self.con, query) if isinstance(query, str) else {}):
                self._viewpoint.execute(query, parameters)
        else:
            self._runner.execute(query, parameters)
        return self

    def sql(self, query: Any, *, alias: str = "", params: Parameters = None) -> Any:
        """A relation, or None where there is nothing to return."""
        runner, variables = self._runner, variables_around(self.con, query if isinstance(query, str) else "")
        if runner is None or not isinstance(query, str):
            with self._viewpoint.seeing(variables):
                return self._viewpoint.sql(query, alias=alias, params=params)
        if (params and EAGER_WITH_PARAMETERS) or not runner.asks(query, params, variables):
            return runner.sql(query, params, alias=alias, variables=variables)
        plain = runner.plain(query, params, alias, variables)
        named = {name: value for name, value in variables.items() if name in query}  # no more is kept alive
        return Relation(plain, partial(runner.sql, query, params, alias=alias, variables=named))

    query = sql
    from_query = sql

    def cursor(self) -> Self:
        """Another connection to the same database: it knows the same names, and is planned as this one is."""
        con = self.con.cursor()
        self.session.name_on(con)
        return type(self)(con, self.session)

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
