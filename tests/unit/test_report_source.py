"""Where a report's calls come from: whatever the file's form, the same rows; and words for what is no file of calls."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from duck_or.call_summary import CallSummary
from duck_or.calls import CacheHits, Call
from duck_or.calls_file import CallsFile
from duck_or.report.source import COLUMNS, NotCalls, load, load_nothing
from duck_or.sql.tables import CALLS

NOW = 1_790_000_000.25
COMMON = "time, requests, model, provider, latency_s, prompt_tokens, cost_usd, cache_hit, error_code"
ANSWERED = Call(
    NOW, "m", b"k" * 32, False, 1, 0.2, None, 200, CallSummary("m-2", "P", "gen-1", "stop", 3, 2, 1, 0, 0.5)
)
FAILED = Call(NOW + 1, "m", b"l" * 32, False, 3, 9.0, "timeout", None, None)
HIT = CacheHits(NOW + 2, "m", 1, None)


def rows_of(path: Path, columns: str = COMMON) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        load(con, path)
        return con.execute(f"SELECT {columns} FROM call ORDER BY time").fetchall()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    file = CallsFile(tmp_path / "calls.sqlite", clock=lambda: NOW + 2)
    file.add(ANSWERED)
    file.add(FAILED)
    file.add_hits(HIT)
    assert file.flush()
    return file.path


def exported(path: Path, options: str = "") -> Path:
    """The same calls as `COPY (FROM openrouter_calls()) TO …` writes them."""
    rows = [call.row() for call in (ANSWERED, FAILED, *HIT.calls())]
    with duckdb.connect() as con:
        con.register("lists", pa.Table.from_struct_array(CALLS.lists([rows]).flatten()))
        con.execute(f"COPY (FROM lists) TO '{path}' {options}")
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("calls.parquet", ""),
        ("calls.csv", ""),
        ("calls.csv", "(HEADER, DELIMITER ';')"),
        ("calls.json", ""),
        ("calls.json", "(ARRAY true)"),
        ("calls.csv.gz", ""),
        ("calls.ndjson", "(FORMAT json)"),
    ],
)
def test_a_table_that_was_written_holds_what_the_calls_file_holds(
    tmp_path: Path, kept: Path, name: str, options: str
) -> None:
    found = rows_of(exported(tmp_path / name, options))
    assert found == rows_of(kept)
    assert [row[1:] for row in found] == [
        (1, "m", "P", 0.2, 3, 0.5, False, None),
        (1, "m", None, 9.0, None, None, False, "timeout"),
        (1, "m", None, None, None, 0.0, True, None),
    ]


def test_a_file_may_be_named_as_sql_is_written(tmp_path: Path) -> None:
    path = tmp_path / "it's; DROP TABLE.parquet"
    exported(tmp_path / "calls.parquet").rename(path)
    assert len(rows_of(path)) == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"x,y\n1,2\n", "no column time, model"),
        ("a.parquet", b"garbage", "cannot be read as a table of calls"),
        ("a.json", b'[{"time": 1}]', "no column model"),
        ("a.sqlite", b"garbage" * 100, "cannot read the calls file"),
        (
            "a.csv",
            ",".join(COLUMNS).encode() + b"\nyesterday" + b"," * (len(COLUMNS) - 1) + b"\n",
            "cannot be read",
        ),
        ("none.parquet", None, "there is no file"),
        ("none.sqlite", None, "there is no file"),
    ],
)
def test_what_is_no_file_of_calls_is_refused_in_words(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NotCalls, match=said):
        rows_of(tmp_path / name)


def test_a_damaged_row_is_said_to_be_one(kept: Path) -> None:
    with sqlite3.connect(kept) as con:
        con.execute("UPDATE call SET time = 'noon' WHERE id = 1")
    con.close()
    with pytest.raises(NotCalls, match="is damaged"):
        rows_of(kept)


def test_nothing_is_a_table_too() -> None:
    with duckdb.connect() as con:
        load_nothing(con)
        assert con.execute(f"SELECT {COMMON} FROM call").fetchall() == []
