"""What every benchmark asks: a table of prompts, and a connection with `chat_completions` registered on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

import duck_or

MODEL = "openai/gpt-5-mini"
KEY = "sk-or-benchmark"
ASK = "chat_completions([{'role': 'user', 'content': prompt}])"


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
    defaults = {"api_key": KEY, "model": MODEL, "rate_limit": None, "cache_path": cache_path}
    chosen = duck_or.Settings.load({**defaults, "base_url": base_url, **settings})
    with duck_or.register(con, chosen) as session:
        con.execute("SELECT chat_completions([{'role': 'user', 'content': 'warm up'}])").fetchall()
        yield session


def answer_all(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"CREATE OR REPLACE TABLE answers AS SELECT id, {ASK} AS response FROM prompts").fetchall()
