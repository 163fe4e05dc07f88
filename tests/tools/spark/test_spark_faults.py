"""A job in which a Python worker, or the store, dies: every row gets its own answer, and little is asked twice.

The jobs have a driver of their own: only with `local[2,4]` does a local Spark try a task again, and the other tests' does not.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import orjson
import psycopg
import pytest
import redis

from duck_or.simulator import Scenario, SimulatorProcess
from support.scripts import environment, started
from support.servers import Server, postgres_server, redis_server

pytestmark = pytest.mark.timeout(300)  # a JVM and its workers start, and a dead worker's leases last for 20 s

ROWS, DISTINCT, BATCH, IN_FLIGHT = 1000, 500, 25, 8
PATIENCE = 200.0  # seconds

AGAIN = 2 * IN_FLIGHT
"""What a worker loses at most: its requests in flight, and as many answers on their way into the store."""

# Each line on standard input is a job's settings. Both partitions ask everything, of each pair of batches the one this and the
# other that first: so each sends, and each needs the other's answers.
DRIVER = f"""
    import json, sys, time
    from pyspark.sql import SparkSession
    from duck_or.integrations.spark import register

    spark = (
        SparkSession.builder.master("local[2,4]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "512m")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "{BATCH}")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    batch = "(id div {BATCH} ^ int(id >= {DISTINCT})) % {DISTINCT // BATCH}"
    rows = spark.range(0, {ROWS}, 1, 2).selectExpr(f"concat('q', {{batch}} * {BATCH} + id % {BATCH}) AS text")
    rows.createOrReplaceTempView("t")
    answer = "chat_completions(array(named_struct('role', 'user', 'content', text)))"
    said = f"get_json_object({{answer}}, '$.choices[0].message.content')"
    for line in sys.stdin:
        register(spark, **json.loads(line))
        begun = time.monotonic()
        [found] = spark.sql(f"SELECT count(*), count(DISTINCT text), count_if(text = {{said}}) FROM t").collect()
        print(json.dumps([*found, round(time.monotonic() - begun, 1)]), flush=True)
    spark.stop()
"""

T = TypeVar("T")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """Its workers find in its environment the key, and an address where nobody listens."""
    spark = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    env = environment(tmp_path_factory.mktemp("driver"), "http://127.0.0.1:9/api/v1", **spark)
    with started(DRIVER, env) as process:
        yield process


def order_job(driver: subprocess.Popen[str], simulator: SimulatorProcess, server: Server) -> None:
    settings = {
        "base_url": simulator.base_url,
        "cache_path": server.url,
        "rate_limit": 6000,
        "max_in_flight": IN_FLIGHT,
        "transport": "http",  # workers start sooner by it
    }
    assert driver.stdin is not None
    driver.stdin.write(orjson.dumps(settings).decode() + "\n")
    driver.stdin.flush()


def outcome(driver: subprocess.Popen[str]) -> list[Any]:
    """Of the job that was ordered: rows, distinct questions, rows with the answer to their own question."""
    assert driver.stdout is not None
    assert driver.stderr is not None
    line = driver.stdout.readline()
    assert line, f"the driver ended; it said\n{driver.stderr.read()}"
    counts: list[Any]
    *counts, seconds = orjson.loads(line)
    print(f"{counts} in {seconds} s")
    return counts


def awaited(look: Callable[[], T | None]) -> T:
    """What is seen as soon as there is something: another process can only be looked at again and again."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return seen


# --- what may happen -----------------------------------------------------------------------------------------------------


def lasting_redis() -> AbstractContextManager[Server]:
    """One that has on its disk whatever it said."""
    return redis_server("--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "yes")


def kill_a_worker(server: Server) -> None:
    """The one that holds most leases: its name is host:pid:…"""
    holders = awaited(lambda: holders_of_leases(server.url))
    os.kill(int(max(holders, key=holders.count).split(":")[1]), signal.SIGKILL)


def holders_of_leases(url: str) -> list[str]:
    if url.startswith("postgres"):
        with psycopg.connect(url) as connection:
            return [holder for (holder,) in connection.execute("SELECT holder FROM duck_or.lease")]
    with redis.Redis.from_url(url) as client:
        leases = client.keys("duck_or:1:lease:*")
        return [holder.decode() for holder in (client.mget(leases) if leases else []) if holder]


def crash_redis(server: Server) -> None:
    """It dies without a word to anyone, and comes back with what is on its disk."""
    with redis.Redis.from_url(server.url) as client, pytest.raises(redis.ConnectionError):
        client.execute_command("DEBUG", "CRASH-AND-RECOVER", 100)


STRIKES: dict[str, tuple[Callable[[], AbstractContextManager[Server]], Callable[[Server], None]]] = {
    "a worker dies, answers in Redis": (lasting_redis, kill_a_worker),
    "a worker dies, answers in PostgreSQL": (postgres_server, kill_a_worker),
    "Redis dies and comes back": (lasting_redis, crash_redis),
}


@pytest.mark.parametrize("what", STRIKES)
def test_a_job_outlives(what: str, driver: subprocess.Popen[str]) -> None:
    serve, strike = STRIKES[what]
    with serve() as server, SimulatorProcess(Scenario(latency=0.2)) as simulator:
        order_job(driver, simulator, server)
        awaited(lambda: simulator.stats().answered >= DISTINCT // 3 or driver.poll() is not None)
        assert driver.poll() is None
        strike(server)
        assert simulator.stats().answered < DISTINCT, "it was struck too late"
        assert outcome(driver) == [ROWS, DISTINCT, ROWS]
        sent = simulator.stats().requests
        assert DISTINCT <= sent <= DISTINCT + AGAIN

        order_job(driver, simulator, server)
        assert outcome(driver) == [ROWS, DISTINCT, ROWS]
        assert simulator.stats().requests == sent
