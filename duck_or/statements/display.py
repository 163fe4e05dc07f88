"""What a notebook shows of a relation: its first rows, as text and as HTML, evaluated once.

Only the rows that are shown are evaluated: a look at a relation asks about no more, whatever becomes of it. How HTML is
made, it must not know.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import duckdb

from duck_or.errors import DuckOrError
from duck_or.html import CELL_CHARACTERS, Column, rows_table, shortened
from duck_or.response_html import response_html, response_text
from duck_or.statements.brief import in_words, stopped, was_stopped
from duck_or.wording import counted

SHOWN = 20
"""Rows that are shown unless somebody asks for more."""

PLAIN_CHARACTERS = 200  # of one value in a table of plain text
PLAIN_WIDTH = 120  # columns of such a table

# What DuckDB's types of numbers begin with; with brackets behind it is a list.
NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("UHUGEINT", "BIGNUM", "FLOAT", "DOUBLE", "DECIMAL"),
)

Row = Sequence[str | None]


def mime_bundle(relation: Any, rows: int | None = None, shown: int = SHOWN) -> dict[str, str]:
    """What IPython's display wants of an object. rows: how many it has, where that is known. shown: of them, at most.

    A failure is shown as what it says. Were it raised, IPython would show the relation as DuckDB does, which evaluates
    10,000 rows. Raises KeyboardInterrupt where it was stopped: nothing else ends the cell, and those behind it.
    """
    try:
        return _evaluated(relation, rows, shown)
    except KeyboardInterrupt as error:
        raise stopped() from error
    except (DuckOrError, duckdb.Error, RuntimeError) as error:
        if was_stopped(error):
            raise stopped() from error
        return {"text/plain": in_words(error)}


def _evaluated(relation: Any, rows: int | None, shown: int) -> dict[str, str]:
    first = relation.limit(shown + 1).project("COLUMNS(*)::VARCHAR").fetchall()
    columns = [
        Column(name, str(kind), is_number(str(kind)))
        for name, kind in zip(relation.columns, relation.types, strict=True)
    ]
    below = more(len(first), shown, rows)
    return {
        "text/plain": plain_table(columns, first[:shown], below),
        "text/html": rows_table(columns, [list(map(_cell, row)) for row in first[:shown]], below),
    }


def is_number(kind: str) -> bool:
    return kind.partition("(")[0] in NUMBERS and not kind.endswith("]")


def more(seen: int, shown: int, rows: int | None) -> str:
    """The words below a table. seen: rows that were looked at, one more than are shown where there are more."""
    if seen <= shown:
        return "" if seen else "no rows"
    return "… and more rows" if rows is None else f"… {counted(rows - shown, 'more row')}"


def plain_table(columns: Sequence[Column], rows: Sequence[Row], below: str) -> str:
    """For a front end without HTML."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column in columns:
        table.add_column(Text(column.name), justify="right" if column.figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, map(_plain, row)))
    written = io.StringIO()
    # In a kernel, rich would show the table itself.
    console = Console(file=written, width=PLAIN_WIDTH, color_system=None, force_jupyter=False)
    console.print(table)
    return (written.getvalue() + below).rstrip("\n")


def _plain(value: str | None) -> str:
    return "NULL" if value is None else shortened(response_text(value) or value, PLAIN_CHARACTERS)


def _cell(value: str | None) -> str | None:
    return value if value is None else response_html(value, CELL_CHARACTERS) or value
