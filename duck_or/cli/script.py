"""The statements of a script: where each one stands, what kind it is, and how it is run as a whole.

What a statement asks, and whether it may, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from duck_or.queries.marks import calls
from duck_or.queries.split import kind_of
from duck_or.queries.tokens import Words, tokens
from duck_or.sql.family import ASKING
from duck_or.statements.session import Session

DRAINED_ROWS = 10_000
"""Rows of a result that are held at once where nobody looks at them."""

# Statements that keep a call for later, and do not make it.
KEEPING = frozenset({"CREATE", "PREPARE"})


@dataclass(frozen=True, slots=True)
class Step:
    """One statement. number, line: from 1. kind: 'select', 'create table as', 'insert', and where it can be planned as no
    whole, DuckDB's own word for it. planned: whether it can. text: without comments around it and semicolons; None where
    DuckDB made the statement up (a PIVOT, in 1.x)."""

    number: int
    line: int
    kind: str
    planned: bool
    statement: duckdb.Statement
    text: str | None

    @property
    def type(self) -> str:
        """DuckDB's word: SELECT, CREATE, MERGE_INTO."""
        return self.statement.type.name

    @property
    def is_query(self) -> bool:
        return self.type == "SELECT" and self.text is not None

    @property
    def first_word(self) -> str:
        """In lower case; empty for a bracket."""
        return Words(self.text or "").word(0)

    @property
    def sends_uncounted(self) -> bool:
        """Whether it makes calls that no plan counts, as EXPLAIN ANALYZE or ALTER … USING do."""
        if self.planned or self.text is None or self.type in KEEPING:
            return False
        return bool(calls(tokens(self.text), ASKING))

    def __str__(self) -> str:
        return f"statement {self.number} ({self.kind}, line {self.line})"


def steps(con: duckdb.DuckDBPyConnection, text: str) -> list[Step]:
    """The statements of a script. Runs nothing. Raises duckdb.Error where DuckDB cannot read one of them."""
    return list(_steps(con.extract_statements(text), text))


def _steps(statements: list[duckdb.Statement], script: str) -> Iterator[Step]:
    place = end = 0
    for number, statement in enumerate(statements, 1):
        text = _text(statement)
        if text is not None and (found := script.find(text, end)) >= 0:  # 1.x writes some PRAGMAs anew
            place, end = found, found + len(text)
        kind = "other" if text is None else kind_of(statement, text)
        planned = kind != "other"
        name = kind if planned else statement.type.name.lower().replace("_", " ")
        yield Step(number, script.count("\n", 0, place) + 1, name, planned, statement, text)


def _text(statement: duckdb.Statement) -> str | None:
    try:
        words = Words(statement.query)
    except IndexError:  # 1.x on the second of those that it makes of one PIVOT
        return None
    return words.text[words.tokens[0].start : words.tokens[-1].end] if words.end else None


def perform(
    con: duckdb.DuckDBPyConnection, session: Session, step: Step, budget_usd: float | None = None
) -> int | None:
    """Run one statement to its end and forget its rows. How many it changed or returned; None where there are none.

    Planned as a whole, unless the setting `prefetch` says otherwise. Raises duckdb.Error, DuckOrError.
    """
    if step.text is None:
        con.execute(step.statement)
    elif session.settings.prefetch == "off":
        con.execute(step.text)
    else:
        session.execute(step.text, budget_usd=budget_usd)
    columns = [column[0] for column in con.description or ()]
    if step.type == "SELECT" or columns != ["Count"]:
        rows = _drained(con)
        return rows if columns != ["Success"] else None
    changed = con.fetchall()
    return int(changed[0][0]) if changed else None


def _drained(con: duckdb.DuckDBPyConnection) -> int:
    rows = 0
    while chunk := con.fetchmany(DRAINED_ROWS):
        rows += len(chunk)
    return rows
