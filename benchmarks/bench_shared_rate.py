"""One rate for two processes: tokens reserved in Redis ahead of time, against pyrate-limiter, which asks for each one.

Two processes want to send as fast as they may, 400 times a second together, for 5 seconds. Ours reserve a twentieth of a
second's worth at a time, as the engine does. The server is started here; what is not installed is said and left out.
`python -m benchmarks.bench_shared_rate [--seconds 5]`
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

import redis

from benchmarks.measuring import ROOT
from benchmarks.report import Result, print_results
from duck_or.cache.redis_store import RedisStore
from tests.support.servers import ServerMissing, redis_server

RATE = 400
PROCESSES = 2
AT_A_TIME = RATE // 20
START_IN = 0.2  # seconds after the last process is ready


class Run(NamedTuple):
    """times: when something left, seconds. asked: round trips to the server. cpu: seconds of both processes."""

    times: list[float]
    asked: int
    cpu: float

    @property
    def most_in_a_second(self) -> int:
        first, most = 0, 0
        for last, moment in enumerate(self.times):
            while self.times[first] <= moment - 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--send", nargs=2, metavar=("HOW", "URL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.send:
        how, url = arguments.send
        print(json.dumps(_send(SENDERS[how](url), arguments.seconds)))
    else:
        print_results(run(arguments.seconds))


def run(seconds: float = 5.0) -> list[Result]:
    try:
        with redis_server() as server:
            ours = _measured("ours", server.url, seconds)
            if importlib.util.find_spec("pyrate_limiter") is None:
                print("pyrate-limiter left out: it is not installed", file=sys.stderr)
                return _alone(ours, seconds)
            theirs = _measured("pyrate-limiter", server.url, seconds)
    except ServerMissing as missing:
        print(f"left out: {missing}", file=sys.stderr)
        return []
    return [*_alone(ours, seconds), *_beside(ours, theirs, seconds)]


def _alone(ours: Run, seconds: float) -> list[Result]:
    rate, most = len(ours.times) / seconds, ours.most_in_a_second
    return [
        Result("rate", rate, "/s", "the limit", RATE, rate / RATE, 0.95),
        Result("most in any second", most, "requests", "the limit", RATE, most / RATE, 1.05, "lower"),
    ]


def _beside(ours: Run, theirs: Run, seconds: float) -> list[Result]:
    pairs = {
        ("rate", "/s"): (len(ours.times) / seconds, len(theirs.times) / seconds),
        ("most in any second", "requests"): (ours.most_in_a_second, theirs.most_in_a_second),
        ("most in any tenth of a second", "requests"): (_in_a_tenth(ours), _in_a_tenth(theirs)),
        ("round trips", ""): (ours.asked, theirs.asked),
        ("CPU of both processes", "s"): (ours.cpu, theirs.cpu),
    }
    return [
        Result(name, one, unit, "pyrate-limiter", other, one / other)
        for (name, unit), (one, other) in pairs.items()
    ]


def _in_a_tenth(run: Run) -> int:
    return Run([10 * moment for moment in run.times], run.asked, run.cpu).most_in_a_second


def _measured(how: str, url: str, seconds: float) -> Run:
    command = [sys.executable, "-m", "benchmarks.bench_shared_rate", "--seconds", str(seconds)]
    start = partial(subprocess.Popen, [*command, "--send", how, url], cwd=ROOT, text=True)
    with redis.Redis.from_url(url) as client, ExitStack() as stack:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        processes = [stack.enter_context(start(**pipes)) for _ in range(PROCESSES)]
        for process in processes:
            process.stdout.readline()  # it has imported what it needs and is connected
        before = _asked(client)
        beginning = f"{time.time() + START_IN}\n"
        for process in processes:
            process.stdin.write(beginning)
            process.stdin.flush()
        told = [json.loads(process.communicate()[0]) for process in processes]
        asked = _asked(client) - before
    times = sorted(moment for one in told for moment in one["times"])
    return Run(times, asked, sum(one["cpu"] for one in told))


def _asked(client: redis.Redis) -> int:
    """Both send one script for each question."""
    return sum(
        int(client.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0))
        for name in ("evalsha", "eval")
    )


def _send(sender: Iterator[None], seconds: float) -> dict[str, object]:
    next(sender)
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    _sleep_until(start)
    times: list[float] = []
    cpu = time.process_time()
    for _ in sender:
        now = time.time()
        if now >= start + seconds:
            break
        times.append(now)
    return {"times": times, "cpu": time.process_time() - cpu}


def _ours(url: str) -> Iterator[None]:
    """Connects and yields; after that, yields whenever a request may leave."""
    store = RedisStore(url)
    store.reserve("warm", 1e6, 1)
    yield
    while True:
        first = store.reserve("bench", RATE, AT_A_TIME) + time.time()
        for number in range(AT_A_TIME):
            _sleep_until(first + number / RATE)
            yield


def _theirs(url: str) -> Iterator[None]:
    """The same."""
    from pyrate_limiter import Duration, Limiter, Rate, RedisBucket

    rates = [Rate(RATE, Duration.SECOND)]
    limiter = Limiter(RedisBucket.init(rates, redis.Redis.from_url(url), "bench-pyrate"))
    yield
    while True:
        limiter.try_acquire("bench")
        yield


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


SENDERS: dict[str, Callable[[str], Iterator[None]]] = {"ours": _ours, "pyrate-limiter": _theirs}


if __name__ == "__main__":
    main()
