"""One session's books: where its answers are kept, what was counted, what was spent.

A lane (see `lane`) is shared by sessions; each flight is entered in the books of those who waited for it. When and
whether a request is sent, the ledger must not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from duck_or.call_summary import CallSummary, summary_of
from duck_or.calls import CacheHits, Call, CallLog, FailedRow
from duck_or.outcome import Completion, Failure, Outcome
from duck_or.stats import StatsCounter

if TYPE_CHECKING:
    from duck_or.cache.contract import Kept, Looked
    from duck_or.cache.memory import MemoryCache
    from duck_or.engine.single_flight import Flight
    from duck_or.engine.spending import Spending
    from duck_or.request import Request


class StoreGate(Protocol):
    """The persistent store as the engine sees it. The event loop asks now and is answered later; SQL threads wait."""

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]: ...

    def look_up(self, keys: list[bytes], looked: Callable[[Looked], None]) -> None: ...

    def write(self, key: bytes, body: bytes, landed: Callable[[], None]) -> None: ...

    def holds(self, epoch: int) -> bool: ...

    def release(self, keys: Sequence[bytes]) -> None: ...

    def close(self) -> None: ...


@dataclass(eq=False, slots=True)
class Ledger:
    memory: MemoryCache
    store: StoreGate
    calls: CallLog
    stats: StatsCounter = field(default_factory=StatsCounter)
    log_prompts: bool = False
    spending: Spending | None = None
    base_url: str = ""
    wall_clock: Callable[[], float] = time.time

    def enter_hits(
        self, counter: Literal["memory_hits", "store_hits"], requests: Iterable[Request], rows: int
    ) -> None:
        """Requests that a cache answered, for so many rows."""
        self.stats.add(**{counter: rows})
        keys: dict[str | None, list[bytes]] = {}
        for request in requests:
            keys.setdefault(request.model, []).append(request.key)
        for model, hits in keys.items():
            self.log_hits(model, len(hits), partial(list, hits))

    def log_hits(self, model: str | None, count: int, keys: Callable[[], Sequence[bytes]]) -> None:
        """So many requests for one model; `keys` is called only if somebody reads the log."""
        self.calls.add_hits(CacheHits(self.wall_clock(), model, count, partial(self._details, keys)))

    def _details(self, keys: Callable[[], Sequence[bytes]]) -> Iterable[tuple[bytes, Kept | None]]:
        known = keys()
        return zip(known, self.memory.get_many(known, self.wall_clock()), strict=True)

    def enter(self, flight: Flight, outcome: Outcome, latency: float | None) -> None:
        """One flight that this session started is over. latency: seconds of its last attempt, None if never sent."""
        if latency is None:
            self.stats.add(withdrawn=1)
            return
        call = self._call(flight, outcome, latency)
        self._count(call, outcome)
        self.calls.add(call)
        flight.owner.statement.observer.landed(call, flight.request, outcome, self.base_url)
        if isinstance(outcome, Failure):
            self.calls.add_failure(FailedRow(call.time, outcome, call.model, call.cache_key))

    def _call(self, flight: Flight, outcome: Outcome, latency: float) -> Call:
        return Call(
            time=flight.first_sent or self.wall_clock(),
            model=flight.request.model,
            cache_key=flight.request.key,
            cache_hit=False,
            attempts=flight.attempts,
            latency=latency,
            error_code=None if isinstance(outcome, Completion) else outcome.code,
            http_status=200 if isinstance(outcome, Completion) else outcome.http_status,
            summary=_summary(flight, outcome),
            prompt=flight.request.body if self.log_prompts else None,
            body_bytes=len(flight.request.body),
        )

    def _count(self, call: Call, outcome: Outcome) -> None:
        served = call.summary
        self.stats.add(
            answered=isinstance(outcome, Completion),
            failed=isinstance(outcome, Failure),
            prompt_tokens=(served and served.prompt_tokens) or 0,
            completion_tokens=(served and served.completion_tokens) or 0,
            cached_tokens=(served and served.cached_tokens) or 0,
            cost_usd=(served and served.cost_usd) or 0.0,
        )


def _summary(flight: Flight, outcome: Outcome) -> CallSummary | None:
    """What the answer says of itself, and what all the attempts have cost."""
    if isinstance(outcome, Failure):
        return flight.discarded
    return summary_of(outcome).after(flight.discarded)
