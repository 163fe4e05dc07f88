"""The engines of this process: one for each settings, made when it is first asked for, shared by all who ask.

So every batch that a worker process is handed finds connections, limits and answers where the last one left them. A fork
begins with none; at exit they are closed by their sessions' own rule: answers that were paid for are written.
"""

from __future__ import annotations

import os
import threading

from duck_or.arrow.kernel import Kernel
from duck_or.session import SessionCore
from duck_or.settings import Settings
from duck_or.sql.kinds import Memories

_guard = threading.Lock()
_kernels: dict[Settings, Kernel] = {}


def kernel_of(settings: Settings) -> Kernel:
    """This process's engine for these settings. No connection is opened and no thread started before it is asked something."""
    with _guard:
        kernel = _kernels.get(settings)
        if kernel is None:
            kernel = _kernels[settings] = kernel_over(SessionCore(settings))
        return kernel


def kernel_over(session: SessionCore) -> Kernel:
    """An engine over a session that somebody else made, and closes."""
    return Kernel(session, Memories.of(session.settings))


def session_of(settings: Settings) -> SessionCore:
    """This process's session for these settings, for its counters and logs."""
    return kernel_of(settings).session


def close_sessions() -> None:
    """Close all sessions that were made here; whoever asks again gets new ones."""
    with _guard:
        kernels = list(_kernels.values())
        _kernels.clear()
    for kernel in kernels:
        kernel.session.close()


def _forget_after_fork() -> None:
    global _guard
    _guard = threading.Lock()
    _kernels.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
