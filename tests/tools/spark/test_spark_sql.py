"""`SELECT chat_completions(messages, model => 'x') FROM t` in Spark SQL, with real workers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from pyspark.cloudpickle import dumps
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from duck_or.integrations import spark as module
from duck_or.integrations.spark import Functions
from duck_or.simulator import Scenario, Simulator
from support.bridge import KEY, failure_of

pytestmark = pytest.mark.timeout(300)  # each worker imports for seconds where cores are few

Register = Callable[..., Functions]
Rows = Callable[..., DataFrame]

CONTENT = "get_json_object({}, '$.choices[0].message.content')"


def column(spark: SparkSession, query: str) -> list[Any]:
    return [row[0] for row in spark.sql(query).collect()]


def raised(spark: SparkSession, query: str) -> str:
    with pytest.raises(PySparkException) as error:
        spark.sql(query).collect()
    return str(error.value)


def test_every_row_is_answered_by_workers_of_two_processes(
    spark: SparkSession, make: Register, rows: Rows, simulator: Simulator
) -> None:
    make(cache_path=None, transport="openai")
    simulator.scenario = Scenario(latency=0.2)
    rows(20, partitions=2)
    asked = "named_struct('role', 'user', 'content', concat('q', id % 10))"
    answer = CONTENT.format(f"chat_completions(array({asked}), model => 'fake/echo')")
    # Not ORDER BY: that is a second job, for which Spark may take yet another of its idle workers.
    assert sorted(column(spark, f"SELECT {answer} FROM t")) == sorted(f"q{n % 10}" for n in range(20))
    # Without a store that they share, two processes ask everything twice; one of them would ask once.
    assert simulator.stats().requests == 20


def test_arguments_may_have_names_and_any_type(
    spark: SparkSession, make: Register, rows: Rows, simulator: Simulator
) -> None:
    make()
    rows(2)
    column(
        spark,
        """SELECT chat_completions(messages, model => if(id = 0, 'fake/echo', 'fake/model'),
               model_kwargs => named_struct('temperature', 0.5, 'seed', id),
               provider => '{"order": ["openai"]}', tools => array(named_struct('name', 'f')), tool_choice => 'none')
           FROM t""",
    )
    bodies = sorted((request.body for request in simulator.requests), key=lambda body: body["seed"])
    assert [body["model"] for body in bodies] == ["fake/echo", "fake/model"]
    assert [body["temperature"] for body in bodies] == [0.5, 0.5]
    assert bodies[0]["provider"] == {"order": ["openai"]}
    assert bodies[0]["tools"] == [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    "messages", ['\'[{"role": "user", "content": "hi"}]\'', "array(map('role', 'user', 'content', 'hi'))"]
)
def test_a_conversation_may_be_text_or_maps(spark: SparkSession, make: Register, messages: str) -> None:
    make()
    assert column(spark, f"SELECT {CONTENT.format(f'chat_completions({messages})')}") == ["hi"]


def test_null_in_null_out(spark: SparkSession, make: Register, rows: Rows, simulator: Simulator) -> None:
    make()
    rows(4)
    answers = column(spark, "SELECT chat_completions(if(id < 2, messages, NULL)) IS NULL FROM t ORDER BY id")
    assert answers == [False, False, True, True]
    assert simulator.stats().requests == 2


def test_what_spark_evaluates_twice_is_asked_once(
    spark: SparkSession, make: Register, rows: Rows, simulator: Simulator
) -> None:
    make()
    rows(20, partitions=2)
    answer = "chat_completions(messages)"
    query = f"SELECT {answer}, upper({answer}) FROM t WHERE {CONTENT.format(answer)} LIKE 'q1%'"
    for _ in range(2):  # the second time in another job, as a task that is tried again would
        assert len(spark.sql(query).collect()) == 11
    assert simulator.stats().requests == 20


def test_a_worker_keeps_its_engine_between_jobs(
    spark: SparkSession, make: Register, rows: Rows, simulator: Simulator
) -> None:
    make(cache_path=None)
    rows(5)
    for _ in range(10):  # of the workers that Spark keeps, it takes any
        column(spark, "SELECT chat_completions(messages) FROM t")
    assert simulator.stats().requests <= 25


# --- failures -------------------------------------------------------------------------------------------------------------

ONE_FAILS = "model => if(id = 3, 'fake/err-400', 'fake/echo')"


def test_a_failed_row_fails_the_job_readably_and_what_was_paid_is_kept(
    spark: SparkSession, make: Register, rows: Rows, simulator: Simulator
) -> None:
    make()
    rows(10)
    said = raised(spark, f"SELECT chat_completions(messages, {ONE_FAILS}) FROM t")
    lines = said.splitlines()
    [place] = [
        at
        for at, line in enumerate(lines)
        if line.startswith("duck_or.errors.RequestFailed: Invalid request")
    ]
    assert place < 10
    assert "(code bad_request, attempts 1, HTTP 400)" in lines[place]
    assert "The request: model fake/err-400, cache key " in lines[place]
    answers = column(spark, f"SELECT try_chat_completions(messages, {ONE_FAILS}) FROM t ORDER BY id")
    assert failure_of(answers[3])["code"] == "bad_request"
    assert all("choices" in orjson.loads(answers[n]) for n in range(10) if n != 3)
    asked = [r.body["messages"][0]["content"] for r in simulator.requests if r.body["model"] == "fake/echo"]
    assert sorted(asked) == sorted(f"q{n}" for n in range(10) if n != 3)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("chat_completions(messages, mdoel => 'x')", "ArgumentError: chat_completions: got an unexpected keyword argument"),
        ("chat_completions(text)", "ArgumentError: messages must be a list of messages"),
        ("chat_completions(messages, model_kwargs => '[]')", "ArgumentError: model_kwargs must be an object"),
        ("classify(text)", "ArgumentError: classify: missing a required argument: 'labels'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_nothing_is_sent(
    spark: SparkSession, make: Register, rows: Rows, simulator: Simulator, call: str, complaint: str
) -> None:
    make()
    rows(2)
    assert complaint in raised(spark, f"SELECT {call} FROM t")
    assert simulator.stats().requests == 0


# --- the family, and what stays as it was -----------------------------------------------------------------------------------


def test_the_family(spark: SparkSession, make: Register, rows: Rows) -> None:
    make(model="fake/model")
    rows(1)
    found = spark.sql(
        """SELECT prompt(text, model => 'fake/echo') AS prompt, prompt_as(text, 'INTEGER') AS number,
                  classify(text, array('bug', 'praise')) AS label, llm_extract(text, map('name', 'VARCHAR')) AS fields,
                  llm_filter(text, 'is it so?') AS so, score(text, 'how far?') AS far, llm_summarize(text) AS short,
                  llm_translate(text, 'German') AS german, embed(text, 'openai/text-embedding-3-small') AS vector
           FROM t"""
    )
    assert dict(found.dtypes) == {
        "prompt": "string",
        "number": "string",
        "label": "string",
        "fields": "string",
        "so": "boolean",
        "far": "double",
        "short": "string",
        "german": "string",
        "vector": "array<float>",
    }
    [row] = found.collect()
    assert row.prompt == "q0"
    assert isinstance(orjson.loads(row.number), int)
    assert row.label in ("bug", "praise")
    assert list(orjson.loads(row.fields)) == ["name"]
    assert isinstance(row.so, bool)
    assert 0 <= row.far <= 1
    assert len(row.vector) == 1536
    [whole] = column(spark, "SELECT llm_reduce(collect_list(text), 'sum it up', model => 'fake/echo') FROM t")
    assert "q0" in whole


def test_the_users_own_functions_stay(
    spark: SparkSession, make: Register, caplog: pytest.LogCaptureFixture
) -> None:
    spark.udf.register("score", lambda text: f"mine {text}")
    for _ in range(2):
        make()
        assert column(spark, "SELECT score('x')") == ["mine x"]
    assert "score(...) is a function of your own and stays so" in caplog.text


def test_the_key_is_in_no_plan_and_no_pickle(
    spark: SparkSession, make: Register, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    llm = make()
    frame = rows(2).select(llm.chat_completions("messages", model="fake/echo"))
    spark.sql("SELECT chat_completions(messages) FROM t").explain(extended=True)
    frame.explain(extended=True)
    shown = capsys.readouterr().out
    assert "chat_completions" in shown
    assert KEY not in shown
    settings = llm._settings
    assert settings.api_key == KEY
    for answer in (
        module._in_sql("chat_completions", settings),
        module._ahead("chat_completions", settings, ("messages",), {}),
    ):
        assert KEY.encode() not in dumps(answer)


def test_registering_says_what_does_not_hold(make: Register, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "duck_or"):
        make()
    assert "each of Spark's workers keeps rate_limit and max_in_flight for itself" in caplog.text
