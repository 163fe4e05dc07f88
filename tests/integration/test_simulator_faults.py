"""Faults over real sockets: what each looks like from outside, and that the server survives them all."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator

import orjson
import pytest
from simulator_clients import HELLO, KEY, Client, struck_by

from duck_or.simulator import FAULTS, Scenario, Simulator

# What each fault of the connection looks like from outside.
_BROKEN = {
    "reset-before-headers": ConnectionResetError,
    "reset-after-headers": ConnectionResetError,
    "reset-mid-body": ConnectionResetError,
    "close-mid-body": http.client.IncompleteRead,
    "wrong-length": http.client.IncompleteRead,
    "hang": TimeoutError,
    "drip-forever": None,
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def sim(shared: Simulator) -> Simulator:
    """The shared simulator, as good as new."""
    shared.scenario = Scenario()
    shared.reset()
    return shared


@pytest.fixture
def client(sim: Simulator) -> Iterator[Client]:
    with Client(sim.base_url) as client:
        yield client


@pytest.mark.parametrize(
    ("stream", "unit"), [(False, b"\n         \n"), (True, b": OPENROUTER PROCESSING\n\n")]
)
def test_a_slow_answer_drips_first(sim: Simulator, client: Client, stream: bool, unit: bytes) -> None:
    sim.scenario = Scenario(latency=0.15, drip_after=0.03, drip_interval=0.03)
    response, raw = client.chat(stream=stream)
    assert response.status == 200
    assert raw.startswith(unit)
    if not stream:
        assert orjson.loads(raw)["choices"]


def test_a_late_error_comes_as_200(sim: Simulator, client: Client) -> None:
    sim.scenario = Scenario(latency=0.05, drip_after=0.01, drip_interval=0.02)
    response, raw = client.chat(model="fake/err-502")
    assert response.status == 200
    assert orjson.loads(raw)["error"]["code"] == 502


@pytest.mark.parametrize("name", sorted(set(FAULTS) - set(_BROKEN)))
def test_every_fault_that_answers_keeps_the_connection_in_order(
    sim: Simulator, client: Client, name: str
) -> None:
    response, _ = client.send("POST", *struck_by(name))
    leading = name[:3]
    if leading.isdigit() and name != "1015-text":
        assert response.status == int(leading)
    if name != "stale-keepalive":
        assert client.chat()[0].status == 200
    assert sim.stats().by_fault == {name: 1}


@pytest.mark.parametrize(("name", "error"), [(name, error) for name, error in _BROKEN.items() if error])
def test_a_broken_connection_breaks_as_its_name_says(
    sim: Simulator, name: str, error: type[Exception]
) -> None:
    with Client(sim.base_url, timeout=0.3) as client, pytest.raises(error):
        client.chat(model=f"fake/err-{name}")


def test_drip_forever_never_comes_to_the_answer(sim: Simulator, client: Client) -> None:
    sim.scenario = Scenario(drip_interval=0.01)
    client.connection.request(
        "POST",
        "/api/v1/chat/completions",
        orjson.dumps({"model": "fake/err-drip-forever", "messages": HELLO}),
        KEY,
    )
    response = client.connection.getresponse()
    assert response.read(110) == b"\n         \n" * 10


def test_a_stale_connection_is_reset_on_its_next_request(sim: Simulator, client: Client) -> None:
    assert client.chat(model="fake/err-stale-keepalive")[0].status == 200
    with pytest.raises(ConnectionResetError):
        client.chat()
    client.connection.close()
    assert client.chat()[0].status == 200


def test_a_client_that_leaves_is_counted_as_abandoned(sim: Simulator) -> None:
    sim.scenario = Scenario(latency=30)
    with Client(sim.base_url, timeout=0.05) as client, pytest.raises(TimeoutError):
        client.chat()
    deadline = time.monotonic() + 5
    while sim.stats().in_flight and time.monotonic() < deadline:
        time.sleep(0.005)  # the server hears of it when the kernel tells it
    assert (sim.stats().abandoned, sim.stats().in_flight) == (1, 0)
