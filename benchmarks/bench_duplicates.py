"""100,000 rows with 1,000 distinct prompts, over many row groups and several threads: how many requests are sent.

`python -m benchmarks.bench_duplicates [--rows 100000]`
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import duckdb

from benchmarks.report import Result, print_results
from benchmarks.tables import answer_all, prompts, registered
from duck_or.simulator import Scenario, SimulatorProcess

DISTINCT = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 100_000) -> list[Result]:
    with tempfile.TemporaryDirectory() as directory, SimulatorProcess(Scenario(latency=0.2)) as simulator:
        con = duckdb.connect()
        # Small row groups, so that four threads evaluate chunks of the same statement at once.
        con.execute(f"ATTACH '{Path(directory, 'rows.duckdb')}' AS db (ROW_GROUP_SIZE 2048)")
        con.execute("USE db")
        con.execute("SET threads = 4")
        prompts(con, rows, DISTINCT)
        with registered(con, simulator.base_url, transport="http") as session:
            before = simulator.stats().requests
            answer_all(con)
            sent = simulator.stats().requests - before
            stats = session.stats()
        con.close()
    assert stats.requests == stats.cache_hits + stats.joined + stats.sent == rows + 1
    return [
        Result(
            f"{rows:,} rows", sent, "requests", "distinct prompts", DISTINCT, sent / DISTINCT, 1.0, "lower"
        )
    ]


if __name__ == "__main__":
    main()
