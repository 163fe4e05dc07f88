"""Where a report's calls come from: the calls file, or what `COPY (FROM openrouter_calls()) TO …` wrote.

It decides what a table of calls must look like; what is made of it, `figures` knows. All end up in one table, `call`, of a
DuckDB connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from duck_or.cache.contract import StoreError
from duck_or.calls_file import COLUMNS as KEPT
from duck_or.calls_file import read_calls

COLUMNS = {
    "time": "TIMESTAMPTZ",
    "requests": "BIGINT",
    "model": "VARCHAR",
    "provider": "VARCHAR",
    "attempts": "BIGINT",
    "latency_s": "DOUBLE",
    "prompt_tokens": "BIGINT",
    "completion_tokens": "BIGINT",
    "cached_tokens": "BIGINT",
    "reasoning_tokens": "BIGINT",
    "cost_usd": "DOUBLE",
    "cache_hit": "BOOLEAN",
    "error_code": "VARCHAR",
}
OPTIONAL = frozenset({"requests"})
"""The calls file's own column: how many a row stands for. Elsewhere it is one."""

READERS = {
    ".parquet": "read_parquet(?)",
    ".csv": "read_csv(?, header = true, all_varchar = true)",  # what is sniffed from rows without a value is wrong
    ".json": "read_json(?)",
    ".jsonl": "read_json(?)",
    ".ndjson": "read_json(?)",
}

_ARROW = {
    "REAL": pa.float64(),
    "INTEGER": pa.int64(),
    "TEXT": pa.string(),
}


class NotCalls(Exception):
    """A file that cannot be read as calls; the message says why."""


def load(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make the table `call` of the file's rows. Raises NotCalls."""
    suffix = path.with_suffix("").suffix if path.suffix in (".gz", ".zst") else path.suffix
    reader = READERS.get(suffix.lower())
    if not path.exists():
        raise NotCalls(f"there is no file {path}")
    if reader is None:
        _load_calls_file(con, path)
    else:
        _load_table(con, path, reader)


def load_nothing(con: duckdb.DuckDBPyConnection) -> None:
    """The same table, without a row."""
    con.execute(f"CREATE TABLE call ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")


def _load_calls_file(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    load_nothing(con)
    told = {"time": "to_timestamp(time)", "cache_hit": "cache_hit <> 0"}
    try:
        for rows in read_calls(path, tuple(COLUMNS)):
            con.register("kept", _arrow(rows))
            con.execute(f"INSERT INTO call {_select(told, 'kept')}")
            con.unregister("kept")
    except StoreError as error:
        raise NotCalls(str(error)) from error
    except (duckdb.Error, pa.ArrowException) as error:  # SQLite lets a column hold anything
        raise NotCalls(f"the calls file {path} is damaged: {error}") from error


def _arrow(rows: Sequence[Sequence[Any]]) -> pa.Table:
    kinds = (_ARROW[KEPT[name].partition(" ")[0]] for name in COLUMNS)
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    return pa.table(columns, names=list(COLUMNS))


def _load_table(con: duckdb.DuckDBPyConnection, path: Path, reader: str) -> None:
    try:
        found = {row[0] for row in con.execute(f"DESCRIBE FROM {reader}", [str(path)]).fetchall()}
        missing = [name for name in COLUMNS if name not in found | OPTIONAL]
        if missing:
            raise NotCalls(
                f"{path} is no table of calls: it has no column {', '.join(missing)}. "
                "Write one by: COPY (FROM openrouter_calls()) TO 'calls.parquet'"
            )
        told = {} if "requests" in found else {"requests": "1"}
        con.execute(f"CREATE TABLE call AS {_select(told, reader)}", [str(path)])
    except duckdb.Error as error:
        raise NotCalls(f"{path} cannot be read as a table of calls: {error}") from error


def _select(told: Mapping[str, str], source: str) -> str:
    """told: what stands for a column that the source has not, or not in this form."""
    columns = (f"CAST({told.get(name, name)} AS {kind}) AS {name}" for name, kind in COLUMNS.items())
    return f"SELECT {', '.join(columns)} FROM {source}"
