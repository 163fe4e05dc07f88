"""What this process asked and what went wrong, newest kept: the rows behind openrouter_calls() and openrouter_errors().

It may pass on what it is told to a file as well (see `calls_file`). All is bounded. An answer taken from the cache costs
its row next to nothing: key, model and tokens are worked out when somebody reads the log, for the newest ones, and are NULL
where memory has let go of the answer. No entry holds the API key; the prompt is shown only where `log_prompts` is set.
"""

from __future__ import annotations

import copy
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

from duck_or.cache.contract import Kept
from duck_or.call_summary import CallSummary, summary_of
from duck_or.outcome import Completion, Failure

MAX_CALLS = 100_000
MAX_FAILURES = 10_000
MAX_DETAILS = 20_000
"""Cache hits whose details can still be worked out: the rows' texts are kept for that long."""
MAX_HITS_READ = 1_000
"""Cache hits that are looked up to learn from them: about 10 ms, and more of them would tell little more."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: sent to the service, or answered from the cache (`cache_hit`, no latency, nothing spent).

    time: seconds since the epoch when it was first sent, or found. latency: seconds of the last attempt. body_bytes: the
    size of the request's body, None where only its answer is known.
    """

    time: float
    model: str | None
    cache_key: bytes | None
    cache_hit: bool
    attempts: int
    latency: float | None
    error_code: str | None
    http_status: int | None
    summary: CallSummary | None
    prompt: bytes | None = None
    body_bytes: int | None = None

    def row(self) -> dict[str, Any]:
        served = self.summary
        return {
            "time": self.time,
            "model": self.model,
            "served_model": served and served.model_served,
            "provider": served and served.provider,
            "generation_id": served and served.generation_id,
            "finish_reason": served and served.finish_reason,
            "attempts": self.attempts,
            "latency_s": self.latency,
            "prompt_tokens": served and served.prompt_tokens,
            "completion_tokens": served and served.completion_tokens,
            "cached_tokens": served and served.cached_tokens,
            "reasoning_tokens": served and served.reasoning_tokens,
            "cost_usd": 0.0 if self.cache_hit else served and served.cost_usd,
            "cache_hit": self.cache_hit,
            "http_status": self.http_status,
            "error_code": self.error_code,
            "cache_key": self.cache_key and self.cache_key.hex(),
            "prompt": self.prompt and self.prompt.decode(),
        }


@dataclass(slots=True)
class CacheHits:
    """Requests of one chunk, for one model, that a cache answered.

    details: works out each one's key, and its answer if memory still has it, when somebody asks. None: forgotten.
    """

    time: float
    model: str | None
    count: int
    details: Callable[[], Iterable[tuple[bytes, Kept | None]]] | None

    def calls(self) -> Iterator[Call]:
        if self.details is None:
            yield from repeat(self._call(None, None), self.count)
            return
        for key, kept in self.details():
            yield self._call(key, kept)

    def _call(self, key: bytes | None, kept: Kept | None) -> Call:
        served = None if kept is None else summary_of(Completion(kept.body))
        return Call(self.time, self.model, key, True, 0, None, None, None, served)


@dataclass(frozen=True, slots=True)
class FailedRow:
    """One request that has no answer, or one row that could not become a request (then without model and key)."""

    time: float
    failure: Failure
    model: str | None
    cache_key: bytes | None

    def row(self) -> dict[str, Any]:
        failure = self.failure
        return {
            "time": self.time,
            "code": failure.code,
            "message": failure.message,
            "retryable": failure.retryable,
            "attempts": failure.attempts,
            "http_status": failure.http_status,
            "provider": failure.provider,
            "model": self.model,
            "cache_key": self.cache_key and self.cache_key.hex(),
        }


class Sink(Protocol):
    """Whoever else is told. Called by several threads, the event loop's among them: must not wait for anything."""

    def add(self, call: Call) -> None: ...

    def add_hits(self, hits: CacheHits) -> None: ...

    def add_failure(self, row: FailedRow) -> None: ...

    def flush(self) -> bool: ...


class CallLog:
    """The newest calls, cache hits and failures of this process, each bounded for itself: a hit never displaces what was
    paid for. Safe to use from several threads."""

    def __init__(
        self, max_calls: int = MAX_CALLS, max_failures: int = MAX_FAILURES, max_details: int = MAX_DETAILS
    ) -> None:
        self._guard = threading.Lock()
        self._calls: deque[Call] = deque(maxlen=max_calls)
        self._failures: deque[FailedRow] = deque(maxlen=max_failures)
        self._hits = _Bounded(max_calls)
        self._detailed = _Bounded(max_details)
        self._sink: Sink | None = None

    def telling(self, sink: Sink | None) -> CallLog:
        """The same log, for those of whose calls `sink` is to be told too."""
        log = copy.copy(self)
        log._sink = sink
        return log

    def flush(self) -> None:
        """What was added by now is where the sink keeps it."""
        if self._sink is not None:
            self._sink.flush()

    def add(self, call: Call) -> None:
        self._calls.append(call)
        if self._sink is not None:
            self._sink.add(call)

    def add_hits(self, hits: CacheHits) -> None:
        with self._guard:
            self._hits.add(hits)
            for old in self._detailed.add(hits):
                old.details = None
        if self._sink is not None:
            self._sink.add_hits(hits)

    def add_failure(self, row: FailedRow) -> None:
        self._failures.append(row)
        if self._sink is not None:
            self._sink.add_failure(row)

    def answered(self, max_hits: int = MAX_HITS_READ) -> Iterator[Call]:
        """Calls that brought an answer, then the newest cache hits whose answer is still at hand.

        max_hits: looking one up means parsing its answer, so no more chunks are looked at than make up so many.
        """
        yield from (call for call in list(self._calls) if call.summary is not None)
        with self._guard:
            entries = list(self._detailed.entries)
        for entry in reversed(entries):
            if max_hits <= 0:
                return
            max_hits -= entry.count
            yield from (call for call in entry.calls() if call.summary is not None)

    def calls(self) -> list[dict[str, Any]]:
        """One dict per request, oldest first."""
        with self._guard:
            hits = list(self._hits.entries)
        calls = [*self._calls, *(call for entry in hits for call in entry.calls())]
        return [call.row() for call in sorted(calls, key=lambda call: call.time)]

    def failures(self) -> list[dict[str, Any]]:
        return [row.row() for row in list(self._failures)]


class _Bounded:
    """The newest hits: as many chunks as make up to `size` rows, but always the last one."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = 0
        self.entries: deque[CacheHits] = deque()

    def add(self, hits: CacheHits) -> list[CacheHits]:
        """Returns those that had to go."""
        self.entries.append(hits)
        self._count += hits.count
        gone = []
        while self._count > self._size and len(self.entries) > 1:
            gone.append(self.entries.popleft())
            self._count -= gone[-1].count
        return gone


_log = CallLog()


def call_log() -> CallLog:
    """This process's log, shared by all its sessions."""
    return _log


def _forget_after_fork() -> None:
    global _log
    _log = CallLog()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
