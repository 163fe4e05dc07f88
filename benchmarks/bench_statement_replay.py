"""Replay of 1,000,000 rows that memory answers: the last run of a planned statement against the plain function's.

A planned statement runs twice, to collect what is unknown (here: nothing) and to replay. Both are shown; the target is
the replay's. `session.sql` returns when the questions are answered, and DuckDB evaluates its relation afterwards: that
is the replay. Rows in an order not seen before are looked up one by one, as they are in a statement's first replay; the
same rows once more are recognised by whole chunks. The reference is always in the same state.
`python -m benchmarks.bench_statement_replay [--rows 1000000] [--rounds 3]`
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import duckdb

from benchmarks.bench_hits import ANSWER, URL
from benchmarks.measuring import timed
from benchmarks.report import Result, print_results
from benchmarks.tables import KEY, MODEL
from duck_or import Session, Settings, register
from duck_or.cache.sqlite_store import SqliteStore
from duck_or.request import BodyTemplate

BATCH = 10_000
MEMORY = 12 * 2**30  # an eighth of it is for the newest answers by text, and these take 1.1 GB
PLAIN = "the plain function"
QUERY = "SELECT count(chat_completions(messages)) FROM asked"
NEW_ORDER = "CREATE OR REPLACE TABLE asked AS FROM asked ORDER BY hash(rowid)"


class Seconds(NamedTuple):
    """collect: from the statement's text to where nothing is unknown. whole: of a statement run by session.execute."""

    plain: float
    collect: float
    replay: float
    whole: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print_results(run(arguments.rows, arguments.rounds))


def run(rows: int = 1_000_000, rounds: int = 3) -> list[Result]:
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as con:
        con.execute("SET threads = 1")
        con.execute(
            "CREATE TABLE asked AS SELECT [{'role': 'user', 'content': "
            "'Is review number ' || i || ' positive? It says: works as described.'}] AS messages "
            "FROM range($rows) AS t(i)",
            {"rows": rows},
        )
        path = Path(directory, "answers.sqlite")
        _fill(path, con)
        settings = Settings(
            api_key=KEY, base_url=URL, model=MODEL, cache_path=path, memory_cache_bytes=MEMORY
        )
        with register(con, settings) as session:
            con.execute(QUERY).fetchall()  # from the store into memory
            new = _best(_measured(con, session, lambda: con.execute(NEW_ORDER)) for _ in range(rounds))
            con.execute(QUERY).fetchall()  # a chunk is kept when it comes the second time
            again = _best(_measured(con, session, lambda: None) for _ in range(rounds))
            assert session.stats().sent == 0
    return [*_results(f"{rows:,} rows in a new order", new), *_results(f"{rows:,} rows again", again)]


def _measured(con: duckdb.DuckDBPyConnection, session: Session, prepare: Callable[[], object]) -> Seconds:
    """prepare: called before each statement."""
    prepare()
    plain = timed(lambda: con.execute(QUERY).fetchall())
    prepare()
    relations: list[duckdb.DuckDBPyRelation] = []
    collect = timed(lambda: relations.append(session.sql(QUERY)))
    replay = timed(relations[0].fetchall)
    prepare()
    whole = timed(lambda: session.execute(QUERY).fetchall())
    return Seconds(plain, collect, replay, whole)


def _best(rounds: Iterable[Seconds]) -> Seconds:
    return Seconds(*map(min, zip(*rounds, strict=True)))


def _results(name: str, seconds: Seconds) -> list[Result]:
    parts: list[tuple[str, float, float | None]] = [
        ("replay", seconds.replay, 1.3),
        ("planning and collecting", seconds.collect, None),
        ("all of session.execute", seconds.whole, None),
    ]
    plain = seconds.plain
    return [
        Result(f"{name}, {part}", value, "s", PLAIN, plain, value / plain, target, "lower")
        for part, value, target in parts
    ]


def _fill(path: Path, con: duckdb.DuckDBPyConnection) -> None:
    """A store with an answer for each row of `asked`."""
    store = SqliteStore(path)
    template = BodyTemplate(URL, {"model": MODEL})
    cursor = con.execute("SELECT messages::JSON FROM asked")
    row = 0
    while texts := cursor.fetchmany(BATCH):
        answers = {
            template.request(text).key: (ANSWER % number).encode()
            for number, (text,) in enumerate(texts, row)
        }
        store.put_many(answers, time.time())
        row += len(texts)
    store.close()


if __name__ == "__main__":
    main()
