"""Answers of this process, least recently used out first, bounded by bytes.

It knows keys, completions and their age. Where else an answer is kept and what is in flight, it must not know. Called
by every thread that evaluates SQL and by the event loop: one lock, taken once for a whole chunk, held for dict work only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cachetools import LRUCache

from duck_or.cache.contract import expired
from duck_or.outcome import Completion

ENTRY_OVERHEAD = 512
"""Bytes an entry costs beside its body: key, Completion, entry, time and its places in the dicts of the LRU.

Measured with tracemalloc on CPython 3.11: 440 at 20,000 entries, more right after a dict has grown."""


class Entry(NamedTuple):
    completion: Completion
    stored: float


class MemoryCache:
    """At most `max_bytes` of answers, `ENTRY_OVERHEAD` bytes for each included; 0 is off.

    ttl: seconds an answer is good for, counted from when it was stored (wherever that was first); None for ever.
    """

    def __init__(self, max_bytes: int, ttl: float | None = None) -> None:
        self._entries: LRUCache[bytes, Entry] = LRUCache(max_bytes, getsizeof=_weight)
        self._ttl = ttl
        self._lock = threading.Lock()

    def get_many(self, keys: Sequence[bytes], now: float) -> list[Completion | None]:
        """One place for each key, in order: its answer, or None where there is none or it is too old."""
        with self._lock:
            found = [*map(self._entries.get, keys)]
        if self._ttl is None:
            return [entry and entry.completion for entry in found]
        return [
            entry.completion if entry and not expired(entry.stored, now, self._ttl) else None
            for entry in found
        ]

    def put_many(self, completions: Mapping[bytes, Completion], stored: float) -> None:
        """Keep these answers. stored: seconds since the epoch when they came, or what the store says of them.

        An answer larger than the whole cache is not kept.
        """
        with self._lock:
            for key, completion in completions.items():
                entry = Entry(Completion(completion.body), stored)  # a copy: its summary is not counted
                if _weight(entry) <= self._entries.maxsize:
                    self._entries[key] = entry
                else:
                    self._entries.pop(key, None)  # an older answer to the same key must not outlive it

    def clear(self) -> int:
        """Forget everything; returns how many answers there were."""
        with self._lock:
            count = len(self._entries)
            self._entries.clear()
            return count

    @property
    def bytes(self) -> int:
        """Bytes in use, overhead included: never more than `max_bytes`."""
        return int(self._entries.currsize)

    def __len__(self) -> int:
        return len(self._entries)


def _weight(entry: Entry) -> int:
    return ENTRY_OVERHEAD + len(entry.completion.body)
