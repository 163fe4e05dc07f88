"""What a row costs on each way in, against the plain function on a DuckDB connection; all answers are known, nothing is sent.

All read one Parquet file, whose rows come in a new order in each round, and return each row's text and response. The plain
function is timed in turn with each way, and returns what the way does: rows, an Arrow table, a relation, a table. Where a
tool's own work is larger than that of the rows (models, workers), the same work without asking is taken off both sides.
The answers are in one SQLite file; the first round, which is not counted, brings them into each way's memory, except with
Ray, whose actors are new in each job. Times are the best of the rounds. A way whose tool is not installed is left out: the
groups `frames`, `airflow`, `dbt`, `sqlmesh`, `spark` and `ray` of pyproject.toml have them, an environment each.
`python -m benchmarks.bench_ways_in [WAY …] [--rows 50000] [--prompts 10000] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

import duck_or
from benchmarks import ways_in, ways_in_jobs
from benchmarks.report import Result, print_results
from benchmarks.tables import CONTENT
from benchmarks.ways_in import ARROW, CALL, RELATION, ROWS, TABLE, Asking, Way, query
from duck_or.simulator import SimulatorProcess

WAYS = {**ways_in.WAYS, **ways_in_jobs.WAYS}
KEY = "sk-or-v1-of-a-simulator"
FORMS: Mapping[str, Callable[[duckdb.DuckDBPyConnection, str], object]] = {
    ROWS: lambda con, asked: con.execute(asked).fetchall(),
    ARROW: lambda con, asked: con.sql(asked).to_arrow_table(),
    RELATION: lambda con, asked: con.sql(asked).materialize(),
    TABLE: lambda con, asked: con.execute(f"CREATE OR REPLACE TABLE answers AS {asked}"),
}
"""How the plain function returns what a way does."""


class Times(NamedTuple):
    """Of one round; those without asking are 0 where they are not taken off."""

    ours: float
    plain: float
    ours_without: float = 0.0
    plain_without: float = 0.0


class Place(NamedTuple):
    """file: the questions, which are the rows of con's table `question`. con: where the plain function is registered."""

    file: Path
    con: duckdb.DuckDBPyConnection
    simulator: SimulatorProcess
    rows: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "ways", nargs="*", choices=[[], *WAYS], metavar="WAY", help=", ".join(WAYS).replace("%", "%%")
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--prompts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print_results(run(given.ways, given.rows, given.prompts, given.rounds))


def run(ways: Sequence[str] = (), rows: int = 50_000, prompts: int = 10_000, rounds: int = 5) -> list[Result]:
    results = []
    with _place(rows, prompts) as place:
        for name in ways or WAYS:
            if missing := _missing(WAYS[name].needs):
                print(f"{name}: {missing} is not installed, so it is left out", file=sys.stderr)
                continue
            results += _results(name, WAYS[name], place, rounds)
    return results


def _missing(distributions: Sequence[str]) -> str:
    """Those that are not installed. Nothing is imported: some read their environment when they are."""
    installed = [name for name in distributions if any(metadata.distributions(name=name))]
    return ", ".join(name for name in distributions if name not in installed)


# --- the questions and their answers -----------------------------------------------------------------------------------


@contextmanager
def _place(rows: int, prompts: int) -> Iterator[Place]:
    """With all answers in the store. Settings are in the environment, where the workers of Spark and Ray find them too."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as directory, SimulatorProcess() as simulator:
        os.environ |= _settings(directory, simulator.base_url)
        with duckdb.connect(str(Path(directory, "plain.duckdb"))) as con, duck_or.register(con):
            place = Place(Path(directory, "question.parquet"), con, simulator, rows)
            con.execute(
                "CREATE TABLE question AS SELECT i AS id, 'Is review number ' || (i % $prompts) || ' positive? It says: "
                "works as described.' AS text, [{'role': 'user', 'content': text}] AS messages FROM range($rows) AS t(i)",
                {"rows": rows, "prompts": prompts},
            )
            con.execute(f"SELECT count({CALL}) FROM question").fetchall()
            assert simulator.stats().requests == min(rows, prompts)
            yield place
    os.environ.clear()
    os.environ.update(before)


def _settings(directory: str, base_url: str) -> dict[str, str]:
    return {
        "OPENROUTER_API_KEY": KEY,
        "OPENROUTER_BASE_URL": base_url,
        "OPENROUTER_MODEL": "fake/echo",
        "OPENROUTER_RATE_LIMIT": "0",
        "DUCK_OR_CACHE": f"{directory}/answers.sqlite",
        "DUCK_OR_CALLS": "none",
        "DUCK_OR_CONFIG": "none",
        "DUCK_OR_PROGRESS": "off",
    }


def _in_new_order(place: Place) -> None:
    """The same chunk of rows twice would be answered as a whole."""
    asked = "SELECT text, messages FROM question ORDER BY hash(id + random())"
    place.con.execute(f"COPY ({asked}) TO '{place.file}'")


def _check(place: Place, answered: pa.Table) -> None:
    """Each row is there, with the answer to its own question: the model says what it was asked."""
    right = f"SELECT text FROM answered WHERE text = (response::VARCHAR ->> {CONTENT})"
    missing = f"SELECT count(*) FROM (SELECT text FROM question EXCEPT ALL {right})"
    [(wrong,)] = place.con.execute(missing).fetchall()
    assert (answered.num_rows, wrong) == (place.rows, 0), f"{answered.num_rows} rows, {wrong} wrong ones"


# --- times -------------------------------------------------------------------------------------------------------------


def _results(name: str, way: Way, place: Place, rounds: int) -> list[Result]:
    sent = place.simulator.stats().requests
    with tempfile.TemporaryDirectory() as directory:
        here = place._replace(file=Path(directory, place.file.name))
        _in_new_order(here)
        with way.open(here.file) as asking:
            _, *times = [_round(way, asking, here, number) for number in range(rounds + 1)]
    assert place.simulator.stats().requests == sent, f"{name}: known answers were asked for again"
    best = Times(*(1e6 / place.rows * min(each) for each in zip(*times, strict=True)))
    ours, plain = best.ours - best.ours_without, best.plain - best.plain_without
    reference = f"plain DuckDB, {way.form}"
    if asking.nothing is None:
        return [Result(name, ours, "µs a row", reference, plain, ours / plain)]
    return [
        Result(f"{name}, the call alone", ours, "µs a row", f"{reference}, likewise", plain, ours / plain),
        Result(
            f"{name}, the whole", best.ours, "µs a row", way.without, best.ours_without,
            best.ours / best.ours_without,
        ),
    ]  # fmt: skip


def _round(way: Way, asking: Asking, place: Place, number: int) -> Times:
    """One of each, every other round the other way round, so that what drifts favours neither."""
    _in_new_order(place)
    plain = FORMS[way.form]
    work: dict[str, Callable[[], Any]] = {
        "ours": asking.ask,
        "plain": lambda: plain(place.con, query(place.file)),
    }
    if asking.nothing is not None:
        work["ours_without"] = asking.nothing
        work["plain_without"] = lambda: plain(place.con, query(place.file, "messages"))
    seconds: dict[str, float] = {}
    returned: dict[str, Any] = {}
    for name in list(work)[:: 1 if number % 2 else -1]:
        started = time.perf_counter()
        returned[name] = work[name]()  # kept, so that none's time is that of its removal
        seconds[name] = time.perf_counter() - started
    _check(place, asking.read(returned["ours"]))
    return Times(**seconds)


if __name__ == "__main__":
    main()
