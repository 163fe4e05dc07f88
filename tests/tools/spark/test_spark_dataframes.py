"""The functions on DataFrames: constants as they stand, columns, and the next batch asked while one is waited for."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from duck_or.errors import ArgumentError
from duck_or.integrations.spark import Functions
from duck_or.simulator import Scenario, Simulator

pytestmark = pytest.mark.timeout(300)  # each worker imports for seconds where cores are few

Register = Callable[..., Functions]
Rows = Callable[..., DataFrame]


def test_constants_and_columns(make: Register, rows: Rows, simulator: Simulator) -> None:
    llm = make()
    answered = rows(4).select(
        "id",
        llm.chat_completions("messages", model_kwargs={"temperature": 0.5, "seed": 7}).alias("a"),
        llm.prompt(
            sf.col("text"), model=sf.when(sf.col("id") < 2, "fake/echo").otherwise("fake/model")
        ).alias("b"),
        llm.llm_filter("text", "is it so?", model="fake/model").alias("c"),
        llm.try_prompt("text", model="fake/err-400").alias("d"),
    )
    found = answered.orderBy("id").collect()
    assert [orjson.loads(row.a)["choices"][0]["message"]["content"] for row in found] == [
        "q0",
        "q1",
        "q2",
        "q3",
    ]
    assert [row.b for row in found[:2]] == ["q0", "q1"]
    assert all(isinstance(row.c, bool) and row.d is None for row in found)
    seeds = [request.body["seed"] for request in simulator.requests if "seed" in request.body]
    assert seeds == [7] * 4


def peak(simulator: Simulator, ask: Callable[[], object]) -> int:
    simulator.reset()
    simulator.scenario = Scenario(latency=0.3)
    ask()
    assert simulator.stats().requests == 60
    return simulator.stats().max_in_flight


def test_the_next_batch_is_asked_while_one_is_waited_for(
    spark: SparkSession, make: Register, rows: Rows, simulator: Simulator
) -> None:
    llm = make(cache_path=None)
    frame = rows(60)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "6")
    ahead = peak(simulator, frame.select(llm.prompt("text", system="ahead")).collect)
    one_by_one = peak(simulator, spark.sql("SELECT prompt(text, system => 'one by one') FROM t").collect)
    assert one_by_one <= 6 < ahead


def test_a_failed_row_fails_the_job_readably(make: Register, rows: Rows) -> None:
    llm = make()
    with pytest.raises(
        PySparkException, match=r"duck_or\.errors\.RequestFailed: Invalid request.*code bad_request"
    ):
        rows(3).select(llm.chat_completions("messages", model="fake/err-400")).collect()


def test_a_limit_ends_what_was_begun_ahead(spark: SparkSession, make: Register, rows: Rows) -> None:
    llm = make()
    frame = rows(100)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "5")
    assert [row[0] for row in frame.select(llm.prompt("text")).limit(3).collect()] == ["q0", "q1", "q2"]
    assert [row[0] for row in frame.select(llm.prompt("text")).limit(3).collect()] == ["q0", "q1", "q2"]


def test_mistakes_are_named_on_the_driver(make: Register) -> None:
    llm = make()
    with pytest.raises(
        ArgumentError, match="prompt: got an unexpected keyword argument 'mdoel'; its arguments are text"
    ):
        llm.prompt("text", mdoel="x")
    with pytest.raises(
        AttributeError, match="there is no function 'promt'; there are chat_completions, prompt"
    ):
        llm.promt("text")
    assert {"chat_completions", "try_prompt", "embed"} <= set(dir(llm))
