"""What the engine says about its functions, and how it writes down the few constants that rewrites need.

Read from one connection; what a query does with it, this module must not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import duckdb

from duck_or.queries.order import ONE_PIECE
from duck_or.queries.syntax import Node, Syntax, is_a, walk
from duck_or.queries.tokens import tokens
from duck_or.sql.family import ASKING


class Place(NamedTuple):
    """Where the catalog has something; all in lower case."""

    catalog: str
    schema: str


TEMP = Place("temp", "main")
SYSTEM = Place("system", "main")


class Catalogued(NamedTuple):
    """One overload of a function as the catalog has it, names in lower case. definition: a macro's text."""

    name: str
    catalog: str
    schema: str
    kind: str
    volatile: bool
    internal: bool
    parameters: list[str]
    definition: str | None

    @property
    def place(self) -> Place:
        return Place(self.catalog, self.schema)


def catalogue(con: duckdb.DuckDBPyConnection) -> list[Catalogued]:
    """The functions that a plan has to know of: macros, aggregates, volatile ones, and what has a name of ours. Takes DuckDB
    25 ms, whatever is asked of them, so ask once for a plan."""
    return [Catalogued(*row) for row in con.sql(_CATALOGUE).fetchall()]


_CATALOGUE = f"""
    SELECT lower(function_name), lower(database_name), lower(schema_name), function_type,
        coalesce(stability = 'VOLATILE', false), internal, parameters, macro_definition
    FROM duckdb_functions()
    WHERE macro_definition IS NOT NULL OR function_type = 'aggregate' OR stability = 'VOLATILE'
        OR lower(function_name) IN ({", ".join(f"'{name}'" for name in sorted(ASKING))})
"""


class Sources:
    """What is known of where a query's rows come from. Asks the connection when it is asked."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    @property
    def one_thread(self) -> bool:
        [(threads,)] = self._con.sql("SELECT current_setting('threads')").fetchall()
        return bool(threads == 1)

    def is_small(self, table: Node) -> bool:
        """Whether a BASE_TABLE is, wherever its name may be found, a table that is read in one piece."""
        name = table["table_name"].lower()
        return name in self._sizes and self._sizes[name] < ONE_PIECE

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Rows, deleted ones too, of the largest table of each name; of views, too many."""
        return dict(self._con.sql(_SIZES).fetchall())


_SIZES = f"""
    SELECT lower(name), max(size) FROM (
        SELECT table_name AS name, estimated_size AS size FROM duckdb_tables()
        UNION ALL SELECT view_name, {ONE_PIECE} FROM duckdb_views() WHERE NOT internal
    ) GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Functions:
    """volatile, aggregates: names in lower case, macros that call such a function among them.

    true, null: these constants, counted: `count(*) >= 0`, limit: a LIMIT 1 OFFSET 1, each in the shape that this version
    of DuckDB gives its parse trees.
    """

    volatile: frozenset[str]
    aggregates: frozenset[str]
    true: Node
    null: Node
    counted: Node
    limit: Node

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection, known: Sequence[Catalogued] | None = None) -> Functions:
        """known: what `catalogue` says, where the caller has asked already."""
        known = catalogue(con) if known is None else known
        macros = [(each.name, _called(each.definition)) for each in known if each.definition]
        syntax = Syntax(con.cursor())
        page = syntax.parse("SELECT NULL LIMIT 1 OFFSET 1")
        if page is None:
            raise ValueError("DuckDB does not read its own queries")
        return cls(
            volatile=_closure({each.name for each in known if each.volatile}, macros),
            aggregates=_closure({each.name for each in known if each.kind == "aggregate"}, macros),
            true=syntax.expression("true"),
            null=syntax.expression("NULL"),
            counted=syntax.expression("count(*) >= 0"),
            limit=page["modifiers"][0],
        )

    def is_volatile(self, node: Node) -> bool:
        """Whether evaluating this once more may give something else."""
        return any(_name(each) in self.volatile for each in walk(node))

    def is_aggregate(self, node: Node) -> bool:
        """Whether this expression itself is computed over many rows."""
        return is_a(node, "WINDOW") or _name(node) in self.aggregates or node["type"] == "GROUPING_FUNCTION"

    def page(self, limit: int, offset: int) -> Node:
        """The modifier LIMIT … OFFSET …"""
        return {**self.limit, "limit": self._integer(limit), "offset": self._integer(offset)}

    def _integer(self, value: int) -> Node:
        node: Node = deepcopy(self.limit["limit"])
        if "literal" in node:  # since DuckDB 2.0
            node["literal"]["text"] = str(value)
        else:
            node["value"]["value"] = value
        return node


def _name(node: Node) -> str:
    return str(node.get("function_name", "")).lower()


def _closure(names: set[str], macros: list[tuple[str, frozenset[str]]]) -> frozenset[str]:
    """The names, and those of the macros that call one of them, at whatever depth."""
    while more := {name for name, called in macros if called & names} - names:
        names |= more
    return frozenset(names)


@lru_cache(maxsize=2_000)  # most macros are DuckDB's own, the same in every connection
def _called(definition: str) -> frozenset[str]:
    """The names that a text calls as functions."""
    found = tokens(definition)
    return frozenset(token.name for token, after in pairwise(found) if after.text == "(") - {""}
