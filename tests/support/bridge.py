"""A database, a session and a simulator, and short ways to say what SQL tests say most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import orjson

from duck_or import Session
from duck_or.simulator import Simulator, SimulatorProcess

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
CHAT = "/chat/completions"
CONTENT = "$.choices[0].message.content"


def call(content: str = "'hi'", *options: str, function: str = "chat_completions", **named: str) -> str:
    """A call with one user message. All are SQL: the content, the options by position, the options by name."""
    given = [*options, *(f"{name} := {value}" for name, value in named.items())]
    messages = f"[{{'role': 'user', 'content': {content}}}]"
    return f"{function}({', '.join([messages, *given])})"


def ask(content: str = "'hi'", *options: str, function: str = "chat_completions", **named: str) -> str:
    """The answer's text."""
    return f"({call(content, *options, function=function, **named)} ->> '{CONTENT}')"


@dataclass
class Bridge:
    """The default model, fake/echo, answers with the last user message."""

    con: duckdb.DuckDBPyConnection
    session: Session
    simulator: Simulator | SimulatorProcess

    def rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] | None = None) -> list[Any]:
        return self.con.execute(sql, parameters).fetchall()

    def column(self, sql: str, parameters: Sequence[object] | None = None) -> list[Any]:
        return [row[0] for row in self.rows(sql, parameters)]

    def value(self, sql: str, parameters: Sequence[object] | None = None) -> Any:
        [value] = self.column(sql, parameters)
        return value

    @property
    def sent(self) -> int:
        """HTTP requests for chat completions that reached the simulator."""
        return self.simulator.stats().requests

    def bodies(self) -> list[Any]:
        return [request.body for request in self.simulator.requests if request.path.endswith(CHAT)]

    def asked(self) -> list[str]:
        """The last message's text of each request, sorted."""
        return sorted(body["messages"][-1]["content"] for body in self.bodies())


def failure_of(value: str) -> dict[str, Any]:
    """The `error` object of a failed row's JSON."""
    error: dict[str, Any] = orjson.loads(value)["error"]
    return error
