"""Cursors of `duck_or.connect(...)`: they know all names, and an open result is in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import duck_or
from duck_or.statements.connection import Connection
from support.how_to import as_a_user


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    with as_a_user(tmp_path, OPENROUTER_MODEL="fake/echo"), duck_or.connect("shop.duckdb") as con:
        yield con


def test_cursors_of_cursors_know_the_names(con: Connection) -> None:
    cursor = con.cursor().duplicate().cursor()
    assert cursor.execute("SELECT prompt('hello', system := 'Be brief.')").fetchall() == [("hello",)]


def test_a_cursor_is_of_its_connections_kind(con: Connection) -> None:
    class Mine(Connection):
        pass

    assert type(Mine(con.con, con.session).cursor()) is Mine


@pytest.mark.parametrize("query", ["SELECT 'hello'", "SELECT prompt('hello')"])
def test_execute_gives_up_an_open_result(con: Connection, query: str) -> None:
    cursor = con.cursor()
    cursor.execute("FROM range(100000)")
    assert cursor.fetchone() == (0,)
    con.execute("CREATE TABLE t (i INTEGER)")  # so the catalog has to be read again
    assert cursor.execute(query).fetchall() == [("hello",)]


@pytest.mark.skipif(duckdb.__version__ < "2", reason="before DuckDB 2.0 a relation gives it up")
@pytest.mark.parametrize("query", ["SELECT 'hello'", "SELECT prompt('hello')"])
def test_rows_that_are_being_read_are_not_lost_to_a_relation(con: Connection, query: str) -> None:
    con.execute("FROM range(100000)")
    assert con.fetchone() == (0,)
    with pytest.raises(duckdb.Error, match="unfinished result"):
        con.sql(query).fetchall()
    assert con.fetchone() == (1,)


def test_a_failed_transaction_can_be_rolled_back(con: Connection) -> None:
    con.begin()
    with pytest.raises(duckdb.Error, match="nowhere"):
        con.execute("INSERT INTO nowhere VALUES (1)")
    with pytest.raises(duckdb.Error):
        con.execute("SELECT error('so that it fails')").fetchall()
    con.execute("ROLLBACK")
    assert con.execute("SELECT 1").fetchall() == [(1,)]
