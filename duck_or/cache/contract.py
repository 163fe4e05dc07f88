"""Where answers are kept between processes: the contract every store fulfils (one test suite runs against all).

A store is called from one background thread of the engine, and from the command line. It knows keys and bytes; what a
request or an answer is, it must not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class StoreError(Exception):
    """The store could not do it (locked, full, read-only, corrupt). The message says what, which file, and what to do.

    The engine reports it once, counts it and goes on: see `guard`.
    """


class Unreachable(StoreError):
    """The store cannot be reached just now (a restart, a cut connection, a timeout): it may pass by itself."""


class Kept(NamedTuple):
    """An answer that was found. stored: when it was put there, seconds since the epoch: its age starts then."""

    body: bytes
    stored: float


class Looked(NamedTuple):
    """What a look-up before sending found. elsewhere: missing keys that another worker sends: look again later. epoch: of the
    claim to the other missing ones, see `AnswerStore.holds`; None where there is nobody who could take them over."""

    found: dict[bytes, Kept]
    elsewhere: frozenset[bytes] = frozenset()
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class StoreInfo:
    location: str
    entries: int
    bytes_on_disk: int
    bytes_of_answers: int  # uncompressed
    oldest: float | None  # seconds since the epoch
    newest: float | None
    schema_version: int


class Store(Protocol):
    """Answers by 32-byte key. Times are seconds since the epoch, passed in. Every method but `close` may raise
    StoreError. Constructing one opens nothing and never fails."""

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        """The answers that are there and not older than the TTL. Any number of keys, repeated ones too."""

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        """Durable against `kill -9` when it returns. Raises StoreError; then none of the items is stored.

        A key that is there already gets the new answer and the new time.
        """

    def add_many(self, items: Mapping[bytes, Kept]) -> int:
        """Put answers that were kept elsewhere, each with its own time; returns how many. Durable, or none, as `put_many`.

        A key that is there already keeps the newer of the two answers: adding the same ones again adds nothing.
        """

    def entries(self) -> Iterator[Mapping[bytes, Kept]]:
        """All answers, in parts that fit into memory, those past their TTL included until they are pruned.

        What others put or remove meanwhile may be among them or not; what is damaged is not.
        """

    def delete_many(self, keys: Iterable[bytes]) -> int:
        """Forget these answers; returns how many were there."""

    def info(self) -> StoreInfo:
        """What is stored, answers past their TTL included until they are pruned."""

    def clear(self) -> int:
        """Remove every answer; returns how many."""

    def prune(self, now: float) -> int:
        """Remove what is past the TTL and, oldest first, what is over the size cap; returns how many."""

    def vacuum(self) -> None:
        """Give freed space back to the file system."""

    def close(self) -> None:
        """Let go of files. A later call opens them again."""


def expired(stored: float, now: float, ttl: float | None) -> bool:
    """Whether an answer stored then is too old now. ttl: seconds, None for never."""
    return ttl is not None and now - stored > ttl
