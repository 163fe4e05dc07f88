"""Ends what is still running when the interpreter ends: DuckDB's threads must not call into a Python that is going away.

A result that nobody read to its end has threads at work; so has a statement of a daemon thread. What they do, it must
not know.
"""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from weakref import ref

import duckdb

from duck_or.engine.cancellation import cancel_running

_connections: dict[int, tuple[int, ref[duckdb.DuckDBPyConnection]]] = {}


def end_at_exit(con: duckdb.DuckDBPyConnection) -> None:
    """Give up what this connection is doing, if it is there still, before the interpreter ends."""
    number = id(con)
    _connections[number] = os.getpid(), ref(con, lambda _: _connections.pop(number, None))


def _end_all() -> None:
    """Runs before the event loop stops: its module was imported, and its exit function registered, before this one."""
    cancel_running()
    for pid, found in list(_connections.values()):
        con = found()
        if (
            con is not None and pid == os.getpid()
        ):  # a forked child has none of the threads that would have to end
            _end(con)


def _end(con: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # closed, or in a transaction that failed
        con.interrupt()
        con.execute("SELECT 1").fetchall()  # gives up an open result, and waits for its threads


atexit.register(_end_all)
