"""Answers, leases and tokens in one Redis or Valkey server that several machines share (not a Redis Cluster).

It decides how they are laid out there; what they mean, it must not know. Everything is below `duck_or:1:`, where 1 is the
version of the layout:

    answer:<key>    header and blob (rows.py), and nothing else: no index costs memory for each answer
    lease:<key>     the name of the worker that sends it
    workers         sorted set of workers by the microsecond until which they live: a lease of any other counts for nothing
    bucket:<name>   the microsecond from which the next token is free

What must happen in one step is one script or one MULTI … EXEC. What needs every answer (info, prune, clear) goes through
the whole key space, a thousand keys at a time, so that others get their turn in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from duck_or.cache.contract import Kept, StoreInfo
from duck_or.cache.guard import log_warning
from duck_or.cache.one_connection import OneConnection
from duck_or.cache.redis_client import (
    SILENCE,
    Redis,
    RedisError,
    evicting,
    is_plain,
    open_client,
    script,
    store_error,
)
from duck_or.cache.redis_sweep import Sweep
from duck_or.cache.rows import Rows, chunks, to_bytes
from duck_or.cache.shared import Claims
from duck_or.store_address import shown

LAYOUT = 1
ANSWER = b"duck_or:%d:answer:" % LAYOUT
LEASE = b"duck_or:%d:lease:" % LAYOUT
BUCKET = b"duck_or:%d:bucket:" % LAYOUT
WORKERS = b"duck_or:%d:workers" % LAYOUT

LEASE_SECONDS = 7 * 86400
"""When a lease is removed whatever its worker says: longer than any request takes, a batch of a day included."""

_CLAIM, _RELEASE, _ADD, _BEAT, _RESERVE = map(script, ("claim", "release", "add", "beat", "reserve"))


class RedisStore:
    """A `SharedStore` in the server at `url` (redis, rediss, valkey or valkeys), connected to at the first call.

    ttl: seconds an answer is good for, None for ever. max_bytes: memory that `prune` leaves the answers, None for any;
    while writing, the server's own `maxmemory` is the limit. silence: seconds without a word from the server after which
    it counts as unreachable. report: called once if answers turn out to be damaged (they count as not there; `damaged`
    says how many), and once if the server evicts keys. Raises SettingsError, at import, where the client is not installed.
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
        self._url = url
        self._report = report
        self._asked_for_policy = False
        self._rows = Rows(self.location, ttl, report)
        self._client = OneConnection[Redis](lambda: open_client(url, silence), lambda client: client.close())

    @property
    def damaged(self) -> int:
        return self._rows.damaged

    # --- answers -----------------------------------------------------------------------------------------------------

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        found: dict[bytes, Kept] = {}
        with self._connected("read") as client:
            for chunk in chunks(keys):
                self._read(client, chunk, now, found)
        return found

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        """Where the connection breaks while the server commits, the items may be stored although StoreError is raised."""
        with self._connected("write") as client, client.pipeline(transaction=True) as step:
            for chunk in chunks(items):
                step.mset({ANSWER + key: to_bytes(self._rows.make(items[key], now)) for key in chunk})
                step.unlink(*_named(LEASE, chunk))
            step.execute()

    def add_many(self, items: Mapping[bytes, Kept]) -> int:
        with self._connected("write") as client, client.pipeline(transaction=True) as step:
            for chunk in chunks(items):
                values = [to_bytes(self._rows.make(items[key].body, items[key].stored)) for key in chunk]
                step.eval(_ADD.text, len(chunk), *_named(ANSWER, chunk), *values)
                step.unlink(*_named(LEASE, chunk))
            return sum(step.execute()[::2])

    def entries(self) -> Iterator[dict[bytes, Kept]]:
        """One that the server moves in its tables meanwhile may come twice."""
        cursor: int | None = None
        while cursor != 0:
            found: dict[bytes, Kept] = {}
            with self._connected("read") as client:
                cursor, keys = Sweep(client, ANSWER).page(cursor or 0)
                for chunk in chunks(keys):
                    self._read(client, chunk, -math.inf, found)
            if found:
                yield found

    def delete_many(self, keys: Iterable[bytes]) -> int:
        with self._connected("write") as client, client.pipeline(transaction=True) as step:
            for chunk in chunks(keys):
                step.unlink(*_named(ANSWER, chunk))
                step.unlink(*_named(LEASE, chunk))
            return sum(step.execute()[::2])

    # --- all of them -------------------------------------------------------------------------------------------------

    def info(self) -> StoreInfo:
        """bytes_on_disk: of the server's memory."""
        with self._connected("read") as client:
            seen = Sweep(client, ANSWER).survey()
        oldest, newest = min(seen.times, default=None), max(seen.times, default=None)
        return StoreInfo(self.location, seen.entries, seen.memory, seen.size, oldest, newest, LAYOUT)

    def clear(self) -> int:
        with self._connected("clear") as client:
            return Sweep(client, ANSWER).remove_all()

    def prune(self, now: float) -> int:
        with self._connected("prune") as client:
            sweep = Sweep(client, ANSWER)
            removed = 0 if self._ttl is None else sweep.remove_expired(now, self._ttl)
            return removed if self._max_bytes is None else removed + sweep.remove_surplus(self._max_bytes)

    def vacuum(self) -> None:
        """There is nothing to do: the server reuses freed memory by itself."""

    def close(self) -> None:
        self._client.close()

    # --- who sends, and how fast -------------------------------------------------------------------------------------

    def claim_many(self, keys: Sequence[bytes], now: float, worker: str) -> Claims:
        found: dict[bytes, Kept] = {}
        mine: set[bytes] = set()
        with self._connected("read") as client:
            for chunk in chunks(keys):
                # What is there takes twice as long through a script, and everybody else waits for a script.
                damaged = self._read(client, chunk, now, found)
                missing = [key for key in chunk if key not in found and key not in damaged]
                if missing:
                    damaged |= self._claim(client, missing, now, worker, found, mine)
                if damaged:
                    self._claim(client, sorted(damaged), now, worker, found, mine, "answered")
        return Claims(found, frozenset(mine))

    def release_many(self, keys: Sequence[bytes], worker: str) -> None:
        with self._connected("write") as client:
            for chunk in chunks(keys):
                _RELEASE.run(client, _named(LEASE, chunk), [worker])

    def beat(self, worker: str, lifetime: float) -> int:
        with self._connected("write") as client:
            living = int(_BEAT.run(client, [WORKERS], [worker, math.ceil(lifetime * 1e6)]))
            self._warn_of_eviction(client)
        return living

    def leave(self, worker: str) -> None:
        with self._connected("write") as client:
            client.zrem(WORKERS, worker)

    def reserve(self, bucket: str, rate: float, count: int) -> float:
        return self._reserve(bucket, rate, count)

    def _reserve(self, bucket: str, rate: float, count: int, microsecond: int | None = None) -> float:
        """microsecond: the time since the epoch, where it shall not be the server's."""
        clock = "" if microsecond is None else microsecond
        with self._connected("draw from") as client:
            return int(_RESERVE.run(client, [BUCKET + bucket.encode()], [rate, count, clock])) / 1e6

    # --- one call ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _connected(self, doing: str) -> Iterator[Redis]:
        try:
            with self._client.turn() as client:
                yield client
        except RedisError as error:
            raise store_error(error, self.location, doing, is_plain(error, self._url)) from error

    def _warn_of_eviction(self, client: Redis) -> None:
        """Once. All but the answers have a time to live, so that they go under every policy that lets anything go."""
        if not self._asked_for_policy:
            policy = evicting(client)
            self._asked_for_policy = True
            if policy:
                self._report(
                    f"the server of the answer cache {self.location} drops keys when its memory is full "
                    f"(maxmemory-policy {policy}): requests are then sent twice, and answers paid for again. "
                    "To mend it: set its maxmemory-policy to noeviction"
                )

    def _read(self, client: Redis, keys: Sequence[bytes], now: float, found: dict[bytes, Kept]) -> set[bytes]:
        """Returns the keys whose answers cannot be read."""
        there = zip(keys, client.mget(_named(ANSWER, keys)), strict=True)
        return {
            key
            for key, value in there
            if isinstance(value, bytes) and not self._rows.read(key, value, now, found)
        }

    def _claim(
        self,
        client: Redis,
        keys: Sequence[bytes],
        now: float,
        worker: str,
        found: dict[bytes, Kept],
        mine: set[bytes],
        which: str = "",
    ) -> set[bytes]:
        """Leases, and answers that came meanwhile, in one step. Returns the keys whose answers cannot be read."""
        names = [WORKERS, *_named(ANSWER, keys), *_named(LEASE, keys)]
        ttl = "" if self._ttl is None else self._ttl
        answers, places = _CLAIM.run(client, names, [worker, LEASE_SECONDS, now, ttl, which])
        mine.update(keys[place - 1] for place in places)
        there = ((key, answer) for key, answer in zip(keys, answers, strict=True) if answer is not None)
        return {key for key, answer in there if not self._rows.read(key, answer, now, found)}


def _named(prefix: bytes, keys: Iterable[bytes]) -> list[bytes]:
    return [prefix + key for key in keys]
