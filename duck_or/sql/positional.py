"""Arguments by position, for cursors that do not see the macros: native values to the two JSON values the macros make.

DuckDB accepts `name := value` for a function like this and silently drops the name. The argument rules (see
`misplaced`) make every such mix-up an error, so that it can never become a different request.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from duck_or.errors import ArgumentError
from duck_or.sql.vectors import Vector, flat

ARGUMENTS = ("messages", "model", "model_kwargs", "tools", "tool_choice", "provider", "transforms")


def json_arguments(columns: Sequence[Vector]) -> tuple[pa.Array, pa.Array]:
    """(messages, options) as JSON text vectors from one to seven columns of any type. Raises ArgumentError."""
    if not 1 <= len(columns) <= len(ARGUMENTS):
        raise ArgumentError(
            f"chat_completions takes 1 to {len(ARGUMENTS)} arguments, got {len(columns)}: {', '.join(ARGUMENTS)}"
        )
    messages = pa.array(
        [None if value is None else json_text(value) for value in _values(columns[0])], pa.string()
    )
    names = ARGUMENTS[1 : len(columns)]
    rows = zip(*map(_values, columns[1:]), strict=True)
    options = [json_text(dict(zip(names, row, strict=True))) for row in rows] or ["{}"] * len(messages)
    return messages, pa.array(options, pa.string())


def _values(column: Vector) -> list[Any]:
    values: list[Any] = flat(column).to_pylist(maps_as_pydicts="strict")
    return values


def json_text(value: object) -> str:
    """A native value as JSON, as DuckDB's to_json would write it. Raises ArgumentError."""
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:  # a map's key that is no text; NaN or an infinity
        raise ArgumentError(f"an argument cannot be written as JSON: {error}") from error


def _plain(value: Any) -> object:
    """As DuckDB's to_json writes it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    if isinstance(value, bytes):
        raise ArgumentError("a BLOB cannot be written as JSON: make it text with to_base64(…)")
    raise ArgumentError(
        f"a value of type {type(value).__name__} cannot be written as JSON; cast it: …::VARCHAR"
    )
