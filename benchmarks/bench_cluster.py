"""100,000 rows with 20,000 distinct prompts over two workers of Spark or Ray, one Redis, at most 400 requests a second for all.

What is sent, the most in any second, the time against the ideal (20,000 / 400 = 50 s); then once more, when all is known, the
time of a row against the plain DuckDB function with the same store. Needs the engine (the groups `spark` and `ray` of
pyproject.toml, an environment each) and redis-server; an engine that is not installed is left out.
`python -m benchmarks.bench_cluster [spark|ray …] [--rows 100000] [--prompts 20000]`
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

import duck_or
from benchmarks.report import Result, print_results
from duck_or.simulator import Scenario, SimulatorProcess
from tests.support.servers import redis_server

RATE = 400  # requests a second, of the whole cluster
LATENCY = 0.05  # seconds of an answer
FILES = 8
KEY = "sk-or-v1-of-a-simulator"
SLACK = 1.05  # times the rate, in any one second

Job: TypeAlias = Callable[[], int]
"""Asks about every row; returns how many got the answer to their own question."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", choices=[[], *ENGINES])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--prompts", type=int, default=20_000)
    given = parser.parse_args()
    print_results(run(given.engines, given.rows, given.prompts))


def run(engines: list[str] | None = None, rows: int = 100_000, prompts: int = 20_000) -> list[Result]:
    results = []
    for name in engines or ENGINES:
        if find_spec(MODULES[name]) is None:
            print(f"{name} is not installed: its part is left out", file=sys.stderr)
            continue
        results += _of(name, rows, prompts)
    return results


def _of(name: str, rows: int, prompts: int) -> list[Result]:
    os.environ["OPENROUTER_API_KEY"] = KEY  # where the workers find it
    with (
        tempfile.TemporaryDirectory() as place,
        redis_server("--appendonly", "yes") as redis,
        SimulatorProcess(Scenario(latency=LATENCY)) as simulator,
    ):
        _write(Path(place), rows, prompts)
        settings = {
            "base_url": simulator.base_url,
            "model": "fake/echo",
            "rate_limit": 60 * RATE,
            "cache_path": redis.url,
            "calls_path": None,
        }
        with ENGINES[name](place, settings) as job:
            job_seconds, right = _timed(job)
            cold = simulator.stats()
            again_seconds, _ = _timed(job)
            again = simulator.stats().requests - cold.requests
        plain_seconds, _ = _timed(lambda: _in_duckdb(place, settings))
    ideal = prompts / RATE
    per_row = 1e6 / rows
    return [
        Result(f"{name}: rows answered", right, "rows", "asked", rows, right / rows, 1.0),
        Result(f"{name}: sent", cold.requests, "requests", "distinct", prompts, cold.requests / prompts, 1.0, "lower"),
        Result(
            f"{name}: most in a second", cold.max_per_second, "requests", "the limit", RATE,
            cold.max_per_second / RATE, SLACK, "lower",
        ),
        Result(f"{name}: time", job_seconds, "s", "the ideal", ideal, job_seconds / ideal, 1.15, "lower"),
        Result(f"{name}: sent again", again, "requests", "distinct", prompts, again / prompts, 0.0, "lower"),
        Result(
            f"{name}: a row that is known", again_seconds * per_row, "us", "plain DuckDB",
            plain_seconds * per_row, again_seconds / plain_seconds,
        ),
    ]  # fmt: skip


def _timed(job: Job) -> tuple[float, int]:
    started = time.perf_counter()
    right = job()
    return time.perf_counter() - started, right


def _write(place: Path, rows: int, prompts: int) -> None:
    """Questions in no order, each as often as the others, in a few files."""
    with duckdb.connect() as con:
        con.execute("SELECT setseed(0.5)")
        con.execute(
            f"""CREATE TABLE question AS SELECT text, [{{'role': 'user', 'content': text}}] AS messages
            FROM (SELECT 'How do you like product ' || (i % {prompts}) || '?' AS text FROM range({rows}) t(i) ORDER BY random())"""
        )
        each = -(-rows // FILES)
        for number in range(FILES):
            con.execute(
                f"COPY (FROM question LIMIT {each} OFFSET {number * each}) TO '{place}/{number}.parquet'"
            )


def _in_duckdb(place: str, settings: Mapping[str, Any]) -> int:
    with duckdb.connect() as con, duck_or.register(con, **settings):
        asked = "chat_completions(messages) ->> '$.choices[0].message.content'"
        found = f"SELECT count(*) FILTER (text = ({asked})) FROM '{place}/*.parquet'"
        return int(con.execute(found).fetchall()[0][0])


@contextmanager
def _spark(place: str, settings: Mapping[str, Any]) -> Iterator[Job]:
    from pyspark.sql import SparkSession

    from duck_or.integrations.spark import register

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    built = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = built.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    register(spark, **settings)
    spark.read.parquet(place).createOrReplaceTempView("question")
    asked = "get_json_object(chat_completions(messages), '$.choices[0].message.content')"
    query = f"SELECT count(*) FROM question WHERE text = {asked}"
    yield lambda: int(spark.sql(query).collect()[0][0])
    spark.stop()


@contextmanager
def _ray(place: str, settings: Mapping[str, Any]) -> Iterator[Job]:
    import orjson
    import pyarrow as pa
    import ray

    from duck_or.integrations.ray import map_completions

    def right(batch: pa.Table) -> pa.Table:
        said = (
            orjson.loads(body)["choices"][0]["message"]["content"] for body in batch["response"].to_pylist()
        )
        answered = sum(text == words for text, words in zip(batch["text"].to_pylist(), said, strict=True))
        return pa.table({"right": [answered]})

    def job() -> int:
        answered = map_completions(ray.data.read_parquet(place), concurrency=2, **settings)
        return int(answered.map_batches(right, batch_format="pyarrow").sum("right"))

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {"OPENROUTER_API_KEY": KEY}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield job
    ray.shutdown()


ENGINES: Mapping[str, Callable[[str, Mapping[str, Any]], Any]] = {"spark": _spark, "ray": _ray}
MODULES = {"spark": "pyspark", "ray": "ray"}


if __name__ == "__main__":
    main()
