"""A cell's first line, and what its names mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import duck_or
from duck_or.integrations.notebook_line import connections, parameters_of, plain, split, the_connection
from duck_or.statements.connection import Connection


@pytest.mark.parametrize(
    ("line", "words", "sql"),
    [
        ("", [], ""),
        ("  ", [], ""),
        ("con", ["con"], ""),
        ("--estimate con", ["--estimate", "con"], ""),
        ("con --budget 0.5 --on-error null", ["con", "--budget", "0.5", "--on-error", "null"], ""),
        ("--budget=0.5 --rows=3", ["--budget=0.5", "--rows=3"], ""),
        ("--budget", ["--budget"], ""),
        ("answers <<", ["--output", "answers"], ""),
        ("answers<< con", ["--output", "answers", "con"], ""),
        ("con answers << SELECT 1", ["con", "--output", "answers"], "SELECT 1"),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT  'a  b'\t--x", [], "SELECT  'a  b'\t--x"),
        ("con SELECT con << 1", ["con"], "SELECT con << 1"),
        ("con con", ["con"], "con"),
        ("--estimate SELECT '--budget 5'", ["--estimate"], "SELECT '--budget 5'"),
        ("-- a comment", [], "-- a comment"),
        ("--nonsense SELECT 1", ["--nonsense"], "SELECT 1"),
        ("nowhere --estimate", [], "nowhere --estimate"),
        ("1 << 2", [], "1 << 2"),
    ],
)
def test_options_come_first_and_the_sql_stays_as_it_is(line: str, words: list[str], sql: str) -> None:
    assert split(line, lambda word: word == "con") == (words, sql)


@given(st.text())
def test_no_line_is_lost(line: str) -> None:
    words, sql = split(line, lambda word: word == "con")
    assert line.strip().endswith(sql)
    assert bool(words or sql) == bool(line.strip())


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


@pytest.fixture
def planned() -> Iterator[Connection]:
    with duck_or.connect() as planned:
        yield planned


def test_connections_are_found_once_each(con: duckdb.DuckDBPyConnection, planned: Any) -> None:
    names = {
        "x": 1,
        "_": con,
        "db": con,
        "same": con,
        "planned": planned,
        "its": planned.con,
        "duckdb": duckdb,
    }
    assert connections(names) == {"db": con, "planned": planned}
    assert plain(planned) is planned.con
    assert plain(con) is con


@pytest.mark.parametrize(
    ("names", "registered", "meant"),
    [
        (["a"], "", "a"),
        (["a", "b"], "", None),
        (["a", "b"], "b", "b"),
        (["a", "b", "c"], "bc", None),
    ],
)
def test_which_connection_is_meant(names: list[str], registered: str, meant: object) -> None:
    found: Any = {name: name for name in names}
    assert the_connection(found, lambda con: con in registered) == meant


def test_parameters_are_variables() -> None:
    assert parameters_of((), {"a": 1}) is None
    assert parameters_of({"a", "b"}, {"a": 1, "b": None, "c": 3}) == {"a": 1, "b": None}


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"1"}, r"a cell has no values for \? and \$1: write \$ and the name of a variable"),
        ({"a", "z"}, r"\$z wants a variable of the notebook, and there is none called 'z'"),
    ],
)
def test_parameters_that_are_not_there(wanted: set[str], complaint: str) -> None:
    with pytest.raises(LookupError, match=complaint):
        parameters_of(wanted, {"a": 1})
