"""What crosses the thread border: one chunk's distinct requests on their way out, their outcomes on the way back.

A Batch is made by the thread that evaluates SQL, resolved on the event loop, and belongs to a Statement, which knows
what every chunk of one SQL statement must know: whether it was stopped, and what was answered but may not be cached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cachetools import LRUCache

from duck_or.errors import Cancelled, RequestFailed, StatementStopped
from duck_or.observation import observer_of
from duck_or.outcome import NOT_ON_CASSETTE, Action, Completion, Failure, Outcome
from duck_or.request import Request

if TYPE_CHECKING:
    from duck_or.engine.ledger import Ledger
    from duck_or.engine.spending import Budgets, Spending
    from duck_or.policy.retry import RetryPolicy

LOOK_AGAIN = 0.1
"""Seconds between two looks for Ctrl-C while a chunk waits: the main thread can only handle signals between waits."""

STATEMENT_MEMORY = 64 * 1024 * 1024
"""Bytes of failures and cut-off answers one statement remembers, so that repeating an expression asks nothing again."""


class Watcher(Protocol):
    """Somebody who shows how long waits go. Entered by each chunk that waits, by several threads at once."""

    def __enter__(self) -> Watcher | None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def look(self) -> None:
        """Called ten times a second while a chunk waits."""


class Statement:
    """One SQL statement. DuckDB may evaluate the same call twice in it: both must see the same outcome.

    spending: its own budget, beside its session's; set before its first request is sent. watcher: who looks on while it
    waits.
    """

    def __init__(self, spending: Spending | None = None, watcher: Watcher | None = None) -> None:
        self.spending = spending
        self.watcher: Watcher | nullcontext[None] = watcher or nullcontext()
        self._outcomes: LRUCache[bytes, Outcome] = LRUCache(STATEMENT_MEMORY, getsizeof=_weight)
        self._guard = threading.Lock()
        self._prepaid = 0
        self.stopped: Failure | None = None
        self.cancelled = False
        self.observer = observer_of(self)

    def stop(self, failure: Failure) -> None:
        """Nothing further is sent for this statement. The first reason stays."""
        if self.stopped is None:
            self.stopped = failure

    def cancel(self) -> None:
        """Whoever waits for it gives up. Takes no lock: a signal handler calls it."""
        self.cancelled = True

    def check(self) -> None:
        """Raises RequestFailed or Cancelled when the statement may not go on."""
        if self.cancelled:
            raise Cancelled("the statement was cancelled; what was answered until then is in the cache")
        if self.stopped is not None:
            raise stop_error(self.stopped)

    def remember(self, key: bytes, outcome: Outcome) -> None:
        if _weight(outcome) > STATEMENT_MEMORY:
            return
        with self._guard:
            self._outcomes[key] = outcome

    def recall(self, keys: Sequence[bytes]) -> dict[bytes, Outcome]:
        """What this statement already came to know and no cache may keep: failures, cut-off answers."""
        if not self._outcomes:
            return {}
        with self._guard:
            return {key: self._outcomes[key] for key in keys if key in self._outcomes}

    def kept(self, keys: Sequence[bytes]) -> Mapping[bytes, Completion]:
        """Answers that may be stored, which this statement keeps itself: its session's memory may have let go of them."""
        return {}

    def prepaid(self, count: int) -> None:
        """So many requests were asked ahead of their rows, and counted then."""
        with self._guard:
            self._prepaid += count

    def claim(self, rows: int) -> int:
        """How many of these rows are still to be counted: the first row of a request asked ahead was counted with it."""
        if not self._prepaid:
            return rows
        with self._guard:
            claimed = min(rows, self._prepaid)
            self._prepaid -= claimed
        return rows - claimed


def _weight(outcome: Outcome) -> int:
    return 400 + len(outcome.body if isinstance(outcome, Completion) else outcome.message)


@dataclass(frozen=True, slots=True)
class Terms:
    """How one session wants its requests treated.

    timeout: seconds of wall clock for one attempt. stop_on_failure: one failed row stops the statement.
    """

    timeout: float
    retry: RetryPolicy
    stop_on_failure: bool = False


class Batch:
    """Distinct requests of one chunk. `outcomes[i]` answers `requests[i]` once `wait` returns.

    budgets: what each of its requests has to fit in.
    """

    __slots__ = (
        "__weakref__", "_done", "_remaining", "budgets", "ledger", "outcomes", "requests", "statement", "terms",
    )  # fmt: skip

    def __init__(
        self, requests: Sequence[Request], statement: Statement, terms: Terms, ledger: Ledger
    ) -> None:
        self.requests = requests
        self.statement = statement
        self.terms = terms
        self.ledger = ledger
        self.budgets: Budgets = tuple(filter(None, (ledger.spending, statement.spending)))
        self.outcomes: list[Outcome | None] = [None] * len(requests)
        self._remaining = len(requests)
        self._done = threading.Event()
        if not requests:
            self._done.set()

    def resolve(self, index: int, outcome: Outcome) -> None:
        """Called on the event loop, once for each request; a later outcome changes nothing."""
        if self.outcomes[index] is not None:
            return
        self.outcomes[index] = outcome
        self._remaining -= 1
        if self._remaining == 0:
            self._done.set()

    @property
    def done(self) -> bool:
        """Every request has its outcome."""
        return self._remaining == 0

    def fail(self, failure: Failure) -> None:
        """Give every request that has no outcome yet this one. Called on the event loop."""
        for index, outcome in enumerate(self.outcomes):
            if outcome is None:
                self.resolve(index, failure)

    def wait(self) -> list[Outcome]:
        """Block until every request has its outcome. Raises Cancelled when the statement is cancelled before."""
        if not self._done.wait(LOOK_AGAIN):
            with self.statement.watcher as watcher:
                self._wait_watched(watcher)
        return [outcome for outcome in self.outcomes if outcome is not None]

    def _wait_watched(self, watcher: Watcher | None) -> None:
        while not self._done.is_set():
            if self.statement.cancelled:
                self.statement.check()
            if watcher is not None:
                watcher.look()
            self._done.wait(LOOK_AGAIN)


class Post(NamedTuple):
    """One session's way to its lane: its books, and how a batch is handed over and taken back. From any thread."""

    ledger: Ledger
    submit: Callable[[Batch], None]
    withdraw: Callable[[Batch], None]


def stop_error(failure: Failure) -> RequestFailed:
    """The exception for a failure that ends the statement; its message says how to go on."""
    facts = [f"code {failure.code}", f"attempts {failure.attempts}"]
    facts += [f"HTTP {failure.http_status}"] if failure.http_status else []
    facts += [f"provider {failure.provider}"] if failure.provider else []
    told = f"{failure.message} ({', '.join(facts)})"
    if failure.action is Action.STOP:
        return StatementStopped(f"{told}. Nothing further was sent; answers that came back are kept.")
    again = (
        "" if failure.code == NOT_ON_CASSETTE else _AGAIN
    )  # with a cassette nothing is asked, and nothing comes back
    return RequestFailed(
        f"{told}. {again}To keep going past such rows use the function's try_ form (try_chat_completions, try_prompt …), or "
        "on_error = 'json' or 'null'."
    )


_AGAIN = "Answers that came back are kept: running the statement again asks only for the rest. "
