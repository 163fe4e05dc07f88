"""Ctrl-C in the middle of a statement: quick, clean, and what was paid for is kept."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from duck_or.simulator import Scenario, Simulator
from support.scripts import environment, finish, started, wait_until

SCRIPT = """
    import sys, threading, time
    import duckdb, duck_or
    from support.scripts import left_behind

    con = duckdb.connect()
    con.execute("SET threads = {threads}")
    con.execute("SET enable_progress_bar = false")
    con.execute("CREATE TABLE many AS SELECT i FROM range(300000) t(i)")
    session = duck_or.register(con, max_in_flight=20)
    try:
        con.execute({statement!r}).fetchall()
        print("finished", flush=True)
    except (KeyboardInterrupt, RuntimeError, duckdb.Error):  # which, depends on DuckDB and on the thread
        print("stopped", time.monotonic(), flush=True)
    print(con.execute("SELECT 42").fetchall(), *left_behind(session), flush=True)
    sys.stdin.readline()
    con.execute({statement!r}).fetchall()
    print("finished", session.stats().under_way)
"""
ASKED = "chat_completions([{'role': 'user', 'content': 'q' || (i % 400)}])"
STATEMENTS = {
    "select": f"SELECT count({ASKED}) FROM many",
    "create": f"CREATE OR REPLACE TABLE answers AS SELECT {ASKED} AS r FROM many",
}


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_ctrl_c(tmp_path: Path, statement: str, threads: int) -> None:
    with Simulator(Scenario(latency=0.3)) as simulator:
        script = SCRIPT.format(threads=threads, statement=STATEMENTS[statement])
        with started(script, environment(tmp_path, simulator.base_url)) as process:
            wait_until(lambda: simulator.stats().answered >= 40)
            pressed = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            word, at = process.stdout.readline().split()
            assert word == "stopped"
            assert float(at) - pressed < 1
            assert process.stdout.readline() == "[(42,)] 0 0\n", (
                "the connection works, nothing is left behind"
            )
            before = simulator.stats()
            assert before.answered < 200
            simulator.scenario = Scenario()
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            lines, err = finish(process)
        after = simulator.stats()
    assert (process.returncode, lines, err) == (0, ["finished 0"], "")
    assert after.answered - after.answered_again == 400
    assert after.answered_again <= 20, "only the rest is paid for, and what was in flight"
