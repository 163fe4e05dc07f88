"""Ctrl-C while Arrow rows are answered: quick, nothing is left under way, and the next call works."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from duck_or.simulator import Scenario, Simulator
from support.scripts import environment, finish, started, wait_until

SCRIPT = """
    import sys, time
    import pyarrow as pa
    import duck_or
    from duck_or.arrow import chat_completions, session_of
    from support.scripts import left_behind

    settings = duck_or.Settings.load({"max_in_flight": 20, "cache_path": None})
    asked = pa.array([[{"role": "user", "content": f"q{n}"}] for n in range(20_000)])
    try:
        chat_completions(asked, settings=settings)
        print("finished", flush=True)
    except KeyboardInterrupt:
        print("stopped", time.monotonic(), flush=True)
    print(*left_behind(session_of(settings)), flush=True)
    sys.stdin.readline()
    print(len(chat_completions(asked[:30], settings=settings)))
"""


def test_ctrl_c(tmp_path: Path) -> None:
    with (
        Simulator(Scenario(latency=0.3)) as simulator,
        started(SCRIPT, environment(tmp_path, simulator.base_url)) as process,
    ):
        wait_until(lambda: simulator.stats().answered >= 40)
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        word, at = process.stdout.readline().split()
        assert word == "stopped"
        assert float(at) - pressed < 1
        assert process.stdout.readline() == "0 0\n"
        simulator.scenario = Scenario()
        assert process.stdin is not None
        process.stdin.write("\n")
        assert finish(process) == (["30"], "")
