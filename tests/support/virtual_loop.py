"""An asyncio event loop on virtual time: when nothing is ready, the clock jumps to the next timer.

Nothing on it may depend on other threads: their results would come at no time at all.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: the time that the loop would have waited has passed when `select` returns."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.on_idle: Callable[[], None] = lambda: None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # no callback, no timer
            self.on_idle()
        else:
            self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """bugs: what was reported to the loop's exception handler; each is handed to `on_bug` if it broke a callback."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._jumping.on_idle = self.stop
        self.bugs: list[BaseException] = []
        self.on_bug: Callable[[BaseException], None] = lambda bug: None
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self._jumping.now

    def settle(self) -> None:
        """Run until nothing is ready and no timer is left: who still waits then, waits for ever."""
        self.run_forever()

    def advance(self, seconds: float) -> None:
        """Run everything that happens within the next `seconds`."""
        self.call_later(seconds, self.stop)
        self.run_forever()

    def end(self) -> None:
        """Cancel what still runs and close."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        self.run_until_complete(_gathered(tasks))
        self.close()

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        bug = context.get("exception") or RuntimeError(context["message"])
        self.bugs.append(bug)
        if "handle" in context:
            self.on_bug(bug)


async def _gathered(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
