"""The two ways in: register on a connection, or open one that plans whole statements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from duck_or.settings import Settings
from duck_or.statements.connection import Connection
from duck_or.statements.session import Session


def register(
    con: duckdb.DuckDBPyConnection, settings: Settings | None = None, **overrides: object
) -> Session:
    """Make `chat_completions(...)` and its kin callable on `con` and on every cursor of its database.

    settings: complete settings; else they come from `overrides`, the environment, the config file and the defaults,
    in this order. Registering again replaces the session; what was cached on disk stays. Returns the Session: whole
    statements, its counters, its logs, `close()`. Raises SettingsError.
    """
    return Session(con, settings.overridden(overrides) if settings else Settings.load(overrides))


def connect(
    database: str | Path = ":memory:",
    read_only: bool = False,
    config: Mapping[str, Any] | None = None,
    *,
    settings: Settings | None = None,
    **overrides: object,
) -> Connection:
    """A DuckDB connection with the functions registered and every statement planned as a whole, cursors included.

    The first three arguments are `duckdb.connect`'s, the others `register`'s. Its `session` has the counters. A context
    manager. Raises duckdb.Error, SettingsError.
    """
    chosen = settings.overridden(overrides) if settings else Settings.load(overrides)
    con = duckdb.connect(str(database), read_only=read_only, config=dict(config or {}))
    return Connection(con, Session(con, chosen))
