"""A report's numbers, by SQL over the table `call` (see `source`). How they look, `charts`, `page` and `text` decide.

Words: a request was either sent or answered from the cache (a hit); sent ones were answered or failed; a rejected row could
not become a request. Times are local, in the zone of the DuckDB connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

import duckdb

from duck_or.report import queries

T = TypeVar("T")

MAX_SERIES = 6
"""Models or providers that get a colour of their own; all others are one."""
MAX_BARS = 12
"""Models or error codes of a bar chart."""
OTHERS = "others"
UNKNOWN = "not told"
"""Stands for a NULL: a service without providers, a rejected row without a model."""

BINS = (
    ("1 minute", 60),
    ("5 minutes", 300),
    ("1 hour", 3600),
    ("1 day", 86400),
    ("1 week", 7 * 86400),
    ("1 month", 30 * 86400),
)
MAX_BINS = 62
"""Bars of a chart over time: two months of days."""


class Wanted(NamedTuple):
    """since: seconds since the epoch, None: from the first call on. models: as they were asked for; none: all."""

    since: float | None = None
    models: Sequence[str] = ()


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all that is shown. unpriced: answered calls that do not say what they cost. saved_usd: about what the hits would
    have cost; unvalued_hits: those of models whose calls never said a price, which are not in it."""

    first: datetime | None
    last: datetime | None
    sent: int
    answered: int
    failed: int
    hits: int
    rejected: int
    cost_usd: float
    unpriced: int
    saved_usd: float
    unvalued_hits: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    latency_p50: float | None
    latency_p95: float | None

    @property
    def requests(self) -> int:
        return self.sent + self.hits

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def empty(self) -> bool:
        return not self.requests and not self.rejected


class Part(NamedTuple):
    """One bar, or one piece of a stacked one, of a chart over time. series: whose it is."""

    start: datetime
    end: datetime
    series: str
    value: float


class Share(NamedTuple):
    """A piece of one bar: `name`'s, of `series`."""

    name: str
    series: str
    value: float


class Latency(NamedTuple):
    """How many answered calls took from `low` up to `high` seconds."""

    low: float
    high: float
    series: str
    calls: int


@dataclass(frozen=True, slots=True)
class Line:
    """One model at one provider. mean_usd: of an answered call that says its price. Latencies: seconds, of answered calls."""

    model: str
    provider: str
    sent: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    mean_usd: float | None
    latency_p50: float | None
    latency_p95: float | None


@dataclass(frozen=True, slots=True)
class Saving:
    """One model's hits, and about what they would have cost; None where no call of it ever said a price."""

    model: str
    hits: int
    saved_usd: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """bin: what one bar over time stands for: '1 day'. models, providers: the series, the dearest first."""

    totals: Totals
    bin: str
    zone: str
    models: Sequence[str]
    providers: Sequence[str]
    spend: Sequence[Part]
    costs: Sequence[Share]
    latencies: Sequence[Latency]
    savings: Sequence[Saving]
    errors: Sequence[Share]
    tokens: Sequence[Part]
    lines: Sequence[Line]


def figures(con: duckdb.DuckDBPyConnection, wanted: Wanted = EVERYTHING) -> Figures:
    """All of a report's numbers."""
    con.execute(queries.SHOWN, {"since": wanted.since, "models": list(wanted.models)})
    con.execute(queries.NAMED, {"others": OTHERS, "unknown": UNKNOWN, "series": MAX_SERIES})
    [totals] = _read(con, Totals, queries.TOTALS)
    bin_ = bin_of(totals.first, totals.last)
    return Figures(
        totals=totals,
        bin=bin_,
        zone=_names(con, queries.ZONE)[0],
        models=_names(con, queries.MODELS),
        providers=_names(con, queries.PROVIDERS),
        spend=_read(con, Part, queries.SPEND, bin=bin_),
        costs=_read(con, Share, queries.COSTS, bars=MAX_BARS, others=OTHERS),
        latencies=_read(con, Latency, queries.LATENCIES),
        savings=_read(con, Saving, queries.SAVINGS, unknown=UNKNOWN),
        errors=_read(con, Share, queries.ERRORS, bars=MAX_BARS),
        tokens=_read(con, Part, queries.TOKENS, bin=bin_),
        lines=_read(con, Line, queries.LINES),
    )


def bin_of(first: datetime | None, last: datetime | None) -> str:
    """The shortest of BINS that makes at most MAX_BINS bars."""
    seconds = (last - first).total_seconds() if first and last else 0.0
    return next((name for name, length in BINS if seconds <= MAX_BINS * length), BINS[-1][0])


def _read(con: duckdb.DuckDBPyConnection, kind: type[T], query: str, **given: object) -> list[T]:
    """The query's rows; its columns are named as the fields are."""
    result = con.execute(query, given) if given else con.execute(query)
    names = [column[0] for column in result.description or ()]
    return [kind(**dict(zip(names, row, strict=True))) for row in result.fetchall()]


def _names(con: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [name for (name,) in con.execute(query).fetchall()]
