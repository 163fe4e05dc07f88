"""Workers that share a store: one answer per request among them, whatever dies or goes away meanwhile.

Each worker is a process of its own. "Paid twice" is counted by the service: answers beyond the first for one body.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from duck_or.simulator import Scenario, Simulator
from support.scripts import environment, finish, started, wait_until
from support.servers import Server, postgres_server, redis_server
from support.wire import Wire

ROWS, IN_FLIGHT = 300, 8

WORKER = f"""
    import sys
    import duckdb, duck_or

    order = sys.stdin.readline().strip()
    con = duckdb.connect()
    session = duck_or.register(con, max_in_flight={IN_FLIGHT})
    con.execute(f"CREATE TABLE q AS SELECT i, 'q' || i AS text FROM range({ROWS}) t(i) ORDER BY i {{order}}")
    asked = "chat_completions([{{'role': 'user', 'content': text}}]) ->> '$.choices[0].message.content'"
    print(con.execute(f"SELECT count(*) FILTER (text = ({{asked}})) FROM q").fetchall())
    stats = session.stats()
    print(stats.store_read_errors, stats.store_write_errors)
    session.close()
"""


@pytest.fixture(params=["redis", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with SERVERS[request.param]() as server:
        yield server


def lasting_redis() -> AbstractContextManager[Server]:
    """One that keeps what it was told when it crashes, as a store of answers should."""
    return redis_server("--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "yes")


SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "redis": lasting_redis,
    "postgres": postgres_server,
}


def crash(server: Server) -> None:
    """It dies as by `kill -9` and comes back: Redis by its own command, PostgreSQL because one of its processes died."""
    if server.url.startswith("redis"):
        with redis.Redis.from_url(server.url) as client, pytest.raises(redis.ConnectionError):
            client.execute_command("DEBUG", "CRASH-AND-RECOVER", 100)
    else:
        with psycopg.connect(server.url) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")


@contextmanager
def workers(count: int, env: dict[str, str], orders: tuple[str, ...] = ("", "DESC")) -> Iterator[list]:  # type: ignore[type-arg]
    with ExitStack() as stack:
        processes = [stack.enter_context(started(WORKER, env)) for _ in range(count)]
        for process, order in zip(processes, orders * count, strict=False):
            process.stdin.write(f"{order}\n")
            process.stdin.flush()
        yield processes


def test_two_workers_ask_each_question_once(tmp_path: Path, server: Server) -> None:
    with Simulator(Scenario(latency=0.05)) as simulator:
        env = environment(tmp_path, simulator.base_url, DUCK_OR_CACHE=server.url)
        with workers(2, env) as processes:
            said = [finish(process) for process in processes]
        assert said == [([f"[({ROWS},)]", "0 0"], "")] * 2
        assert simulator.stats().requests == ROWS
        with workers(1, env) as [process]:
            finish(process)
        assert simulator.stats().requests == ROWS


def test_three_workers_keep_one_rate(tmp_path: Path, server: Server) -> None:
    with Simulator(Scenario(latency=0.01)) as simulator:
        env = environment(
            tmp_path, simulator.base_url, DUCK_OR_CACHE=server.url, OPENROUTER_RATE_LIMIT="6000"
        )
        with workers(3, env) as processes:
            said = [finish(process) for process in processes]
        assert said == [([f"[({ROWS},)]", "0 0"], "")] * 3
        assert simulator.stats().requests == ROWS
        assert simulator.stats().max_per_second <= 105


def test_a_worker_is_killed(tmp_path: Path, server: Server) -> None:
    """What it had claimed the other takes over; only what it had in flight may be paid for again."""
    with Simulator(Scenario(latency=0.05)) as simulator:
        env = environment(tmp_path, simulator.base_url, DUCK_OR_CACHE=server.url)
        with workers(2, env) as [victim, survivor]:
            wait_until(lambda: simulator.stats().answered >= ROWS // 3)
            victim.kill()
            assert finish(survivor) == ([f"[({ROWS},)]", "0 0"], "")
        wait_until(lambda: simulator.stats().in_flight == 0)
        assert simulator.stats().answered_again <= IN_FLIGHT


def test_the_store_crashes_and_restarts(tmp_path: Path, server: Server) -> None:
    """A lease may be forgotten by that, so what was in flight then may be sent twice; what was answered is there."""
    with Simulator(Scenario(latency=0.05)) as simulator:
        env = environment(tmp_path, simulator.base_url, DUCK_OR_CACHE=server.url)
        with workers(2, env) as processes:
            wait_until(lambda: simulator.stats().answered >= ROWS // 3)
            crash(server)
            said = [finish(process) for process in processes]
        assert said == [([f"[({ROWS},)]", "0 0"], "")] * 2
        assert simulator.stats().answered_again <= 2 * IN_FLIGHT


@pytest.mark.parametrize("how", ["cut", "silence"])
def test_the_network_is_cut_for_seconds(tmp_path: Path, server: Server, how: str) -> None:
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    with Wire(port) as wire, Simulator(Scenario(latency=0.05)) as simulator:
        url = server.url.replace(f":{port}", f":{wire.port}")
        env = environment(tmp_path, simulator.base_url, DUCK_OR_CACHE=url)
        with workers(2, env) as processes:
            wait_until(lambda: simulator.stats().answered >= ROWS // 3)
            getattr(wire, how)()
            assert_stays(processes)
            wire.mend()
            said = [finish(process) for process in processes]
        assert said == [([f"[({ROWS},)]", "0 0"], "")] * 2
        assert simulator.stats().answered_again == 0


def assert_stays(processes: list) -> None:  # type: ignore[type-arg]
    """For three seconds nobody gives up."""
    with pytest.raises(Exception, match="timed out"):
        processes[0].wait(3)


def test_a_server_that_stands_still(tmp_path: Path) -> None:
    with redis_server() as server, Simulator(Scenario(latency=0.05)) as simulator:
        env = environment(tmp_path, simulator.base_url, DUCK_OR_CACHE=server.url)
        with workers(2, env) as processes:
            wait_until(lambda: simulator.stats().answered >= ROWS // 3)
            server.process.send_signal(signal.SIGSTOP)
            assert_stays(processes)
            server.process.send_signal(signal.SIGCONT)
            said = [finish(process) for process in processes]
        assert said == [([f"[({ROWS},)]", "0 0"], "")] * 2
        assert simulator.stats().answered_again == 0
