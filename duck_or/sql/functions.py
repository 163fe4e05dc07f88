"""What DuckDB calls: the functions of one database instance, and the session behind them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import pyarrow as pa

from duck_or.cache.recall import Recall
from duck_or.errors import SessionClosed
from duck_or.session import OnError, SessionCore
from duck_or.sql.attachments import attachment_functions
from duck_or.sql.callables import Function
from duck_or.sql.family import TRY
from duck_or.sql.kinds import KINDS, RESPONSES, Kind, Memories, Route, desk_of
from duck_or.sql.named import NAMED_TABLES, named_functions
from duck_or.sql.pages import Pages
from duck_or.sql.plans import Plans, mark_in
from duck_or.sql.positional import json_arguments
from duck_or.sql.reducing import Answer
from duck_or.sql.tables import ESTIMATE, TABLES, Table
from duck_or.sql.vectors import NO_OPTIONS, Vector, answer_rows, flat, json_vector

_numbers = count(1)


class Slot:
    """The session behind one database instance's functions. A second `register` puts another one in.

    plans: the statements that are run as a whole. estimate: what openrouter_estimate(query) answers with. prefix: where
    every connection of the instance finds the macros, empty where it must see them itself. theirs: names of ours that are the
    user's functions when they stand by themselves.
    """

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.session: SessionCore | None = None
        self.memories = Memories(Pages(0), Recall(0))
        self.plans = Plans()
        self.estimate: Callable[[str], Mapping[str, Any]] | None = None
        self.prefix = ""
        self.theirs: frozenset[str] = frozenset()
        self._mute = threading.local()

    def enter(self, session: SessionCore) -> SessionCore | None:
        """Put `session` in; returns the one before."""
        previous, self.session = self.session, session
        self.memories = Memories.of(session.settings)
        return previous

    @contextmanager
    def mute(self) -> Iterator[None]:
        """On this thread all that is asked is NULL meanwhile: DuckDB evaluates constants even where it only binds a query."""
        self._mute.on = True
        try:
            yield
        finally:
            self._mute.on = False

    @property
    def is_mute(self) -> bool:
        return getattr(self._mute, "on", False)

    def live(self) -> SessionCore:
        if self.session is None:
            raise SessionClosed("no session is registered here; call duck_or.register(con)")
        return self.session


def functions(slot: Slot) -> list[Function]:
    """All functions of one database instance. The macros (asking/*.sql and the others) give most of them their public names."""
    return [
        Function("__duck_or_slot", lambda: slot.number, (), "BIGINT", arrow=False),
        *_asking(slot),
        # For cursors that see no macro: the same by position.
        Function("chat_completions", _positional(_answering(slot, RESPONSES, None)), None, "JSON"),
        Function("try_chat_completions", _positional(_answering(slot, RESPONSES, "json")), None, "JSON"),
        Function("__duck_or_key", _key(slot), ("JSON", "JSON"), "VARCHAR"),
        *(_table(slot, table) for table in (*TABLES, *NAMED_TABLES)),
        *named_functions(lambda: slot.live().named),
        *attachment_functions(),
        Function("__duck_or_estimate", _estimate(slot), ("VARCHAR",), ESTIMATE.duckdb_type, volatile=True),
        Function("__duck_or_landed", _landed(slot), ("BIGINT", "BIGINT"), "BOOLEAN", volatile=True),
    ]


def _asking(slot: Slot) -> Iterator[Function]:
    for kind in KINDS:
        packed = ("JSON", "JSON", "BIGINT")
        yield Function(f"__duck_or_{kind.name}", _answering(slot, kind, None), packed, kind.returns)
        yield Function(
            f"__duck_or_{TRY}{kind.name}", _answering(slot, kind, kind.failing), packed, kind.returns
        )


def _answering(
    slot: Slot, kind: Kind, on_error: OnError | None
) -> Callable[[Vector, Vector, Vector | None], pa.Array]:
    def answering(rows: Vector, options: Vector, statement: Vector | None) -> pa.Array:
        session = slot.live()
        mode = on_error or session.settings.on_error
        identity = None if statement is None else flat(statement)[0].as_py()
        mark = mark_in(identity)
        plan = mark and slot.plans.find(mark.plan)
        answer: Answer = partial(session.answer, statement=identity, on_error=mode)
        route = Route(answer, partial(session.repeat, statement=identity))
        if mark is not None and plan is not None:
            answer = partial(plan.answer, mark.number, on_error=mode)
            route = Route(answer, partial(plan.repeat, mark.number), counts=not plan.collects)
        desk = desk_of(kind, session, mode, route, slot.memories)
        values = pa.nulls(len(rows), desk.column.type) if slot.is_mute else answer_rows(rows, options, desk)
        return json_vector(values) if kind.returns == "JSON" else values

    return answering


def _key(slot: Slot) -> Callable[[Vector, Vector], pa.Array]:
    """The cache keys of the requests that rows would become. Raises ArgumentError where one would not."""

    def keys(messages: Vector, options: Vector) -> pa.Array:
        session = slot.live()
        pairs = zip(flat(messages).to_pylist(), flat(options).to_pylist(), strict=True)
        return pa.array(
            [
                None
                if text is None
                else session.request(session.resolve(given or NO_OPTIONS), text).key.hex()
                for text, given in pairs
            ],
            pa.string(),
        )

    return keys


def _landed(slot: Slot) -> Callable[[Vector, Vector], pa.Array]:
    """What a statement is made of that waits for the answers to another one: so the connection is busy meanwhile, and
    can be interrupted. DuckDB looks for that between chunks, so each one waits a moment only."""

    def landed(plan: Vector, row: Vector) -> pa.Array:
        waited_for = slot.plans.find(flat(plan)[0].as_py())
        return pa.array([waited_for is None or waited_for.landed()] * len(row), pa.bool_())

    return landed


def _estimate(slot: Slot) -> Callable[[Vector], pa.Array]:
    def rows(queries: Vector) -> pa.Array:
        slot.live()
        assert slot.estimate is not None  # put there with the session
        return ESTIMATE.lists([[slot.estimate(query)] for query in flat(queries).to_pylist()])

    return rows


def _positional(chat: Callable[[Vector, Vector, Vector | None], pa.Array]) -> Callable[..., pa.Array]:
    def positional(*columns: Vector) -> pa.Array:
        messages, options = json_arguments(columns)
        return chat(messages, options, None)

    return positional


def _table(slot: Slot, table: Table) -> Function:
    def rows(trigger: Vector) -> pa.Array:
        return table.vector(slot.live(), len(trigger))

    return Function(f"__duck_or_{table.name}", rows, ("VARCHAR",), table.duckdb_type, volatile=True)
