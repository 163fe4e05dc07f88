"""Estimate of a statement over 1,000,000 distinct rows that nobody has asked: seconds, and peak growth of memory.

Nothing is sent for it but one look at the price list; the store is on and looked into, as by default. Beside it DuckDB
with an identity Arrow UDF over the same rows. Each runs in a process of its own, on a database file, DuckDB's buffers
limited to 256 MB.
`python -m benchmarks.bench_statement_estimate [--rows 1000000]`
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks.bench_hits import identity
from benchmarks.measuring import figures_in_new_process, peak_growth, timed
from benchmarks.report import Result, print_results
from benchmarks.tables import ASK, connected, prompts_on_disk
from duck_or.simulator import Scenario, SimulatorProcess
from duck_or.statements.estimate import Estimate

LIMIT = "SET memory_limit = '256MB'"
UNITS = {"time": "s", "peak growth": "MiB"}


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
    estimate, reference = (_in_new_process(name, rows) for name in ("estimate", "identity"))
    name = f"estimate of {rows:,} rows"
    return [
        Result(f"{name}, {what}", figure, unit, "an identity Arrow UDF", other, figure / other)
        for what, unit in UNITS.items()
        for figure, other in [(estimate[what], reference[what])]
    ]


def _in_new_process(name: str, rows: int) -> dict[str, float]:
    return figures_in_new_process("benchmarks.bench_statement_estimate", "--only", name, "--rows", str(rows))


def _estimate(rows: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory, SimulatorProcess(Scenario()) as simulator:
        database = prompts_on_disk(directory, rows)
        with connected(database, simulator.base_url, Path(directory, "answers.sqlite")) as con:
            con.execute(LIMIT)
            found: list[Estimate] = []
            figures = _figures(lambda: found.append(con.session.estimate(f"SELECT id, {ASK} FROM prompts")))
            assert [each.to_send for each in found] == [rows]
            assert simulator.stats().requests == 1  # the warm-up
    return figures


def _identity(rows: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory, duckdb.connect(prompts_on_disk(directory, rows)) as con:
        con.execute(LIMIT)
        create: Callable[..., object] = con.create_function  # declared for native functions only
        create("identity", identity, [duckdb.type("JSON")], duckdb.type("JSON"), type="arrow")
        query = "SELECT count(identity([{'role': 'user', 'content': prompt}])) FROM prompts"
        return _figures(lambda: con.execute(query).fetchall())


def _figures(work: Callable[[], object]) -> dict[str, float]:
    seconds: list[float] = []
    growth = peak_growth(lambda: seconds.append(timed(work)))
    return {"time": seconds[0], "peak growth": growth}


WORK: dict[str, Callable[[int], dict[str, float]]] = {"estimate": _estimate, "identity": _identity}


if __name__ == "__main__":
    main()
