"""The functions on every connection of a SQLAlchemy engine (duckdb_engine), whose statements are planned as a whole.

    engine = sqlalchemy.create_engine("duckdb:///shop.duckdb")
    session = duck_or.integrations.sqlalchemy.register(engine, model="openai/gpt-5-mini")

Decides what the pool's connections become, and that one session serves them all: one cache, one budget, one set of counters.
How a statement is planned, and how anything is asked, it must not know.
"""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakKeyDictionary

from duck_or.errors import SettingsError
from duck_or.settings import Settings
from duck_or.statements.connection import Connection
from duck_or.statements.session import Session

try:
    from duckdb_engine import ConnectionWrapper
    from sqlalchemy import ColumnElement, Engine, event, literal_column
except ImportError as error:
    raise ImportError('this needs SQLAlchemy and duckdb_engine: pip install "duck_or[sqlalchemy]"') from error

_CONNECT = "do_connect"
_openings: WeakKeyDictionary[Engine, _Opening] = WeakKeyDictionary()


def register(engine: Engine, settings: Settings | None = None, **overrides: object) -> Session:
    """Make the functions callable on every connection that the engine opens from now on, the first of them at once.

    Call it before the engine's first use. Settings as in `duck_or.register`; with `prefetch='off'` statements are not planned.
    Registering again, after `engine.dispose()`, replaces the session. Raises SettingsError, also for an engine of another
    database or with connections already; sqlalchemy.exc.DBAPIError where the database cannot be opened.
    """
    if engine.dialect.name != "duckdb":
        raise SettingsError(f"this engine is for {engine.dialect.name}; make it of a duckdb:/// URL")
    opening = _Opening(settings.overridden(overrides) if settings else Settings.load(overrides))
    before = _openings.get(engine)
    _listen(engine, opening)
    try:
        with engine.connect():
            session = opening.session
    except BaseException:
        _listen(engine, before)
        raise
    if session is None:
        _listen(engine, before)
        raise SettingsError(
            "this engine has connections already, or opens them with a `creator` of its own: make it of a URL, and register "
            "it before its first use or after engine.dispose()"
        )
    return session


def named(**arguments: Any) -> list[ColumnElement[Any]]:
    """Arguments by name: `func.prompt(reviews.c.text, *named(model="…", system="Be brief."))`. Values or columns."""
    return [literal_column(name).op(":=")(value) for name, value in arguments.items()]


class _Opening:
    """Opens what the pool asks for. session: as soon as there was a connection."""

    def __init__(self, settings: Settings) -> None:
        self.session: Session | None = None
        self._settings = settings
        self._guard = threading.Lock()  # a pool connects on its users' threads

    def __call__(self, dialect: Any, record: Any, cargs: Any, cparams: Any) -> ConnectionWrapper:
        """For SQLAlchemy's event `do_connect`: what it returns is the connection."""
        con = dialect.connect(
            *cargs, **cparams
        ).__enter__()  # DuckDB's own connection, behind duckdb_engine's
        with self._guard:
            if self.session is None:
                self.session = Session(con, self._settings)
            else:  # of the same file, or of a database in memory, of which each thread has its own
                self.session.move_to(con)
            return ConnectionWrapper(Connection(con, self.session))


def _listen(engine: Engine, opening: _Opening | None) -> None:
    """Let this one open the engine's connections, and none before it."""
    if current := _openings.pop(engine, None):
        event.remove(engine, _CONNECT, current)
    if opening is not None:
        event.listen(engine, _CONNECT, opening)
        _openings[engine] = opening
