"""Stores that several machines share, on loopback: answers put, read and claimed in chunks of 2,048, against the SQLite file
in the same run. A network adds its round trip to each chunk, not to each answer.

It starts the servers itself; what is not installed is said and left out.
`python -m benchmarks.bench_shared_store [--rows 40960]`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.answers import answer, key
from benchmarks.report import Result, print_results
from duck_or.cache.contract import Store
from duck_or.cache.opening import open_shared
from duck_or.cache.shared import SharedStore
from duck_or.cache.sqlite_store import SqliteStore
from tests.support.servers import ServerMissing, postgres_server, redis_server

CHUNK = 2048
REPEATS = 3  # the fastest counts: what else the machine does only ever slows
NOW = 1_790_000_000.0
# As durable as the file is: a crash of the machine takes the last second, or nothing.
SERVERS = {
    "Redis": partial(redis_server, "--appendonly", "yes"),
    "PostgreSQL": partial(postgres_server, "-cfsync=on"),
}
SHARE = 0.4  # of the file's speed: a server is another process, and there is a socket in between


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20 * CHUNK)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 20 * CHUNK) -> list[Result]:
    chunks = [range(start, min(start + CHUNK, rows)) for start in range(0, rows, CHUNK)]
    with tempfile.TemporaryDirectory() as place, closing(SqliteStore(Path(place, "cache.sqlite"))) as store:
        put, get = _put(store, chunks), _get(store, chunks)
    return [result for name in SERVERS for result in _of_server(name, chunks, put, get)]


def _of_server(name: str, chunks: Sequence[range], put: float, get: float) -> Iterator[Result]:
    try:
        with SERVERS[name]() as server, closing(open_shared(server.url)) as store:
            store.beat("bench", 3600.0)
            yield _rate(f"{name}: claim, nothing there", _claim(store, chunks), "SQLite get", get)
            yield _rate(f"{name}: put", _put(store, chunks), "SQLite put", put, SHARE)
            found = _get(store, chunks)
            yield _rate(f"{name}: get", found, "SQLite get", get, SHARE)
            yield _rate(f"{name}: claim, all there", _claim(store, chunks), "its get", found)
            one = _one_by_one(store, chunks[0])
            yield Result(
                f"{name}: get of one key", one * 1e6, "µs", "a row of a chunk", 1e6 / found, one * found
            )
    except ServerMissing as missing:
        print(f"{name} left out: {missing}", file=sys.stderr)


def _rate(name: str, value: float, reference: str, other: float, target: float | None = None) -> Result:
    return Result(name, value, "rows/s", reference, other, value / other, target)


def _put(store: Store, chunks: Sequence[range]) -> float:
    """Rows per second, making the answers not counted."""
    seconds = 0.0
    for chunk in chunks:
        items = {key(row): answer(row) for row in chunk}
        started = time.perf_counter()
        store.put_many(items, NOW)
        seconds += time.perf_counter() - started
    return sum(map(len, chunks)) / seconds


def _get(store: Store, chunks: Sequence[range]) -> float:
    return _fastest(lambda keys: len(store.get_many(keys, NOW)), chunks)


def _claim(store: SharedStore, chunks: Sequence[range]) -> float:
    def claim(keys: Sequence[bytes]) -> int:
        claims = store.claim_many(keys, NOW, "bench")
        return len(claims.found) + len(claims.mine)

    return _fastest(claim, chunks)


def _fastest(look_up: Callable[[Sequence[bytes]], int], chunks: Sequence[range]) -> float:
    keys = [[key(row) for row in chunk] for chunk in chunks]
    rows, seconds = sum(map(len, keys)), float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        found = sum(map(look_up, keys))
        seconds = min(seconds, time.perf_counter() - started)
        assert found == rows
    return rows / seconds


def _one_by_one(store: Store, chunk: range) -> float:
    """Seconds a key."""
    keys = [key(row) for row in chunk]
    started = time.perf_counter()
    assert all(store.get_many([one], NOW) for one in keys)
    return (time.perf_counter() - started) / len(keys)


if __name__ == "__main__":
    main()
