"""What happened, as tables: the columns of openrouter_stats(), _calls(), _errors() and _models() and where rows come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from duck_or.session import SessionCore
from duck_or.stats import Stats

TIMESTAMP = "TIMESTAMPTZ"
ARROW_TYPES: Mapping[str, pa.DataType] = {
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    TIMESTAMP: pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table macro. columns: name → DuckDB type. rows: the rows as dicts; times are seconds since the epoch."""

    name: str
    columns: Mapping[str, str]
    rows: Callable[[SessionCore], Sequence[Mapping[str, Any]]]

    @property
    def duckdb_type(self) -> str:
        fields = ", ".join(f'"{name}" {kind}' for name, kind in self.columns.items())
        return f"STRUCT({fields})[]"

    def vector(self, session: SessionCore, length: int) -> pa.Array:
        """All rows as one list of structs, `length` times (DuckDB asks for one)."""
        return self.lists([self.rows(session)] * length)

    def lists(self, lists: Sequence[Sequence[Mapping[str, Any]]]) -> pa.Array:
        """One list of structs for each list of rows."""
        struct = pa.struct([(name, ARROW_TYPES[kind]) for name, kind in self.columns.items()])
        return pa.array([[self._row(row) for row in rows] for rows in lists], pa.list_(struct))

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: _microseconds(row[name]) if kind == TIMESTAMP else row[name]
            for name, kind in self.columns.items()
        }


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e6)


STATS = Table(
    "stats",
    {name: "DOUBLE" if name == "cost_usd" else "BIGINT" for name in Stats().as_dict()},
    lambda session: [session.stats().as_dict()],
)
CALLS = Table(
    "calls",
    {
        "time": TIMESTAMP,
        "model": "VARCHAR",
        "served_model": "VARCHAR",
        "provider": "VARCHAR",
        "generation_id": "VARCHAR",
        "finish_reason": "VARCHAR",
        "attempts": "BIGINT",
        "latency_s": "DOUBLE",
        "prompt_tokens": "BIGINT",
        "completion_tokens": "BIGINT",
        "cached_tokens": "BIGINT",
        "reasoning_tokens": "BIGINT",
        "cost_usd": "DOUBLE",
        "cache_hit": "BOOLEAN",
        "http_status": "BIGINT",
        "error_code": "VARCHAR",
        "cache_key": "VARCHAR",
        "prompt": "VARCHAR",
    },
    SessionCore.calls,
)
ERRORS = Table(
    "errors",
    {
        "time": TIMESTAMP,
        "code": "VARCHAR",
        "message": "VARCHAR",
        "retryable": "BOOLEAN",
        "attempts": "BIGINT",
        "http_status": "BIGINT",
        "provider": "VARCHAR",
        "model": "VARCHAR",
        "cache_key": "VARCHAR",
    },
    SessionCore.errors,
)
MODELS = Table(
    "models",
    {
        "id": "VARCHAR",
        "name": "VARCHAR",
        "context_length": "BIGINT",
        "max_completion_tokens": "BIGINT",
        "prompt_usd": "DOUBLE",
        "completion_usd": "DOUBLE",
        "request_usd": "DOUBLE",
        "modality": "VARCHAR",
        "supported_parameters": "VARCHAR[]",
        "created": TIMESTAMP,
    },
    lambda session: [asdict(model) for model in session.models()],
)
TABLES = (STATS, CALLS, ERRORS, MODELS)
ESTIMATE = Table(
    "estimate",
    {
        "row_count": "BIGINT",
        "requests": "BIGINT",
        "already_answered": "BIGINT",
        "to_send": "BIGINT",
        "rejected": "BIGINT",
        "prompt_tokens": "BIGINT",
        "prompt_tokens_method": "VARCHAR",
        "completion_tokens_low": "BIGINT",
        "completion_tokens_high": "BIGINT",
        "cost_usd_low": "DOUBLE",
        "cost_usd_high": "DOUBLE",
        "minutes_low": "DOUBLE",
        "minutes_high": "DOUBLE",
        "complete": "BOOLEAN",
        "notes": "VARCHAR[]",
    },
    lambda session: [],
)
"""Of a query, not of a session: its rows are made by `Slot.estimate`."""
