"""The ways in whose tool builds models or starts workers: each can do the same work without asking, to be taken off.

Settings are the environment's, as for the other ways in. What is measured, and against what, this module does not know.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.ways_in import ARROW, CALL, TABLE, Asking, Way, as_it_is, query

MODELS = {"asks": CALL, "asks_nothing": "messages"}
"""For tools that build models: what stands in the column `response`."""


# --- models ------------------------------------------------------------------------------------------------------------


@contextmanager
def _dbt(file: Path) -> Iterator[Asking]:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    root, database = file.with_name("dbt"), file.with_name("shop.duckdb")
    output = {"type": "duckdb", "path": str(database), "plugins": [{"module": "duck_or.integrations.dbt"}]}
    project = {"name": "shop", "profile": "shop", "models": {"shop": {"+materialized": "table"}}}
    _write(root / "dbt_project.yml", json.dumps(project))
    _write(root / "profiles.yml", json.dumps({"shop": {"target": "dev", "outputs": {"dev": output}}}))
    for name, value in MODELS.items():
        _write(root / "models" / f"{name}.sql", query(file, value))
    quiet = ["--quiet", "--no-send-anonymous-usage-stats", "--log-level-file", "none"]
    where = ["--project-dir", str(root), "--profiles-dir", str(root), "--log-path", str(root)]
    runner = dbtRunner()

    def run(name: str) -> None:
        done = runner.invoke([*quiet, "run", *where, "--select", name])
        assert done.success, done.exception

    def read(_: object) -> pa.Table:
        with DuckDBConnectionManager._ENV.conn.cursor() as con:
            return con.sql("SELECT * FROM shop.main.asks").to_arrow_table()

    yield Asking(partial(run, "asks"), read, partial(run, "asks_nothing"))


@contextmanager
def _sqlmesh(file: Path) -> Iterator[Asking]:
    os.environ["SQLMESH__DISABLE_ANONYMIZED_ANALYTICS"] = "1"  # read when it is imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sqlmesh import Context
        from sqlmesh.core.config import Config, GatewayConfig, ModelDefaultsConfig

    from duck_or.integrations.sqlmesh import DuckOrConnectionConfig

    root = file.with_name("sqlmesh")
    for name, value in MODELS.items():
        model = f"MODEL (name bench.{name}, kind FULL);\n{query(file, f'{value}::TEXT')}"
        _write(root / "models" / f"{name}.sql", model)
    gateway = GatewayConfig(connection=DuckOrConnectionConfig(database=str(file.with_name("mesh.duckdb"))))
    defaults = ModelDefaultsConfig(dialect="duckdb")

    def run(name: str) -> None:
        with redirect_stdout(io.StringIO()):
            context.plan(restate_models=[f"bench.{name}"], auto_apply=True, no_prompts=True)

    def read(_: object) -> pa.Table:
        return pa.Table.from_pandas(context.fetchdf("SELECT * FROM bench.asks"))

    with redirect_stdout(io.StringIO()):
        context = Context(
            paths=str(root), config=Config(gateways={"local": gateway}, model_defaults=defaults)
        )
        context.plan(auto_apply=True, no_prompts=True)
    yield Asking(partial(run, "asks"), read, partial(run, "asks_nothing"))
    context.close()


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


# --- workers -----------------------------------------------------------------------------------------------------------


@contextmanager
def _spark(file: Path, *, in_sql: bool) -> Iterator[Asking]:
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import arrow_udf

    from duck_or.integrations.spark import register

    def identity(messages: pa.Array) -> pa.Array:
        return messages

    def ask() -> pa.Table:
        question = spark.read.parquet(str(file))
        if not in_sql:
            return question.select("text", llm.chat_completions("messages").alias("response")).toArrow()
        question.createOrReplaceTempView("question")
        return spark.sql(f"SELECT text, {CALL} AS response FROM question").toArrow()

    def nothing() -> pa.Table:
        return spark.read.parquet(str(file)).select("text", same("messages").alias("response")).toArrow()

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    built = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    built = built.config("spark.ui.showConsoleProgress", "false")
    spark = built.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    llm = register(spark)
    same = arrow_udf(identity, spark.read.parquet(str(file)).schema["messages"].dataType)
    yield Asking(ask, as_it_is, nothing)
    spark.stop()


@contextmanager
def _ray(file: Path) -> Iterator[Asking]:
    import ray

    from duck_or.integrations.ray import map_completions

    class Identity:
        def __call__(self, batch: pa.Table) -> pa.Table:
            return batch.append_column("response", batch["messages"])

    def collected(dataset: Any) -> pa.Table:
        return pa.concat_tables(ray.get(dataset.to_arrow_refs()))

    def question() -> Any:
        return ray.data.read_parquet(str(file))

    def nothing() -> pa.Table:
        two = ray.data.ActorPoolStrategy(size=2)
        return collected(question().map_batches(Identity, batch_format="pyarrow", compute=two, num_cpus=0.25))

    logging.getLogger("ray.data").setLevel(logging.WARNING)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield Asking(lambda: collected(map_completions(question())), as_it_is, nothing)
    ray.shutdown()


WAYS: Mapping[str, Way] = {
    "dbt": Way(_dbt, TABLE, ("dbt-duckdb",), "a model that asks nothing"),
    "sqlmesh": Way(_sqlmesh, TABLE, ("sqlmesh",), "a model that asks nothing"),
    "spark.sql": Way(partial(_spark, in_sql=True), ARROW, ("pyspark",), "an identity Arrow UDF"),
    "spark": Way(partial(_spark, in_sql=False), ARROW, ("pyspark",), "an identity Arrow UDF"),
    "ray": Way(_ray, ARROW, ("ray",), "an identity actor"),
}
