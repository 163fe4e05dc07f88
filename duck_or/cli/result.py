"""Runs a statement exactly once and prints what it returns. What the statement asks, it must not know."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click
import duckdb

RESULT = "temp.duck_or_result"

COUNTED = 9_999
"""Of a longer table DuckDB shows the beginning and a question mark for the number of rows."""

COPY_OPTIONS = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json, ARRAY true"}


def show(con: duckdb.DuckDBPyConnection, text: str, form: str, max_rows: int) -> None:
    """Print the last statement's rows to standard output. form: table, csv or json. Raises duckdb.Error."""
    statements = con.extract_statements(text)
    for statement in statements[:-1]:
        con.execute(statement).fetchall()
    for statement in statements[-1:]:
        _show(con, statement, form, max_rows)


def _show(con: duckdb.DuckDBPyConnection, statement: duckdb.Statement, form: str, max_rows: int) -> None:
    if not _keep(con, statement):
        _print(con.sql(statement.query), max_rows)
    elif form == "table":
        _print(con.sql(f"FROM {RESULT}"), max_rows)
        _count(con)
    else:
        _write(con, form)


def _keep(con: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> bool:
    """Put a query's rows into a temporary table: a relation that is shown runs its query once for each look at it, and
    of a long result only the beginning. False for what is no query."""
    if statement.type != duckdb.StatementType.SELECT:
        return False
    try:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {RESULT.partition('.')[2]} AS {statement.query}"
        ).fetchall()
    except duckdb.ParserException:  # DESCRIBE, SHOW and SUMMARIZE count as SELECT but cannot stand there
        return False
    return True


def _print(relation: duckdb.DuckDBPyRelation | None, max_rows: int) -> None:
    if relation is not None and relation.columns != ["Success"]:
        relation.show(max_width=width(), max_rows=max_rows)


def _count(con: duckdb.DuckDBPyConnection) -> None:
    [(rows,)] = con.execute(f"SELECT count(*) FROM {RESULT}").fetchall()
    if rows > COUNTED:
        click.echo(f"{rows:,} rows in all.\n")


def width() -> int:
    """Columns of the terminal; wide where there is none."""
    return shutil.get_terminal_size((160, 24)).columns


def _write(con: duckdb.DuckDBPyConnection, form: str) -> None:
    with tempfile.TemporaryDirectory(prefix="duck_or-") as directory:
        path = Path(directory) / f"result.{form}"
        con.execute(f"COPY (FROM {RESULT}) TO ? ({COPY_OPTIONS[form]})", [str(path)]).fetchall()
        with path.open(encoding="utf-8", newline="") as file:
            for line in file:
                click.echo(line, nl=False)
