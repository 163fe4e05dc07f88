"""`WHERE cheap AND model_predicate`, cheap keeps 1 row in 7: how many requests reach the service, in both written orders.

DuckDB takes the function for cheap, so by itself it is asked about rows that the other predicate throws away.
`python -m benchmarks.bench_statement_predicates [--rows 7000]`
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.report import Result, print_results
from benchmarks.tables import ASK, CHUNK_BY_CHUNK, CONTENT, WAYS, connected, prompts_on_disk
from duck_or.simulator import Scenario, SimulatorProcess

KEEPS_1_IN = 7
CHEAP = f"id % {KEEPS_1_IN} = 0"
BY_MODEL = f"({ASK} ->> {CONTENT}) LIKE '%example%'"
ORDERS = {
    "cheap AND model": f"SELECT id FROM prompts WHERE {CHEAP} AND {BY_MODEL} ORDER BY id",
    "model AND cheap": f"SELECT id FROM prompts WHERE {BY_MODEL} AND {CHEAP} ORDER BY id",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=7000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 7000) -> list[Result]:
    rows -= rows % KEEPS_1_IN  # so that exactly 1 in 7 is kept
    with tempfile.TemporaryDirectory() as directory, SimulatorProcess(Scenario()) as simulator:
        database = prompts_on_disk(directory, rows)
        sent = {(order, name): _sent(simulator, database, order, name) for order in ORDERS for name in WAYS}
    return [
        Result(f"WHERE {order}, {name}", count, "requests", "the rows", rows, count / rows, target, "lower")
        for (order, name), count in sent.items()
        for target in [None if name == CHUNK_BY_CHUNK else 1 / KEEPS_1_IN]
    ]


def _sent(simulator: SimulatorProcess, database: Path, order: str, way: str) -> int:
    """What the service counted."""
    with connected(database, simulator.base_url, transport="http") as con:
        before = simulator.stats().requests
        assert WAYS[way](con, ORDERS[order])  # some rows pass
        return simulator.stats().requests - before


if __name__ == "__main__":
    main()
