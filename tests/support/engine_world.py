"""A lane with everything around it scripted: the service, the stores, the sessions' books, and time itself.

    with world({"a": [refused(wait=2), answer()]}) as w:
        batch = w.submit("a", "b")
        w.settle()
        assert texts(batch) == ["a", "b"]

A request is named by a short text; `answer()` answers with that text unless told otherwise, and so does every request
that the script does not name. `embedding("a")` may share an HTTP request with others: then each takes its next reply, and
the first that is no answer is the reply to them all.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import orjson

from duck_or.cache.contract import Kept, Looked
from duck_or.cache.memory import MemoryCache
from duck_or.calls import CallLog
from duck_or.engine.batch import Batch, Post, Statement, Terms
from duck_or.engine.dispatch import Dispatch, Keep
from duck_or.engine.lane import Lane
from duck_or.engine.ledger import Ledger
from duck_or.engine.limits import Limits
from duck_or.engine.shared_rate import Bucket
from duck_or.engine.spending import Spending
from duck_or.outcome import Completion, Failure, Outcome, RawResponse
from duck_or.packing import Envelope
from duck_or.policy.retry import RetryPolicy
from duck_or.request import Request
from duck_or.stats import Stats
from duck_or.wanted import Wanted
from support.virtual_loop import VirtualLoop

MEBIBYTE = 1 << 20


def request(name: str, *, model: str = "test/model", max_tokens: int | None = None) -> Request:
    body = orjson.dumps({"messages": name, "model": model})
    return Request("/chat/completions", body, hashlib.sha256(body).digest(), model, max_tokens)


def embedding(name: str, *, model: str = "test/embedding") -> Request:
    written = orjson.dumps(name)
    envelope = Envelope(b'{"input":', b',"model":%s}' % orjson.dumps(model))
    body = envelope.body([written])
    key = hashlib.sha256(body).digest()
    return Request(
        "/embeddings", body, key, model, wanted=Wanted("embedding"), envelope=envelope, input=written
    )


# --- the service ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """What one attempt gets. content: a response, an exception to raise, or None: nothing, for ever.

    text: what the answer says, where it is one.
    """

    content: RawResponse | BaseException | None
    seconds: float = 1.0


def answer(
    text: str = "yes", seconds: float = 1.0, *, finish: str = "stop", cost: float | None = None
) -> Reply:
    usage = {"prompt_tokens": 10, "completion_tokens": 2} | ({} if cost is None else {"cost": cost})
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    body = orjson.dumps({"id": "gen-1", "model": "test/model-1", "choices": [choice], "usage": usage})
    return Reply(RawResponse(200, {}, body), seconds)


def vectors(texts: Sequence[str], seconds: float = 1.0, **others: object) -> Reply:
    """Each text's characters are its vector. It has cost a token and a cent for each text, unless told otherwise."""
    data = [
        {"object": "embedding", "index": n, "embedding": list(map(ord, text))} for n, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts), "cost": 0.01 * len(texts)}
    body = {"object": "list", "data": data[::-1], "model": "test/embedding-1", "usage": usage}
    return Reply(RawResponse(200, {}, orjson.dumps(body | others)), seconds)


def error(status: int, message: str = "no", seconds: float = 1.0, **headers: str) -> Reply:
    body = orjson.dumps({"error": {"code": status, "message": message}})
    return Reply(RawResponse(status, {k.replace("_", "-"): v for k, v in headers.items()}, body), seconds)


def refused(wait: float | None = None, seconds: float = 0.1) -> Reply:
    """429, with a Retry-After where `wait` is given."""
    return error(429, "slow down", seconds, **({} if wait is None else {"retry_after": f"{wait:g}"}))


def raises(bug: BaseException, seconds: float = 1.0) -> Reply:
    return Reply(bug, seconds)


NEVER = Reply(None)

Script: TypeAlias = Mapping[str, Sequence[Reply]]


def _name(messages: str | list[str]) -> str:
    """A correction puts the wrong answer and the complaint behind what was asked."""
    return messages if isinstance(messages, str) else messages[0]


@dataclass(frozen=True)
class Send:
    name: str
    at: float  # virtual seconds
    in_flight: int  # itself included
    texts: tuple[str, ...] = ()  # of embeddings


@dataclass
class ScriptedTransport:
    """The n-th attempt for a name gets the n-th reply of its script, or the last one.

    together: what a request with several texts gets; None: what its texts get.
    """

    script: Script
    otherwise: Callable[[str], Reply] = field(default=lambda name: answer(name))
    sends: list[Send] = field(default_factory=list)
    bodies: list[bytes | None] = field(default_factory=list)
    in_flight: int = 0
    cancelled: list[str] = field(default_factory=list)
    closed: bool = False
    together: Callable[[Sequence[str]], Reply | None] = field(default=lambda texts: None)
    overlapped: set[str] = field(default_factory=set)  # names that were in flight twice at the same time
    _flying: set[str] = field(default_factory=set)
    _attempts: Counter[str] = field(default_factory=Counter)

    async def send(self, method: str, path: str, body: bytes | None = None) -> RawResponse:
        self.bodies.append(body)
        asked = {} if body is None else orjson.loads(body)
        if "input" in asked:
            return await self._embed([asked["input"]] if isinstance(asked["input"], str) else asked["input"])
        name = path if body is None else _name(asked["messages"])
        reply = self._next(name)
        self.in_flight += 1
        if name in self._flying:
            self.overlapped.add(name)
        self._flying.add(name)
        self.sends.append(Send(name, asyncio.get_running_loop().time(), self.in_flight))
        try:
            return await self._reply(reply)
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.in_flight -= 1
            self._flying.discard(name)

    async def _embed(self, texts: list[str]) -> RawResponse:
        reply = self._reply_to_all(texts)
        self.in_flight += 1
        name, now = "+".join(texts), asyncio.get_running_loop().time()
        self.sends.append(Send(name, now, self.in_flight, tuple(texts)))
        try:
            return await self._reply(reply)
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.in_flight -= 1

    def _reply_to_all(self, texts: list[str]) -> Reply:
        replies = [self._next(text) for text in texts]
        reply = self.together(texts) if len(texts) > 1 else None
        if reply is not None:
            return reply
        broken = (reply for reply in replies if not _is_answer(reply))
        return next(broken, vectors(texts, max(reply.seconds for reply in replies)))

    def _next(self, name: str) -> Reply:
        replies = self.script.get(name) or [self.otherwise(name)]
        self._attempts[name] += 1
        return replies[min(self._attempts[name], len(replies)) - 1]

    async def _reply(self, reply: Reply) -> RawResponse:
        if reply.content is None:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(reply.seconds)
        if isinstance(reply.content, BaseException):
            raise type(reply.content)(*reply.content.args)  # a fresh one: tracebacks add up
        assert reply.content is not None
        return reply.content

    async def close(self) -> None:
        self.closed = True

    @property
    def names(self) -> list[str]:
        """Every request sent, in order; retries again."""
        return [send.name for send in self.sends]

    @property
    def packs(self) -> list[int]:
        """How many texts each request for embeddings held, in order."""
        return [len(send.texts) for send in self.sends if send.texts]

    @property
    def peak(self) -> int:
        return max((send.in_flight for send in self.sends), default=0)


def _is_answer(reply: Reply) -> bool:
    return isinstance(reply.content, RawResponse) and b'"choices"' in reply.content.body


# --- a store on the loop -------------------------------------------------------------------------------------------


@dataclass
class LoopStore:
    """A StoreGate without a thread. read, write: seconds that a look-up or a write takes; 0 answers at once."""

    loop: VirtualLoop
    read_seconds: float = 0.0
    write_seconds: float = 0.0
    answers: dict[bytes, Kept] = field(default_factory=dict)
    writes: list[bytes] = field(default_factory=list)
    elsewhere: set[bytes] = field(default_factory=set)  # keys that another worker sends
    released: list[bytes] = field(default_factory=list)
    epoch: int = 0  # another one: what was claimed before may be somebody else's

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        return {key: self.answers[key] for key in keys if key in self.answers}

    def look_up(self, keys: Sequence[bytes], looked: Callable[[Looked], None]) -> None:
        self._later(self.read_seconds, lambda: looked(self._look(keys)))

    def _look(self, keys: Sequence[bytes]) -> Looked:
        found = self.find(keys)
        return Looked(found, frozenset(self.elsewhere.intersection(keys) - found.keys()), self.epoch)

    def holds(self, epoch: int) -> bool:
        return epoch == self.epoch

    def write(self, key: bytes, body: bytes, landed: Callable[[], None]) -> None:
        self.writes.append(key)
        self._later(self.write_seconds, partial(self._write, key, body, landed))

    def release(self, keys: Sequence[bytes]) -> None:
        self.released += keys

    def close(self) -> None:
        pass

    def _write(self, key: bytes, body: bytes, landed: Callable[[], None]) -> None:
        self.answers[key] = Kept(body, self.loop.time())
        landed()

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        if seconds:
            self.loop.call_later(seconds, work)
        else:
            work()


# --- all of it -----------------------------------------------------------------------------------------------------


@dataclass
class World:
    loop: VirtualLoop
    transport: ScriptedTransport
    lane: Lane
    ledger: Ledger
    batches: list[Batch] = field(default_factory=list)

    def session(
        self, *, read_seconds: float = 0.0, write_seconds: float = 0.0, spending: Spending | None = None
    ) -> Ledger:
        """The books of another session on the same lane."""
        return _ledger(self.loop, read_seconds, write_seconds, spending)

    def submit(
        self,
        *names: str,
        statement: Statement | None = None,
        ledger: Ledger | None = None,
        requests: Sequence[Request] | None = None,
        timeout: float = 60.0,
        attempts: int = 6,
        max_wait: float = 300.0,
        stop_on_failure: bool = False,
    ) -> Batch:
        """Hand the lane a batch with one request for each name (or these requests)."""
        terms = Terms(timeout, RetryPolicy(attempts, max_total_wait=max_wait), stop_on_failure)
        asked = requests or [request(name) for name in names]
        batch = Batch(asked, statement or Statement(), terms, ledger or self.ledger)
        self.batches.append(batch)
        self.loop.call_soon(self.lane.submit, batch)
        return batch

    def dispatch(
        self,
        requests: Iterable[Request],
        statement: Statement | None = None,
        *,
        window: int = 32,
        stop_on_failure: bool = False,
        keep: Keep | None = None,
    ) -> Dispatch:
        """Send these requests; drive it with `drive`, or with `step(0)` between advances."""
        post = Post(self.ledger, lambda batch: self._soon(self.lane.submit, batch), self.withdraw)
        terms = Terms(60.0, RetryPolicy(6), stop_on_failure)
        return Dispatch(requests, post, statement or Statement(), terms, window=window, keep=keep)

    def drive(self, dispatch: Dispatch, each: float = 0.25) -> None:
        """Step until it is over, so many virtual seconds apart."""
        while not dispatch.step(0.0):
            self.advance(each)

    def _soon(self, take: Callable[[Batch], None], batch: Batch) -> None:
        self.loop.call_soon(take, batch)

    def withdraw(self, batch: Batch) -> None:
        self.loop.call_soon(self.lane.withdraw, batch)

    def settle(self) -> None:
        self.loop.settle()

    def advance(self, seconds: float) -> None:
        self.loop.advance(seconds)

    def queued(self) -> int:
        """Requests that the lane holds for want of a slot, a token or money."""
        return len(self.lane._departures)

    def leftovers(self) -> tuple[int, int, int, int]:
        """Flights, queued requests, batches known to the lane, and timers and tasks on the loop."""
        timers = [timer for timer in self.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        busy = len(timers) + len(asyncio.all_tasks(self.loop))
        return len(self.lane._flights), self.queued(), len(self.lane._batches), busy

    @property
    def now(self) -> float:
        return self.loop.time()

    @property
    def stats(self) -> Stats:
        return self.ledger.stats.read()

    @property
    def store(self) -> LoopStore:
        return store_of(self.ledger)


def store_of(ledger: Ledger) -> LoopStore:
    assert isinstance(ledger.store, LoopStore)
    return ledger.store


def _ledger(loop: VirtualLoop, read: float, write: float, spending: Spending | None) -> Ledger:
    return Ledger(
        memory=MemoryCache(MEBIBYTE),
        store=LoopStore(loop, read, write),
        calls=CallLog(),
        spending=spending,
        wall_clock=loop.time,
    )


@contextmanager
def world(
    script: Script | None = None,
    *,
    otherwise: Callable[[str], Reply] | None = None,
    rate_limit: float | None = None,
    max_in_flight: int = 256,
    read_seconds: float = 0.0,
    write_seconds: float = 0.0,
    spending: Spending | None = None,
    jitter: Callable[[], float] = lambda: 0.5,
    bucket: Callable[[VirtualLoop], Bucket] | None = None,
    bugs: bool = False,
) -> Iterator[World]:
    """A lane on a virtual loop. bugs: whether the test means to break a callback; otherwise none may break."""
    loop = VirtualLoop()
    transport = ScriptedTransport(script or {})
    if otherwise is not None:
        transport.otherwise = otherwise

    async def open_lane() -> Lane:
        limits = Limits(rate_limit, max_in_flight, bucket and bucket(loop))
        return Lane(transport, limits, jitter=jitter, wall_clock=loop.time)

    lane = loop.run_until_complete(open_lane())
    loop.on_bug = lane.break_off
    try:
        yield World(loop, transport, lane, _ledger(loop, read_seconds, write_seconds, spending))
        assert bugs or not loop.bugs, loop.bugs
    finally:
        loop.end()


def text_of(outcome: Outcome | None) -> str | None:
    """What an answer says, or a failure's code; None where there is no outcome yet."""
    if outcome is None:
        return None
    if isinstance(outcome, Failure):
        return outcome.code
    if "data" in outcome.parsed:
        return "".join(map(chr, outcome.parsed["data"][0]["embedding"]))
    return str(outcome.parsed["choices"][0]["message"]["content"])


def texts(batch: Batch) -> list[str | None]:
    return [text_of(outcome) for outcome in batch.outcomes]


def failure(batch: Batch, index: int = 0) -> Failure:
    outcome = batch.outcomes[index]
    assert isinstance(outcome, Failure), outcome
    return outcome


def is_answered(batch: Batch) -> bool:
    return all(isinstance(outcome, Completion) for outcome in batch.outcomes)
