"""A connection that plans every statement: DuckDB's own in every other respect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import duck_or
from duck_or.simulator import Simulator
from duck_or.statements.connection import Connection
from support.bridge import KEY, ask

ITEMS = "CREATE TABLE items AS SELECT i AS id, 'item ' || (i % 4) AS name FROM range(8) t(i)"
NAMES = [f"item {i}" for i in range(4)]
NAME = ask("name")
BY_ID = [(i, f"item {i % 4}") for i in range(8)]
Open = Callable[..., Connection]


@pytest.fixture
def opened(simulator: Simulator) -> Iterator[Open]:
    with ExitStack() as ends:

        def make(database: str | Path = ":memory:", **settings: Any) -> Connection:
            given = {"base_url": simulator.base_url, "api_key": KEY, "model": "fake/echo", "rate_limit": 0}
            con = duck_or.connect(database, **{**given, "cache_path": None, **settings})
            ends.callback(con.close)
            ends.callback(con.session.close)
            return con

        yield make


@pytest.fixture
def con(opened: Open) -> Connection:
    con = opened()
    con.execute(ITEMS)
    return con


def test_execute_chains_and_fetches(con: Connection, simulator: Simulator) -> None:
    result = con.execute(f"SELECT id, {NAME} AS a FROM items ORDER BY id")
    assert result is con
    assert [column[0] for column in con.description] == ["id", "a"]
    assert con.fetchone() == BY_ID[0]
    assert con.fetchmany(2) == BY_ID[1:3]
    assert con.fetchall() == BY_ID[3:]
    assert con.fetchone() is None
    assert con.rowcount == -1
    columns = con.execute(f"SELECT {NAME} AS a FROM items WHERE id = $1", [1]).fetchnumpy()
    assert columns["a"].tolist() == ["item 1"]
    assert simulator.stats().requests == 4


def test_a_result_that_was_not_read_is_given_up(con: Connection) -> None:
    con.execute(f"SELECT {NAME} FROM items")
    assert con.execute(f"SELECT count({NAME}) FROM items").fetchall() == [(8,)]


def test_executemany_and_transactions(con: Connection, simulator: Simulator) -> None:
    con.execute("CREATE TABLE answers (a VARCHAR)")
    con.begin().execute(f"INSERT INTO answers SELECT {NAME} FROM items")
    con.rollback()
    assert con.execute("SELECT count(*) FROM answers").fetchall() == [(0,)]
    con.begin().execute(f"INSERT INTO answers SELECT {NAME} FROM items")
    con.commit()
    con.executemany(f"INSERT INTO answers SELECT {ask('$1')}", [["item 1"], ["item 2"]])
    assert con.execute("SELECT count(*) FROM answers").fetchall() == [(10,)]
    assert simulator.stats().requests == 4


def test_a_context_manager(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "my.duckdb"
    with duck_or.connect(path, base_url=simulator.base_url, api_key=KEY, model="fake/echo") as con:
        con.execute(f"CREATE TABLE a AS SELECT {ask()} AS a")
        con.session.close()
    with duckdb.connect(str(path), read_only=True) as plain:
        assert plain.execute("FROM a").fetchall() == [("hi",)]
    with pytest.raises(duckdb.Error):
        con.execute("SELECT 1")


def test_a_relation_is_lazy(con: Connection, simulator: Simulator) -> None:
    relation = con.sql(f"SELECT id, {NAME} AS a FROM items", alias="answered")
    assert (relation.columns, relation.alias) == (["id", "a"], "answered")
    assert simulator.stats().requests == 0
    assert len(relation.limit(3).fetchall()) == 3
    assert simulator.stats().requests == 3
    assert sorted(relation.fetchall()) == BY_ID
    assert simulator.stats().requests == 4
    assert len(relation) == 8
    assert relation.filter("id = 1").fetchall() == [(1, "item 1")]
    assert simulator.stats().requests == 4


COMPLETE = {
    "fetchall": lambda relation: len(relation.fetchall()),
    "fetchnumpy": lambda relation: len(relation.fetchnumpy()["a"]),
    "arrow": lambda relation: pa.table(relation).num_rows,
    "to_table": lambda relation: relation.to_table("copied") or 8,
}


@pytest.mark.parametrize("way", COMPLETE)
def test_where_all_of_a_relation_is_wanted_it_is_asked_at_once(
    con: Connection, simulator: Simulator, way: str
) -> None:
    relation = con.sql(f"SELECT id, {NAME} AS a FROM items WHERE {NAME} IS NOT NULL")
    assert COMPLETE[way](relation) == 8
    assert simulator.stats().requests == 4
    assert sorted(relation.fetchall()) == BY_ID


def steps(relation: Any) -> object:
    """What comes of reading on; DuckDB 2.0 has no such thing for relations."""
    try:
        return relation.fetchone(), relation.fetchmany(2), relation.fetchall()
    except AttributeError as error:
        return str(error)


def test_fetching_step_by_step_goes_on_where_it_was(con: Connection) -> None:
    statement = f"SELECT id, {NAME} AS a FROM items ORDER BY id"
    assert steps(con.sql(statement)) == steps(con.con.sql(statement))


def test_relations_in_other_queries(con: Connection, simulator: Simulator) -> None:
    answered = con.sql(f"SELECT id, {NAME} AS a FROM items")
    assert answered.columns == ["id", "a"]
    few = con.sql("SELECT id, a FROM answered WHERE id < 2 ORDER BY id")
    assert few.fetchall() == BY_ID[:2]
    assert con.execute("SELECT count(*) FROM answered WHERE id < 2").fetchall() == [(2,)]
    assert simulator.stats().requests == 2
    con.execute("CREATE TABLE kept AS FROM answered")
    assert con.execute("FROM kept ORDER BY id").fetchall() == BY_ID
    assert simulator.stats().requests == 4


@pytest.mark.parametrize("prefetch", ["auto", "off"])
def test_variables_of_the_caller(opened: Open, simulator: Simulator, prefetch: str) -> None:
    con = opened(prefetch=prefetch)
    query = pa.table({"name": ["x", "y"]})
    assert con.execute(f"SELECT {NAME} FROM query ORDER BY 1").fetchall() == [("x",), ("y",)]
    assert con.sql(f"SELECT {NAME} FROM query ORDER BY 1").fetchall() == [("x",), ("y",)]
    assert con.execute("SELECT count(*) FROM query").fetchall() == [(2,)]
    assert query.num_rows == 2
    assert simulator.stats().requests == 2


def test_prefetch_off_is_plain_duckdb(opened: Open, simulator: Simulator) -> None:
    con = opened(prefetch="off")
    con.execute(ITEMS)
    relation = con.sql(f"SELECT id, {NAME} AS a FROM items ORDER BY id")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.fetchall() == BY_ID
    assert con.execute(f"SELECT id, {NAME} FROM items ORDER BY id").fetchall() == BY_ID
    assert simulator.stats().requests == 4


def test_statements_of_every_other_kind(con: Connection, simulator: Simulator) -> None:
    made = [each.sql(f"CREATE TABLE {name} (i INT)") for each, name in ((con, "a"), (con.con, "b"))]
    assert type(made[0]) is type(made[1])
    assert con.sql("SELECT 1 AS one").fetchall() == [(1,)]
    assert con.execute("SET threads = 2").fetchall() is not None
    con.execute("-- only a comment about chat_completions(x)")
    con.execute("")
    assert con.execute(duckdb.extract_statements("SELECT 42")[0]).fetchall() == [(42,)]
    assert con.table("items").count("*").fetchall() == [(8,)]
    assert con.execute(f"EXPLAIN SELECT {NAME} FROM items").fetchall()
    con.execute(f"PREPARE later AS SELECT {NAME} FROM items")
    assert simulator.stats().requests == 0
    assert len(con.execute("EXECUTE later").fetchall()) == 8
    with pytest.raises(duckdb.ParserException):
        con.execute("SELEKT chat_completions(1)")
    with pytest.raises(AttributeError):
        con.no_such_method()


def test_views_made_a_moment_ago_are_planned(con: Connection, simulator: Simulator) -> None:
    """What asks behind a name is remembered for a moment only, and forgotten when the catalog may have changed."""
    assert con.execute("SELECT count(*) FROM items").fetchall() == [(8,)]
    con.execute(f"CREATE VIEW answered AS SELECT id, {NAME} AS a FROM items")
    cursor = con.cursor()
    for each in (con, cursor):
        estimate = each.session.estimate("FROM answered")
        assert estimate.requests == 4
        relation = each.sql("SELECT id, a FROM answered")
        assert not isinstance(relation, duckdb.DuckDBPyRelation), "it is known to ask"
        assert sorted(relation.fetchall()) == BY_ID
    con.execute("DROP VIEW answered")
    assert simulator.stats().requests == 4


def test_one_cursor_for_each_thread(con: Connection, simulator: Simulator) -> None:
    found: dict[int, Any] = {}

    def work(number: int, cursor: Connection) -> None:
        asked = ask(f"name || ' of {number % 2}'")
        found[number] = cursor.execute(f"SELECT id, {asked} FROM items ORDER BY id").fetchall()

    threads = [threading.Thread(target=work, args=(number, con.cursor())) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        assert found[number] == [(i, f"{name} of {number % 2}") for i, name in BY_ID]
    assert simulator.stats().requests == 8
    assert con.session.stats().under_way == 0


def test_it_says_what_it_is(con: Connection) -> None:
    assert "duck_or connection" in repr(con)
    assert isinstance(con.con, duckdb.DuckDBPyConnection)


@pytest.mark.parametrize("bar", [True, False])
@pytest.mark.parametrize("locked", [True, False])
def test_the_users_settings_stay_as_they_are(con: Connection, locked: bool, bar: bool) -> None:
    con.execute(f"SET enable_progress_bar = {bar}").fetchall()
    con.execute("SET enable_progress_bar_print = false").fetchall()
    con.execute(f"SET lock_configuration = {locked}").fetchall()
    assert con.execute(f"SELECT id, {NAME} FROM items ORDER BY id").fetchall() == BY_ID
    assert con.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(bar,)]
