"""1,000 rows picked by a sparse filter out of 1,000,000, 1 s latency, 256 in flight: whole statement against chunks of two.

DuckDB hands over what a filter leaves of each 2,048 rows, so the function by itself waits a second for every two of
them: minutes for the whole table. It is therefore measured on the first row group (122,880 rows) for each of DuckDB's
threads, and compared by rows per second. There each thread is busy all the time with chunks like all the others; over the
whole table it can be no faster than that, only slower, where the last row groups leave threads idle.
`python -m benchmarks.bench_statement_sparse [--rows 1000000]`
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.measuring import timed
from benchmarks.report import Result, print_results
from benchmarks.tables import ASK, CHUNK_BY_CHUNK, WAYS, WHOLE, Way, connected, prompts_on_disk
from duck_or.simulator import Scenario, SimulatorProcess

IN_FLIGHT = 256
ROW_GROUP = 122_880
EVERY = 1000
QUERY = f"SELECT id, {ASK} AS response FROM prompts WHERE id % {EVERY} = 7"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 1_000_000) -> list[Result]:
    threads = os.cpu_count() or 1
    part = min(rows, threads * ROW_GROUP)
    with tempfile.TemporaryDirectory() as directory, SimulatorProcess(Scenario(latency=1.0)) as simulator:
        database = prompts_on_disk(directory, part)
        reference = _rate(database, simulator.base_url, WAYS[CHUNK_BY_CHUNK], threads)
        database = prompts_on_disk(directory, rows)
        rates = {name: _rate(database, simulator.base_url, way, threads) for name, way in WHOLE.items()}
    other = f"{CHUNK_BY_CHUNK} over the first {part:,} rows, {threads} threads"
    work = f"1 in {EVERY:,} of {rows:,} rows"
    return [
        Result(f"{work}, {name}", rate, "asked/s", other, reference, rate / reference, 10)
        for name, rate in rates.items()
    ]


def _rate(database: Path, base_url: str, way: Way, threads: int) -> float:
    """Rows that are asked, per second."""
    answered = []
    with connected(database, base_url, max_in_flight=IN_FLIGHT) as con:
        con.execute(f"SET threads = {threads}")
        seconds = timed(lambda: answered.extend(way(con, QUERY)))
    return len(answered) / seconds


if __name__ == "__main__":
    main()
