"""4,000 rows against a server that allows 6,000 per minute, and no limit configured here: found out from refusals.

The ideal time is what the server's token bucket allows: its burst at once, the rest at 100 a second.
`python -m benchmarks.bench_rate_limit [--rows 4000]`
"""

from __future__ import annotations

import argparse
import time

import duckdb

from benchmarks.report import Result, print_results
from benchmarks.tables import answer_all, prompts, registered
from duck_or.simulator import Scenario, SimulatorProcess

RPM, BURST = 6000, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    print_results(run(parser.parse_args().rows))


def run(rows: int = 4000) -> list[Result]:
    with SimulatorProcess(Scenario(latency=0.3, rpm=RPM, burst=BURST)) as simulator:
        con = duckdb.connect()
        prompts(con, rows)
        with registered(con, simulator.base_url) as session:
            started = time.perf_counter()
            answer_all(con)
            seconds = time.perf_counter() - started
            stats = session.stats()
        answered = con.execute(
            "SELECT count(response ->> '$.choices[0].message.content') FROM answers"
        ).fetchall()[0][0]
        con.close()
        refused = simulator.stats().refused
    ideal = (rows - BURST) / (RPM / 60)
    return [
        Result("answered", answered, "rows", "asked", rows, answered / rows, 1.0),
        Result(
            "refused", refused, "requests", "sent", stats.attempts, refused / stats.attempts, 0.03, "lower"
        ),
        Result("time", seconds, "s", "the ideal", ideal, seconds / ideal, 1.15, "lower"),
    ]


if __name__ == "__main__":
    main()
