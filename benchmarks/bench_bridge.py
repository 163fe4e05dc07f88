"""8,192 distinct prompts, a simulator without latency in its own process, 256 in flight: what the bridge costs per call.

Ours goes through SQL with the persistent store on; the references only ask. Best of several interleaved rounds, because
what else the machine does only ever slows. `python -m benchmarks.bench_bridge [--rows 8192] [--rounds 3]`
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks.clients import SdkFunction, column_with_aiohttp, with_openai_post
from benchmarks.measuring import timed
from benchmarks.report import Result, print_results
from benchmarks.tables import answer_all, prompts, registered
from duck_or.simulator import Scenario, SimulatorProcess

IN_FLIGHT = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print_results(run(arguments.rows, arguments.rounds))


def run(rows: int = 8192, rounds: int = 3) -> list[Result]:
    con = duckdb.connect()
    prompts(con, rows)
    with SimulatorProcess(Scenario()) as simulator:
        work: dict[str, Callable[[], float]] = {
            "openai": lambda: _ours(con, simulator.base_url, "openai"),
            "bare openai, bytes over aiohttp": lambda: _bare(con, simulator.base_url),
            "http": lambda: _ours(con, simulator.base_url, "http"),
            "plain aiohttp, table to table": lambda: timed(
                lambda: column_with_aiohttp(con, simulator.base_url, IN_FLIGHT)
            ),
        }
        measured = [{name: ask() for name, ask in work.items()} for _ in range(rounds)]
        best = {name: min(each[name] for each in measured) for name in work}
        sdk = "openai's create() in an Arrow UDF"
        best[sdk] = _sdk(con, simulator.base_url)
    rates = {name: rows / seconds for name, seconds in best.items()}
    con.close()
    return [
        _against(rates, "openai", "bare openai, bytes over aiohttp", 0.8),
        _against(rates, "openai", sdk, 2.5),
        _against(rates, "http", "plain aiohttp, table to table", 0.7),
        _against(rates, "http", "openai"),
    ]


def _against(rates: dict[str, float], ours: str, reference: str, target: float | None = None) -> Result:
    ratio = rates[ours] / rates[reference]
    return Result(
        f"SQL, transport = '{ours}'", rates[ours], "calls/s", reference, rates[reference], ratio, target
    )


def _ours(con: duckdb.DuckDBPyConnection, base_url: str, transport: str) -> float:
    with (
        tempfile.TemporaryDirectory() as directory,
        registered(
            con, base_url, Path(directory, "answers.sqlite"), transport=transport, max_in_flight=IN_FLIGHT
        ),
    ):
        return timed(lambda: answer_all(con))


def _bare(con: duckdb.DuckDBPyConnection, base_url: str) -> float:
    asked = [prompt for (prompt,) in con.execute("SELECT prompt FROM prompts").fetchall()]
    asyncio.run(with_openai_post(base_url, asked[:1], IN_FLIGHT))  # import and warm up
    return timed(lambda: asyncio.run(with_openai_post(base_url, asked, IN_FLIGHT)))


def _sdk(con: duckdb.DuckDBPyConnection, base_url: str) -> float:
    function = SdkFunction(base_url, IN_FLIGHT)
    con.create_function("sdk", function, ["VARCHAR"], "VARCHAR", type="arrow")
    con.execute("SELECT sdk('warm up')").fetchall()
    seconds = timed(
        lambda: con.execute("CREATE OR REPLACE TABLE answers AS SELECT id, sdk(prompt) FROM prompts")
    )
    con.remove_function("sdk")
    function.close()
    return seconds


if __name__ == "__main__":
    main()
