"""The persistent store: answers put and read in chunks of 2,048, against one key at a time in the same run.

Reading is measured in a new process each time. The target is set where the engine stands: it asks from its event loop,
the store answers on a thread of its own, so that a look-up costs a hop there and back, whether for one key or for 2,048.
The same without the hop, and against bare SQLite, is printed for information.
`python -m benchmarks.bench_store [--rows 200000]`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.answers import answer, key
from benchmarks.measuring import in_new_process
from benchmarks.report import Result, print_results
from duck_or.cache.sqlite_store import SqliteStore

CHUNK = 2048
REPEATS = 3  # new processes for each reading, the fastest counts: what else the machine does only ever slows
ONE_BY_ONE = 10_000  # rows are enough to know the time of one
NOW = 1_790_000_000.0
FLOOR = 30_000  # rows per second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--read", nargs=2, metavar=("FILE", "HOW"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        path, how = arguments.read
        print(json.dumps(READERS[how](Path(path), arguments.rows)))
    else:
        print_results(run(arguments.rows))


def run(rows: int = 200_000) -> list[Result]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "cache.sqlite")
        put = _put(path, rows)
        put_one = _put_one_by_one(Path(directory, "one.sqlite"), min(rows, 2000))
        rates = {how: max(_in_new_process(path, how, rows) for _ in range(REPEATS)) for how in READERS}
        on_disk = path.stat().st_size / sum(len(answer(row)) for row in range(min(rows, 2000)))
    on_disk *= min(rows, 2000) / rows
    hop, direct = rates["one, from the loop"], rates["one"]
    return [
        _rate(
            "get from the event loop",
            rates["chunks, from the loop"],
            "one key at a time",
            hop,
            max(5.0, FLOOR / hop),
        ),
        _rate("get in the store's thread", rates["chunks"], "one key at a time", direct),
        _rate("get in random order", rates["shuffled"], "one key at a time", direct),
        _rate(
            "get in the store's thread", rates["chunks"], "bare SELECT, one key, no decoding", rates["bare"]
        ),
        _rate("put", put, "one key at a time", put_one),
        Result("file", on_disk * 100, "%", "the answers' bytes", 100.0, on_disk),
    ]


def _rate(name: str, value: float, reference: str, other: float, target: float | None = None) -> Result:
    return Result(name, value, "rows/s", reference, other, value / other, target)


def _put(path: Path, rows: int) -> float:
    """Rows per second, making the answers not counted."""
    store = SqliteStore(path)
    seconds = 0.0
    for chunk in _chunks(range(rows)):
        items = {key(row): answer(row) for row in chunk}
        started = time.perf_counter()
        store.put_many(items, NOW)
        seconds += time.perf_counter() - started
    store.close()
    return rows / seconds


def _put_one_by_one(path: Path, rows: int) -> float:
    store = SqliteStore(path)
    items = [{key(row): answer(row)} for row in range(rows)]
    started = time.perf_counter()
    for item in items:
        store.put_many(item, NOW)
    seconds = time.perf_counter() - started
    store.close()
    return rows / seconds


def _in_new_process(path: Path, how: str, rows: int) -> float:
    return in_new_process("benchmarks.bench_store", "--rows", str(rows), "--read", str(path), how)


def _read_chunks(path: Path, rows: int) -> float:
    return _read(path, [key(row) for row in range(rows)], CHUNK)


def _read_shuffled(path: Path, rows: int) -> float:
    keys = [key(row) for row in range(rows)]
    random.Random(7).shuffle(keys)
    return _read(path, keys, CHUNK)


def _read_one_by_one(path: Path, rows: int) -> float:
    return _read(path, [key(row) for row in range(min(rows, ONE_BY_ONE))], 1)


def _read(path: Path, keys: Sequence[bytes], size: int) -> float:
    store = SqliteStore(path)
    started = time.perf_counter()
    found = sum(len(store.get_many(keys[at : at + size], NOW)) for at in range(0, len(keys), size))
    seconds = time.perf_counter() - started
    assert found == len(keys)
    return found / seconds


def _read_chunks_from_loop(path: Path, rows: int) -> float:
    return asyncio.run(_read_from_loop(path, [key(row) for row in range(rows)], CHUNK))


def _read_one_from_loop(path: Path, rows: int) -> float:
    return asyncio.run(_read_from_loop(path, [key(row) for row in range(min(rows, ONE_BY_ONE))], 1))


async def _read_from_loop(path: Path, keys: Sequence[bytes], size: int) -> float:
    store, loop, found = SqliteStore(path), asyncio.get_running_loop(), 0
    with ThreadPoolExecutor(1) as thread:
        started = time.perf_counter()
        for at in range(0, len(keys), size):
            found += len(await loop.run_in_executor(thread, store.get_many, keys[at : at + size], NOW))
        seconds = time.perf_counter() - started
    assert found == len(keys)
    return found / seconds


def _read_bare(path: Path, rows: int) -> float:
    """No store, no decompression: what SQLite and Python's module for it need for one key."""
    keys = [key(row) for row in range(min(rows, ONE_BY_ONE))]
    connection = sqlite3.connect(path)
    started = time.perf_counter()
    for one in keys:
        assert connection.execute("SELECT body FROM answer WHERE key = ?", (one,)).fetchone()
    return len(keys) / (time.perf_counter() - started)


READERS: dict[str, Callable[[Path, int], float]] = {
    "chunks, from the loop": _read_chunks_from_loop,
    "one, from the loop": _read_one_from_loop,
    "one": _read_one_by_one,
    "chunks": _read_chunks,
    "shuffled": _read_shuffled,
    "bare": _read_bare,
}


def _chunks(rows: range) -> Iterator[range]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


if __name__ == "__main__":
    main()
