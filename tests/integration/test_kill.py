"""`kill -9` half way: the next run pays only for what had not come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from duck_or.simulator import Scenario, Simulator
from support.scripts import environment, run, started, wait_until

ROWS, IN_FLIGHT = 300, 10
SCRIPT = f"""
    import duckdb, duck_or

    con = duckdb.connect()
    session = duck_or.register(con, max_in_flight={IN_FLIGHT})
    asked = "chat_completions([{{'role': 'user', 'content': 'q' || i}}])"
    print(con.execute(f"SELECT count({{asked}}) FROM range({ROWS}) t(i)").fetchall())
    session.close()
"""


WHOLE = f"""
    import duckdb, duck_or

    con = duck_or.connect(max_in_flight={IN_FLIGHT}, progress="off")
    asked = "chat_completions([{{'role': 'user', 'content': 'q' || i}}])"
    con.execute(f"CREATE TABLE answers AS SELECT {{asked}} AS r FROM range({ROWS}) t(i)")
    print(con.execute("SELECT count(r) FROM answers").fetchall())
    con.session.close()
"""


@pytest.mark.parametrize("script", [SCRIPT, WHOLE], ids=["plain", "whole"])
def test_kill_9_half_way(tmp_path: Path, script: str) -> None:
    with Simulator(Scenario(latency=0.05)) as simulator:
        env = environment(tmp_path, simulator.base_url)
        with started(script, env) as process:
            wait_until(lambda: simulator.stats().answered >= ROWS // 2)
            process.kill()
        wait_until(lambda: simulator.stats().in_flight == 0)
        killed = simulator.stats()
        assert killed.answered < ROWS
        simulator.scenario = Scenario()
        assert run(script, env) == [f"[({ROWS},)]"]
        done = simulator.stats()
        assert done.answered - done.answered_again == ROWS
        assert done.answered_again <= IN_FLIGHT, "only what had left the service but was not yet kept"
        assert run(script, env) == [f"[({ROWS},)]"]
        assert simulator.stats().requests == done.requests
