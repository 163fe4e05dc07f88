"""What a notebook says of an error: one line, its class and its message, without the places that it came through.

DuckDB hands an exception of a Python function on as text, so the text is taken apart again. How an error came about, this
module must not know.
"""

from __future__ import annotations

import re

import duckdb

STOPPED = "stopped. What was answered until then is kept: run the cell again, and it asks for the rest"

_INTERRUPTED = "Query interrupted"  # DuckDB's RuntimeError when Ctrl-C comes while it is busy itself
_STOPS = frozenset({"KeyboardInterrupt", "Cancelled"})
_FROM_FUNCTION = re.compile(
    r"Python exception occurred while executing the UDF: (?:\w+\.)*(?P<name>\w+)(?:: (?P<message>.*?))?(?:\s*\n\nAt:\n.*)?\Z",
    re.DOTALL,
)
# What is raised while DuckDB calls Python for something else: to draw its progress bar in a notebook, say.
_FROM_PYTHON = re.compile(
    r"Traceback \(most recent call last\):\n.*\n(?:\w+\.)*(?P<name>\w+)(?::[ ]?(?P<message>[^\n]*))?\s*\Z",
    re.DOTALL,
)


def from_function(text: str) -> tuple[str, str] | None:
    """The class's name and the message of the exception that Python raised inside of DuckDB; None where the text speaks of
    none. The stack, which some versions put before or behind them, is of no use to the user."""
    found = _FROM_FUNCTION.search(text) or _FROM_PYTHON.search(text)
    return None if found is None else (found["name"], (found["message"] or "").strip())


def in_words(error: BaseException) -> str:
    """`RequestFailed: the service said …`."""
    name, message = from_function(str(error)) or (type(error).__name__, str(error))
    return f"{name}: {message}" if message else name


def was_stopped(error: BaseException) -> bool:
    """Whether it is Ctrl-C, whatever DuckDB made of it on its way."""
    if isinstance(error, RuntimeError):
        return str(error) == _INTERRUPTED
    name, _ = from_function(str(error)) or (type(error).__name__, "")
    return isinstance(error, duckdb.InterruptException) or name in _STOPS


def show_briefly(error: BaseException, words: str) -> None:
    """Let IPython show these words instead of a traceback: `_render_traceback_` is how an exception tells it."""
    error._render_traceback_ = lambda: [words]  # type: ignore[attr-defined]


def stopped() -> KeyboardInterrupt:
    """What ends a cell that was stopped, and those that are waiting behind it."""
    error = KeyboardInterrupt()
    show_briefly(error, f"{type(error).__name__}: {STOPPED}")
    return error
