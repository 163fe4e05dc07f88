"""Real DuckDB, a real session and a simulator on loopback, fresh for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

import duck_or
from duck_or.simulator import Simulator
from support.bridge import KEY, Bridge

Connect = Callable[..., Bridge]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(record=True) as running:
        yield running


@pytest.fixture
def connect(simulator: Simulator) -> Iterator[Connect]:
    """Makes bridges: `connect(database, **settings)`. No cache file and no rate limit unless asked for."""
    with ExitStack() as ends:

        def make(database: str | Path = ":memory:", *, read_only: bool = False, **settings: object) -> Bridge:
            con = duckdb.connect(str(database), read_only=read_only)
            ends.callback(con.close)
            given: dict[str, Any] = {
                "base_url": simulator.base_url,
                "api_key": KEY,
                "model": "fake/echo",
                "rate_limit": 0,
            }
            session = duck_or.register(con, **{**given, "cache_path": None, **settings})
            ends.callback(session.close)
            return Bridge(con, session, simulator)

        yield make


@pytest.fixture
def bridge(connect: Connect) -> Bridge:
    return connect()
