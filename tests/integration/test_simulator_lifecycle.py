"""Starting and stopping: threads, processes, signals, ports; nothing is left behind."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import orjson
import pytest
from simulator_clients import HELLO, KEY, Client

from duck_or.simulator import Scenario, Simulator, SimulatorProcess, Stats


@pytest.mark.parametrize(("record", "kept"), [(True, 5), (3, 3), (False, 0)])
def test_recording_is_bounded(record: bool | int, kept: int) -> None:
    with Simulator(record=record) as simulator, Client(simulator.base_url) as client:
        for seed in range(5):
            client.chat(seed=seed)
        assert [seen.body["seed"] for seen in simulator.requests] == list(range(5))[5 - kept :]


def test_closing_cuts_off_what_hangs_and_leaves_no_thread() -> None:
    before = threading.active_count()
    simulator = Simulator().start()
    address = urlsplit(simulator.base_url)
    body = orjson.dumps({"model": "fake/err-hang", "messages": HELLO})
    peers = [Client(simulator.base_url) for _ in range(3)]
    for peer in peers:
        peer.connection.request("POST", "/api/v1/chat/completions", body, KEY)
    while simulator.stats().in_flight < 3:
        time.sleep(0.001)
    started = time.monotonic()
    simulator.close()
    simulator.close()
    assert time.monotonic() - started < 2
    assert threading.active_count() == before
    for peer in peers:
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            peer.connection.getresponse()
        peer.connection.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection((address.hostname, address.port)):
        pass


def test_a_simulator_can_be_started_again_but_not_twice() -> None:
    simulator = Simulator()
    for _ in range(2):
        with simulator, Client(simulator.base_url) as client:
            assert client.chat()[0].status == 200
            with pytest.raises(RuntimeError, match="already running"):
                simulator.start()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_an_oserror(taken_port: int) -> None:
    with pytest.raises(OSError, match="address already in use"):
        Simulator(port=taken_port).start()


def test_it_can_be_started_inside_a_running_event_loop() -> None:
    async def inside() -> int:
        with Simulator() as simulator:
            return simulator.stats().requests

    assert asyncio.run(inside()) == 0


def test_a_process_is_controlled_from_outside() -> None:
    with SimulatorProcess(Scenario(seed=5), record=2) as process, Client(process.base_url) as client:
        for seed in range(3):
            assert client.chat(seed=seed)[0].status == 200
        assert process.stats().answered == 3
        assert [seen.body["seed"] for seen in process.requests] == [1, 2]
        process.scenario = Scenario(faults={"503": 1.0})
        assert client.chat()[0].status == 503
        process.reset()
        after = process.stats()
        assert after == Stats(connections=after.connections)
        pid = process.pid
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_cannot_start_says_so(taken_port: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="ended before it listened"):
        SimulatorProcess(port=taken_port).start()
    assert "address already in use" in capfd.readouterr().err


@contextmanager
def child(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    command = [sys.executable, "-W", "error", "-m", "duck_or.simulator", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as started:
        assert started.stdout is not None
        yield started, started.stdout.readline().decode().strip()


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(wanted: signal.Signals) -> None:
    with child() as (process, base_url), Client(base_url) as client:
        assert client.chat()[0].status == 200
        process.send_signal(wanted)
        _, complaints = process.communicate(timeout=10)
        assert (process.returncode, complaints) == (0, b"")


def test_it_ends_with_the_process_that_holds_its_standard_input() -> None:
    with child("--until-stdin-closes") as (process, base_url), Client(base_url) as client:
        assert client.chat()[0].status == 200
        _, complaints = process.communicate(timeout=10)
        assert (process.returncode, complaints) == (0, b"")
