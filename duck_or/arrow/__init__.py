"""The functions for whoever has Arrow data and no DuckDB: a table, a batch or a vector in, the same with answers out.

    table = duck_or.arrow.complete(table, messages="messages", model="openai/gpt-5-mini")

One engine for each process and settings: cache, limits, retries and failures are those of the SQL functions, and a row that
DuckDB has asked about already is not asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from duck_or.arrow.kernel import Kernel, Packed
from duck_or.arrow.packing import VECTOR_TYPES, conversations, options_texts
from duck_or.arrow.worker import close_sessions, kernel_of, kernel_over, session_of
from duck_or.errors import ArgumentError
from duck_or.session import OnError, SessionCore
from duck_or.settings import Settings
from duck_or.sql.kinds import RESPONSES

__all__ = ["Column", "chat_completions", "close_sessions", "complete", "session_of"]

SLICE = 4096
"""Rows that are answered together: several such slices are under way at once, so it bounds memory and not the speed."""


class Stream(Protocol):
    """What hands Arrow data over: a Polars or pandas frame, a DuckDB relation, a reader of batches."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


@dataclass(frozen=True, slots=True)
class Column:
    """Says that an argument is the data's column of this name; a plain text would be the value itself."""

    name: str


def complete(
    data: pa.Table | pa.RecordBatch | Stream,
    *,
    messages: str = "messages",
    model: object = None,
    model_kwargs: object = None,
    tools: object = None,
    tool_choice: object = None,
    provider: object = None,
    transforms: object = None,
    output: str = "response",
    on_error: OnError | None = None,
    settings: Settings | None = None,
    session: SessionCore | None = None,
    **overrides: object,
) -> Any:
    """A table or record batch with one column more, `output`: the responses as JSON text, as `chat_completions` gives them.

    data: a record batch comes back as one; all else that hands Arrow data over (a Polars or pandas frame, a DuckDB relation, a
    reader of batches) is read into memory and comes back as a table. messages: the column that holds the conversations.
    model … transforms: as in SQL; each a constant, a `Column`, or a vector with a value for each row. on_error: what a failed
    row becomes, the settings' if None. settings, overrides: as in `duck_or.register`. session: a session that is open already,
    instead of the process's own for these settings. Raises ArgumentError, SettingsError; RequestFailed where a failed row ends it.
    """
    data = _arrow(data)
    if output in data.schema.names:
        raise ArgumentError(f"there is a column {output!r} already; say output='…' for another name")
    given = {
        "model": model,
        "model_kwargs": model_kwargs,
        "tools": tools,
        "tool_choice": tool_choice,
        "provider": provider,
        "transforms": transforms,
    }
    vectors = {name: _vector(value, data) for name, value in given.items()}
    kernel = _kernel(settings, session, overrides)
    answers = _answered(kernel, _column(messages, data), vectors, on_error)
    return data.append_column(output, answers if isinstance(data, pa.Table) else answers.combine_chunks())


def _arrow(data: Any) -> pa.Table | pa.RecordBatch:
    if isinstance(data, pa.Table | pa.RecordBatch):
        return data
    kind = f"{type(data).__module__}.{type(data).__qualname__}"
    if not hasattr(data, "__arrow_c_stream__"):
        raise ArgumentError(
            f"complete() takes an Arrow table or batch, or what hands one over, not a {kind}: pa.Table.from_pandas(df), "
            "df.to_arrow(), pa.table({'messages': …})"
        )
    try:
        return pa.table(data)
    except pa.ArrowInvalid as error:  # a vector hands itself over, too
        raise ArgumentError(f"complete() cannot read this {kind} as a table: {error}") from error


def chat_completions(messages: pa.Array | pa.ChunkedArray, **arguments: Any) -> pa.ChunkedArray:
    """The responses to a vector of conversations, as JSON text; NULL for NULL. Arguments and errors are those of `complete`."""
    return complete(pa.table({"messages": messages}), **arguments).column(1)


def _kernel(
    settings: Settings | None, session: SessionCore | None, overrides: Mapping[str, object]
) -> Kernel:
    if session is not None:
        return kernel_over(session)
    return kernel_of(settings.overridden(overrides) if settings else Settings.load(overrides))


def _column(name: str, data: pa.Table | pa.RecordBatch) -> Any:
    if name not in data.schema.names:
        raise ArgumentError(
            f"there is no column {name!r}; there are {', '.join(data.schema.names) or 'none'}"
        )
    return data.column(name)


def _vector(value: object, data: pa.Table | pa.RecordBatch) -> object:
    """A constant, or as many values as the data has rows."""
    if isinstance(value, Column):
        return _column(value.name, data)
    if isinstance(value, VECTOR_TYPES) and len(value) != data.num_rows:
        raise ArgumentError(f"a vector of {len(value)} values was given for {data.num_rows} rows")
    return value


def _answered(
    kernel: Kernel, messages: Any, given: Mapping[str, object], on_error: OnError | None
) -> pa.ChunkedArray:
    def slices() -> Iterator[Packed]:
        for start in range(0, len(messages), SLICE):
            rows = conversations(messages.slice(start, SLICE))
            cut = {
                name: value.slice(start, SLICE) if isinstance(value, VECTOR_TYPES) else value
                for name, value in given.items()
            }
            yield Packed(rows, options_texts(None, cut, len(rows)))

    answers = list(kernel.answer_all(RESPONSES, slices(), on_error))
    # A slice with very long answers has 64-bit offsets, and the chunks of one column are of one type.
    large = any(pa.types.is_large_string(each.type) for each in answers)
    kind = pa.large_string() if large else pa.string()
    return pa.chunked_array([each.cast(kind) for each in answers], kind)
