"""Why the store's file is laid out as it is: each choice against its alternatives, the chosen one being the reference.

`python -m benchmarks.bench_store_layouts [--rows 40000]`. Plain SQL, one process, rows per second of
processor time: the differences are smaller than what else a machine does. `bench_store` measures the store itself.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import zstandard

from benchmarks.answers import answer, key
from benchmarks.report import Result, print_results
from duck_or.cache.codec import Codec

CHUNK = 2048
REPEATS = 2

ROWID = (
    "CREATE TABLE answer (key BLOB NOT NULL PRIMARY KEY, stored REAL, format INTEGER, size INTEGER, body BLOB)",
)
CLUSTERED = (ROWID[0] + " WITHOUT ROWID",)
BY_AGE = "CREATE INDEX answer_by_age ON answer (stored, size)"

_codec = Codec()


def _zstd(level: int) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    return zstandard.ZstdCompressor(level=level).compress, zstandard.ZstdDecompressor().decompress


DICTIONARY = (lambda body: _codec.encode(body)[1], _codec._decompressor.decompress)
RAW = (bytes, bytes)


@dataclass(frozen=True)
class Layout:
    tables: tuple[str, ...] = (*ROWID, BY_AGE)
    codec: tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]] = DICTIONARY
    page: int = 8192
    mmap: int = 0
    sort: bool = False


CHOSEN = Layout()
ALTERNATIVES = {
    "zstd level 1, no dictionary": replace(CHOSEN, codec=_zstd(1)),
    "zstd level 3, no dictionary": replace(CHOSEN, codec=_zstd(3)),
    "raw": replace(CHOSEN, codec=RAW),
    "WITHOUT ROWID": replace(CHOSEN, tables=(*CLUSTERED, BY_AGE)),
    "WITHOUT ROWID, each chunk sorted": replace(CHOSEN, tables=(*CLUSTERED, BY_AGE), sort=True),
    "no index by age": replace(CHOSEN, tables=ROWID),
    "each chunk sorted by key": replace(CHOSEN, sort=True),
    "4 kB pages": replace(CHOSEN, page=4096),
    "16 kB pages": replace(CHOSEN, page=16384),
    "mmap of 1 GB": replace(CHOSEN, mmap=1 << 30),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40_000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 40_000) -> list[Result]:
    bodies = {key(row): answer(row) for row in range(rows)}
    chosen = measure(CHOSEN, bodies)
    results = []
    for name, layout in ALTERNATIVES.items():
        for (what, unit), value in measure(layout, bodies).items():
            reference = chosen[what, unit]
            results.append(Result(f"{name}: {what}", value, unit, "chosen", reference, value / reference))
    return results


def measure(layout: Layout, bodies: dict[bytes, bytes]) -> dict[tuple[str, str], float]:
    shuffled = list(bodies)
    random.Random(7).shuffle(shuffled)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "file")
        put = max(_put(layout, path.with_suffix(f".{turn}"), bodies) for turn in range(REPEATS))
        file = path.with_suffix(".0")
        return {
            ("put", "rows/CPU s"): put,
            ("get in order", "rows/CPU s"): max(_get(layout, file, list(bodies)) for _ in range(REPEATS)),
            ("get shuffled", "rows/CPU s"): max(_get(layout, file, shuffled) for _ in range(REPEATS)),
            ("file", "bytes/row"): file.stat().st_size / len(bodies),
        }


def _open(layout: Layout, path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (
        f"page_size = {layout.page}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "cache_size = -16384",
        f"mmap_size = {layout.mmap}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _put(layout: Layout, path: Path, bodies: dict[bytes, bytes]) -> float:
    items = list(bodies.items())
    with closing(_open(layout, path)) as connection:
        for statement in layout.tables:
            connection.execute(statement)
        started = time.process_time()
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            rows = [(one, float(start), 1, len(body), layout.codec[0](body)) for one, body in chunk]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?)", sorted(rows) if layout.sort else rows
            )
            connection.execute("COMMIT")
        return len(items) / (time.process_time() - started)


def _get(layout: Layout, path: Path, keys: Sequence[bytes]) -> float:
    decode = layout.codec[1]
    with closing(_open(layout, path)) as connection:
        started = time.process_time()
        found = 0
        for start in range(0, len(keys), CHUNK):
            chunk = keys[start : start + CHUNK]
            statement = f"SELECT key, body FROM answer WHERE key IN ({', '.join('?' * len(chunk))})"
            found += len({one: decode(blob) for one, blob in connection.execute(statement, chunk)})
        assert found == len(keys)
        return found / (time.process_time() - started)


if __name__ == "__main__":
    main()
