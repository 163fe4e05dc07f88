"""One connection to a server, used by any thread, one at a time. It decides when there is a new one; what is said on it, it
must not know.

A new one is opened at the first use, after a failure (the server may be another one now), where the old one turns out to
have been closed while it lay idle, and in a forked child, which must not talk on its parent's.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

C = TypeVar("C")


class OneConnection(Generic[C]):
    """open_one, close_one: make and let go of one. stale: whether one that lay idle is of no use any more."""

    def __init__(
        self,
        open_one: Callable[[], C],
        close_one: Callable[[C], None],
        stale: Callable[[C], bool] = lambda _: False,
    ) -> None:
        self._open = open_one
        self._close = close_one
        self._stale = stale
        self._one: C | None = None
        self._lock = threading.Lock()
        _ALL.add(self)

    @contextmanager
    def turn(self) -> Iterator[C]:
        """The connection, for one caller at a time. Whatever it is that fails, the next turn opens another one."""
        with self._lock:
            try:
                if self._one is not None and self._stale(self._one):
                    self._let_go()
                if self._one is None:
                    self._one = self._open()
                yield self._one
            except BaseException:  # an interrupt, too: an answer half read would be taken for the next call's
                self._let_go()
                raise

    def close(self) -> None:
        """Wait for the turn that is on, then let go. A later turn opens another one."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._one is not None:
            one, self._one = self._one, None
            self._close(one)

    def _forget(self) -> None:
        if self._one is not None:
            _PARENTS.append(self._one)
            self._one = None
        self._lock = threading.Lock()  # another thread of the parent may have held it


_ALL: weakref.WeakSet[OneConnection[Any]] = weakref.WeakSet()
_PARENTS: list[object] = []
"""In a forked child: its parent's connections. Closing one there would say goodbye in the parent's name, so they are kept."""


def _forget_parents_connections() -> None:
    for one in _ALL:
        one._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_connections)
