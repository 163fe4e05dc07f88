"""Vectors of rows and options in, vectors of values out, by one session: what DuckDB's functions are, without DuckDB.

Who brings the vectors, and what a row says, it must not know.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from duck_or.arrow.ahead import Window, answered_ahead
from duck_or.engine.batch import Statement
from duck_or.errors import RequestFailed
from duck_or.outcome import Action
from duck_or.session import WAITING_ROOM, OnError, SessionCore
from duck_or.sql.kinds import Kind, Memories, Route, desk_of
from duck_or.sql.vectors import answer_rows


class Packed(NamedTuple):
    """Some rows as the engine takes them: JSON text, NULL where there is nothing to ask; and each row's options."""

    rows: pa.Array
    options: pa.Array


@dataclass(frozen=True, slots=True)
class Kernel:
    """Answers for one session. Used by several threads at once."""

    session: SessionCore
    memories: Memories

    def answer(
        self, kind: Kind, packed: Packed, statement: Statement, on_error: OnError | None = None
    ) -> pa.Array:
        """A value for each row. statement: what the rows belong to. on_error: the settings' if None.

        Raises RequestFailed where a failure ends the statement, ArgumentError, SettingsError, Cancelled.
        """
        session, mode = self.session, on_error or self.session.settings.on_error
        route = Route(
            partial(session.replay, statement=statement, on_error=mode),
            partial(session.repeat, statement=statement),
        )
        desk = desk_of(kind, session, mode, route, self.memories)
        try:
            return answer_rows(packed.rows, packed.options, desk)
        except RequestFailed as error:
            raise _with_key(error, session, statement) from None

    def answer_all(
        self, kind: Kind, batches: Iterable[Packed], on_error: OnError | None = None
    ) -> Generator[pa.Array, None, None]:
        """The values of one batch after the other, all of one statement, the next ones asked while the first is waited for.

        Raises what `answer` raises, and whatever the iterable does. Closed early, it takes back what is under way.
        """
        statement = self.session.new_statement()
        return answered_ahead(
            batches,
            lambda packed: self.answer(kind, packed, statement, on_error),
            lambda packed: len(packed.rows),
            Window(4 * self.session.settings.max_in_flight + WAITING_ROOM),
            statement.cancel,
        )


def _with_key(error: RequestFailed, session: SessionCore, statement: Statement) -> RequestFailed:
    """The same error, saying which request it was: where rows are many and workers far, its text is all there is."""
    failure = statement.stopped
    if failure is None or failure.action is Action.STOP:  # that is no single row's fault
        return error
    for row in reversed(session.errors()):
        if row["cache_key"] and (row["code"], row["message"]) == (failure.code, failure.message):
            asked = f"model {row['model']}, cache key {row['cache_key']}"
            return type(error)(f"{error} The request: {asked}.")
    return error
