"""A database, sessions, and a service in the same process that answers at once: for many statements in a short time.

The service stands where the transport does. Sessions with equal endpoints share what the first of them opened, so a guest
who opens the lane with this service lets every session of the same endpoint in.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import duckdb
import orjson

import duck_or
from duck_or.engine.lanes import Membership
from duck_or.engine.limits import Limits
from duck_or.engine.transport import Endpoint
from duck_or.outcome import RawResponse
from support.bridge import CONTENT, KEY

# It lets the rows of one side of a join choose those of the other while that runs: what it spares depends on which side
# is read first, and is no measure for what has to be asked.
NO_MEASURE = "join_filter_pushdown"

_ports = count(1)
_INNERMOST = re.compile("F⟨([^⟨⟩]*)⟩")


def written_out(query: str, function: str = "chat_completions") -> str:
    """`F⟨x⟩` is the answer's text to the question x; nobody is asked where x is NULL."""
    call = rf"""({function}('[{{"role":"user","content":"' || (\1) || '"}}]', model := 'fake') ->> '{CONTENT}')"""
    while _INNERMOST.search(query):
        query = _INNERMOST.sub(call, query)
    return query


def digit(question: str) -> str:
    """What the service answers: one digit, the same for the same question."""
    return str(zlib.crc32(question.encode()) % 10)


@dataclass
class Service:
    """A Transport. asked: the questions, one for each request that came in."""

    asked: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, body: bytes | None = None) -> RawResponse:
        if body is None:  # the price list
            return RawResponse(200, {}, b'{"data": []}')
        question = orjson.loads(body)["messages"][-1]["content"]
        self.asked.append(question)
        message = {"role": "assistant", "content": digit(question)}
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        choices = [{"index": 0, "finish_reason": "stop", "message": message}]
        answer = {"id": "gen-1", "model": "fake", "choices": choices, "usage": usage}
        return RawResponse(200, {}, orjson.dumps(answer))

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Ran:
    """What came of one statement. asked: the questions that were sent, in no order."""

    rows: list[tuple[Any, ...]]
    asked: Sequence[str]


class World:
    """Runs queries with `F⟨x⟩` in them, each with a session that knows nothing yet."""

    def __init__(self) -> None:
        self.con = duckdb.connect(config={"threads": 1})
        self.con.execute(f"SET disabled_optimizers = '{NO_MEASURE}'")
        self.service = Service()
        self._endpoint = Endpoint(f"http://127.0.0.1:{next(_ports)}/whole", KEY, "http")
        limits = Limits(None, 256)
        self._guest = Membership(self._endpoint, limits, lambda endpoint, connections: self.service)
        self._guest.get("/models", 1.0)  # opens the lane
        self.session = self._fresh()

    def do(self, *statements: str) -> None:
        """Statements that ask nothing themselves."""
        for statement in statements:
            self.con.execute(written_out(statement))

    def plain(self, query: str) -> Ran:
        """By the plain function, chunk by chunk."""
        self._fresh()
        return self._ran(self.con.sql(written_out(query)))

    def whole(self, query: str) -> Ran:
        """By `session.sql`."""
        return self._ran(self._fresh().sql(written_out(query)))

    @contextmanager
    def without(self, optimizers: str) -> Iterator[None]:
        """Queries are optimized without these: names with commas between them."""
        self.con.execute(f"SET disabled_optimizers = '{','.join(filter(None, [NO_MEASURE, optimizers]))}'")
        try:
            yield
        finally:
            self.con.execute(f"SET disabled_optimizers = '{NO_MEASURE}'")

    def close(self) -> None:
        self.session.close()
        self._guest.leave()
        self.con.close()

    def _ran(self, relation: duckdb.DuckDBPyRelation) -> Ran:
        rows = relation.fetchall()
        return Ran(rows, list(self.service.asked))

    def _fresh(self) -> duck_or.Session:
        self.session = duck_or.register(
            self.con,
            base_url=self._endpoint.base_url,
            api_key=KEY,
            transport="http",
            cache_path=None,
            rate_limit=0,
            progress="off",
        )
        self.service.asked.clear()
        return self.session
