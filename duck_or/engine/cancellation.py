"""Which statements are running, so that Ctrl-C can stop them."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duck_or.engine.batch import Statement

BETWEEN_CHUNKS = 5.0
"""Seconds after its last chunk in which a statement still counts as running: DuckDB may be busy between two chunks."""

_guard = threading.Lock()
_inside: Counter[Statement] = Counter()  # threads that are answering a chunk of it now
# The signal handler reads this in the middle of anything, so it takes no lock: single dictionary operations are atomic.
_running_until: dict[Statement, float] = {}


@contextmanager
def running(statement: Statement, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """While inside, and a little longer, the statement can be cancelled."""
    with _guard:
        _inside[statement] += 1
        _running_until[statement] = math.inf
    try:
        with statement.observer:
            yield
    finally:
        _leave(statement, clock())


def _leave(statement: Statement, now: float) -> None:
    with _guard:
        _inside[statement] -= 1
        if not _inside[statement]:  # else another thread of the same statement still waits
            del _inside[statement]
            del _running_until[
                statement
            ]  # to the end: those that have ended stand in the order of their times
            _running_until[statement] = now + BETWEEN_CHUNKS
        for ended in list(_ended(now)):
            del _running_until[ended]


def _ended(now: float) -> Iterator[Statement]:
    for statement, until in _running_until.items():
        if now <= until < math.inf:
            return
        if until < now:
            yield statement


def _forget_after_fork() -> None:
    global _guard
    _guard = threading.Lock()
    _inside.clear()
    _running_until.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def cancel_running(clock: Callable[[], float] = time.monotonic) -> int:
    """Cancel every statement that is running; returns how many. Never waits: a signal handler calls it."""
    now = clock()
    statements = [statement for statement, until in _running_until.copy().items() if until >= now]
    for statement in statements:
        statement.cancel()
    return len(statements)
