"""One session on more than the connection it was registered on: cursors that know all names, and a database opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from duck_or import SessionClosed
from support.bridge import Bridge, ask

ECHO = "'fake/echo'"


def test_a_cursor_of_a_file_database_learns_the_names(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    bridge = connect(tmp_path / "my.duckdb")
    cursor, stranger = bridge.con.cursor(), bridge.con.cursor()
    bridge.session.name_on(cursor)
    named = (
        f"SELECT {ask(model=ECHO)}, prompt('x', model := {ECHO}), (SELECT sent FROM openrouter_stats()) >= 0"
    )
    assert cursor.execute(named).fetchall() == [("hi", "x", True)]
    with pytest.raises(duckdb.Error, match="prompt"):
        stranger.execute(named)
    written = "SELECT count(*) FROM duckdb_functions() WHERE database_name = 'my'"
    assert bridge.value(written) == 0, "the names are temporary, nothing is written to the user's file"


def test_a_cursor_of_a_database_in_memory_knows_them_already(bridge: Bridge) -> None:
    cursor = bridge.con.cursor()
    bridge.session.name_on(cursor)
    temporary = "SELECT count(*) FROM duckdb_functions() WHERE database_name = 'temp' AND NOT internal"
    assert cursor.execute(temporary).fetchall() == [(0,)]
    assert cursor.execute(f"SELECT prompt('x', model := {ECHO})").fetchall() == [("x",)]


def test_the_users_own_function_of_a_name_stays_his_on_a_cursor(
    connect: Callable[..., Bridge], tmp_path: Path
) -> None:
    bridge = connect(tmp_path / "my.duckdb")
    cursor = bridge.con.cursor()
    cursor.execute("CREATE MACRO my.main.score(x) AS x + 1")
    bridge.session.name_on(cursor)
    assert cursor.execute(f"SELECT score(1), prompt('x', model := {ECHO})").fetchall() == [(2, "x")]


def test_a_session_moves_to_a_database_that_was_opened_again(
    connect: Callable[..., Bridge], tmp_path: Path
) -> None:
    path = tmp_path / "my.duckdb"
    bridge = connect(path, budget_usd=1.0)
    asked = f"SELECT {ask(model=ECHO)}"
    assert bridge.value(asked) == "hi"
    bridge.con.close()
    with duckdb.connect(str(path)) as again:
        bridge.session.move_to(again)
        assert again.execute(asked).fetchall() == [("hi",)]
        assert bridge.session.sql(asked).fetchall() == [("hi",)]
        assert again.execute("SELECT sent, cache_hits >= 2 FROM openrouter_stats()").fetchall() == [(1, True)]
    assert bridge.sent == 1, "the answer in memory came along"
    assert bridge.session.spending is not None
    assert bridge.session.spending.spent_usd > 0, "and what was spent"


def test_moving_to_where_it_is_already_changes_nothing(bridge: Bridge) -> None:
    bridge.session.move_to(bridge.con)
    assert bridge.value(f"SELECT {ask(model=ECHO)}") == "hi"


def test_another_session_on_the_same_database_is_replaced(
    bridge: Bridge, connect: Callable[..., Bridge]
) -> None:
    other = connect()
    other.session.move_to(bridge.con)
    assert bridge.value(f"SELECT {ask(model=ECHO)}") == "hi"
    assert other.session.stats().sent == 1
    with pytest.raises(SessionClosed, match="this session is closed"):
        bridge.session.stats()
