"""Runs a query exactly once and prints or writes what it returns. What the query asks, it must not know."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import duckdb

from duck_or.cli.script import Step, perform
from duck_or.statements.session import Session

RESULT = "temp.duck_or_result"

COUNTED = 9_999
"""Of a longer table DuckDB shows the beginning and a question mark for the number of rows."""

PIECE = 1 << 16
"""Bytes of a written result that are passed on at once."""

COPY_OPTIONS = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json, ARRAY true", "parquet": "FORMAT parquet"}


# These count as SELECT, but need not stand in a CREATE TABLE. They change nothing; SHOW TABLES would find the temporary one.
DESCRIBING = frozenset({"describe", "desc", "show", "summarize"})


def show(
    con: duckdb.DuckDBPyConnection,
    session: Session,
    step: Step,
    max_rows: int,
    form: str = "table",
    output: Path | None = None,
) -> None:
    """Run one statement and print its rows, or write them to a file. form: table, csv, json or parquet. What is no query
    is always printed as a table. Raises duckdb.Error, DuckOrError."""
    result = Result.of(con, session, step)
    if result is None:
        _print(_relation(con, session, step), max_rows)
    elif output is not None:
        result.write(form, output)
    elif form == "table":
        result.show(max_rows)
    else:
        result.print(form)


class Result:
    """The rows of one query, kept in a temporary table: a relation that is shown runs its query once for each look at
    it, and of a long result only the beginning. rows: how many; None where they are not kept."""

    def __init__(self, con: duckdb.DuckDBPyConnection, source: str, rows: int | None) -> None:
        self._con = con
        self._source = source
        self.rows = rows

    @classmethod
    def of(cls, con: duckdb.DuckDBPyConnection, session: Session, step: Step) -> Result | None:
        """Run a query and keep its rows. None for what is no query: it has not been run. Raises as `perform` does."""
        if not step.is_query:
            return None
        if step.first_word in DESCRIBING:
            return cls(con, f"(\n{step.text}\n)", None)
        text = f"CREATE OR REPLACE TEMP TABLE {RESULT.partition('.')[2]} AS {step.text}"
        [statement] = con.extract_statements(text)
        return cls(con, RESULT, perform(con, session, replace(step, statement=statement, text=text)))

    def show(self, max_rows: int) -> None:
        self._con.sql(f"FROM {self._source}").show(max_width=width(), max_rows=max_rows)
        if self.rows is not None and self.rows > COUNTED:
            click.echo(f"{self.rows:,} rows in all.\n")

    def write(self, form: str, path: Path) -> None:
        """form: csv, json or parquet."""
        self._con.execute(f"COPY (FROM {self._source}) TO ? ({COPY_OPTIONS[form]})", [str(path)]).fetchall()

    def print(self, form: str) -> None:
        """The same to standard output."""
        with tempfile.TemporaryDirectory(prefix="duck_or-") as directory:
            path = Path(directory) / f"result.{form}"
            self.write(form, path)
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    click.echo(piece, nl=False)


def _relation(con: duckdb.DuckDBPyConnection, session: Session, step: Step) -> duckdb.DuckDBPyRelation | None:
    """Of what is no query DuckDB makes a relation of the rows that it gave: it has been run by then."""
    relation: duckdb.DuckDBPyRelation | None
    if step.text is None:
        relation = con.sql(step.statement)
    elif session.settings.prefetch == "off":
        relation = con.sql(step.text)
    else:
        relation = session.sql(step.text)
    return relation


def _print(relation: duckdb.DuckDBPyRelation | None, max_rows: int) -> None:
    if relation is not None and relation.columns != ["Success"]:
        relation.show(max_width=width(), max_rows=max_rows)


def width() -> int:
    """Columns of the terminal; wide where there is none."""
    return shutil.get_terminal_size((160, 24)).columns
