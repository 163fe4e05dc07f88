"""`duck-or sql`: what is printed, and what is written to a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import click
import duckdb
import pyarrow.parquet as pq
import pytest

from duck_or.cli.sql import format_of
from duck_or.simulator import Simulator
from support.bridge import ask
from support.command_line import duck_or, pointing_at

QUERY = "SELECT 1 AS a, 'x,\"y\" é' AS b UNION ALL SELECT 2, NULL ORDER BY a"
ROWS = [(1, 'x,"y" é'), (2, None)]


def test_parquet_goes_to_standard_output_as_bytes() -> None:
    result = duck_or("sql", QUERY, "--format", "parquet")
    assert result.exit_code == 0, result.stderr
    table = pq.read_table(io.BytesIO(result.stdout_bytes))
    assert [tuple(row.values()) for row in table.to_pylist()] == ROWS


@pytest.mark.parametrize("name", ["r.csv", "r.json", "r.parquet", "r.CSV"])
def test_a_file_is_written_in_the_format_of_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    result = duck_or("sql", QUERY, "--output", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    with duckdb.connect() as con:
        reader = f"read_{file.suffix[1:].lower()}"
        assert con.execute(f"FROM {reader}('{file}')").fetchall() == ROWS


def test_the_format_that_is_said_wins_over_the_name(tmp_path: Path) -> None:
    file = tmp_path / "rows.txt"
    assert duck_or("sql", QUERY, "--output", str(file), "--format", "json").exit_code == 0
    assert [row["a"] for row in json.loads(file.read_text("utf-8"))] == [1, 2]


def test_every_row_is_asked_about_once_whatever_it_is_written_as(tmp_path: Path) -> None:
    with Simulator() as simulator:
        content = "'row ' || (i % 7)"
        sql = f"SELECT i, {ask(content)} AS answer FROM range(3000) t(i)"
        file = tmp_path / "r.parquet"
        result = duck_or("sql", sql, "--output", str(file), **pointing_at(simulator.base_url))
        assert result.exit_code == 0, result.stderr
        assert simulator.stats().requests == 7
    assert pq.read_table(file).column("answer").to_pylist()[:8] == [f"row {i % 7}" for i in range(8)]


def test_a_query_that_changes_something_is_run_once(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    sql = "CREATE SEQUENCE s; SELECT nextval('s') AS n"
    assert duck_or("sql", sql, "--output", str(file)).exit_code == 0
    assert json.loads(file.read_text("utf-8")) == [{"n": 1}]
    assert "│     1 │" in duck_or("sql", sql).stdout


@pytest.mark.parametrize(
    "statement", ["DESCRIBE SELECT 1 AS one", "SHOW TABLES", "SUMMARIZE SELECT 1 AS one"]
)
def test_what_describes_a_table_has_rows_too(statement: str) -> None:
    sql = f"CREATE TABLE one AS SELECT 1 AS one; {statement}; -- the end"
    [row] = csv.DictReader(io.StringIO(duck_or("sql", sql, "--format", "csv").stdout))
    assert "one" in row.values()
    assert "one" in duck_or("sql", sql).stdout


def test_what_has_no_rows_is_refused_before_it_is_run(tmp_path: Path) -> None:
    database = str(tmp_path / "x.duckdb")
    result = duck_or("sql", "CREATE TABLE t AS SELECT 1", database, "--output", str(tmp_path / "r.csv"))
    assert result.exit_code == 2
    assert "no SELECT" in result.stderr
    with duckdb.connect(database) as con:
        assert con.execute("FROM duckdb_tables()").fetchall() == []


CHOICES = [
    (None, None, True, "table"),
    ("csv", None, True, "csv"),
    ("parquet", None, False, "parquet"),
    (None, Path("a.b.JSON"), True, "json"),
    ("parquet", Path("a"), True, "parquet"),
]


@pytest.mark.parametrize(("form", "output", "terminal", "chosen"), CHOICES)
def test_the_format(form: str | None, output: Path | None, terminal: bool, chosen: str) -> None:
    assert format_of(form, output, terminal) == chosen


@pytest.mark.parametrize(
    ("form", "output", "terminal"),
    [
        ("parquet", None, True),
        (None, Path("a"), False),
        (None, Path("a.xls"), False),
        ("table", Path("a.csv"), False),
    ],
)
def test_no_format(form: str | None, output: Path | None, terminal: bool) -> None:
    with pytest.raises(click.UsageError):
        format_of(form, output, terminal)
