"""Counters that add up: every request is exactly one of cache hit, joined or sent.

    requests   = cache_hits + joined + sent
    cache_hits = memory_hits + store_hits
    sent       = answered + failed + under_way
    attempts   = sent requests' HTTP attempts, retries included

A row that is NULL makes no request; a row whose arguments are wrong is `rejected`; a request taken back before it was
sent (Ctrl-C, a stopped statement) is `withdrawn`: these three are not in `requests`.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, fields, replace

from duck_or.html import facts_table


@dataclass(frozen=True, slots=True)
class Stats:
    """A session's counters at one moment. Tokens and `cost_usd` are of this session's own calls, as the service billed them."""

    requests: int = 0
    cache_hits: int = 0
    memory_hits: int = 0
    store_hits: int = 0
    joined: int = 0
    sent: int = 0
    answered: int = 0
    failed: int = 0
    under_way: int = 0
    rejected: int = 0
    withdrawn: int = 0
    attempts: int = 0
    retries: int = 0
    slow_downs: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    store_read_errors: int = 0
    store_write_errors: int = 0

    def as_dict(self) -> dict[str, int | float]:
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(f"{name:>18}  {value:,}" for name, value in self.as_dict().items() if value)

    def _repr_html_(self) -> str:
        counted = [(name, f"{value:,}") for name, value in self.as_dict().items() if value]
        return facts_table("Stats" if counted else "Stats: nothing was asked yet", counted, figures=True)


DERIVED = ("requests", "cache_hits", "under_way")
COUNTERS = tuple(field.name for field in fields(Stats) if field.name not in DERIVED)  # what can be added to


class StatsCounter:
    """Adds up from several threads. Derived counters are computed when read, so they can never disagree."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: dict[str, float] = dict.fromkeys(COUNTERS, 0)

    def add(self, **deltas: float) -> None:
        with self._guard:
            for name, delta in deltas.items():
                self._counts[name] += delta

    def read(self, **more: int) -> Stats:
        """The counters now; `more` are counters that somebody else keeps (the store's errors)."""
        with self._guard:
            counts = Stats(**self._counts)  # type: ignore[arg-type]  # counts are whole numbers, but for the cost
        hits = counts.memory_hits + counts.store_hits
        return replace(
            counts,
            cache_hits=hits,
            requests=hits + counts.joined + counts.sent,
            under_way=counts.sent - counts.answered - counts.failed,
            cost_usd=round(counts.cost_usd, 10),  # sums of floats, shown without their dust
            **more,
        )
