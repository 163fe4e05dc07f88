"""One database, session and simulator for a module's tests of the functions that ask: tests only add to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

import duck_or
from duck_or.simulator import Simulator
from support.bridge import KEY, Bridge


@contextmanager
def family_bridge(**settings: object) -> Iterator[Bridge]:
    """The default model, fake/model, answers with what a schema demands. No cache file, no rate limit."""
    with Simulator(record=True) as simulator, duckdb.connect() as con:
        given: dict[str, Any] = {"base_url": simulator.base_url, "api_key": KEY, "model": "fake/model"}
        session = duck_or.register(con, **{**given, "rate_limit": 0, "cache_path": None, **settings})
        with session:
            yield Bridge(con, session, simulator)


def raised(bridge: Bridge, sql: str, parameters: list[object] | None = None) -> str:
    """The message of the error that a statement ends with."""
    try:
        bridge.rows(sql, parameters)
    except duckdb.Error as error:
        return str(error)
    raise AssertionError(f"no error: {sql}")


def last_error(bridge: Bridge) -> tuple[str, str, int, str | None]:
    """Code, message, attempts and model of the newest row of openrouter_errors()."""
    found: tuple[str, str, int, str | None] = bridge.rows(
        "SELECT code, message, attempts, model FROM openrouter_errors()"
    )[-1]
    return found
