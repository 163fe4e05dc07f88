"""An answer as a server keeps it: when it was stored, its format, its size, its blob. And what a damaged one means: it is not
there, which is reported once and counted. Which server, and how it is asked, it must not know.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from duck_or.cache.codec import Codec, DamagedError
from duck_or.cache.contract import Kept, expired

CHUNK = 2048
"""Keys in one command: DuckDB's chunk. Longer ones would only make other workers wait longer for their turn."""

T = TypeVar("T")


class Row(NamedTuple):
    """stored: seconds since the epoch. form: see codec.py. size: of the answer, in bytes."""

    stored: float
    form: int
    size: int
    blob: bytes


HEADER = struct.Struct(">dBI")
"""Before the blob, where a row is one string of bytes: stored, form, size."""


def to_bytes(row: Row) -> bytes:
    return HEADER.pack(*row[:3]) + row.blob


def from_bytes(value: bytes) -> Row:
    """Raises DamagedError where there is not even a header."""
    if len(value) < HEADER.size:
        raise DamagedError(f"{len(value)} bytes")
    stored, form, size = HEADER.unpack_from(value)
    return Row(stored, form, size, value[HEADER.size :])


class Rows:
    """Makes rows and reads them. Not for several threads at once.

    location: as it may be shown. ttl: seconds an answer is good for, None for ever. report: called with the first damage.
    """

    def __init__(self, location: str, ttl: float | None, report: Callable[[str], None]) -> None:
        self.damaged = 0
        self._location = location
        self._ttl = ttl
        self._report = report
        self._codec = Codec()

    def make(self, body: bytes, stored: float) -> Row:
        form, blob = self._codec.encode(body)
        return Row(stored, form, len(body), blob)

    def read(self, key: bytes, kept: Row | bytes, now: float, found: dict[bytes, Kept]) -> bool:
        """Put the answer into `found` unless it is too old; whether it could be read at all."""
        try:
            row = from_bytes(kept) if isinstance(kept, bytes) else kept
            if not math.isfinite(row.stored):
                raise DamagedError(f"stored {row.stored!r}")
            if not expired(row.stored, now, self._ttl):
                found[key] = Kept(self._codec.decode(row.form, row.size, row.blob), row.stored)
        except DamagedError as error:
            self._count(error)
            return False
        return True

    def _count(self, error: DamagedError) -> None:
        self.damaged += 1
        if self.damaged == 1:
            self._report(
                f"an answer in the cache {self._location} is damaged ({error}): it is asked for again and replaced. "
                "Further ones are only counted"
            )


def chunks(keys: Iterable[bytes]) -> Iterator[Sequence[bytes]]:
    """Each key once, sorted: who takes locks one after another in the same order as everybody else cannot deadlock."""
    distinct = sorted(set(keys))
    return (distinct[start : start + CHUNK] for start in range(0, len(distinct), CHUNK))
