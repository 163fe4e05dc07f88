"""Scripts in processes of their own, started as a user would start them, and waiting for what they do."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from duck_or.engine.loop_thread import loop_thread
from duck_or.session import SessionCore
from support.bridge import KEY

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
# DuckDB 2.0 draws one where a statement takes two seconds, also into a pipe.
PROGRESS_BAR = re.compile(r"\s*\d+% ▕.*?(remaining|elapsed)\)\s*")


def environment(home: Path, base_url: str, **more: str) -> dict[str, str]:
    """A fresh user: an empty home, the key and the address in the environment."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "HOME": str(home),
        "OPENROUTER_API_KEY": KEY,
        "OPENROUTER_BASE_URL": base_url,
        "OPENROUTER_MODEL": "fake/echo",
        "OPENROUTER_RATE_LIMIT": "0",
        **more,
    }


@contextmanager
def started(script: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The running script; killed at the end if it has not ended."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=env, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    """(its lines, its standard error) once it has ended by itself; a process that hangs is killed and fails."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the script hangs; so far it said\n{out}\n{err}") from None
    return [line for line in PROGRESS_BAR.sub("", out).splitlines() if line.strip()], err


def run(script: str, env: dict[str, str]) -> list[str]:
    """Its lines. It has to end well and say nothing on standard error."""
    with started(script, env) as process:
        lines, err = finish(process)
    assert (process.returncode, err) == (0, ""), f"exit code {process.returncode}\n{lines}\n{err}"
    return lines


async def _tasks() -> int:
    return len(asyncio.all_tasks()) - 1


def left_behind(session: SessionCore) -> tuple[int, int]:
    """For a script to say after it was stopped: requests under way, tasks on the event loop. Taking requests back takes
    the loop a moment."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline and (session.stats().under_way or loop_thread().run(_tasks())):
        time.sleep(0.01)
    return session.stats().under_way, loop_thread().run(_tasks())


def wait_until(condition: Callable[[], bool]) -> None:
    """Another process cannot be waited for but by looking again."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
