"""A database whose planned calls are answered at once, and remembered: to compare a query with what it was rewritten into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from duck_or.queries.facts import Functions
from duck_or.queries.marks import PLANNED
from duck_or.queries.syntax import Node, Syntax

CALL = f"{PLANNED}chat_completions"
TABLES = """
    CREATE TABLE t (id INTEGER, x VARCHAR, k INTEGER, y INTEGER);
    INSERT INTO t SELECT i, CASE WHEN i % 6 = 5 THEN NULL ELSE 'p' || (i * 7 % 10) END,
        CASE WHEN i % 4 = 3 THEN NULL ELSE i % 4 END, i * 5 % 13 FROM range(24) r(i);
    CREATE TABLE u (id INTEGER, z INTEGER);
    INSERT INTO u SELECT i * 3, CASE WHEN i % 5 = 4 THEN NULL ELSE i % 3 END FROM range(10) r(i);
"""


@dataclass(frozen=True)
class Ran:
    """rows and column names as they came, and which (mark, argument) the call was made for."""

    rows: list[tuple[Any, ...]]
    names: list[str]
    asked: set[tuple[int, str | None]]


class Rewriting:
    """`F(mark, x)` in its queries stands for a planned call, which answers the last character of x."""

    def __init__(self) -> None:
        self.con = duckdb.connect(config={"threads": 1})
        self._asked: set[tuple[int, str | None]] = set()
        self.con.create_function(
            "__duck_or_answer", self._answer, ["BIGINT", "VARCHAR"], "VARCHAR", null_handling="special"
        )
        self.con.execute(f"CREATE MACRO {CALL}(mark, x, model := 'm') AS __duck_or_answer(mark, x)")
        self.con.execute("CREATE MACRO chat_completions(x, model := 'm') AS __duck_or_answer(0, x)")
        self.con.execute(TABLES)
        self.syntax = Syntax(self.con.cursor())
        self.facts = Functions.read(self.con.cursor())

    def tree(self, query: str) -> Node:
        tree = self.syntax.parse(query.replace("F(", f"{CALL}("))
        assert tree is not None, query
        return tree

    def text(self, tree: Node) -> str:
        text = self.syntax.text(tree)
        assert text is not None
        return text.replace(CALL, "F")

    def run(self, query: str, optimized: bool = True) -> Ran:
        """optimized: else as it is written, since DuckDB lifts and moves calls by itself where it can."""
        self.con.execute(f"PRAGMA {'enable' if optimized else 'disable'}_optimizer")
        self._asked.clear()
        cursor = self.con.execute(query.replace("F(", f"{CALL}("))
        return Ran(cursor.fetchall(), [column[0] for column in cursor.description or []], set(self._asked))

    def close(self) -> None:
        self.con.close()

    def _answer(self, mark: int, x: str | None) -> str | None:
        self._asked.add((mark, x))
        return None if x is None else x[-1]
