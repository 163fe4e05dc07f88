"""Two ways for tests to talk to the simulator: `Account` without sockets and with a hand on the clock, `Client` over HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from duck_or.simulator import FAULTS, Scenario
from duck_or.simulator.paths import CHAT, EMBEDDINGS
from duck_or.simulator.service import Service, Turn

NOW = 1_800_000_000.0
SECRET = "sk-or-v1-very-secret-9876"
KEY = {"Authorization": f"Bearer {SECRET}"}
HELLO = [{"role": "user", "content": "hello"}]

MOOD = {
    "type": "object",
    "properties": {"mood": {"type": "string", "enum": ["good", "bad"]}, "stars": {"type": "integer"}},
    "required": ["mood", "stars"],
    "additionalProperties": False,
}


def as_schema(schema: Any) -> dict[str, Any]:
    """The `response_format` that asks for it."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


STRUCK: tuple[tuple[str, dict[str, Any]], ...] = (
    (CHAT, {"messages": HELLO}),
    (CHAT, {"messages": HELLO, "response_format": as_schema(MOOD)}),
    (EMBEDDINGS, {"input": ["one", "two"], "dimensions": 4}),
)


def struck_by(name: str) -> tuple[str, dict[str, Any]]:
    """The path and body of a request that this fault can strike."""
    path, body = next((path, body) for path, body in STRUCK if FAULTS[name].strikes(path, body))
    return path, {"model": f"fake/err-{name}", **body}


class Account:
    """A service with a hand on its clock."""

    def __init__(self, **knobs: Any) -> None:
        self.service = Service(Scenario(**knobs), keep=10)
        self.now = NOW

    def turn(
        self, path: str = CHAT, headers: Mapping[str, str] = KEY, raw: bytes | None = None, **body: Any
    ) -> Turn:
        body = {"model": "fake/model", "messages": HELLO} | body if path == CHAT else body
        turn = self.service.open(path, headers, orjson.dumps(body) if raw is None else raw, self.now)
        self.service.close(turn, self.now, delivered=True)
        return turn

    def status(self, **body: Any) -> int:
        return self.turn(**body).reply.status

    def answer(self, **body: Any) -> Any:
        turn = self.turn(**body)
        assert turn.reply.status == 200, turn.reply.body
        return orjson.loads(turn.reply.body)

    def error(self, **body: Any) -> Any:
        turn = self.turn(**body)
        assert turn.reply.status >= 400
        return orjson.loads(turn.reply.body)["error"]


class Client:
    """One keep-alive connection, or as many as there are threads if each makes its own."""

    def __init__(self, base_url: str, timeout: float = 5.0) -> None:
        address = urlsplit(base_url)
        assert address.hostname is not None
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        raw = None if body is None else orjson.dumps(body)
        self.connection.request(method, path, raw, KEY | (headers or {}))
        response = self.connection.getresponse()
        return response, response.read()

    def chat(
        self, headers: dict[str, str] | None = None, **body: Any
    ) -> tuple[http.client.HTTPResponse, bytes]:
        body = {"model": "fake/model", "messages": HELLO} | body
        return self.send("POST", "/api/v1/chat/completions", body, headers)
