"""The callables that DuckDB calls, and what they are registered as.

DuckDB 2.0 does not keep a Python callable alive: only the connection that registered it does, and a call after that one
is gone crashes the process. So every callable made here stays in KEPT for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import duckdb
import pyarrow as pa

from duck_or.errors import SessionClosed
from duck_or.session import OnError, Session, memory_shares
from duck_or.sql.pages import Pages
from duck_or.sql.positional import json_arguments
from duck_or.sql.tables import TABLES, Table
from duck_or.sql.vectors import Desk, Vector, answer_rows, flat

KEPT: list[Callable[..., Any]] = []

_numbers = count(1)


class Slot:
    """The session behind one database instance's functions. A second `register` puts another one in."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.session: Session | None = None
        self.pages = Pages(0)

    def enter(self, session: Session) -> Session | None:
        """Put `session` in; returns the one before."""
        previous, self.session = self.session, session
        self.pages = Pages(memory_shares(session.settings).pages)
        return previous

    def live(self) -> Session:
        if self.session is None:
            raise SessionClosed("no session is registered here; call duck_or.register(con)")
        return self.session


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


def functions(slot: Slot) -> list[Function]:
    """All functions of one database instance. The macros (chat.sql, tables.sql) give most of them their public names."""
    packed = ("JSON", "JSON", "BIGINT")
    return [
        Function("__duck_or_slot", lambda: slot.number, (), "BIGINT", arrow=False),
        Function("__duck_or_chat_completions", _chat(slot, None), packed, "JSON"),
        Function("__duck_or_try_chat_completions", _chat(slot, "json"), packed, "JSON"),
        # For cursors that see no macro: the same by position.
        Function("chat_completions", _positional(_chat(slot, None)), None, "JSON"),
        Function("try_chat_completions", _positional(_chat(slot, "json")), None, "JSON"),
        *(_table(slot, table) for table in TABLES),
    ]


def _chat(slot: Slot, on_error: OnError | None) -> Callable[[Vector, Vector, Vector | None], pa.Array]:
    def chat(messages: Vector, options: Vector, statement: Vector | None) -> pa.Array:
        session = slot.live()
        mode = on_error or session.settings.on_error
        identity = None if statement is None else flat(statement)[0].as_py()

        desk = Desk(
            answer=lambda groups: session.answer(groups, identity, mode),
            repeat=lambda repeated: session.repeat(repeated, identity),
            pages=slot.pages,
            failures_as_null=mode == "null",
        )
        return answer_rows(messages, options, desk)

    return chat


def _positional(chat: Callable[[Vector, Vector, Vector | None], pa.Array]) -> Callable[..., pa.Array]:
    def positional(*columns: Vector) -> pa.Array:
        messages, options = json_arguments(columns)
        return chat(messages, options, None)

    return positional


def _table(slot: Slot, table: Table) -> Function:
    def rows(trigger: Vector) -> pa.Array:
        return table.vector(slot.live(), len(trigger))

    return Function(f"__duck_or_{table.name}", rows, ("VARCHAR",), table.duckdb_type, volatile=True)
