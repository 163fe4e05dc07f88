"""Which tables a query looks for outside of itself: those in its FROM clauses that none of its WITH clauses means.

Decides from the parse tree alone. What such a name turns out to be, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from duck_or.queries.syntax import Node, ctes_of, is_a_table

_NONE: frozenset[str] = frozenset()


def tables_read(node: Any, hidden: frozenset[str] = _NONE) -> Iterator[Node]:
    """The BASE_TABLEs below that are looked for outside, subqueries included. hidden: names that mean something nearer,
    lower case."""
    if isinstance(node, list):
        for each in node:
            yield from tables_read(each, hidden)
    elif isinstance(node, dict):
        if is_a_table(node, "BASE_TABLE") and not _is_hidden(node, hidden):
            yield node
        if "cte_map" in node:
            ctes = ctes_of(node)
            for place, cte in enumerate(ctes):  # each sees those before it; itself only if it is recursive
                yield from tables_read(cte.query, hidden | {each.name for each in ctes[:place]})
            hidden |= {cte.name for cte in ctes} | {node.get("cte_name", "").lower()}
        yield from tables_read([part for name, part in node.items() if name != "cte_map"], hidden)


def _is_hidden(table: Node, hidden: frozenset[str]) -> bool:
    return not table["schema_name"] and table["table_name"].lower() in hidden
