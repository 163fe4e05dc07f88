"""What this process asked and what went wrong, newest kept: the rows behind openrouter_calls() and openrouter_errors().

Both logs are bounded. An answer taken from the cache costs its row nothing but an entry in a list of keys; its details are
looked up when somebody reads the log, and are NULL if memory has let go of the answer by then. No entry holds the API
key; the prompt only where `log_prompts` is set.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from duck_or.cache.contract import Kept
from duck_or.call_summary import CallSummary, summary_of
from duck_or.outcome import Completion, Failure

MAX_CALLS = 100_000
MAX_FAILURES = 10_000

Recall: TypeAlias = Callable[[Sequence[bytes]], Sequence[Kept | None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: sent to the service, or answered from the cache (`cache_hit`, no latency, nothing spent).

    time: seconds since the epoch when it was first sent, or found. latency: seconds of the last attempt.
    """

    time: float
    model: str | None
    cache_key: bytes
    cache_hit: bool
    attempts: int
    latency: float | None
    error_code: str | None
    http_status: int | None
    summary: CallSummary | None
    prompt: bytes | None = None

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
            "cache_key": self.cache_key.hex(),
            "prompt": self.prompt and self.prompt.decode(),
        }


@dataclass(frozen=True, slots=True)
class CacheHits:
    """Requests of one chunk, for one model, that memory or the store answered."""

    time: float
    model: str | None
    keys: Sequence[bytes]
    recall: Recall

    def calls(self) -> Iterator[Call]:
        for key, kept in zip(self.keys, self.recall(self.keys), strict=True):
            served = None if kept is None else summary_of(Completion(kept.body))
            yield Call(self.time, self.model, key, True, 0, None, None, None, served)


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


class CallLog:
    """The newest calls and failures of this process. Safe to use from several threads."""

    def __init__(self, max_calls: int = MAX_CALLS, max_failures: int = MAX_FAILURES) -> None:
        self._guard = threading.Lock()
        self._max_calls = max_calls
        self._count = 0
        self._entries: deque[Call | CacheHits] = deque()
        self._failures: deque[FailedRow] = deque(maxlen=max_failures)

    def add(self, call: Call) -> None:
        self._append(call, 1)

    def add_hits(self, hits: CacheHits) -> None:
        self._append(hits, len(hits.keys))

    def add_failure(self, row: FailedRow) -> None:
        self._failures.append(row)

    def calls(self) -> list[dict[str, Any]]:
        """One dict per request, oldest first, at most `max_calls`."""
        with self._guard:
            entries = list(self._entries)
        rows = [call.row() for entry in entries for call in _calls_of(entry)]
        return rows[-self._max_calls :]

    def failures(self) -> list[dict[str, Any]]:
        return [row.row() for row in list(self._failures)]

    def _append(self, entry: Call | CacheHits, size: int) -> None:
        with self._guard:
            self._entries.append(entry)
            self._count += size
            while len(self._entries) > 1 and self._count - _size(self._entries[0]) >= self._max_calls:
                self._count -= _size(self._entries.popleft())


def _size(entry: Call | CacheHits) -> int:
    return 1 if isinstance(entry, Call) else len(entry.keys)


def _calls_of(entry: Call | CacheHits) -> Iterator[Call]:
    return iter((entry,)) if isinstance(entry, Call) else entry.calls()


_log = CallLog()


def call_log() -> CallLog:
    """This process's log, shared by all its sessions."""
    return _log


def _forget_after_fork() -> None:
    global _log
    _log = CallLog()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
