"""200,000 answers of 2 kB from the persistent store in a new process, through SQL: what the second run of a job costs.

The reference answers the same rows from the same file with one look-up for each, in the simplest function that does it.
`python -m benchmarks.bench_restart [--rows 200000]`
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.answers import answer
from benchmarks.measuring import in_new_process
from benchmarks.report import Result, print_results
from benchmarks.tables import KEY, MODEL
from duck_or import Settings, register
from duck_or.cache.sqlite_store import SqliteStore
from duck_or.request import BodyTemplate
from duck_or.sql.vectors import flat, json_vector

URL = "http://127.0.0.1:9/api/v1"  # nothing listens there, and nothing has to
CHUNK = 2048
ROUNDS = 3
FLOOR = 30_000  # rows per second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--read", nargs=2, metavar=("HOW", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        how, path = arguments.read
        print(json.dumps(READERS[how](Path(path), arguments.rows)))
    else:
        print_results(run(arguments.rows))


def run(rows: int = 200_000) -> list[Result]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "answers.sqlite")
        _fill(path, rows)
        rates = {how: max(_in_new_process(how, path, rows) for _ in range(ROUNDS)) for how in READERS}
    ours, reference = rates["ours"], rates["one by one"]
    return [
        Result(f"SQL, {rows:,} rows from the store", ours, "rows/s", "the floor", FLOOR, ours / FLOOR, 1.0),
        Result(
            f"SQL, {rows:,} rows from the store",
            ours,
            "rows/s",
            "one look-up a row",
            reference,
            ours / reference,
        ),
    ]


def _in_new_process(how: str, path: Path, rows: int) -> float:
    return in_new_process("benchmarks.bench_restart", "--rows", str(rows), "--read", how, str(path))


def _table(rows: int) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE asked AS SELECT [{'role': 'user', 'content': 'Is review number ' || i || ' positive?'}] AS messages "
        f"FROM range({rows}) AS t(i)"
    )
    return con


def _fill(path: Path, rows: int) -> None:
    template, store = BodyTemplate(URL, {"model": MODEL}), SqliteStore(path)
    with _table(rows) as con:
        result = con.execute("SELECT messages::JSON FROM asked")
        for start in range(0, rows, CHUNK):
            texts = result.fetchmany(CHUNK)
            store.put_many(
                {template.request(text).key: answer(start + i) for i, (text,) in enumerate(texts)},
                time.time(),
            )
    store.close()


def _ours(path: Path, rows: int) -> float:
    with _table(rows) as con:
        settings = Settings(api_key=KEY, base_url=URL, model=MODEL, cache_path=path)
        with register(con, settings) as session:
            rate = _rate(con, "chat_completions", rows)
            assert session.stats().store_hits == rows
            return rate


def _one_by_one(path: Path, rows: int) -> float:
    template, store = BodyTemplate(URL, {"model": MODEL}), SqliteStore(path)

    def look_up(column: Any) -> pa.Array:
        keys = [template.request(text).key for text in flat(column).to_pylist()]
        return json_vector(pa.array([store.get_many([key], 0.0)[key].body for key in keys], pa.string()))

    with _table(rows) as con:
        con.create_function("look_up", look_up, [duckdb.type("JSON")], duckdb.type("JSON"), type="arrow")
        return _rate(con, "look_up", rows)


def _rate(con: duckdb.DuckDBPyConnection, function: str, rows: int) -> float:
    started = time.perf_counter()
    con.execute(f"SELECT count({function}(messages)) FROM asked").fetchall()
    return rows / (time.perf_counter() - started)


READERS: dict[str, Callable[[Path, int], float]] = {"ours": _ours, "one by one": _one_by_one}


if __name__ == "__main__":
    main()
