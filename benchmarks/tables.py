"""What every benchmark asks: a table of prompts, and a connection with `chat_completions` registered on it.

Three ways to run a statement there: chunk by chunk, as the plain function does, and the two that plan it as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

import duck_or
from duck_or.statements.connection import Connection

Rows: TypeAlias = list[tuple[Any, ...]]
Way: TypeAlias = Callable[[Connection, str], Rows]

MODEL = "openai/gpt-5-mini"
KEY = "sk-or-benchmark"
ASK = "chat_completions([{'role': 'user', 'content': prompt}])"
CONTENT = "'$.choices[0].message.content'"

CHUNK_BY_CHUNK = "the chunk-by-chunk function"
WHOLE: Mapping[str, Way] = {
    "session.execute": lambda con, query: con.session.execute(query).fetchall(),
    "plain con.sql": lambda con, query: con.sql(query).fetchall(),
}
WAYS: Mapping[str, Way] = {CHUNK_BY_CHUNK: lambda con, query: con.con.execute(query).fetchall(), **WHOLE}
"""On a connection of `duck_or.connect`, whose own `con` is DuckDB's: there nothing is planned."""


def prompts(con: duckdb.DuckDBPyConnection, rows: int, distinct: int | None = None) -> None:
    """Table `prompts(id, prompt)`: some 60 characters each, `distinct` different ones (all, if None)."""
    con.execute(
        "CREATE OR REPLACE TABLE prompts AS SELECT i AS id, "
        "'Is review number ' || (i % $distinct) || ' positive? It says: works as described.' AS prompt "
        "FROM range($rows) AS t(i)",
        {"rows": rows, "distinct": distinct or rows},
    )


@contextmanager
def registered(
    con: duckdb.DuckDBPyConnection, base_url: str, cache_path: Path | None = None, **settings: object
) -> Iterator[duck_or.Session]:
    """A session without a rate limit of its own; connections and client are open when it is handed over."""
    with duck_or.register(con, _settings(base_url, cache_path, settings)) as session:
        _warm_up(con)
        yield session


@contextmanager
def connected(
    database: Path, base_url: str, cache_path: Path | None = None, **settings: object
) -> Iterator[Connection]:
    """The same by `duck_or.connect`: a new session that knows no answer, on a database that is there already."""
    with duck_or.connect(database, settings=_settings(base_url, cache_path, settings)) as con, con.session:
        _warm_up(con.con)
        yield con


def prompts_on_disk(directory: str, rows: int) -> Path:
    """A database file with nothing but `prompts`."""
    path = Path(directory, f"{rows}.duckdb")
    with duckdb.connect(str(path)) as con:
        prompts(con, rows)
    return path


def _settings(base_url: str, cache_path: Path | None, settings: Mapping[str, object]) -> duck_or.Settings:
    defaults = {"api_key": KEY, "model": MODEL, "rate_limit": None, "cache_path": cache_path}
    return duck_or.Settings.load({**defaults, "base_url": base_url, **settings})


def _warm_up(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("SELECT chat_completions([{'role': 'user', 'content': 'warm up'}])").fetchall()


def answer_all(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"CREATE OR REPLACE TABLE answers AS SELECT id, {ASK} AS response FROM prompts").fetchall()
