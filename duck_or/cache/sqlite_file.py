"""Opening an answer cache file: whose it is, which version, and how SQLite should treat it.

The rules: a file that is not ours is refused before anything in it changes; a newer one is refused; an older one is
migrated, and an empty one is version 0, so that creating is a migration too. What is asked of the tables, it does not know.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from duck_or.cache.contract import StoreError

APPLICATION_ID = int.from_bytes(b"dkor", "big")
"""Written in the file's header: `file` and SQLite show it, and it tells our files from others."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # An ordinary table with a unique index, not WITHOUT ROWID: rows are appended in the order they come, so that
        # writes go to few pages, oldest rows leave whole pages free, and a query that is run again reads its
        # answers from neighbouring pages. A clustered table scatters 1 kB rows by hash: it put half as many rows per
        # second, read 10 to 30 % fewer and took 17 % more space (benchmarks/bench_store_layouts.py).
        """
        CREATE TABLE answer (
            key    BLOB    NOT NULL PRIMARY KEY,  -- 32 bytes
            stored REAL    NOT NULL,              -- seconds since the epoch
            format INTEGER NOT NULL,              -- of body: see codec.py
            size   INTEGER NOT NULL,              -- of the answer, in bytes
            body   BLOB    NOT NULL
        )
        """,
        # Covers info and pruning, which would otherwise read every body.
        "CREATE INDEX answer_by_age ON answer (stored, size)",
    ),
)
"""MIGRATIONS[n] takes a file of version n to version n + 1."""

SCHEMA_VERSION = len(MIGRATIONS)

PAGE_BYTES = 8192
PAGE_CACHE_BYTES = 16 * 1024 * 1024

# One statement, so that it sees a file as it was before or after another process made the tables, not half-way.
IDENTITY = """
    SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), count(*)
    FROM sqlite_master
"""

# Pages of 4, 8 and 16 kB measured alike within the noise of 20 %. No mmap: it measured no gain, and a disk error under a
# mapped file kills the process instead of failing a call.
EVERY_CONNECTION = (
    "PRAGMA synchronous = NORMAL",  # with WAL: survives kill -9; a power cut may take the last commits, no more
    f"PRAGMA cache_size = -{PAGE_CACHE_BYTES // 1024}",
)


def open_file(path: Path, busy_timeout: float, max_pages: int | None = None) -> sqlite3.Connection:
    """A connection to the cache file, made if it is not there. Any one thread at a time may use it.

    busy_timeout: seconds to wait for another process's lock. max_pages: beyond it SQLite says the disk is full.
    Raises sqlite3.Error, OSError; StoreError for a file that is not ours to use.
    """
    _make_private(path)
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    connection.text_factory = (
        bytes  # text in a damaged row may not be UTF-8: that must not fail its neighbours
    )
    try:
        if _version(connection, path) < SCHEMA_VERSION:
            _migrate(connection, path, busy_timeout)
        for statement in EVERY_CONNECTION:
            connection.execute(statement)
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {max_pages:d}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def write_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once (a lock taken half-way cannot wait for another's); all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _make_private(path: Path) -> None:
    """Only its owner reads a cache: SQLite gives the -wal and -shm files the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The file's schema version, 0 for an empty file. Raises StoreError where it is not one we may use."""
    application_id, version, tables = connection.execute(IDENTITY).fetchone()
    if application_id != APPLICATION_ID and (application_id or version or tables):
        raise StoreError(
            f"{path} is a SQLite database, but not an answer cache of duck_or; it was left as it is. "
            "Set cache_path to another file"
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the answer cache {path} has schema version {version}, made by a newer duck_or; this one knows "
            f"{SCHEMA_VERSION}. Upgrade duck_or, or set cache_path to another file"
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, path: Path, busy_timeout: float) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # no effect unless the file is empty
    switch_to_wal(connection, busy_timeout)
    with write_transaction(connection):
        for statements in MIGRATIONS[
            _version(connection, path) :
        ]:  # again: another process may have been faster
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def switch_to_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """SQLite does not wait for the lock this needs, as it does for every other: processes that begin together collide."""
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.005)
        else:
            return
