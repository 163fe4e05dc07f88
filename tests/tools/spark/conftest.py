"""One Spark for all tests here, in local mode with two workers; a simulator for each test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from duck_or.integrations.spark import Functions, register
from duck_or.simulator import Simulator
from support.bridge import KEY

Register = Callable[..., Functions]


@pytest.fixture(scope="session")
def _jvm() -> Iterator[SparkSession]:
    # The workers have the environment that the JVM was started in, and so the key.
    os.environ.update(
        {"OPENROUTER_API_KEY": KEY, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    )
    session = (
        SparkSession.builder.master("local[2]")
        .appName("duck_or")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "512m")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    for name in ("OPENROUTER_API_KEY", "PYSPARK_PYTHON", "SPARK_LOCAL_IP"):
        del os.environ[name]


@pytest.fixture
def spark(_jvm: SparkSession) -> SparkSession:
    """With functions, views and options of its own."""
    return _jvm.newSession()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(record=True) as running:
        yield running


@pytest.fixture
def make(spark: SparkSession, simulator: Simulator, tmp_path: Path) -> Register:
    """Registers the functions: `make(**settings)`. A file keeps the answers, there is no rate limit."""

    def make(**given: object) -> Functions:
        store = tmp_path / "answers.sqlite"
        chosen: dict[str, object] = {
            "base_url": simulator.base_url,
            "model": "fake/echo",
            "rate_limit": 0,
            "cache_path": store,
            "transport": "http",  # workers start sooner by it
        }
        return register(spark, **{**chosen, **given})

    return make


@pytest.fixture
def rows(spark: SparkSession) -> Callable[..., DataFrame]:
    """Questions in a view `t`: id, text, messages. `rows(20, partitions=2)`."""

    def rows(count: int, partitions: int = 1) -> DataFrame:
        said = "array(named_struct('role', 'user', 'content', concat('q', id))) AS messages"
        found = spark.range(0, count, 1, partitions).selectExpr("id", "concat('q', id) AS text", said)
        found.createOrReplaceTempView("t")
        return found

    return rows
