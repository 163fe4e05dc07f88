"""What a way in is for `bench_ways_in`, and those that add little to a statement's own work.

Each opens what its tool needs and yields an `Asking`: one call of its `ask` reads the file of questions and asks about every
row of it. Settings are the environment's, for all of them the same ones, so that none is said here. What is measured, and
against what, this module does not know.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import duck_or
from duck_or import arrow
from duck_or.statements.connection import Connection

CALL = "chat_completions(messages)"
ROWS, ARROW, RELATION, TABLE = "rows", "an Arrow table", "a relation", "a table"


class Asking(NamedTuple):
    """ask: about every row. read: what that returned, as a table with `text` and `response`. nothing: the same work without
    asking, where the tool's own part in it is large."""

    ask: Callable[[], Any]
    read: Callable[[Any], pa.Table]
    nothing: Callable[[], object] | None = None


Open: TypeAlias = Callable[[Path], AbstractContextManager[Asking]]
"""From the file of questions, in a directory of its own, to an `Asking` that is ready."""


class Way(NamedTuple):
    """form: what it returns. needs: distributions that have to be installed. without: what its `nothing` is."""

    open: Open
    form: str
    needs: tuple[str, ...] = ()
    without: str = ""


def query(file: Path, value: str = CALL) -> str:
    return f"SELECT text, {value} AS response FROM '{file}'"


def of_rows(rows: Iterable[tuple[str, str]]) -> pa.Table:
    texts, responses = zip(*rows, strict=True)
    return pa.table({"text": texts, "response": responses})


def as_it_is(table: pa.Table) -> pa.Table:
    return table


# --- DuckDB, Arrow, notebooks ------------------------------------------------------------------------------------------


def _connected(ask: Callable[[Connection, str], Any], read: Callable[[Any], pa.Table]) -> Open:
    """A way that takes a connection of `duck_or.connect` and a query."""

    @contextmanager
    def way(file: Path) -> Iterator[Asking]:
        with duck_or.connect() as con, con.session:
            yield Asking(lambda: ask(con, query(file)), read)

    return way


@contextmanager
def _session(file: Path) -> Iterator[Asking]:
    with duckdb.connect() as con, duck_or.register(con) as session:
        yield Asking(lambda: session.execute(query(file)).fetchall(), of_rows)


def _arrow(ask: Callable[[pa.Table], pa.Table]) -> Open:
    @contextmanager
    def way(file: Path) -> Iterator[Asking]:
        yield Asking(lambda: ask(pq.read_table(file)), as_it_is)
        arrow.close_sessions()

    return way


def _vector(table: pa.Table) -> pa.Table:
    return pa.table({"text": table["text"], "response": arrow.chat_completions(table["messages"])})


@contextmanager
def _chat_sql(file: Path) -> Iterator[Asking]:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    # A module of its own: the default takes the place of __main__.
    shell = InteractiveShell(
        config=Config({"HistoryManager": {"enabled": False}}),
        ipython_dir=str(file.parent),
        user_module=ModuleType("notebook"),
    )

    def ask() -> Any:
        with redirect_stdout(io.StringIO()):  # it says below each cell what that cost
            shell.run_cell_magic("chat_sql", "con answers <<", query(file))
        return shell.user_ns["answers"]

    with duckdb.connect() as con, duck_or.register(con):
        shell.user_ns["con"] = con
        shell.run_line_magic("load_ext", "duck_or")
        yield Asking(ask, lambda answers: answers.to_arrow_table())


# --- data frames and SQL tools -----------------------------------------------------------------------------------------


def _pandas(con: Connection, asked: str) -> Any:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pandas only supports SQLAlchemy")
        return pd.read_sql(asked, con)


def _polars(con: Connection, asked: str) -> Any:
    import polars as pl

    return pl.read_database(asked, con)


@contextmanager
def _sqlalchemy(file: Path) -> Iterator[Asking]:
    import sqlalchemy as sa

    from duck_or.integrations.sqlalchemy import register

    engine = sa.create_engine(f"duckdb:///{file.with_name('alchemy.duckdb')}")
    asked = sa.text(query(file, f"{CALL}::VARCHAR"))  # else duckdb_engine parses the JSON

    def ask() -> Any:
        with engine.connect() as connection:
            return connection.execute(asked).all()

    with register(engine):
        yield Asking(ask, of_rows)
        engine.dispose()


@contextmanager
def _ibis(file: Path) -> Iterator[Asking]:
    import ibis

    from duck_or.integrations.ibis import chat_completions

    with duck_or.connect() as own, own.session:
        con = ibis.duckdb.from_connection(own)

        def ask() -> pa.Table:
            question = con.read_parquet(file, table_name="question")
            return question.select("text", response=chat_completions(question.messages)).to_pyarrow()

        yield Asking(ask, as_it_is)


@contextmanager
def _airflow(file: Path) -> Iterator[Asking]:
    os.environ["AIRFLOW_HOME"] = str(file.with_name("airflow"))
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"  # both are read when it is imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from duck_or.integrations.airflow import DuckOrHook

    hook = DuckOrHook(log_sql=False)
    yield Asking(lambda: hook.get_records(query(file)), of_rows)


WAYS: Mapping[str, Way] = {
    "session.execute": Way(_session, ROWS),
    "duck_or.connect": Way(_connected(lambda con, asked: con.execute(asked).fetchall(), of_rows), ROWS),
    "arrow.complete": Way(_arrow(arrow.complete), ARROW),
    "arrow.chat_completions": Way(_arrow(_vector), ARROW),
    "%%chat_sql": Way(_chat_sql, RELATION, ("ipython",)),
    "pandas": Way(_connected(_pandas, pa.Table.from_pandas), ROWS, ("pandas",)),
    "polars": Way(_connected(_polars, lambda frame: frame.to_arrow()), ARROW, ("polars",)),
    "sqlalchemy": Way(_sqlalchemy, ROWS, ("sqlalchemy", "duckdb_engine")),
    "ibis": Way(_ibis, ARROW, ("ibis-framework",)),
    "airflow": Way(_airflow, ROWS, ("apache-airflow-providers-duckdb",)),
}
