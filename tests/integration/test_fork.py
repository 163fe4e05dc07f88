"""A forked child makes its own connection and its own loop; the parent goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from duck_or.simulator import Simulator
from support.scripts import environment, run

SCRIPT = """
    import os, sys
    import duckdb, duck_or

    def ask(con, text):
        messages = "[{'role': 'user', 'content': $1}]"
        return con.execute(f"SELECT chat_completions({messages}) ->> '$.choices[0].message.content'", [text]).fetchall()

    con = duckdb.connect()
    session = duck_or.register(con)
    print(ask(con, "parent"), flush=True)
    pid = os.fork()
    if pid == 0:
        with duckdb.connect() as mine, duck_or.register(mine) as own:
            print(ask(mine, "parent"), ask(mine, "child"), own.stats().sent, own.stats().store_hits, flush=True)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print(status, ask(con, "child"), ask(con, "parent again"), session.stats().sent, session.stats().store_hits)
    session.close()
"""
POOL = """
    import multiprocessing
    import duckdb, duck_or

    def work(number):
        with duckdb.connect() as con, duck_or.register(con) as session:
            asked = "chat_completions([{'role': 'user', 'content': 'q' || i}])"
            return con.execute(f"SELECT count({asked}) FROM range({number}) t(i)").fetchall()[0][0]

    if __name__ == "__main__":
        print(work(5))
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(work, [10, 10]))
"""


@pytest.mark.parametrize(
    ("script", "lines", "sent"),
    [
        (
            SCRIPT,
            [
                "[('parent',)]",
                "[('parent',)] [('child',)] 1 1",
                "0 [('child',)] [('parent again',)] 2 1",
            ],
            3,
        ),
        (POOL, ["5", "[10, 10]"], None),
    ],
    ids=["fork", "multiprocessing"],
)
def test_fork(tmp_path: Path, script: str, lines: list[str], sent: int | None) -> None:
    with Simulator() as simulator:
        # Python 3.12 warns of every fork of a process with threads; that is what is tried here.
        assert run(script, environment(tmp_path, simulator.base_url, PYTHONWARNINGS="ignore")) == lines
        assert sent is None or simulator.stats().requests == sent
