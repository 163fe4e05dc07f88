"""A job in which an actor's process dies: every row gets its own answer, and little is asked twice."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
import ray
import redis
from ray.data import Dataset

from duck_or.integrations.ray import map_completions
from duck_or.simulator import Scenario, SimulatorProcess
from support.servers import Server, redis_server

pytestmark = [
    pytest.mark.timeout(300),  # two actors start and one more, and the dead one's leases last for 20 seconds
    pytest.mark.filterwarnings("ignore:::ray[.]"),  # Ray warns of its own settings
]

ROWS, DISTINCT, BLOCK, IN_FLIGHT = 1000, 500, 25, 8
PATIENCE = 120.0  # seconds

AGAIN = 2 * IN_FLIGHT
"""What an actor loses at most: its requests in flight, and as many answers on their way into the store."""


def questions() -> Dataset:
    """Each block comes twice in a row: two actors ask the same at the same time."""
    texts = [f"q{n // (2 * BLOCK) * BLOCK + n % BLOCK}" for n in range(ROWS)]
    assert len(set(texts)) == DISTINCT
    rows = [{"text": text, "messages": [{"role": "user", "content": text}]} for text in texts]
    return ray.data.from_items(rows, override_num_blocks=ROWS // BLOCK)


def rows_with_their_own_answer(asked: Dataset) -> int:
    begun = time.monotonic()
    rows = asked.take_all()
    print(f"{len(rows)} rows in {time.monotonic() - begun:.1f} s")
    return sum(
        orjson.loads(row["response"])["choices"][0]["message"]["content"] == row["text"] for row in rows
    )


def test_a_job_outlives_an_actor() -> None:
    lasting = redis_server("--appendonly", "yes")
    with lasting as server, SimulatorProcess(Scenario(latency=0.2)) as simulator:
        asked = map_completions(
            questions(),
            model="fake/echo",
            base_url=simulator.base_url,
            cache_path=server.url,
            rate_limit=6000,
            max_in_flight=IN_FLIGHT,
            transport="http",
        )
        with ThreadPoolExecutor(1) as beside:
            answered_then = beside.submit(kill_an_actor, server, simulator)
            assert rows_with_their_own_answer(asked) == ROWS
            assert DISTINCT // 3 <= answered_then.result() < DISTINCT
        sent = simulator.stats().requests
        assert DISTINCT <= sent <= DISTINCT + AGAIN

        assert rows_with_their_own_answer(asked) == ROWS
        assert simulator.stats().requests == sent


def kill_an_actor(server: Server, simulator: SimulatorProcess) -> int:
    """In the middle of the job, the one that holds most leases. Returns how many questions were answered by then."""
    deadline = time.monotonic() + PATIENCE
    with redis.Redis.from_url(server.url) as client:
        while simulator.stats().answered < DISTINCT // 3 or not (holders := holders_of_leases(client)):
            assert time.monotonic() < deadline, "the job does not get to its middle"
            time.sleep(0.05)
        busiest = max(holders, key=holders.count)  # its name is host:pid:…
        os.kill(int(busiest.split(":")[1]), signal.SIGKILL)
    return simulator.stats().answered


def holders_of_leases(client: redis.Redis) -> list[str]:
    leases = client.keys("duck_or:1:lease:*")
    return [holder.decode() for holder in (client.mget(leases) if leases else []) if holder]
