"""What a query's expressions are called, and which are the same, once its calls have been marked.

DuckDB names a column without an alias after the text of its expression; these functions write that name down as an alias
before the text changes. And it compares expressions, with those of GROUP BY for one, which marks must not set apart. What
the text changes into, this module must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import duckdb

from duck_or.queries.scope import each_select, mark_of, marks_below
from duck_or.queries.syntax import (
    Node,
    Syntax,
    column_names,
    fingerprint,
    function_name,
    is_a,
    set_operands,
    walk,
)
from duck_or.sql.plans import PLANNED

COMPARED = ("group_expressions", "select_list", "having", "qualify", "modifiers")


def name_columns(query: Node, names: list[str]) -> Node:
    """Give the query's columns the names they had: an alias for each nameless item whose place is certain. In place.

    names: of all columns that come out. A plain column has its own name already; of what may be several columns (a star,
    unnest), the items before the first count from the left, those after the last from the right.
    """
    items = _first_select(query)["select_list"]
    several = [place for place, item in enumerate(items) if is_several(item)]
    left = several[0] if several else len(items)
    right = several[-1] if several else len(items)
    if len(names) < len(items) - len(several) or (not several and len(names) != len(items)):
        return query
    for place, item in enumerate(items):
        if item["alias"] or is_a(item, "COLUMN_REF") or left <= place <= right:
            continue
        item["alias"] = names[place] if place < left else names[place - len(items)]
    return query


def name_calls(query: Node, syntax: Syntax) -> Node:
    """Give every nameless item that holds a call, at any depth, the name it has without the mark. In place."""
    for select, _ in each_select(query):
        for item in select["select_list"]:
            if not item["alias"] and not is_several(item) and marks_below(item):
                item["alias"] = text_of(unmarked(item), syntax)
    return query


def columns_of(con: duckdb.DuckDBPyConnection, syntax: Syntax) -> Callable[[Node], list[str] | None]:
    """Asks DuckDB what a query's columns are called; None where it would have to know more, its parameters for one."""

    def columns(query: Node) -> list[str] | None:
        text = syntax.text(query)
        try:
            names: list[str] | None = None if text is None else con.sql(text).columns
        except duckdb.Error:
            return None
        return names

    return columns


def text_of(expression: Node, syntax: Syntax) -> str:
    """The text that DuckDB writes for an expression, which is also the name of a column without an alias."""
    template = syntax.parse("SELECT NULL")
    written = syntax.text({**(template or {}), "select_list": [{**expression, "alias": ""}]})
    return (written or "").removeprefix("SELECT ")


def unmarked(node: Any) -> Any:
    """The same as it was before its calls were marked: equal from one run to the next."""
    if isinstance(node, list):
        return [unmarked(value) for value in node]
    if not isinstance(node, dict):
        return node
    if function_name(node).startswith(PLANNED):
        node = _plain(node)
    return {name: unmarked(value) for name, value in node.items()}


def _plain(call: Node) -> Node:
    """A planned call without its mark, under the public name."""
    name = call["function_name"][len(PLANNED) :]
    given = "arguments" if "arguments" in call else "children"
    plain = {**call, "function_name": name, "schema": "", "catalog": "", given: call[given][1:]}
    return plain | ({"qualified_name": {"path": [name]}} if "qualified_name" in call else {})


def match_calls(query: Node) -> Node:
    """Give the calls that DuckDB has to find equal, since they are grouped by or made distinct, the same mark. In place."""
    for node in walk(query):
        if node.get("type") == "SELECT_NODE" and _compares(node):
            _match([node[name] for name in COMPARED])
        elif node.get("type") == "SET_OPERATION_NODE":
            _match([_first_select(node)["select_list"], node["modifiers"]])
    return query


def _compares(select: Node) -> bool:
    distinct = any(each["type"] == "DISTINCT_MODIFIER" for each in select["modifiers"])
    return (
        distinct or bool(select["group_expressions"]) or select["aggregate_handling"] != "STANDARD_HANDLING"
    )


def _match(clauses: list[Any]) -> None:
    seen: dict[bytes, list[tuple[Node, frozenset[str]]]] = {}
    for call in [node for node in walk(clauses) if mark_of(node) is not None]:
        alike = seen.setdefault(fingerprint(_bare(unmarked({**call, "alias": ""}))), [])
        tables = frozenset(_tables(call))
        first = next((each for each, others in alike if others == tables or not (others and tables)), None)
        if first is None:
            alike.append((call, tables))
        else:
            given = "arguments" if "arguments" in call else "children"
            call[given][0] = deepcopy(first[given][0])


def _bare(node: Any) -> Any:
    """The same without the tables that its columns are of: GROUP BY t.x is what x is grouped by."""
    if isinstance(node, list):
        return [_bare(value) for value in node]
    if not isinstance(node, dict):
        return node
    if is_a(node, "COLUMN_REF"):
        return {**node, "column_names": column_names(node)[-1:]}
    return {name: _bare(value) for name, value in node.items()}


def _tables(node: Node) -> Iterator[str]:
    """What its columns are qualified with."""
    return (
        ".".join(column_names(each)[:-1])
        for each in walk(node)
        if is_a(each, "COLUMN_REF") and each["column_names"][1:]
    )


def is_several(item: Node) -> bool:
    """Whether an item of a SELECT's list may be more than one column."""
    return any(is_a(node, "STAR") or function_name(node) in ("unnest", "unlist") for node in walk(item))


def _first_select(query: Node) -> Node:
    """The SELECT that a query has its names from."""
    while query["type"] != "SELECT_NODE":
        query = set_operands(query)[0] if query["type"] == "SET_OPERATION_NODE" else query["left"]
    return query
