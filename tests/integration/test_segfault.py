"""DuckDB 2.0 keeps a Python callable only as long as the connection that created it: here somebody must keep it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from duck_or.simulator import Simulator
from support.scripts import environment, run

HEAD = textwrap.dedent("""
    import gc
    import duckdb, duck_or

    def ask(con, text="hi"):
        messages = f"[{{'role': 'user', 'content': '{text}' || i}}]"
        answer = f"chat_completions({messages}, 'fake/echo') ->> '$.choices[0].message.content'"
        return con.execute(f"SELECT {answer} FROM range(2) t(i)").fetchall()
""")
SECOND = """
        con = duckdb.connect({database!r})
        other = duckdb.connect({database!r})
        session = duck_or.register(con)
        print(ask(con))
        con.close()
        del con
        gc.collect()
        print(ask(other))
"""
SCRIPTS = {
    "the registering connection is collected": """
        con = duckdb.connect({database!r})
        other = con.cursor()
        session = duck_or.register(con)
        print(ask(con))
        del con
        gc.collect()
        print(ask(other))
    """,
    "the registering cursor is closed": """
        con = duckdb.connect({database!r})
        cursor = con.cursor()
        session = duck_or.register(cursor)
        print(ask(cursor))
        cursor.close()
        del cursor
        gc.collect()
        print(ask(con))
    """,
    "the registering cursor is collected": """
        con = duckdb.connect({database!r})
        session = duck_or.register(con.cursor())
        gc.collect()
        print(ask(con))
        print(ask(con.cursor()))
    """,
    "registered again and again": """
        con = duckdb.connect({database!r})
        for _ in range(5):
            session = duck_or.register(con.cursor())
            gc.collect()
        print(ask(con))
        session.close()
        session = duck_or.register(con)
        print(ask(con))
    """,
    "the session is collected, the database lives": """
        con = duckdb.connect({database!r})
        duck_or.register(con)
        gc.collect()
        print(ask(con))
        print(ask(con.cursor()))
    """,
    "many databases come and go": """
        for _ in range(8):
            with duckdb.connect() as con, duck_or.register(con):
                assert ask(con) == [("hi0",), ("hi1",)]
        gc.collect()
        print([("hi0",), ("hi1",)])
        print([("hi0",), ("hi1",)])
    """,
}


@pytest.mark.parametrize("database", [":memory:", "my.duckdb"])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_no_crash(tmp_path: Path, script: str, database: str) -> None:
    name = database if database == ":memory:" else str(tmp_path / database)
    body = HEAD + textwrap.dedent(script.format(database=name))
    with Simulator() as simulator:
        lines = run(body, environment(tmp_path, simulator.base_url))
    assert lines == ["[('hi0',), ('hi1',)]"] * 2


def test_no_crash_with_a_second_connection_to_the_same_file(tmp_path: Path) -> None:
    test_no_crash(tmp_path, SECOND, "my.duckdb")
