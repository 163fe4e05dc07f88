"""What was sent and what it cost, on disk: appended by every process of a user, read by `duck-or report`.

It decides when rows are written and how many are kept; what they tell, `calls` and `report` know. Nobody waits for the
disk: whoever adds a call puts it on a list, one thread of the process writes all lists down once a second. A file that
cannot be written costs no row of anybody's: it is reported once, counted, and tried again with what comes next.

Neither prompts nor keys nor messages of failures (which may quote prompts) get into the file. Cache hits, and rows that
could not become requests, are one row for each model and writing, with their number in `requests`.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from duck_or.cache.contract import StoreError
from duck_or.cache.guard import log_warning
from duck_or.cache.sqlite_file import IDENTITY, switch_to_wal, write_transaction
from duck_or.calls import CacheHits, Call, FailedRow

APPLICATION_ID = int.from_bytes(b"dkoc", "big")
VERSION = 1

COLUMNS = {
    "time": "REAL NOT NULL",  # seconds since the epoch
    "requests": "INTEGER NOT NULL",  # 1, or how many hits or rejected rows this row stands for
    "model": "TEXT",
    "served_model": "TEXT",
    "provider": "TEXT",
    "generation_id": "TEXT",
    "finish_reason": "TEXT",
    "attempts": "INTEGER",
    "latency_s": "REAL",
    "prompt_tokens": "INTEGER",
    "completion_tokens": "INTEGER",
    "cached_tokens": "INTEGER",
    "reasoning_tokens": "INTEGER",
    "cost_usd": "REAL",
    "cache_hit": "INTEGER NOT NULL",
    "http_status": "INTEGER",
    "error_code": "TEXT",
}

MAX_ROWS = 1_000_000
"""About 150 MB; the oldest go first."""
MAX_PENDING = 50_000
"""Calls that wait for the disk; while there is no room for them further ones are lost, and counted."""
PAUSE = 1.0
"""Seconds in which calls gather before they are written."""
MAX_TEXT = 200
"""Characters of a model's or provider's name: the service sends what it likes."""

# One statement for many rows, in a few sizes that stay prepared: see `cache.sqlite_store`.
INSERT_ROWS = 256
INSERT = f"INSERT INTO call ({', '.join(COLUMNS)}) VALUES {{rows}}"
# Rows are only ever appended, so the ids count them. Costs nothing while there is nothing to remove.
PRUNE = "DELETE FROM call WHERE id <= (SELECT max(id) FROM call) - ?"
SELECT = "SELECT {columns} FROM call ORDER BY id"
READ_ROWS = 16_384

CREATE = f"""
    CREATE TABLE IF NOT EXISTS call (
        id INTEGER PRIMARY KEY,
        {", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())}
    )
"""

Row = tuple[Any, ...]


class Alike(NamedTuple):
    """What requests that are written as one row have in common: hits of a model, or rows refused for one reason."""

    model: str | None
    error_code: str | None


class CallsFile:
    """Calls, hits and failures on their way to the file at `path`.

    max_rows: kept in the file. max_pending: calls that wait at most. busy_timeout: seconds to wait for another process's
    lock. announce: called with this when there is something to write. report: called with the first thing that goes
    wrong; `errors` counts all of them, `lost` the calls that are never written.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_rows: int = MAX_ROWS,
        max_pending: int = MAX_PENDING,
        busy_timeout: float = 2.0,
        announce: Callable[[CallsFile], None] | None = None,
        report: Callable[[str], None] = log_warning,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.errors = 0
        self.lost = 0
        self._max_rows = max_rows
        self._max_pending = max_pending
        self._busy_timeout = busy_timeout
        self._announce = announce or _announce
        self._report = report
        self._clock = clock
        self._made = False
        self.forget()

    def forget(self) -> None:
        """Nothing waits, nobody is at work: how a forked child begins, since what waits is its parent's to write."""
        self._announced = False
        self._calls: list[Call] = []
        self._alike: Counter[Alike] = Counter()
        self._guard = threading.Lock()  # over these three
        self._writing = threading.Lock()  # taken first

    def add(self, call: Call) -> None:
        with self._guard:
            if len(self._calls) < self._max_pending:
                self._calls.append(call)
            else:
                self.lost += 1
        self._tell()

    def add_hits(self, hits: CacheHits) -> None:
        self._count(Alike(hits.model, None), hits.count)

    def add_failure(self, row: FailedRow) -> None:
        """A row that could not become a request; the failure of one that was sent is in its call."""
        if row.cache_key is None:
            self._count(Alike(row.model, row.failure.code), 1)

    def flush(self) -> bool:
        """Write down what waits. False: it could not be written, and goes on waiting; never an exception for that."""
        with self._writing:
            calls, alike = self._taken()
            written = not calls and not alike
            try:
                if not written:
                    self._write([*map(_row_of, calls), *_rows_of(alike, self._clock())])
                    written = True
            except (sqlite3.Error, OSError, StoreError) as error:
                self._failed(error)
            finally:
                if not written:
                    self._put_back(calls, alike)
            return written

    def try_writing(self) -> None:
        """Write nothing: `report` is told if even that fails."""
        try:
            self._write([])
        except (sqlite3.Error, OSError, StoreError) as error:
            self._failed(error)

    def _count(self, what: Alike, count: int) -> None:
        with self._guard:
            self._alike[what] += count
        self._tell()

    def _tell(self) -> None:
        if not self._announced:
            self._announced = True
            self._announce(self)

    def _taken(self) -> tuple[list[Call], Counter[Alike]]:
        with self._guard:
            self._announced = False  # what is added from here on is announced again
            calls, self._calls = self._calls, []
            alike, self._alike = self._alike, Counter()
            return calls, alike

    def _put_back(self, calls: list[Call], alike: Counter[Alike]) -> None:
        with self._guard:
            self._calls[:0] = calls
            self._alike.update(alike)

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        if self.errors == 1:
            self._report(
                f"cannot write the calls file {self.path}: {error}. To mend it: see that it is a file that may be written, or "
                "set calls_path to another one, or to none; until then `duck-or report` does not know of these calls "
                "(said once, counted from here on)"
            )

    def _write(self, rows: Sequence[Row]) -> None:
        """A connection for each writing: none has to be carried through a fork, or outlives a file that is removed."""
        if not self._made:  # only then: a directory that was removed meanwhile is not wanted any more
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(self.path, timeout=self._busy_timeout, isolation_level=None)) as con:
            if _version(con, self.path) < VERSION:
                _create(con, self.path, self._busy_timeout)
            con.execute("PRAGMA synchronous = NORMAL")
            with write_transaction(con):
                for statement, parameters in _inserts(rows):
                    con.execute(statement, parameters)
                con.execute(PRUNE, (self._max_rows,))
        self._made = True


def read_calls(path: Path, columns: Sequence[str] = tuple(COLUMNS)) -> Iterator[list[Row]]:
    """The file's rows, oldest first, some at a time: tuples of `columns`.

    Raises StoreError: it is not there, is not a calls file, or cannot be read.
    """
    try:
        # Not mode=ro: whoever may not write leaves the files of the write-ahead log behind.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as con:
            if _version(con, path) < VERSION:
                return
            rows = con.execute(SELECT.format(columns=", ".join(columns)))
            while some := rows.fetchmany(READ_ROWS):
                yield some
    except sqlite3.Error as error:
        raise StoreError(f"cannot read the calls file {path}: {error}") from error


def _row_of(call: Call) -> Row:
    told = call.row()
    told["requests"] = 1
    return _row(told)


def _rows_of(alike: Mapping[Alike, int], now: float) -> Iterable[Row]:
    for what, count in alike.items():
        told = {"time": now, "requests": count, "model": what.model, "error_code": what.error_code}
        yield _row({**told, "cache_hit": what.error_code is None, "attempts": 0, "cost_usd": 0.0})


def _row(told: Mapping[str, Any]) -> Row:
    return tuple(_storable(told.get(name)) for name in COLUMNS)


def _storable(value: Any) -> Any:
    return value[:MAX_TEXT] if isinstance(value, str) else value


def _inserts(rows: Sequence[Row]) -> Iterator[tuple[str, list[Any]]]:
    one = f"({', '.join('?' * len(COLUMNS))})"
    start = 0
    while start < len(rows):
        size = min(INSERT_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
        piece = rows[start : start + size]
        yield INSERT.format(rows=", ".join([one] * size)), [value for row in piece for value in row]
        start += size


def _version(con: sqlite3.Connection, path: Path) -> int:
    """The file's version, 0 for an empty one. Raises StoreError for a file that is not ours to use."""
    application_id, version, tables = con.execute(IDENTITY).fetchone()
    if application_id != APPLICATION_ID and (application_id or version or tables):
        raise StoreError(f"{path} is a SQLite database, but no calls file of duck_or; it was left as it is")
    if version > VERSION:
        raise StoreError(f"{path} was made by a newer duck_or (version {version}; this one knows {VERSION})")
    return int(version)


def _create(con: sqlite3.Connection, path: Path, busy_timeout: float) -> None:
    switch_to_wal(con, busy_timeout)
    with write_transaction(con):
        if _version(con, path) < VERSION:  # another process may have been faster
            con.execute(CREATE)
            con.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            con.execute(f"PRAGMA user_version = {VERSION}")


# --- this process's files ---------------------------------------------------------------------------------------------

_files: WeakValueDictionary[Path, CallsFile] = WeakValueDictionary()
_files_guard = threading.Lock()
_due: SimpleQueue[CallsFile] = SimpleQueue()
_writer: threading.Thread | None = None


def calls_file(path: Path | None) -> CallsFile | None:
    """This process's way to the file, the same for all who name it; None where there is to be none."""
    if path is None:
        return None
    global _writer
    with _files_guard:
        if _writer is None:
            _writer = threading.Thread(target=_write_for_ever, name="duck_or calls", daemon=True)
            _writer.start()
        return _files.setdefault(path, CallsFile(path))


def _announce(file: CallsFile) -> None:
    _due.put(file)


def write_what_is_due(announced: SimpleQueue[CallsFile], pause: Callable[[float], None]) -> None:
    """Wait for a file that has something to write, let more come, and write it, and whatever else is due by then."""
    due = {announced.get()}
    pause(PAUSE)
    while not announced.empty():
        due.add(announced.get())
    for file in due:
        file.flush()


def _write_for_ever() -> None:
    while True:
        write_what_is_due(_due, time.sleep)


def _flush_at_exit() -> None:
    """After the sessions are closed: exit functions run last in, first out, and `parts` imports this."""
    for file in list(_files.values()):
        file.flush()


atexit.register(_flush_at_exit)


def _begin_anew() -> None:
    global _writer, _files_guard, _due
    _writer, _files_guard, _due = None, threading.Lock(), SimpleQueue()
    for file in list(_files.values()):
        file.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
