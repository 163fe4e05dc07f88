"""The one thread of this process on which time passes: an asyncio event loop in a daemon thread.

Every session shares it, so that limits per endpoint and key hold across connections. A forked child gets a new one (the
parent's thread does not exist there); interpreter exit stops it. What runs on it, it must not know.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STOP_WITHIN = 2.0
"""Seconds that interpreter exit waits for cancelled tasks to end."""


class LoopThread:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._hooks: list[Callable[[BaseException], None]] = []
        self._thread = threading.Thread(target=self._run, name="duck_or", daemon=True)
        self._thread.start()

    def on_bug(self, hook: Callable[[BaseException], None]) -> None:
        """Call `hook(error)` on the loop when a callback raises: whoever waits for that callback must not wait for ever.

        Not for what libraries report here besides (a connection's end, a future nobody asked): that strands no one.
        """
        self._hooks.append(hook)

    def _broken(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        error = context.get("exception")
        if error is not None and "handle" in context:
            for hook in self._hooks:
                hook(error)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._broken)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Run `function(*arguments)` on the loop's thread, soon. From any thread."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine on the loop and wait for its result. Never call it on the loop's own thread."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Cancel what is still running, then end the thread. Idempotent."""
        if self._loop.is_closed() or not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(_cancel_all_tasks(), self._loop)
        self._thread.join(STOP_WITHIN)


async def _cancel_all_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    loop.call_soon(loop.stop)


_current: LoopThread | None = None
_guard = threading.Lock()


def loop_thread() -> LoopThread:
    """This process's loop thread, started at the first call."""
    global _current
    with _guard:
        if _current is None:
            _current = LoopThread()
        return _current


def _stop_at_exit() -> None:
    if _current is not None:
        _current.stop()


def _forget_after_fork() -> None:
    global _current, _guard
    _current = None
    _guard = threading.Lock()


atexit.register(_stop_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
