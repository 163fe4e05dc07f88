"""How long something takes and what memory it needs, here or in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak_growth(work: Callable[[], object]) -> float:
    """MiB by which this process's peak passes what it holds now. Only for a process whose peak is still to come."""
    before = _memory("VmRSS")
    work()
    return _memory("VmHWM") - before


def in_new_process(module: str, *arguments: str) -> float:
    """The number that `python -m module arguments` prints last."""
    return float(_printed_last(module, *arguments))


def figures_in_new_process(module: str, *arguments: str) -> dict[str, float]:
    """The JSON object of numbers that `python -m module arguments` prints last."""
    return {name: float(figure) for name, figure in _printed_last(module, *arguments).items()}


def _printed_last(module: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", module, *arguments]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(printed.splitlines()[-1])


def _memory(line: str) -> float:
    """MiB this process has now (VmRSS) or had at most (VmHWM). Linux; getrusage would count the parent's peak too."""
    status = Path("/proc/self/status").read_text()
    [kilobytes] = re.findall(rf"^{line}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) / 1024
