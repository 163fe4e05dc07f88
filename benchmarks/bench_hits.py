"""300,000 rows that memory answers, against an identity Arrow UDF over the same column.

The column holds lists of messages, as chat_completions takes them; the identity function gets it as JSON, which is what
ours is handed too. The answers are put into a store first and come into memory from there, so nothing is asked.
`python -m benchmarks.bench_hits [--rows 300000] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.report import Result, print_results
from benchmarks.tables import KEY, MODEL
from duck_or import Settings, register
from duck_or.cache.sqlite_store import SqliteStore
from duck_or.request import BodyTemplate
from duck_or.sql.vectors import json_vector

URL = "http://127.0.0.1:9/api/v1"  # nothing listens there, and nothing has to
TARGETS = {None: 0.15, 1000: 0.4}
ANSWER = (
    '{"id":"gen-1790000000-%020d","object":"chat.completion","created":1790000000,"model":"openai/gpt-5-mini-2025-08-07",'
    '"provider":"OpenAI","choices":[{"index":0,"finish_reason":"stop","native_finish_reason":"completed","logprobs":null,'
    '"message":{"role":"assistant","content":"positive","refusal":null,"reasoning":null}}],"usage":{"prompt_tokens":21,'
    '"completion_tokens":4,"total_tokens":25,"cost":0.0000133,"is_byok":false}}'
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print_results(run(arguments.rows, arguments.rounds))


def run(rows: int = 300_000, rounds: int = 5) -> list[Result]:
    return [
        result for distinct, target in TARGETS.items() for result in _compare(rows, distinct, target, rounds)
    ]


def _compare(rows: int, distinct: int | None, target: float, rounds: int) -> list[Result]:
    con = duckdb.connect()
    con.execute("SET threads = 1")
    con.create_function("identity", identity, [duckdb.type("JSON")], duckdb.type("JSON"), type="arrow")
    con.execute(
        "CREATE TABLE asked AS SELECT [{'role': 'user', 'content': "
        "'Is review number ' || (i % $distinct) || ' positive? It says: works as described.'}] AS messages "
        "FROM range($rows) AS t(i)",
        {"rows": rows, "distinct": distinct or rows},
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "answers.sqlite")
        _fill(path, con)
        settings = Settings(
            api_key=KEY, base_url=URL, model=MODEL, cache_path=path, memory_cache_bytes=2 * 2**30
        )
        with register(con, settings) as session:
            _seconds(con, "chat_completions")  # from the store into memory
            ours = min(_seconds(con, "chat_completions") for _ in range(rounds))
            con.execute("CREATE TABLE shuffled AS FROM asked ORDER BY hash(rowid)")
            shuffled = _seconds(con, "chat_completions", "shuffled")
            reference = min(_seconds(con, "identity") for _ in range(rounds))
            assert session.stats().sent == 0
    con.close()
    name = f"{rows:,} rows in memory, {distinct or 'all'} distinct"
    other = f"{name}, in an order not seen before"
    return [
        Result(
            name, rows / ours, "rows/s", "an identity Arrow UDF", rows / reference, reference / ours, target
        ),
        Result(
            other, rows / shuffled, "rows/s", "an identity Arrow UDF", rows / reference, reference / shuffled
        ),
    ]


def identity(column: Any) -> pa.Array:
    return json_vector(column.combine_chunks())


def _fill(path: Path, con: duckdb.DuckDBPyConnection) -> None:
    store = SqliteStore(path)
    template = BodyTemplate(URL, {"model": MODEL})
    texts = con.execute("SELECT DISTINCT messages::JSON FROM asked").fetchall()
    answers = {template.request(text).key: (ANSWER % row).encode() for row, (text,) in enumerate(texts)}
    store.put_many(answers, time.time())
    store.close()


def _seconds(con: duckdb.DuckDBPyConnection, function: str, table: str = "asked") -> float:
    started = time.perf_counter()
    con.execute(f"SELECT count({function}(messages)) FROM {table}").fetchall()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
