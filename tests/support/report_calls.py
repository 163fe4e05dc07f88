"""Calls for reports, put into a table by hand, and the figures that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from duck_or.report.figures import Figures, Wanted, figures
from duck_or.report.source import COLUMNS, load_nothing
from duck_or.sql.tables import ARROW_TYPES

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)

Row = dict[str, Any]


def sent(hours: float = 0.0, model: str | None = "m", provider: str | None = "P", **told: Any) -> Row:
    answered = {"cost_usd": 0.5, "latency_s": 1.0, "prompt_tokens": 10, "completion_tokens": 4}
    row = {
        "time": NOON + timedelta(hours=hours),
        "requests": 1,
        "model": model,
        "provider": provider,
        "attempts": 1,
    }
    return {**row, "cache_hit": False, **answered, **told}


def failed(code: str, **told: Any) -> Row:
    nothing = dict.fromkeys(("cost_usd", "prompt_tokens", "completion_tokens", "provider"))
    return sent(**{**nothing, "error_code": code, "attempts": 3, "latency_s": 60.0, **told})


def hits(count: int, model: str = "m", hours: float = 0.0) -> Row:
    time = NOON + timedelta(hours=hours)
    return {
        "time": time,
        "requests": count,
        "model": model,
        "attempts": 0,
        "cost_usd": 0.0,
        "cache_hit": True,
    }


def refused(count: int) -> Row:
    row = {"time": NOON, "requests": count, "attempts": 0, "cost_usd": 0.0, "cache_hit": False}
    return {**row, "error_code": "bad_argument"}


def of(rows: Iterable[Row], wanted: Wanted | None = None, zone: str = "UTC") -> Figures:
    schema = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in COLUMNS.items()])
    table = pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows], schema)
    with duckdb.connect() as con:
        con.execute(f"SET TimeZone = '{zone}'")
        load_nothing(con)
        con.register("given", table)
        con.execute("INSERT INTO call FROM given")
        return figures(con, wanted or Wanted())
