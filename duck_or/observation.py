"""Whoever wants to know what becomes of statements and of their requests: nobody, unless an observer is put here.

For tools that watch this package from outside, such as OpenTelemetry (`integrations.otel`). Observing must not change what is
observed: an observer neither waits nor raises. What it does with what it is told, nobody here knows.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from duck_or.calls import Call
    from duck_or.engine.batch import Statement
    from duck_or.outcome import Outcome
    from duck_or.request import Request


class Observer(Protocol):
    """Of one statement. Entered by each thread that works for it, several at once; nobody says when it is over."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def count(self, **rows: int) -> None:
        """So many of its rows: `rows` that reached the function, and of these `cached`, `joined`, `rejected`, as in Stats."""

    def landed(self, call: Call, request: Request, outcome: Outcome, base_url: str) -> None:
        """A request that it was the first to ask for was sent, and is over. Called on the event loop's thread.

        call: as in the log, with what all the attempts cost. request: the last one that was sent for it.
        """


class _Nobody:
    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def count(self, **rows: int) -> None: ...

    def landed(self, call: Call, request: Request, outcome: Outcome, base_url: str) -> None: ...


Observe: TypeAlias = "Callable[[Statement], Observer]"

NOBODY: Observer = _Nobody()
_observe: Observe | None = None


def observe(observing: Observe | None) -> None:
    """From now on each statement that begins gets an observer of its own, made on the thread that begins it. None: no more."""
    global _observe
    _observe = observing


def observer_of(statement: Statement) -> Observer:
    return NOBODY if _observe is None else _observe(statement)
