"""The interpreter ends whatever is open or under way: no hang, no crash, no noise."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from duck_or.simulator import Scenario, Simulator
from support.scripts import environment, run

ASKED = "chat_completions([{'role': 'user', 'content': 'q' || i}])"
BUSY = f"""
    import sys, threading, time
    import duckdb, duck_or

    con = duckdb.connect()
    session = duck_or.register(con, max_in_flight=20)

    def work():
        try:
            con.execute("SELECT count({ASKED}) FROM range(100000) t(i)").fetchall()
        except duckdb.Error:
            pass  # the interpreter is leaving

    threading.Thread(target=work, daemon=True).start()
    while session.stats().answered < 10:
        time.sleep(0.01)
    print("leaving", flush=True)
"""
OPEN = {
    "everything open": f"""
        import duckdb, duck_or
        con = duckdb.connect()
        session = duck_or.register(con)
        cursor = con.cursor()
        result = cursor.execute("SELECT {ASKED} FROM range(3) t(i)")
        print(result.fetchone() is not None)
    """,
    "a file database": f"""
        import os, duckdb, duck_or
        con = duckdb.connect(os.path.expanduser("~/my.duckdb"))
        session = duck_or.register(con)
        print(con.execute("SELECT {ASKED} FROM range(3) t(i)").fetchone() is not None)
    """,
    "the default connection": f"""
        import duckdb, duck_or
        duck_or.register(duckdb.default_connection())
        print(len(duckdb.sql("SELECT {ASKED} FROM range(3) t(i)").fetchall()) == 3)
    """,
    "never asked": """
        import duckdb, duck_or
        duck_or.register(duckdb.connect())
        print(True)
    """,
    "an error at the end": f"""
        import duckdb, duck_or
        con = duckdb.connect()
        session = duck_or.register(con)
        try:
            con.execute("SELECT {ASKED.replace("}])", "}], 'fake/err-400')")} FROM range(3) t(i)")
        except duckdb.Error:
            print(True)
    """,
}


def test_in_the_middle_of_a_statement_on_a_daemon_thread(tmp_path: Path) -> None:
    with Simulator(Scenario(latency=0.1)) as simulator:
        started = time.monotonic()
        assert run(BUSY, environment(tmp_path, simulator.base_url)) == ["leaving"]
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("script", OPEN.values(), ids=OPEN.keys())
def test_with_everything_open_nothing_is_said(tmp_path: Path, script: str) -> None:
    with Simulator() as simulator:
        assert run(script, environment(tmp_path, simulator.base_url)) == ["True"]
