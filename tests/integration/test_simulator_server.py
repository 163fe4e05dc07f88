"""The simulator over real sockets, with a stranger's HTTP client on the other side."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from simulator_clients import HELLO, KEY, Client

from duck_or.simulator import Scenario, Simulator, Stats


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


def test_a_chat_completion_travels_like_openrouters(client: Client) -> None:
    response, raw = client.chat()
    body = orjson.loads(raw)
    headers = {name.lower(): value for name, value in response.getheaders()}
    assert response.status == 200
    assert headers["transfer-encoding"] == "chunked"
    assert headers["content-type"] == "application/json"
    assert headers["x-generation-id"] == body["id"]
    assert headers["access-control-expose-headers"] == "X-Generation-Id,cf-ray"
    assert {"cf-ray", "date", "access-control-allow-origin"} <= set(headers)
    assert not [name for name in headers if "ratelimit" in name]


def test_a_refusal_has_a_generation_id_too(client: Client) -> None:
    response, raw = client.chat(messages=[])
    assert response.status == 400
    assert response.getheader("X-Generation-Id", "").startswith("gen-")
    assert orjson.loads(raw)["user_id"]


def test_one_connection_serves_many_requests(sim: Simulator, client: Client) -> None:
    for seed in range(20):
        assert client.chat(seed=seed)[0].status == 200
    stats = sim.stats()
    assert (stats.requests, stats.answered, stats.distinct, stats.connections) == (20, 20, 20, 1)


def test_two_simulators_with_one_seed_choose_byte_equal_answers(client: Client) -> None:
    schema = {"name": "x", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    with Simulator() as other, Client(other.base_url) as stranger:
        for body in ({}, {"response_format": {"type": "json_schema", "json_schema": schema}}):
            ours, theirs = (orjson.loads(who.chat(**body)[1])["choices"] for who in (client, stranger))
            assert orjson.dumps(ours) == orjson.dumps(theirs)


def test_requests_are_recorded_without_the_key(sim: Simulator, client: Client) -> None:
    client.chat(seed=1, headers={"X-Title": "duck"})
    (seen,) = sim.requests
    assert (seen.method, seen.path, seen.body["seed"]) == ("POST", "/api/v1/chat/completions", 1)
    assert (seen.headers["authorization"], seen.headers["x-title"]) == ("9876", "duck")
    assert "very-secret" not in repr(seen)


def test_a_stream_is_server_sent_events(client: Client) -> None:
    response, raw = client.chat(stream=True)
    events = raw.decode().split("\n\n")
    assert response.getheader("content-type") == "text/event-stream"
    assert events[0] == ": OPENROUTER PROCESSING"
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [orjson.loads(event.removeprefix("data: ")) for event in events[1:-2]]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    whole = orjson.loads(client.chat()[1])
    assert text.startswith("Simulated answer")
    assert chunks[-1]["usage"]["prompt_tokens"] == whole["usage"]["prompt_tokens"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_paced_stream_comes_piece_by_piece(sim: Simulator, client: Client) -> None:
    sim.scenario = Scenario(tokens_per_second=400)
    started = time.monotonic()
    _, raw = client.chat(stream=True)
    assert time.monotonic() - started > 0.04
    assert raw.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "path", ["/api/v1/models", "/api/v1/providers", "/api/v1/key", "/api/v1/models/fake/model/endpoints"]
)
def test_look_ups_answer(sim: Simulator, client: Client, path: str) -> None:
    response, raw = client.send("GET", path)
    assert response.status == 200
    assert orjson.loads(raw)["data"]
    assert (sim.stats().requests, sim.stats().other_requests) == (0, 1)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/api/v1/chat/completions", 404),
        ("DELETE", "/api/v1/models", 405),
        ("GET", "/__sim/nothing", 404),
        ("GET", "/api/v1/models?output_modalities=all", 200),
    ],
)
def test_other_paths(client: Client, method: str, path: str, status: int) -> None:
    assert client.send(method, path)[0].status == status


def test_embeddings_and_rerank_are_served(client: Client) -> None:
    body = {"model": "fake/embedding", "input": ["a", "b"], "dimensions": 8}
    _, raw = client.send("POST", "/api/v1/embeddings", body)
    assert [len(row["embedding"]) for row in orjson.loads(raw)["data"]] == [8, 8]
    _, raw = client.send(
        "POST", "/api/v1/rerank", {"model": "fake/rerank", "query": "a", "documents": ["b", "a"]}
    )
    assert orjson.loads(raw)["results"][0]["index"] == 1


@pytest.mark.parametrize("texts", [1, 256])
def test_embeddings_take_the_latency_of_one_request(sim: Simulator, client: Client, texts: int) -> None:
    sim.scenario = Scenario(latency=0.2)
    body = {"model": "fake/embedding", "input": [f"a text numbered {index}" for index in range(texts)]}
    started = time.monotonic()
    response, _ = client.send("POST", "/api/v1/embeddings", body)
    elapsed = time.monotonic() - started
    assert response.status == 200
    assert 0.19 < elapsed < 2
    stats = Stats.from_json(orjson.loads(client.send("GET", "/__sim/stats")[1]))
    assert (stats.by_path, stats.texts_embedded, stats.max_texts) == ({"/embeddings": 1}, texts, texts)


def test_gzip_when_the_scenario_and_the_client_want_it(sim: Simulator, client: Client) -> None:
    sim.scenario = Scenario(gzip=True)
    response, raw = client.chat(headers={"Accept-Encoding": "gzip, deflate"})
    assert response.getheader("content-encoding") == "gzip"
    assert orjson.loads(gzip.decompress(raw))["choices"]
    assert client.chat()[0].getheader("content-encoding") is None


def test_what_began_to_drip_is_not_compressed_half_way(sim: Simulator, client: Client) -> None:
    sim.scenario = Scenario(gzip=True, latency=0.03, drip_after=0.0)
    response, raw = client.chat(headers={"Accept-Encoding": "gzip"})
    assert response.getheader("content-encoding") is None
    assert orjson.loads(raw)["choices"]


def test_latency_is_waited_and_requests_overlap(sim: Simulator) -> None:
    sim.scenario = Scenario(latency=0.2)

    def ask(seed: int) -> int:
        with Client(sim.base_url) as client:
            return client.chat(seed=seed)[0].status

    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [200] * 8
    assert time.monotonic() - started >= 0.2
    assert sim.stats().max_in_flight > 1
    assert sim.stats().in_flight == 0


def test_one_too_many_at_once_is_refused(sim: Simulator, client: Client) -> None:
    sim.scenario = Scenario(max_concurrency=2)
    body = orjson.dumps({"model": "fake/err-hang", "messages": HELLO})
    with Client(sim.base_url) as first, Client(sim.base_url) as second:
        for hanging in (first, second):
            hanging.connection.request("POST", "/api/v1/chat/completions", body, KEY)
        while sim.stats().in_flight < 2:
            time.sleep(0.001)
        assert client.chat()[0].status == 429
    while sim.stats().in_flight:
        time.sleep(0.001)
    assert client.chat()[0].status == 200


def test_a_request_in_pieces_and_two_at_once_are_understood(sim: Simulator) -> None:
    address = urlsplit(sim.base_url)
    body = orjson.dumps({"model": "fake/model", "messages": HELLO})
    request = b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-or-1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)  # fmt: skip
    with socket.create_connection((address.hostname, address.port), timeout=5) as peer:
        peer.sendall(request[:40])
        peer.sendall(request[40:-5])
        peer.sendall(request[-5:] + request)
        answered = b""
        while answered.count(b"0\r\n\r\n") < 2:
            answered += peer.recv(65536)
    assert answered.count(b"HTTP/1.1 200 OK") == 2


def test_a_large_body_is_taken(client: Client) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 3_000_000}}
    text = {"type": "text", "text": "echo: seen"}
    _, raw = client.chat(messages=[{"role": "user", "content": [picture, text]}])
    assert orjson.loads(raw)["choices"][0]["message"]["content"] == "seen"


def test_the_control_plane_turns_knobs_and_reads_counters(sim: Simulator, client: Client) -> None:
    response, raw = client.send("POST", "/__sim/scenario", {"fault_script": ["429"]})
    assert (response.status, orjson.loads(raw)["fault_script"]) == (200, ["429"])
    assert [client.chat()[0].status for _ in range(2)] == [429, 200]
    stats = Stats.from_json(orjson.loads(client.send("GET", "/__sim/stats")[1]))
    assert stats == sim.stats()
    assert stats.by_status == {429: 1, 200: 1}
    assert len(orjson.loads(client.send("GET", "/__sim/requests")[1])) == 2
    assert client.send("POST", "/__sim/reset")[0].status == 200
    assert sim.stats().requests == 0
    assert client.chat()[0].status == 429, "the script starts anew"


@pytest.mark.parametrize("body", [{"latencyy": 1}, {"rpm": -1}, [1], "x"])
def test_the_control_plane_refuses_a_scenario_that_is_none(sim: Simulator, client: Client, body: Any) -> None:
    assert client.send("POST", "/__sim/scenario", body)[0].status == 400
    assert sim.scenario == Scenario()
