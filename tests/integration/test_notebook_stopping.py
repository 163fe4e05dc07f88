"""The stop button of a notebook, in a real kernel: answers take a minute, and the cell ends all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from duck_or.simulator import Scenario, Simulator
from support.kernel import Kernel, kernel_in
from support.scripts import environment, wait_until

SLOW = Scenario(latency=60.0)
IN_FLIGHT = 20

# 130,000 rows are two row groups, which DuckDB's threads share: the function is called on workers, too.
BEGIN = f"""%load_ext duck_or
import duckdb, duck_or
con = duckdb.connect()
session = duck_or.register(con, max_in_flight={IN_FLIGHT})
con.execute("CREATE TABLE many AS SELECT i FROM range(130000) t(i)")
"""
SELECT = "SELECT count(prompt('{which}' || (i % 100))) AS n FROM many"
CREATE = "CREATE OR REPLACE TABLE answers AS SELECT prompt('{which}' || (i % 100)) AS a FROM many"
CELLS = {
    "plain select": f'con.execute("SET threads = 1")\ncon.sql("{SELECT}").fetchall()',
    "plain create": f'con.execute("SET threads = 4")\ncon.execute("{CREATE}")',
    "whole select": f"%%chat_sql con\nSET threads = 1;\n{SELECT}",
    "whole create": f"%%chat_sql con\nSET threads = 4;\n{CREATE}",
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SLOW) as running:
        yield running


@pytest.fixture
def kernel(simulator: Simulator, tmp_path: Path) -> Iterator[Kernel]:
    with kernel_in(tmp_path, environment(tmp_path, simulator.base_url, DUCK_OR_CACHE="none")) as kernel:
        yield kernel


def test_a_stopped_cell_ends_sends_nothing_more_and_can_be_run_again(
    kernel: Kernel, simulator: Simulator
) -> None:
    assert not kernel.run(BEGIN).of("error")
    for which, code in CELLS.items():
        simulator.reset()
        simulator.scenario = SLOW
        cell = code.format(which=which)
        started = kernel.start(cell)
        wait_until(lambda: simulator.stats().requests == IN_FLIGHT)
        kernel.interrupt()
        name, shown = kernel.finish(started).error
        if not which.startswith("plain"):
            assert name == "KeyboardInterrupt"
            assert shown.startswith("KeyboardInterrupt: stopped. What was answered until then is kept")
            assert "Traceback" not in shown
        simulator.scenario = Scenario()
        assert kernel.run("con.sql('SELECT 42').fetchall()").result["text/plain"] == "[(42,)]"
        assert simulator.stats().requests == IN_FLIGHT, f"{which}: nothing was sent after the stop"
        assert not kernel.run(cell).of("error")
        assert simulator.stats().answered == 100, f"{which}: the second time it is answered"


@pytest.mark.parametrize(
    "con", ["duck_or.connect(max_in_flight=20)", "duckdb.connect(); duck_or.register(con, max_in_flight=20)"]
)
def test_a_stopped_look_at_a_relation_asks_no_more(kernel: Kernel, simulator: Simulator, con: str) -> None:
    kernel.run(f"%load_ext duck_or\nimport duckdb, duck_or\ncon = {con}")
    started = kernel.start("con.sql(\"SELECT prompt('p' || i) AS a FROM range(5000) t(i)\")")
    wait_until(lambda: simulator.stats().requests == IN_FLIGHT)
    simulator.scenario = Scenario()  # what is asked from here on is answered, and counted
    kernel.interrupt()
    stopped = time.monotonic()
    assert kernel.finish(started).error == (
        "KeyboardInterrupt",
        "KeyboardInterrupt: stopped. What was answered until then is kept: run the cell again, and it asks for the rest",
    )
    assert time.monotonic() - stopped < 3, "it takes 0.2 s where nothing else runs"
    assert kernel.run("con.sql('SELECT 42').fetchall()").result["text/plain"] == "[(42,)]"
    assert simulator.stats().requests == IN_FLIGHT
