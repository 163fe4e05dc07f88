"""prompt_as over 2,000 rows of which one in ten is answered wrongly at first: every row is valid in the end, and what it took.

An answer that breaks its schema is asked for once more, with the error; the simulator mends it then, as models do. The
reference is the same rows where nothing goes wrong.
`python -m benchmarks.bench_repairs [--rows 2000] [--rounds 3]`
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import NamedTuple

import duckdb

from benchmarks.report import Result, print_results
from benchmarks.tables import prompts, registered
from duck_or.simulator import Scenario, SimulatorProcess

INVALID = 0.1
FAULT = "invalid-answer"
LATENCY = 0.2
TYPE = "STRUCT(sentiment ENUM(''positive'', ''negative'', ''mixed''), score DOUBLE, topics VARCHAR[])"
VALID = """
    SELECT count(*) FILTER (
        value.sentiment IS NOT NULL AND value.score IS NOT NULL AND value.topics IS NOT NULL
    ) FROM (SELECT prompt_as(prompt, '{type}') AS value FROM prompts)
"""


class Figures(NamedTuple):
    """requests: HTTP requests that the service counted. struck: those whose first answer it broke."""

    valid: int
    requests: int
    struck: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print_results(run(arguments.rows, arguments.rounds))


def run(rows: int = 2000, rounds: int = 3) -> list[Result]:
    kind = Scenario(latency=LATENCY)
    with duckdb.connect() as con, SimulatorProcess(kind) as simulator:
        prompts(con, rows)
        _figures(con, simulator, kind)  # warms up
        pairs = [
            (_figures(con, simulator, kind.but(faults={FAULT: INVALID})), _figures(con, simulator, kind))
            for _ in range(rounds)
        ]
    broken, _ = pairs[0]
    slower = statistics.median(broken.seconds / whole.seconds for broken, whole in pairs)
    seconds = [statistics.median(each.seconds for each in kinds) for kinds in zip(*pairs, strict=True)]
    name = f"{rows:,} rows, {broken.struck / rows:.1%} answered wrongly at first"
    wanted = rows + broken.struck
    return [
        Result(f"{name}, valid in the end", broken.valid, "rows", "rows", rows, broken.valid / rows, 1.0),
        Result(name, broken.requests, "requests", "rows", rows, broken.requests / rows),
        Result(
            name, broken.requests, "requests", "one for each row and wrong answer", wanted, broken.requests / wanted,
            1.0, "lower",
        ),
        Result(name, seconds[0], "s", "the same rows answered rightly", seconds[1], slower),
    ]  # fmt: skip


def _figures(con: duckdb.DuckDBPyConnection, simulator: SimulatorProcess, scenario: Scenario) -> Figures:
    simulator.scenario = scenario
    with registered(con, simulator.base_url) as session:
        simulator.reset()
        before = session.stats()
        started = time.perf_counter()
        [(valid,)] = con.execute(VALID.format(type=TYPE)).fetchall()
        seconds = time.perf_counter() - started
        after, counted = session.stats(), simulator.stats()
    assert after.attempts - before.attempts == counted.requests, (
        "what the service counts, openrouter_stats() tells"
    )
    return Figures(valid, counted.requests, counted.by_fault.get(FAULT, 0), seconds)


if __name__ == "__main__":
    main()
