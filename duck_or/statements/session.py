"""A session with its connection: what `duck_or.register` returns."""

from __future__ import annotations

from typing import Any
from weakref import ref

import duckdb

from duck_or.errors import SessionClosed
from duck_or.session import SessionCore
from duck_or.settings import Settings
from duck_or.sql.registration import install, name_on
from duck_or.statements.asking import Changes
from duck_or.statements.ending import end_at_exit
from duck_or.statements.estimate import Estimate
from duck_or.statements.planner import Parameters
from duck_or.statements.preference import Preferences
from duck_or.statements.runner import Runner


class Session(SessionCore):
    """The settings, the cache and the counters behind the SQL functions, and whole statements on their connection.

    Plain SQL on the connection is answered chunk by chunk. `sql` and `execute` ask everything that a statement will ask
    first, all at once: same result, fewer waits, predicates in the right order, a progress line, a budget. Counters and
    logs may be read from several threads and after a fork; statements are for the connection's thread. `close()` gives
    connections and files back; the SQL functions then say so. As a context manager it closes itself.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
        super().__init__(settings)
        self._preferences = Preferences()
        self._changes = Changes()
        self.move_to(con)

    def move_to(self, con: duckdb.DuckDBPyConnection) -> None:
        """Answer on this connection and its database from now on: the caches, the counters, what is left of the budget go on.

        For a database that was closed and opened again; `register` would begin anew. Raises DuckOrError.
        """
        # Weak: the functions that DuckDB keeps for ever lead to this session, and must not keep the database open.
        self._connection = ref(con)
        end_at_exit(con)
        self._slot = install(con, self)
        self._slot.estimate = self._estimate_elsewhere

    def name_on(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make the names known on one more connection of the same database, as they are on the registered one.

        A cursor of a file database needs it: macros of another connection are hidden from it. Gives up an open result.
        """
        name_on(con, self._slot)

    def sql(self, query: str, params: Parameters = None, *, budget_usd: float | None = None) -> Any:
        """Like `con.sql`: a DuckDB relation (None where there is nothing to return), its questions answered already.

        params: for the last statement, by position or by name. budget_usd: what this query may cost, beside the session's
        budget. Raises duckdb.Error, StatementStopped and RequestFailed where a failure ends the statement, ArgumentError.
        """
        return self.runner(self._live_connection()).sql(query, params, budget_usd)

    def execute(self, query: str, params: Parameters = None, *, budget_usd: float | None = None) -> Any:
        """Like `con.execute`: runs the statements of a query, returns the connection with the last one's result.

        Arguments and errors as in `sql`.
        """
        return self.runner(self._live_connection()).execute(query, params, budget_usd)

    def estimate(self, query: str, params: Parameters = None) -> Estimate:
        """What a query would ask now, send, and cost. Nothing is sent, nothing is written.

        Raises duckdb.Error; DuckOrError where that cannot be told beforehand.
        """
        return self.runner(self._live_connection()).estimate(query, params)

    def runner(self, con: duckdb.DuckDBPyConnection) -> Runner:
        """What runs whole statements on a connection of the same database."""
        end_at_exit(con)
        return Runner(con, self, self._slot, self._preferences, self._changes)

    def _live_connection(self) -> duckdb.DuckDBPyConnection:
        con = self._connection()
        if con is None:
            raise SessionClosed(
                "this session's connection is gone; keep it, or call duck_or.register(con) again"
            )
        return con

    def _estimate_elsewhere(self, query: str) -> dict[str, Any]:
        """For openrouter_estimate(query): its connection is busy with asking this, so the query is looked at from another."""
        with self._live_connection().cursor() as cursor:
            return self.runner(cursor).estimate(query).as_row()
