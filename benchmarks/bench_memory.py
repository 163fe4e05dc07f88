"""Peak memory while 1,000,000 distinct rows are asked for, and again while they are answered from the cache.

Grows by what is bounded: the memory cache (`memory_cache_bytes`, 256 MiB here as by default), the log of the newest
100,000 calls, one chunk of rows for each thread, the requests in flight. The reference is DuckDB doing the same with an
identity function. Each runs in a process of its own. `python -m benchmarks.bench_memory [--rows 1000000]`
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks.bench_hits import identity
from benchmarks.report import Result, print_results
from benchmarks.tables import answer_all, prompts, registered
from duck_or.simulator import Scenario, SimulatorProcess

MIB = 2**20
ROOT = Path(__file__).parents[1]


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
    growth = {name: _in_new_process(name, rows) for name in WORK}
    reference = growth["identity"]
    return [
        Result(
            f"peak growth, {rows:,} rows asked", asked, "MiB", "an identity UDF", reference, asked / reference
        )
        for name, asked in growth.items()
        if name != "identity"
    ]


def _in_new_process(name: str, rows: int) -> float:
    command = [sys.executable, "-m", "benchmarks.bench_memory", "--only", name, "--rows", str(rows)]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    return float(json.loads(printed.splitlines()[-1]))


def _asked(rows: int) -> float:
    """Peak growth in MiB, from a registered session with open connections to the end of the statement."""
    with (
        tempfile.TemporaryDirectory() as directory,
        SimulatorProcess(Scenario()) as simulator,
        duckdb.connect(str(Path(directory, "rows.duckdb"))) as con,
    ):
        prompts(con, rows)
        cache = Path(directory, "answers.sqlite")
        with registered(con, simulator.base_url, cache, transport="http"):
            before = _peak()
            answer_all(con)
            return _peak() - before


def _identity(rows: int) -> float:
    with (
        tempfile.TemporaryDirectory() as directory,
        duckdb.connect(str(Path(directory, "rows.duckdb"))) as con,
    ):
        con.create_function("identity", identity, [duckdb.type("JSON")], duckdb.type("JSON"), type="arrow")
        prompts(con, rows)
        before = _peak()
        con.execute(
            "CREATE TABLE answers AS SELECT id, identity([{'role': 'user', 'content': prompt}]) AS response FROM prompts"
        )
        return _peak() - before


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


WORK = {"identity": _identity, "asked": _asked}


if __name__ == "__main__":
    main()
