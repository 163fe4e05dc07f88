"""10,000 rows, lognormal latency (mean 1 s, sigma 0.8), 256 in flight: whole statements against asking all at once.

The best that anyone can do is a plain asyncio client with the same cap and all prompts in hand; the function by itself
waits for the slowest of each 2,048 rows. The service takes as long for a prompt whoever sends it.
`python -m benchmarks.bench_statement_latency [--rows 10000]`
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

import duckdb

from benchmarks.clients import with_aiohttp
from benchmarks.measuring import timed
from benchmarks.report import Result, print_results
from benchmarks.tables import ASK, CHUNK_BY_CHUNK, WAYS, WHOLE, Way, connected, prompts_on_disk
from duck_or.simulator import Scenario, SimulatorProcess

IN_FLIGHT = 256
SERVICE = Scenario(latency=1.0, latency_sigma=0.8)
QUERY = f"SELECT id, {ASK} AS response FROM prompts"
AT_ONCE = "a plain asyncio client, all at once"
TARGETS = {AT_ONCE: 0.95, CHUNK_BY_CHUNK: 1.4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 10_000) -> list[Result]:
    with tempfile.TemporaryDirectory() as directory, SimulatorProcess(SERVICE) as simulator:
        database = prompts_on_disk(directory, rows)
        rates = {name: rows / _asked(database, simulator.base_url, way) for name, way in WAYS.items()}
        rates[AT_ONCE] = rows / _asked_at_once(database, simulator.base_url)
    return [
        Result(f"{rows:,} rows, {name}", rates[name], "rows/s", other, rates[other], ratio, target)
        for name in WHOLE
        for other, target in TARGETS.items()
        for ratio in [rates[name] / rates[other]]
    ]


def _asked(database: Path, base_url: str, way: Way) -> float:
    answered = []
    with connected(database, base_url, max_in_flight=IN_FLIGHT) as con:
        seconds = timed(lambda: answered.extend(way(con, QUERY)))
    assert all(response for _, response in answered)
    return seconds


def _asked_at_once(database: Path, base_url: str) -> float:
    with duckdb.connect(str(database)) as con:
        asked = [prompt for (prompt,) in con.execute("SELECT prompt FROM prompts").fetchall()]
    return timed(lambda: asyncio.run(with_aiohttp(base_url, asked, IN_FLIGHT)))


if __name__ == "__main__":
    main()
