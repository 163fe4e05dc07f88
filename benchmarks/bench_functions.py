"""What each function costs over `chat_completions` with the same requests: the same messages, schema and provider.

cold: every row is asked, over HTTP, of a service without latency; memory is the only cache. new order, again: every row
is in memory already, in an order not seen before (each is looked up, and its value read out of the answer) and in the
same order once more. The reference gives whole responses; in a new order it is also measured with SQL's own way to take
the text out of them.
Median of the ratios of pairs run in turn. `python -m benchmarks.bench_functions [NAME …] [--clock cpu]`
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
import orjson
import pyarrow as pa

from benchmarks.canned import RANKED, SENTENCE, CannedService, completion
from benchmarks.function_cases import CASES, NOWHERE, Case
from benchmarks.report import Result, print_results
from benchmarks.tables import CONTENT, KEY, MODEL, registered
from duck_or import Session, Settings, register
from duck_or.cache.sqlite_store import SqliteStore
from duck_or.functions import Template
from duck_or.request import BodyTemplate

REFERENCE = "chat_completions"
ITS_TEXT = "chat_completions ->> its text"
TARGET = 1.2
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
MEMORY = 2 * 2**30


class Times(NamedTuple):
    """Seconds of one pair."""

    ours: float
    reference: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[case.name for case in CASES])
    parser.add_argument("--rows", type=int, default=2048, help="that are asked")
    parser.add_argument("--rows-in-memory", type=int, default=30_720)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: of this process, all threads")
    arguments = parser.parse_args()
    cases = [case for case in CASES if case.name in arguments.names]
    clock = CLOCKS[arguments.clock]
    print_results(run(arguments.rows, arguments.rows_in_memory, arguments.rounds, cases, clock))


def run(
    rows: int = 2048,
    rows_in_memory: int = 30_720,
    rounds: int = 5,
    cases: Sequence[Case] = CASES,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Result]:
    answers = dict(case.answer() for case in cases)
    results = []
    with CannedService({name: text for name, text in answers.items() if name is not None}) as service:
        for case in cases:
            with _asked(case, rows) as con:
                times = _cold(con, case, service, rounds, clock)
                results.append(_result(f"{case.name}, cold", rows, times, target=TARGET))
            with _asked(case, rows_in_memory) as con:
                results += _warm(con, case, rows_in_memory, rounds, clock)
    return results


def _result(
    name: str, rows: int, times: Sequence[Times], reference_name: str = REFERENCE, target: float | None = None
) -> Result:
    """Microseconds a row: medians, which need not have come together in one round as the ratio's parts do."""
    ours, reference = (statistics.median(each) / rows * 1e6 for each in zip(*times, strict=True))
    ratio = statistics.median(ours / reference for ours, reference in times)
    return Result(name, ours, "µs a row", reference_name, reference, ratio, target, "lower")


# --- what is asked -----------------------------------------------------------------------------------------------------


def _asked(case: Case, rows: int) -> duckdb.DuckDBPyConnection:
    """Table `asked`: what the function takes, and as `message` what it sends of that to the model."""
    con = duckdb.connect()
    con.execute("SET threads = 1")
    con.execute(
        "CREATE TABLE source AS SELECT i AS id, "
        "'Review number ' || i || ': I bought it in March, it came in two days and works as described.' AS text, "
        "[text || ' Part ' || part || '.' FOR part IN range(8)] AS texts FROM range($rows) AS t(i)",
        {"rows": rows},
    )
    given = [row for (row,) in con.execute(f"SELECT {case.row} FROM source ORDER BY id").fetchall()]
    messages = given if case.ranks else _said(case.template(), given)
    con.register("said", pa.table({"id": range(rows), "message": messages}))
    con.execute("CREATE TABLE asked AS SELECT source.*, message FROM source JOIN said USING (id) ORDER BY id")
    con.unregister("said")
    return con


def _said(template: Template, rows: Sequence[str]) -> list[str]:
    """What the user says in each row's request."""
    return [orjson.loads(template.request(row).body)["messages"][-1]["content"] for row in rows]


def _reference(con: duckdb.DuckDBPyConnection, case: Case) -> str:
    """The call of chat_completions that sends what the case sends."""
    if case.ranks:
        return "chat_completions([{'role': 'user', 'content': message}])"
    [row] = con.execute(f"SELECT {case.row} FROM source LIMIT 1").fetchall()
    body = case.sent(*row)
    system = [
        f"{{'role': 'system', 'content': {_literal(said['content'])}}}" for said in body.pop("messages")[:-1]
    ]
    conversation = ", ".join([*system, "{'role': 'user', 'content': message}"])
    del body["model"]
    options = {"provider": body.pop("provider", None), "model_kwargs": body or None}
    named = [
        f", {name} := {_literal(orjson.dumps(value).decode())}"
        for name, value in options.items()
        if value is not None
    ]
    return f"chat_completions([{conversation}]{''.join(named)})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _pairs(
    ours: str, reference: str, rounds: Iterable[int], seconds: Callable[[str], float]
) -> Iterator[Times]:
    """Two calls in turn, every other round the other way round, so that what drifts favours neither."""
    calls = {"ours": ours, "reference": reference}
    for number in rounds:
        turns = list(calls.items())[:: 1 if number % 2 else -1]
        yield Times(**{name: seconds(call) for name, call in turns})


def _seconds(con: duckdb.DuckDBPyConnection, call: str, clock: Callable[[], float]) -> float:
    started = clock()
    [(answered,)] = con.execute(f"SELECT count({call}) FROM asked").fetchall()
    seconds = clock() - started
    assert answered == con.table("asked").shape[0]
    return seconds


# --- cold, and warm ----------------------------------------------------------------------------------------------------


def _cold(
    con: duckdb.DuckDBPyConnection,
    case: Case,
    service: CannedService,
    rounds: int,
    clock: Callable[[], float],
) -> list[Times]:
    def seconds(call: str) -> float:
        with registered(con, service.base_url):
            return _seconds(con, call, clock)

    _check_same(con, case, service)
    return list(_pairs(case.call, _reference(con, case), range(rounds), seconds))


def _check_same(con: duckdb.DuckDBPyConnection, case: Case, service: CannedService) -> None:
    """What one of them asked, the other need not ask. It warms both up as well."""
    with registered(con, service.base_url) as session:
        _seconds(con, case.call, time.perf_counter)
        sent = session.stats().sent
        _seconds(con, _reference(con, case), time.perf_counter)
        assert case.ranks or session.stats().sent == sent, f"{case.name}: the reference's requests are others"


def _warm(
    con: duckdb.DuckDBPyConnection, case: Case, rows: int, rounds: int, clock: Callable[[], float]
) -> list[Result]:
    whole = _reference(con, case)
    text = f"{whole} ->> {CONTENT}"

    def seconds(call: str) -> float:
        return _seconds(con, call, clock)

    def in_new_order(call: str) -> float:
        con.execute("CREATE OR REPLACE TABLE asked AS FROM asked ORDER BY hash(id + random())")
        return seconds(call)

    with _all_in_memory(con, case) as session:
        for call in (case.call, whole):
            seconds(call)  # from the store into memory
        results = [
            _result(
                f"{case.name}, new order",
                rows,
                list(_pairs(case.call, other, range(rounds), in_new_order)),
                named,
            )
            for named, other in {REFERENCE: whole, ITS_TEXT: text}.items()
        ]
        for call in (case.call, whole) * 2:
            seconds(call)  # a chunk is kept when it comes the second time
        again = list(_pairs(case.call, whole, range(rounds), seconds))
        assert session.stats().sent == 0
    return [*results, _result(f"{case.name}, again", rows, again)]


@contextmanager
def _all_in_memory(con: duckdb.DuckDBPyConnection, case: Case) -> Iterator[Session]:
    """A session that can hold all answers in memory, and has a store to take them from."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "answers.sqlite")
        _fill(path, con, case)
        settings = Settings(
            api_key=KEY, base_url=NOWHERE, model=MODEL, cache_path=path, memory_cache_bytes=MEMORY
        )
        with register(con, settings) as session:
            yield session


def _fill(path: Path, con: duckdb.DuckDBPyConnection, case: Case) -> None:
    """A store with an answer to each row's requests."""
    store = SqliteStore(path)
    template = case.template()
    rows = con.execute(f"SELECT {case.row} FROM asked").fetchall()
    answer = RANKED if case.ranks else completion(case.answer()[1])
    store.put_many({template.request(row).key: answer for (row,) in rows}, time.time())
    if case.ranks:
        chat = BodyTemplate(NOWHERE, {"model": MODEL})
        asked = con.execute("SELECT to_json([{'role': 'user', 'content': message}]) FROM asked").fetchall()
        store.put_many({chat.request(row).key: completion(SENTENCE) for (row,) in asked}, time.time())
    store.close()


if __name__ == "__main__":
    main()
