"""Answers, leases and tokens in one PostgreSQL database that several machines share, in its schema `duck_or`.

It decides how they are kept there; what they mean, it must not know. The tables are in postgres_1.sql, what is asked of
them in postgres.sql. Statements that belong together are sent together and are one transaction: one round trip.

A lease is given in two statements: the first takes it, the second, which sees everything that was committed until then,
looks for the answers. An answer that is put also ends the lease on it, so whoever gets a lease because another worker has
just put the answer sees that answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from duck_or.cache.contract import Kept, StoreInfo
from duck_or.cache.guard import log_warning
from duck_or.cache.one_connection import OneConnection
from duck_or.cache.postgres_client import (
    SILENCE,
    Connection,
    Error,
    connect,
    is_stale,
    raised_only,
    store_error,
)
from duck_or.cache.postgres_schema import SCHEMA_VERSION, prepare
from duck_or.cache.rows import Row, Rows, chunks
from duck_or.cache.shared import Claims
from duck_or.store_address import shown

WALKED_ROWS = 1024
"""Answers that are handed out at once when all are asked for."""


def _statements() -> dict[str, bytes]:
    text = files("duck_or.cache").joinpath("postgres.sql").read_bytes()
    parts = re.split(rb"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name.decode(): part.strip() for name, part in zip(parts[::2], parts[1::2], strict=True)}


_SQL = _statements()


class PostgresStore:
    """A `SharedStore` in the database at `url` (postgresql or postgres), connected to at the first call.

    ttl: seconds an answer is good for, None for ever. max_bytes: of answers that `prune` leaves there, None for any; it is
    not looked at while writing. silence: seconds without a word from the server after which it counts as unreachable.
    report: called once if answers turn out to be damaged (they count as not there; `damaged` says how many). Raises
    SettingsError, at import, where the client is not installed.
    """

    def __init__(
        self,
        url: str,
        ttl: float | None = None,
        max_bytes: int | None = None,
        *,
        silence: float = SILENCE,
        report: Callable[[str], None] = log_warning,
    ) -> None:
        self.location = shown(url)
        self._ttl = ttl
        self._max_bytes = max_bytes
        self._silence = silence
        self._rows = Rows(self.location, ttl, report)
        self._connection = OneConnection(lambda: self._open(url), Connection.close, is_stale)

    @property
    def damaged(self) -> int:
        return self._rows.damaged

    # --- answers -----------------------------------------------------------------------------------------------------

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        found: dict[bytes, Kept] = {}
        with self._connected("read") as connection:
            for chunk in chunks(keys):
                rows = connection.execute(_SQL["look_up"], {"keys": chunk}, binary=True)
                self._read(rows, now, found)
        return found

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        """Where the connection breaks while the server commits, the items may be stored although StoreError is raised."""
        with self._connected("write") as connection:
            rows = {key: self._rows.make(body, now) for key, body in items.items()}
            _write(connection, _SQL["put"], rows)

    def add_many(self, items: Mapping[bytes, Kept]) -> int:
        with self._connected("write") as connection:
            rows = {key: self._rows.make(kept.body, kept.stored) for key, kept in items.items()}
            return _write(connection, _SQL["add"], rows)

    def entries(self) -> Iterator[dict[bytes, Kept]]:
        last, full = b"", True
        while full:
            found: dict[bytes, Kept] = {}
            with self._connected("read") as connection:
                asked = {"after": last, "rows": WALKED_ROWS}
                rows = connection.execute(_SQL["page"], asked, binary=True).fetchall()
                self._read(rows, -math.inf, found)
            if found:
                yield found
            full = len(rows) == WALKED_ROWS
            last = rows[-1][0] if rows else last

    def delete_many(self, keys: Iterable[bytes]) -> int:
        with self._connected("write") as connection:
            pieces = [{"keys": chunk} for chunk in chunks(keys)]
            with connection.pipeline(), connection.transaction():
                deleted = [connection.execute(_SQL["delete"], piece) for piece in pieces]
                for piece in pieces:
                    connection.execute(_SQL["end_leases"], piece)
            return sum(each.rowcount for each in deleted)

    # --- all of them -------------------------------------------------------------------------------------------------

    def info(self) -> StoreInfo:
        """bytes_on_disk: of the tables and their indexes, leases and all."""
        with self._connected("read", long=True) as connection:
            [(entries, size, oldest, newest, on_disk)] = connection.execute(_SQL["summary"]).fetchall()
        return StoreInfo(self.location, entries, on_disk, size, oldest, newest, SCHEMA_VERSION)

    def clear(self) -> int:
        with self._connected("clear", long=True) as connection:
            return connection.execute(_SQL["clear"]).rowcount

    def prune(self, now: float) -> int:
        """The leases of dead workers, too."""
        with self._connected("prune", long=True) as connection, connection.transaction():
            removed = 0
            if self._ttl is not None:
                removed += connection.execute(_SQL["prune_expired"], {"now": now, "ttl": self._ttl}).rowcount
            if self._max_bytes is not None:
                removed += connection.execute(_SQL["prune_surplus"], {"max_bytes": self._max_bytes}).rowcount
            connection.execute(_SQL["prune_leases"])
            return removed

    def vacuum(self) -> None:
        """Freed space becomes usable again; the file system gets back what is free at the end of the tables."""
        with self._connected("vacuum", long=True) as connection:
            connection.execute(_SQL["vacuum"])

    def close(self) -> None:
        self._connection.close()

    # --- who sends, and how fast -------------------------------------------------------------------------------------

    def claim_many(self, keys: Sequence[bytes], now: float, worker: str) -> Claims:
        found: dict[bytes, Kept] = {}
        mine: set[bytes] = set()
        with self._connected("read") as connection:
            for chunk in chunks(keys):
                asked = {"keys": chunk, "worker": worker, "now": now, "ttl": self._ttl, "answered": False}
                with connection.pipeline():
                    leases = connection.execute(_SQL["lease"], asked, binary=True)
                    answers = connection.execute(_SQL["look_up"], asked, binary=True)
                mine.update(key for (key,) in leases)
                damaged = self._read(answers, now, found)
                if damaged:
                    again = {**asked, "keys": damaged, "answered": True}
                    mine.update(key for (key,) in connection.execute(_SQL["lease"], again, binary=True))
            # Their answers came between the two statements: nobody sends them, so nobody may seem to.
            for chunk in chunks(mine & found.keys()):
                connection.execute(_SQL["release"], {"keys": chunk, "worker": worker})
        return Claims(found, frozenset(mine - found.keys()))

    def release_many(self, keys: Sequence[bytes], worker: str) -> None:
        with self._connected("write") as connection:
            for chunk in chunks(keys):
                connection.execute(_SQL["release"], {"keys": chunk, "worker": worker})

    def beat(self, worker: str, lifetime: float) -> int:
        with self._connected("write") as connection:
            asked = {"worker": worker, "lifetime": lifetime}
            [(living,)] = connection.execute(_SQL["beat"], asked).fetchall()
            return int(living)

    def leave(self, worker: str) -> None:
        with self._connected("write") as connection:
            connection.execute(_SQL["leave"], {"worker": worker})

    def reserve(self, bucket: str, rate: float, count: int) -> float:
        return self._reserve(bucket, rate, count)

    def _reserve(self, bucket: str, rate: float, count: int, microsecond: int | None = None) -> float:
        """microsecond: the time since the epoch, where it shall not be the server's."""
        asked = {"bucket": bucket, "rate": rate, "tokens": count, "at": microsecond}
        with self._connected("draw from") as connection:
            [(wait,)] = connection.execute(_SQL["reserve"], asked).fetchall()
        return int(wait) / 1e6

    # --- one call ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _connected(self, doing: str, *, long: bool = False) -> Iterator[Connection]:
        """long: it takes the longer, the more answers there are; the server may say nothing meanwhile."""
        try:
            with raised_only(), self._connection.turn() as connection:
                connection.silence = None if long else self._silence
                yield connection
        except Error as error:
            raise store_error(error, self.location, doing) from error

    def _open(self, url: str) -> Connection:
        connection = connect(url)
        try:
            prepare(connection, self.location)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, rows: Iterable[Sequence[Any]], now: float, found: dict[bytes, Kept]) -> list[bytes]:
        """Returns the keys whose answers cannot be read."""
        return [key for key, *columns in rows if not self._rows.read(key, Row(*columns), now, found)]


def _write(connection: Connection, statement: bytes, rows: Mapping[bytes, Row]) -> int:
    """All or nothing; returns how many were written. Their leases are over."""
    pieces = [_columns(chunk, rows) for chunk in chunks(rows)]
    with connection.pipeline(), connection.transaction():
        written = [connection.execute(statement, piece) for piece in pieces]
        for piece in pieces:
            connection.execute(_SQL["end_leases"], piece)
    return sum(each.rowcount for each in written)


def _columns(keys: Sequence[bytes], rows: Mapping[bytes, Row]) -> dict[str, Sequence[object]]:
    stored, formats, sizes, bodies = zip(*(rows[key] for key in keys), strict=True)
    return {
        "keys": keys,
        "stored": [*stored],
        "formats": [*formats],
        "sizes": [*sizes],
        "bodies": [*bodies],
    }
