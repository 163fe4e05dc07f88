"""The interpreter ends while a whole statement's result is unread: at once, without a crash, and saying nothing of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from duck_or.simulator import Scenario, Simulator
from support.scripts import environment, finish, started

ASKED = "chat_completions([{'role': 'user', 'content': 'q' || (i % 100)}])"
SCRIPT = """
    import duckdb, duck_or

    def main():
        con = duck_or.connect(cache_path=None, progress="off", memory_cache_bytes=0)
        con.execute("SET enable_progress_bar = false; CREATE SEQUENCE s")
        con.execute("CREATE TABLE many AS SELECT i FROM range(200000) t(i)")
        {work}
        raise RuntimeError("on purpose")

    main()
"""
WORKS = {
    "a planned result": f'print(con.execute("SELECT i, {ASKED} FROM many").fetchone() is not None)',
    "of a cursor": f'print(con.cursor().execute("SELECT i, {ASKED} FROM many").fetchone() is not None)',
    "one that runs live": f"print(con.execute(\"SELECT nextval('s'), {ASKED} FROM many\").fetchone() is not None)",
    "a relation": f'relation = con.sql("SELECT i, {ASKED} FROM many"); print(len(relation.limit(1).fetchall()) == 1)',
}


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS.keys())
def test_with_a_result_unread(tmp_path: Path, work: str) -> None:
    with Simulator(Scenario()) as simulator:
        env = environment(tmp_path, simulator.base_url)
        with started(SCRIPT.format(work=work), env) as process:
            lines, err = finish(process)
    said = [line for line in err.splitlines() if "runs chunk by chunk" not in line]
    assert (process.returncode, lines) == (1, ["True"])
    assert said[0].startswith("Traceback")
    assert said[-1] == "RuntimeError: on purpose"
