"""Peak memory while 1,000,000 distinct rows are asked for, against a quarter of them: it must not grow with the rows.

What it grows by is bounded: the memory cache (`memory_cache_bytes`, 256 MiB here as by default), the log of the newest
100,000 calls, one chunk of rows for each thread, the requests in flight, and DuckDB's own buffers (256 MB here). Beside
it, DuckDB with an identity function. Each runs in a process of its own.
`python -m benchmarks.bench_memory [--rows 1000000]`
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from benchmarks.bench_hits import identity
from benchmarks.measuring import in_new_process, peak_growth
from benchmarks.report import Result, print_results
from benchmarks.tables import answer_all, prompts, registered
from duck_or.simulator import Scenario, SimulatorProcess


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=list(WORK), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(WORK[arguments.only](arguments.rows)))
    else:
        print_results(run(arguments.rows))


def run(rows: int = 1_000_000) -> list[Result]:
    few = rows // 4
    plain = _in_new_process("identity", rows)
    quarter = _in_new_process("asked", few)
    asked = _in_new_process("asked", rows)
    name = f"peak growth, {rows:,} rows asked"
    return [
        Result(name, asked, "MiB", f"{few:,} rows", quarter, asked / quarter, 1.5, "lower"),
        Result(name, asked, "MiB", "an identity UDF", plain, asked / plain),
    ]


def _in_new_process(name: str, rows: int) -> float:
    return in_new_process("benchmarks.bench_memory", "--only", name, "--rows", str(rows))


@contextmanager
def _rows_on_disk(rows: int) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    with (
        tempfile.TemporaryDirectory() as directory,
        duckdb.connect(str(Path(directory, "rows.duckdb"))) as con,
    ):
        con.execute("SET memory_limit = '256MB'")
        prompts(con, rows)
        yield con, Path(directory)


def _asked(rows: int) -> float:
    """Peak growth in MiB, from a registered session with open connections to the end of the statement."""
    with (
        SimulatorProcess(Scenario()) as simulator,
        _rows_on_disk(rows) as (con, directory),
        registered(con, simulator.base_url, directory / "answers.sqlite", transport="http"),
    ):
        return peak_growth(lambda: answer_all(con))


def _identity(rows: int) -> float:
    with _rows_on_disk(rows) as (con, _):
        con.create_function("identity", identity, [duckdb.type("JSON")], duckdb.type("JSON"), type="arrow")
        question = "identity([{'role': 'user', 'content': prompt}])"
        return peak_growth(
            lambda: con.execute(f"CREATE TABLE answers AS SELECT id, {question} AS response FROM prompts")
        )


WORK: dict[str, Callable[[int], float]] = {"identity": _identity, "asked": _asked}


if __name__ == "__main__":
    main()
