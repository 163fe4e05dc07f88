"""HTML for notebooks: a table of facts, a table of rows. Plain elements with styles of their own, no script, no class.

Colours and fonts are the notebook's, so it reads well in the dark too; a front end that removes styles still shows tables.
Whoever passes text here passes text: it is escaped. What the figures and the cells say, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

LONG = 40  # characters from which on a text gets room to wrap in
CELL_CHARACTERS = 2_000  # of one text in a table; a notebook's file keeps what it shows

_CELL = "text-align: left; vertical-align: top; padding: 0.2em 1em 0.2em 0"
_FIGURE = (
    "text-align: right; vertical-align: top; padding: 0.2em 1em 0.2em 0; font-variant-numeric: tabular-nums"
)
_WRAPS = "white-space: pre-wrap; overflow-wrap: anywhere"
_ROOM = f"{_WRAPS}; min-width: 14em; max-width: 44em; max-height: 20em; overflow-y: auto"
_SHORT = "white-space: pre"
_FAINT = "opacity: 0.65; font-weight: normal"
_CAPTION = "text-align: left; caption-side: top; padding: 0.2em 0"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


class Column(NamedTuple):
    """kind: its type, in small below its name; empty for none. figures: whether its values are numbers."""

    name: str
    kind: str = ""
    figures: bool = False


def facts_table(title: str, facts: Iterable[tuple[str, str]], figures: bool = False) -> str:
    """A line for each label and its words. figures: whether the words are numbers."""
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}">{escape(label)}</th>'
        f'<td style="{_FIGURE if figures else f"{_CELL}; {_WRAPS}"}">{escape(words)}</td></tr>'
        for label, words in facts
    )
    return f'<table><caption style="{_CAPTION}">{escape(title)}</caption><tbody>{rows}</tbody></table>'


def rows_table(columns: Sequence[Column], rows: Iterable[Sequence[str | None]], below: str = "") -> str:
    """A table of values. None is NULL, Html goes in as it is. below: words under the table.

    It scrolls sideways within itself where it is wider than the page.
    """
    head = "".join(map(_head, columns))
    body = "".join(f"<tr>{''.join(map(_value, columns, row))}</tr>" for row in rows)
    foot = f'<div style="{_FAINT}">{escape(below)}</div>' if below else ""
    return (
        f'<div style="overflow-x: auto; max-width: 100%"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{foot}"
    )


def faint(words: str) -> Html:
    """Words beside what matters more."""
    return Html(f'<small style="{_FAINT}">{escape(words)}</small>')


def preformatted(text: str, summary: str, limit: int = CELL_CHARACTERS) -> Html:
    """Text that shows when its summary is opened."""
    return Html(
        f'<details><summary style="{_FAINT}; cursor: pointer"><small>{escape(summary)}</small></summary>'
        f'<pre style="{_WRAPS}; text-align: left; max-width: 44em">{escape(shortened(text, limit))}</pre></details>'
    )


def wrapped(text: str, limit: int = CELL_CHARACTERS) -> Html:
    """Text with its own line breaks, with more where it would be too wide, and scrolling within itself if too high."""
    style = _ROOM if len(text) > LONG else _SHORT
    return Html(f'<div style="{style}">{escape(shortened(text, limit))}</div>')


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and how much more there is."""
    return text if len(text) <= limit else f"{text[:limit]} … {len(text) - limit:,} more characters"


def _head(column: Column) -> str:
    kind = f"<br>{faint(column.kind)}" if column.kind else ""
    return f'<th scope="col" style="{_FIGURE if column.figures else _CELL}">{escape(column.name)}{kind}</th>'


def _value(column: Column, value: str | None) -> str:
    if value is None:
        shown: str = Html(f'<i style="{_FAINT}">NULL</i>')
    elif isinstance(value, Html):
        shown = value
    else:
        shown = escape(value) if column.figures else wrapped(value)
    return f'<td style="{_FIGURE if column.figures else _CELL}">{shown}</td>'
