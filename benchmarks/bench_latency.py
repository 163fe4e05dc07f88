"""10,000 rows, lognormal latency (mean 1 s, sigma 0.8), 256 in flight: does the bridge add to what the service takes?

DuckDB hands over 2,048 rows at a time and waits for the slowest of them, so the reference does the same. What that
barrier costs is shown beside it: the same plain client with all rows at once.
`python -m benchmarks.bench_latency [--rows 10000]`
"""

from __future__ import annotations

import argparse
import asyncio

import duckdb

from benchmarks.clients import with_aiohttp
from benchmarks.measuring import timed
from benchmarks.report import Result, print_results
from benchmarks.tables import answer_all, prompts, registered
from duck_or.simulator import Scenario, SimulatorProcess

IN_FLIGHT = 256
CHUNK = 2048
SERVICE = Scenario(latency=1.0, latency_sigma=0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 10_000) -> list[Result]:
    with SimulatorProcess(SERVICE) as simulator:
        con = duckdb.connect()
        prompts(con, rows)
        asked = [prompt for (prompt,) in con.execute("SELECT prompt FROM prompts").fetchall()]
        with registered(con, simulator.base_url, max_in_flight=IN_FLIGHT):
            ours = timed(lambda: answer_all(con))
        con.close()
        chunks = [asked[start : start + CHUNK] for start in range(0, rows, CHUNK)]
        by_chunk = timed(lambda: [_ask(simulator.base_url, chunk) for chunk in chunks])
        at_once = timed(lambda: _ask(simulator.base_url, asked))
    return [
        Result("SQL", ours, "s", "a plain client, chunk by chunk", by_chunk, ours / by_chunk, 1.1, "lower"),
        Result("the barrier, plain client", by_chunk, "s", "all at once", at_once, by_chunk / at_once),
    ]


def _ask(base_url: str, asked: list[str]) -> object:
    return asyncio.run(with_aiohttp(base_url, asked, IN_FLIGHT))


if __name__ == "__main__":
    main()
