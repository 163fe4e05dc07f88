"""Two calls per row, the second one's prompt built from the first one's answer, 2,000 rows, against one call per row.

Latency is lognormal (mean 0.5 s, sigma 0.8), 256 in flight. How long 2,000 calls take is decided by the slowest few of
them, and first and second calls draw different ones; so the reference is the mean of both, each asked alone.
`python -m benchmarks.bench_statement_dependent [--rows 2000]`
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.measuring import timed
from benchmarks.report import Result, print_results
from benchmarks.tables import ASK, CONTENT, WHOLE, Way, connected, prompts_on_disk
from duck_or.simulator import Scenario, SimulatorProcess

IN_FLIGHT = 256
SERVICE = Scenario(latency=0.5, latency_sigma=0.8)

FOLLOW_UPS = f"SELECT id, 'In one word: ' || answer AS prompt FROM (SELECT id, {ASK} ->> {CONTENT} AS answer FROM prompts)"
BOTH = f"SELECT id, {ASK} AS response FROM ({FOLLOW_UPS})"
FIRST = f"SELECT id, {ASK} AS response FROM prompts"
SECOND = f"SELECT id, {ASK} AS response FROM follow_ups"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 2000) -> list[Result]:
    with tempfile.TemporaryDirectory() as directory, SimulatorProcess(SERVICE) as simulator:
        database = prompts_on_disk(directory, rows)
        with connected(database, simulator.base_url, max_in_flight=IN_FLIGHT) as con:
            con.execute(f"CREATE TABLE follow_ups AS {FOLLOW_UPS}")
        return [_compare(name, way, database, simulator.base_url) for name, way in WHOLE.items()]


def _compare(name: str, way: Way, database: Path, base_url: str) -> Result:
    both, first, second = (_seconds(database, base_url, way, query) for query in (BOTH, FIRST, SECOND))
    one = (first + second) / 2
    return Result(
        f"two dependent calls, {name}", both, "s", "one call per row", one, both / one, 2.2, "lower"
    )


def _seconds(database: Path, base_url: str, way: Way, query: str) -> float:
    answered = []
    with connected(database, base_url, max_in_flight=IN_FLIGHT) as con:
        seconds = timed(lambda: answered.extend(way(con, query)))
    assert all(response for _, response in answered)
    return seconds


if __name__ == "__main__":
    main()
