"""Where a line of progress can be drawn: a terminal (rich), a notebook (IPython's display), nowhere.

What the line says is decided in `progress`. rich and IPython are imported at the first drawing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

WIDTH = 100  # columns for the words, where there is room
BAR_MIN, BAR_MAX = 10, 30  # columns for the bar


class Surface(Protocol):
    """Somewhere to draw. After `close` a `draw` begins anew."""

    @property
    def columns(self) -> int:
        """How long the words may be."""

    def draw(self, words: str, fraction: float | None) -> None:
        """Show this instead of what was shown. fraction: of the work, from 0 to 1; None where nobody knows."""

    def close(self, words: str) -> None:
        """The work is over, and these are the words to remember it by. Leaves nothing half drawn."""


class Nothing:
    """For work that nobody watches."""

    columns = WIDTH

    def draw(self, words: str, fraction: float | None) -> None: ...

    def close(self, words: str) -> None: ...


class TerminalLine:
    """A bar, or a spinner where the end is not known, on stderr; gone when the work is over."""

    def __init__(self, console: Console | None = None) -> None:
        self._given = console
        self._live: Live | None = None

    @property
    def columns(self) -> int:
        return max(1, self._console.width - self._bar_columns - 1)

    @property
    def _bar_columns(self) -> int:
        return min(max(self._console.width - WIDTH - 1, BAR_MIN), BAR_MAX)

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return self._given or Console(stderr=True)

    @cached_property
    def _spinner(self) -> Spinner:
        from rich.spinner import Spinner

        return Spinner("dots")  # one for all drawings: it turns by the time since its first

    def draw(self, words: str, fraction: float | None) -> None:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = None if fraction is None else ProgressBar(1.0, completed=fraction, width=self._bar_columns)
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(no_wrap=True)
        row.add_column(no_wrap=True)
        row.add_row(bar or self._spinner, Text(words, no_wrap=True, overflow="ellipsis"))
        self._open().update(row, refresh=True)

    def close(self, words: str) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _open(self) -> Live:
        if self._live is None:
            from rich.live import Live

            # What goes to stderr meanwhile, a warning say, appears above our line. stdout stays untouched: it may be a
            # file with somebody's result.
            self._live = Live(
                console=self._console, auto_refresh=False, transient=True, redirect_stdout=False
            )
            self._live.start()
        return self._live


class NotebookLine:
    """An output of the cell that is updated in place. Its last words stay.

    display: IPython's; called with an object and `display_id=True`, it gives a handle that can `update` it.
    """

    columns = WIDTH

    def __init__(self, display: Callable[..., Any] | None = None) -> None:
        self._display = display
        self._handle: Any = None

    def draw(self, words: str, fraction: float | None) -> None:
        value = "" if fraction is None else f' value="{fraction:.4f}"'
        self._show(_Shown(words, f'<progress{value} style="vertical-align: middle"></progress> '))

    def close(self, words: str) -> None:
        if self._handle is not None:
            self._show(_Shown(words))

    def _show(self, shown: _Shown) -> None:
        if self._handle is not None:
            self._handle.update(shown)
            return
        display = self._display or import_module("IPython.display").display
        self._handle = display(shown, display_id=True)


class _Shown:
    """Words as a notebook shows them, and as a front end without HTML does. No colours: they are the notebook's own."""

    def __init__(self, words: str, before: str = "") -> None:
        self._words = words
        self._before = before

    def __repr__(self) -> str:
        return self._words

    def _repr_html_(self) -> str:
        return f"<div>{self._before}<span>{escape(self._words)}</span></div>"
