"""Answers in one SQLite file: a chunk's keys in one look-up, a chunk's answers in one transaction.

It decides how keys and bytes are kept; what they mean, it must not know. Several processes may share the file. Any thread
may call, one at a time is served. After a fork the child opens the file anew: SQLite forbids sharing a connection.

Measured with benchmarks/bench_store.py, 200,000 answers of 2 kB, a new process, 2 shared cores: from
the event loop 83,800 rows/s in chunks of 2,048, 6 times one key at a time; without the hop between threads 90,700, 2.6
times. Of a row's 11 µs SQLite takes 4 and zstd 5. Threads (for decoding, or two connections) did not help: SQLite's
module gives up the GIL and takes it again at every row. Putting: 22,800 rows/s.
"""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from duck_or.cache.codec import Codec, DamagedError
from duck_or.cache.contract import Kept, StoreInfo, expired
from duck_or.cache.guard import log_warning
from duck_or.cache.sqlite_errors import store_error
from duck_or.cache.sqlite_file import SCHEMA_VERSION, open_file, write_transaction

LOOK_UP_KEYS = 2048
"""Keys in one statement: DuckDB's chunk, and far below SQLite's limit of 32,766 parameters."""

UPSERT_ROWS = 1024
"""Rows in one statement, of five parameters each."""

WALKED_ROWS = 1024
"""Answers that are handed out at once when all are asked for."""

HEADROOM = 1 / 16
"""Of the size cap: a prune leaves so much room, so that not every write has to prune."""

CHECK_EVERY = 1 / 64
"""Of the size cap: bytes written between two looks at the file's size."""

SELECT = "SELECT key, stored, format, size, body FROM answer WHERE key IN ({places})"
UPSERT = "INSERT OR REPLACE INTO answer (key, stored, format, size, body) VALUES {rows}"
ADD = """
    INSERT INTO answer (key, stored, format, size, body) VALUES {rows} ON CONFLICT (key) DO UPDATE
    SET stored = excluded.stored, format = excluded.format, size = excluded.size, body = excluded.body
    WHERE excluded.stored > answer.stored
"""
# By key: each comes once, whatever others write meanwhile, and equal stores give equal files.
WALK = "SELECT key, stored, format, size, body FROM answer WHERE key > ? ORDER BY key LIMIT ?"
DELETE = "DELETE FROM answer WHERE key = ?"
DELETE_ALL = "DELETE FROM answer"
DELETE_EXPIRED = "DELETE FROM answer WHERE ? - stored > ?"  # the same arithmetic as `expired`
DELETE_OLDEST = "DELETE FROM answer WHERE rowid IN (SELECT rowid FROM answer ORDER BY stored, rowid LIMIT ?)"
COUNT = "SELECT count(*) FROM answer"
SUMMARY = "SELECT count(*), coalesce(sum(size), 0), min(stored), max(stored) FROM answer"
USED_BYTES = (
    "SELECT (page_count - freelist_count) * page_size"
    " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)

Row: TypeAlias = tuple[bytes, float, int, int, bytes]
"""key, stored, format, size, body"""


class SqliteStore:
    """A `Store` in the file at `path`, opened at the first call.

    ttl: seconds an answer is good for, None for ever. max_bytes: cap on the used part of the file, None for none; the
    oldest answers go first. busy_timeout: seconds to wait for another process's lock. max_pages: a hard limit, beyond
    which writing fails as on a full disk. report: called once if rows turn out to be damaged (they count as not there;
    `damaged` says how many).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: float | None = None,
        max_bytes: int | None = None,
        busy_timeout: float = 5.0,
        max_pages: int | None = None,
        report: Callable[[str], None] = log_warning,
    ) -> None:
        self.path = Path(path)
        self.damaged = 0
        self._ttl = ttl
        self._max_bytes = max_bytes
        self._busy_timeout = busy_timeout
        self._max_pages = max_pages
        self._report = report
        self._unchecked: float = math.inf  # bytes written since the last look at the file's size
        self._codec = Codec()
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        _STORES.add(self)

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        with self._connected("read") as connection:
            found: dict[bytes, Kept] = {}
            for statement, parameters in _look_ups(keys):
                for row in connection.execute(statement, parameters):
                    self._take(row, now, found)
            return found

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        with self._connected("write") as connection:
            rows = [(key, now, *self._encoded(body)) for key, body in items.items()]
            with write_transaction(connection):
                self._put(connection, UPSERT, rows)

    def add_many(self, items: Mapping[bytes, Kept]) -> int:
        with self._connected("write") as connection:
            rows = [(key, kept.stored, *self._encoded(kept.body)) for key, kept in items.items()]
            with write_transaction(connection):
                return self._put(connection, ADD, rows)

    def entries(self) -> Iterator[dict[bytes, Kept]]:
        last = b""
        while True:
            with self._connected("read") as connection:
                rows = connection.execute(WALK, (last, WALKED_ROWS)).fetchall()
                found: dict[bytes, Kept] = {}
                for row in rows:
                    self._take(row, -math.inf, found)
            if found:
                yield found
            if len(rows) < WALKED_ROWS:
                return
            last = rows[-1][0]

    def delete_many(self, keys: Iterable[bytes]) -> int:
        with self._connected("write") as connection, write_transaction(connection):
            return connection.executemany(DELETE, ((key,) for key in keys)).rowcount

    def info(self) -> StoreInfo:
        with self._connected("read") as connection:
            entries, size, oldest, newest = connection.execute(SUMMARY).fetchone()
            files = (self.path, self.path.with_name(self.path.name + "-wal"))
            on_disk = sum(file.stat().st_size for file in files if file.exists())
        return StoreInfo(str(self.path), entries, on_disk, size, oldest, newest, SCHEMA_VERSION)

    def clear(self) -> int:
        with self._connected("clear") as connection, write_transaction(connection):
            return connection.execute(DELETE_ALL).rowcount

    def prune(self, now: float) -> int:
        with self._connected("prune") as connection, write_transaction(connection):
            removed = 0
            if self._ttl is not None:
                removed = connection.execute(DELETE_EXPIRED, (now, self._ttl)).rowcount
            return removed + self._prune_to_cap(connection)

    def vacuum(self) -> None:
        """Rewrites the file: needs as much free space again, and the write lock meanwhile."""
        with self._connected("vacuum") as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    # --- one call ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _connected(self, doing: str) -> Iterator[sqlite3.Connection]:
        """The connection, for one caller at a time. After an error it is opened anew: the file may have been mended."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = open_file(self.path, self._busy_timeout, self._max_pages)
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                self._disconnect()
                raise store_error(error, self.path, doing) from error

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _put(self, connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> int:
        """Inside a transaction. Returns how many rows it wrote."""
        pieces = _pieces(statement, rows)
        written = sum(connection.execute(text, parameters).rowcount for text, parameters in pieces)
        self._unchecked += sum(len(row[-1]) for row in rows)
        # In the same transaction: where pruning fails, nothing was stored.
        self._prune_if_due(connection)
        return written

    def _encoded(self, body: bytes) -> tuple[int, int, bytes]:
        form, blob = self._codec.encode(body)
        return form, len(body), blob

    def _take(self, row: tuple[Any, ...], now: float, found: dict[bytes, Kept]) -> None:
        key, stored, form, size, blob = row
        try:
            if not isinstance(stored, float):
                raise DamagedError(f"stored {stored!r}")
            if not expired(stored, now, self._ttl):
                found[key] = Kept(self._codec.decode(form, size, blob), stored)
        except DamagedError as error:
            self.damaged += 1
            if self.damaged == 1:
                self._report(
                    f"an answer in the cache {self.path} is damaged ({error}): it is asked for again and replaced. "
                    "Further ones are only counted"
                )

    # --- the size cap ------------------------------------------------------------------------------------------------

    def _prune_if_due(self, connection: sqlite3.Connection) -> None:
        if self._max_bytes is not None and self._unchecked > self._max_bytes * CHECK_EVERY:
            self._prune_to_cap(connection)
            self._unchecked = 0

    def _prune_to_cap(self, connection: sqlite3.Connection) -> int:
        """Remove the oldest until HEADROOM is free, if the cap is exceeded; returns how many."""
        if self._max_bytes is None or _used_bytes(connection) <= self._max_bytes:
            return 0
        goal = self._max_bytes * (1 - HEADROOM)
        [entries] = connection.execute(COUNT).fetchone()
        removed = 0
        while (used := _used_bytes(connection)) > goal and removed < entries:
            share = 1.05 * (1 - goal / used)  # a little more, since half-empty pages are not free yet
            oldest = max(1, math.ceil((entries - removed) * share))
            removed += connection.execute(DELETE_OLDEST, (oldest,)).rowcount
        return removed


def _used_bytes(connection: sqlite3.Connection) -> int:
    [used] = connection.execute(USED_BYTES).fetchone()
    return int(used)


def _look_ups(keys: Sequence[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Statements that ask for all keys, each with its parameters.

    The last one is filled up to a power of two with a repeated key: few different statements, which stay prepared.
    """
    for start in range(0, len(keys), LOOK_UP_KEYS):
        chunk = list(keys[start : start + LOOK_UP_KEYS])
        places = 1 << (len(chunk) - 1).bit_length()
        chunk += [chunk[-1]] * (places - len(chunk))
        yield SELECT.format(places=", ".join("?" * places)), chunk


def _pieces(statement: str, rows: Sequence[Row]) -> Iterator[tuple[str, list[object]]]:
    """Statements that write all rows, each with its parameters; their sizes are powers of two, so that they stay prepared.

    One statement for many rows instead of `executemany`: SQLite lets go of the interpreter at every step, and has to
    wait its turn behind the busy event loop to get it back.
    """
    start = 0
    while start < len(rows):
        size = min(UPSERT_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
        piece = rows[start : start + size]
        yield (
            statement.format(rows=", ".join(["(?, ?, ?, ?, ?)"] * size)),
            [value for row in piece for value in row],
        )
        start += size


_STORES: weakref.WeakSet[SqliteStore] = weakref.WeakSet()
_PARENTS: list[sqlite3.Connection] = []
"""In a forked child: its parent's connections. Closing one there could release the parent's locks, so they are kept."""


def _forget_parents_connections() -> None:
    for store in _STORES:
        if store._connection is not None:
            _PARENTS.append(store._connection)
            store._connection = None
        store._lock = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_connections)
