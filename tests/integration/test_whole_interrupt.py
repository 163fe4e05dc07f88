"""A whole statement stopped in each of its phases, by Ctrl-C or by interrupt(): quick, clean, and what was paid for is kept."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from duck_or.simulator import Scenario, Simulator
from support.scripts import environment, finish, started, wait_until

# `tick` tells when the rows are looked at for the first time (collecting) and for the second (replay).
SCRIPT = """
    import sys, threading, time
    import duckdb, duck_or
    from support.scripts import left_behind

    passes = 0

    def tick(i: int) -> int:
        global passes
        if i == 0:
            passes += 1
            print("pass", passes, flush=True)
        return i

    con = duck_or.connect(max_in_flight=20, progress="off")
    con.con.create_function("tick", tick, ["BIGINT"], "BIGINT")
    con.execute("SET threads = {threads}")
    con.execute("SET enable_progress_bar = false")
    con.execute("CREATE TABLE many AS SELECT i FROM range({rows}) t(i)")
    session = con.session

    def interrupt_when_told():
        sys.stdin.readline()
        con.interrupt()

    if {by_interrupt}:
        threading.Thread(target=interrupt_when_told, daemon=True).start()
    try:
        con.execute({statement!r}).fetchall()
        print("finished", flush=True)
    except KeyboardInterrupt:
        print("stopped", time.monotonic(), "KeyboardInterrupt", flush=True)
    except duckdb.InterruptException:
        print("stopped", time.monotonic(), "InterruptException", flush=True)
    print(con.execute("SELECT 42").fetchall(), con.execute("SELECT count(*) FROM duckdb_tables()").fetchall(),
          *left_behind(session), flush=True)
    sys.stdin.readline()
    con.execute("DELETE FROM many WHERE i > 1000")
    con.execute({statement!r}).fetchall()
    print("finished", session.stats().under_way, flush=True)
    con.close()
"""
DISTINCT = 400
ASKED = f"chat_completions([{{'role': 'user', 'content': 'q' || (tick(i) % {DISTINCT})}}])"
STATEMENTS = {
    "select": f"SELECT count({ASKED}) FROM many",
    "create": f"CREATE OR REPLACE TABLE answers AS SELECT {ASKED} AS r FROM many",
}


class Phase(NamedTuple):
    """latency: of the service, seconds. waits_for: the line that tells that the phase has begun; None: some answers."""

    rows: int
    latency: float
    waits_for: str | None


PHASES = {
    "collecting": Phase(1_000_000, 0.0, "pass 1\n"),
    "dispatching": Phase(5_000, 0.3, None),
    "replaying": Phase(300_000, 0.0, "pass 2\n"),
}


@pytest.mark.parametrize(
    ("statement", "threads", "by"),
    [("select", 1, "ctrl-c"), ("create", 4, "ctrl-c"), ("create", 4, "interrupt")],
)
@pytest.mark.parametrize("phase", PHASES)
def test_stopped(tmp_path: Path, phase: str, statement: str, threads: int, by: str) -> None:
    rows, latency, waits_for = PHASES[phase]
    script = SCRIPT.format(
        threads=threads, rows=rows, statement=STATEMENTS[statement], by_interrupt=by == "interrupt"
    )
    with Simulator(Scenario(latency=latency)) as simulator:
        with started(script, environment(tmp_path, simulator.base_url)) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            if waits_for is None:
                wait_until(lambda: simulator.stats().answered >= 40)
            else:
                assert waits_for in iter(process.stdout.readline, "")
            pressed = time.monotonic()
            if by == "ctrl-c":
                process.send_signal(signal.SIGINT)
            else:
                print(file=process.stdin, flush=True)
            word = ""
            while word not in ("stopped", "finished"):
                word, *more = process.stdout.readline().split() or ["nothing"]
            assert word == "stopped"
            assert more[1] == ("KeyboardInterrupt" if by == "ctrl-c" else "InterruptException")
            assert float(more[0]) - pressed < 1
            assert process.stdout.readline() == "[(42,)] [(1,)] 0 0\n", (
                "usable, nothing is half done or left behind"
            )
            before = simulator.stats()
            assert (before.answered < 200) == (phase != "replaying")
            simulator.scenario = Scenario()
            print(file=process.stdin, flush=True)
            lines, err = finish(process)
        after = simulator.stats()
    assert (process.returncode, lines[-1], err) == (0, "finished 0", "")
    assert after.answered - after.answered_again == DISTINCT
    assert after.answered_again <= 20, "only the rest is paid for, and what was in flight"
