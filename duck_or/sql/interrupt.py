"""Ctrl-C stops statements that wait for answers, on whatever thread DuckDB evaluates them.

DuckDB hands a chunk to a worker thread as readily as to the main thread, and Python delivers signals to the main thread
only. So the handler tells every waiting statement to stop and then does what was done before it, as a rule raising
KeyboardInterrupt. The waiting threads look every 0.1 s.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any

from duck_or.engine.cancellation import cancel_running


class _Handler:
    """Ours, remembering whose turn it was before."""

    def __init__(self, previous: Any) -> None:
        self._previous = previous

    def __call__(self, number: int, frame: FrameType | None) -> None:
        cancel_running()
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous == signal.SIG_DFL:
            raise KeyboardInterrupt


def stop_on_ctrl_c() -> None:
    """Install the handler. Only the main thread can; called elsewhere, Ctrl-C stays as it was."""
    _install()
    shell = _notebook()
    if shell is not None:  # ipykernel sets its own handler for every cell
        shell.events.register("pre_run_cell", _install)


def _install(*_: object) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    previous = signal.getsignal(signal.SIGINT)
    if not isinstance(previous, _Handler) and previous is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _Handler(previous))


def _notebook() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None
