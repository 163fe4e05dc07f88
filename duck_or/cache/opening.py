"""Which store a place means: a file's path, or the address of a server that several machines share.

A server's client is imported only where such an address is opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from duck_or.cache.contract import Store
from duck_or.cache.shared import SharedStore
from duck_or.cache.sqlite_store import SqliteStore

Place: TypeAlias = Path | str


def is_shared(place: Place | None) -> bool:
    """Whether other machines may use it at the same time."""
    return isinstance(place, str) and "://" in place


def open_store(place: Place, ttl: float | None = None, max_bytes: int | None = None) -> Store:
    """The store at this place; it opens nothing yet. ttl: seconds. Raises SettingsError where its client is not installed."""
    if is_shared(place):
        return open_shared(str(place), ttl, max_bytes)
    return SqliteStore(place, ttl=ttl, max_bytes=max_bytes)


def open_shared(address: str, ttl: float | None = None, max_bytes: int | None = None) -> SharedStore:
    """The same for a server's address."""
    if urlsplit(address).scheme.startswith("postgres"):
        from duck_or.cache.postgres_store import PostgresStore

        return PostgresStore(address, ttl=ttl, max_bytes=max_bytes)
    from duck_or.cache.redis_store import RedisStore

    return RedisStore(address, ttl=ttl, max_bytes=max_bytes)
