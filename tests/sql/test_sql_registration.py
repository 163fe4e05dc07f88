"""Where the names can be seen, what registering again does, and what it leaves alone."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

import duck_or
from duck_or.simulator import Simulator
from support.bridge import KEY, Bridge, ask, call

TRY = "try_chat_completions"
FAKE, ECHO, X = "'fake/model'", "'fake/echo'", "'x'"
HERE: dict[str, Any] = {"cache_path": None, "rate_limit": 0, "api_key": KEY, "model": "fake/echo"}


def functions_in(con: duckdb.DuckDBPyConnection, database: str) -> list[tuple[str]]:
    return con.execute(
        "SELECT function_name FROM duckdb_functions() WHERE database_name = ? AND NOT internal", [database]
    ).fetchall()


def test_a_file_database_named_on_the_connection_that_was_registered(
    connect: Callable[..., Bridge], tmp_path: Path
) -> None:
    bridge = connect(tmp_path / "my.duckdb")
    assert bridge.value("SELECT " + ask(model=ECHO, model_kwargs="{'seed': 1}")) == "hi"
    assert bridge.value("SELECT " + ask(function=TRY)) == "hi"
    assert bridge.value("SELECT sent FROM openrouter_stats()") == 2


def test_a_file_database_from_its_cursors(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    bridge = connect(tmp_path / "my.duckdb")
    cursor = bridge.con.cursor()
    asked = [
        ask("'a'", "'fake/echo'"),
        ask("'b'", "'fake/echo'", "{'seed': 1}", function=TRY),
        ask("'c'", model=ECHO, function="duck_or.chat_completions"),
        ask("'d'", model=ECHO, function="duck_or.try_chat_completions"),
    ]
    assert cursor.execute(f"SELECT {', '.join(asked)}").fetchall() == [("a", "b", "c", "d")]
    assert cursor.execute("SELECT sent FROM duck_or.openrouter_stats()").fetchall() == [(4,)]
    assert cursor.execute("SELECT count(*) >= 4 FROM duck_or.openrouter_calls()").fetchall() == [(True,)]


def test_nothing_is_written_to_a_file_database(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    path = tmp_path / "my.duckdb"
    bridge = connect(path)
    bridge.rows("CREATE TABLE t AS SELECT 1 AS i")
    bridge.rows("SELECT " + ask())
    assert functions_in(bridge.con, "my") == []
    bridge.session.close()
    bridge.con.close()
    del bridge
    with duckdb.connect(str(path)) as con:
        assert functions_in(con, "my") == []
        assert con.execute("SHOW TABLES").fetchall() == [("t",)]


def test_a_read_only_file(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    path = tmp_path / "my.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE t AS SELECT 'q' || i AS q FROM range(3) t(i)")
    bridge = connect(path, read_only=True)
    assert sorted(bridge.column(f"SELECT {ask('q', model=ECHO)} FROM t")) == ["q0", "q1", "q2"]
    assert bridge.con.cursor().execute(f"SELECT {ask(X, function='duck_or.chat_completions')}").fetchall()


def test_a_file_called_like_our_catalog(
    connect: Callable[..., Bridge], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "duck_or")
    bridge = connect(tmp_path / "duck_or.duckdb")
    assert bridge.value("SELECT " + ask(model=ECHO)) == "hi"
    assert bridge.con.cursor().execute("SELECT " + ask(X, ECHO)).fetchall() == [("x",)]
    assert functions_in(bridge.con, "duck_or") == []
    assert "a database is called duck_or" in caplog.text


def test_the_user_moves_to_another_database(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    bridge = connect()
    bridge.rows(f"ATTACH '{tmp_path / 'other.duckdb'}' AS other")
    bridge.rows("USE other")
    assert bridge.value("SELECT " + ask(X, ECHO)) == "x"
    assert bridge.value("SELECT " + ask(model=ECHO, function="duck_or.chat_completions")) == "hi"
    assert functions_in(bridge.con, "other") == []


def test_registered_while_another_database_is_in_use(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    bridge = connect()
    bridge.rows(f"ATTACH '{tmp_path / 'other.duckdb'}' AS other")
    bridge.rows("USE other")
    with duck_or.register(bridge.con, bridge.session.settings):
        assert bridge.value("SELECT " + ask(model=ECHO)) == "hi"
        bridge.rows("USE memory")
        assert bridge.value("SELECT " + ask(model=ECHO)) == "hi"
        assert functions_in(bridge.con, "other") == []


def test_registering_twice_replaces_the_session(bridge: Bridge, simulator: Simulator) -> None:
    assert bridge.value("SELECT " + ask()) == "hi"
    second = duck_or.register(bridge.con, base_url=simulator.base_url, **{**HERE, "model": "fake/model"})
    assert bridge.value("SELECT " + call() + " ->> '$.model'") == "fake/model-20260101"
    assert second.stats().sent == 1
    assert repr(bridge.session) == "<Session closed>"
    with pytest.raises(duck_or.SessionClosed):
        bridge.session.stats()
    second.close()


def test_registering_on_a_cursor_reaches_the_whole_database(bridge: Bridge) -> None:
    cursor = bridge.con.cursor()
    with duck_or.register(cursor, bridge.session.settings) as second:
        cursor.close()
        del cursor
        gc.collect()
        assert bridge.value("SELECT " + ask(model=FAKE)).startswith("Simulated")
        assert second.stats().sent == 1


def test_wrong_settings_leave_the_old_session_in_place(bridge: Bridge) -> None:
    with pytest.raises(duck_or.SettingsError, match="did you mean timeout"):
        duck_or.register(bridge.con, timeuot=5)
    with pytest.raises(duck_or.SettingsError):
        duck_or.register(bridge.con, bridge.session.settings, on_error="ignore")
    assert bridge.value("SELECT " + ask()) == "hi"


def test_inside_an_open_transaction(connect: Callable[..., Bridge], simulator: Simulator) -> None:
    bridge = connect()
    bridge.rows("BEGIN")
    bridge.rows("CREATE TABLE t AS SELECT 1 AS i")
    with duck_or.register(bridge.con, bridge.session.settings):
        bridge.rows("INSERT INTO t VALUES (2)")
        bridge.rows("ROLLBACK")
        assert bridge.value("SELECT " + ask(model=ECHO)) == "hi"
        assert bridge.rows("SHOW TABLES") == []


@pytest.mark.parametrize("database", [":memory:", "my.duckdb"])
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_first_registered_inside_an_open_transaction(
    simulator: Simulator, tmp_path: Path, database: str, end: str
) -> None:
    path = database if database == ":memory:" else str(tmp_path / database)
    with duckdb.connect(path) as con:
        con.execute("BEGIN")
        con.execute("CREATE TABLE t AS SELECT 1 AS i")
        with duck_or.register(con, base_url=simulator.base_url, **HERE):
            assert con.execute("FROM t").fetchall() == [(1,)]
            con.execute(end)
            assert con.execute("SELECT " + ask(X, ECHO)).fetchall() == [("x",)]
            assert con.execute("SELECT " + ask("'y'", model=ECHO)).fetchall() == [("y",)]
            assert len(con.execute("SHOW TABLES").fetchall()) == (end == "COMMIT")


def test_with_an_unfinished_result(connect: Callable[..., Bridge], simulator: Simulator) -> None:
    with duckdb.connect() as con:
        con.execute("FROM range(10000)")
        assert con.fetchone() == (0,)
        with duck_or.register(con, base_url=simulator.base_url, **HERE):
            assert con.fetchone() == (1,)
            assert len(con.fetchall()) == 9998
            assert con.execute("SELECT " + ask()).fetchall() == [("hi",)]


def test_with_an_unfinished_result_of_a_file_database(simulator: Simulator, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "my.duckdb")) as con:
        con.execute("FROM range(10000)")
        assert con.fetchone() == (0,)
        with duck_or.register(con, base_url=simulator.base_url, **HERE):
            assert con.execute("SELECT " + ask(model=ECHO)).fetchall() == [("hi",)]


def test_duckdbs_default_connection(simulator: Simulator) -> None:
    with duck_or.register(duckdb.default_connection(), base_url=simulator.base_url, **HERE):
        assert duckdb.execute("SELECT " + ask("'default'")).fetchall() == [("default",)]


def test_two_sessions_with_different_settings_in_one_process(connect: Callable[..., Bridge]) -> None:
    strict, lenient = (
        connect(on_error="raise", model="fake/err-400"),
        connect(on_error="json", model="fake/err-400"),
    )
    with pytest.raises(duckdb.InvalidInputException):
        strict.rows("SELECT " + call())
    assert lenient.value("SELECT " + call() + " ->> '$.error.code'") == "bad_request"
    assert strict.value("SELECT " + ask(model=ECHO)) == "hi"
    assert lenient.value("SELECT " + ask("'other'", model=ECHO)) == "other"
    lenient.session.close()
    assert strict.value("SELECT " + ask("'still'", model=ECHO)) == "still"


def test_the_session_is_a_context_manager(bridge: Bridge) -> None:
    with duck_or.register(bridge.con, bridge.session.settings) as session:
        assert bridge.value("SELECT " + ask()) == "hi"
    with pytest.raises(duck_or.SessionClosed):
        session.stats()


def test_attribution_headers(connect: Callable[..., Bridge]) -> None:
    bridge = connect(site_url="https://example.org", app_name="Ducks")
    bridge.rows("SELECT " + call())
    headers = bridge.simulator.requests[-1].headers
    assert headers["http-referer"] == "https://example.org"
    assert "Ducks" in (headers.get("x-title"), headers.get("x-openrouter-title"))


@pytest.mark.parametrize("transport", ["openai", "http"])
def test_both_transports(connect: Callable[..., Bridge], transport: str) -> None:
    bridge = connect(transport=transport)
    answer = ask("'q' || (i % 100)")
    assert bridge.value(f"SELECT count(DISTINCT {answer}) FROM range(5000) t(i)") == 100
    assert bridge.sent == 100
