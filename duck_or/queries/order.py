"""Which aggregates give something else when their rows come in another order, and where the order is certain.

Several threads read a table in pieces, and who is first is another one each time; a result that a question is made of would
then ask something else in each run, each paid for. Decides from the parse tree and what is told of the tables; what the
results are used for, this module must not know.
"""

from __future__ import annotations

from collections.abc import Callable

from duck_or.queries.syntax import Node, ctes_of, function_name, is_a, is_a_table, queries_below, walk

IN_ORDER = frozenset(
    {
        *("list", "array_agg", "string_agg", "group_concat", "listagg"),
        *("json_group_array", "json_group_object"),  # macros over string_agg
        *("first", "last", "any_value", "arbitrary"),
    }
)
WINDOWED = IN_ORDER | {"row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value"}

ONE_PIECE = 122_880
"""Rows: a table with fewer is read by one thread. It is the size of a row group, which threads are given."""


def unordered_aggregate(node: Node) -> str | None:
    """The name of an aggregate or window function whose rows come in no certain order; None for anything else."""
    if is_a(node, "WINDOW"):
        name = node["function_name"].lower()
        certain = node["orders"] or node.get("arg_orders")
        return name if name in WINDOWED and not certain else None
    name = function_name(node)
    return name if name in IN_ORDER and not node["order_bys"]["orders"] else None


def is_certain(query: Node, is_small: Callable[[Node], bool]) -> bool:
    """Whether each of these aggregates in a query reads its rows in one piece, one after another.

    is_small: whether a BASE_TABLE is a table of fewer than ONE_PIECE rows.
    """
    selects = (node for node in walk(query) if node.get("type") == "SELECT_NODE")
    names = {cte.name for node in walk(query) if "cte_map" in node for cte in ctes_of(node)}
    return all(
        _in_one_piece(
            select["from_table"], lambda table: table["table_name"].lower() not in names and is_small(table)
        )
        for select in selects
        if _has_unordered(select)
    )


def _has_unordered(select: Node) -> bool:
    """Whether one stands in a clause of this very SELECT."""
    inside = {id(node) for query in queries_below(select) for node in walk(query)}
    return any(
        unordered_aggregate(node) for node in walk(select) if "class" in node and id(node) not in inside
    )


def _in_one_piece(table: Node, is_small: Callable[[Node], bool]) -> bool:
    """Whether one thread reads this table from beginning to end. Sorting, grouping and UNION make several pieces of it."""
    if is_a_table(table, "JOIN"):
        ordinary = table["join_type"] in ("INNER", "LEFT", "SEMI", "ANTI")
        return ordinary and _in_one_piece(table["left"], is_small) and _in_one_piece(table["right"], is_small)
    if is_a_table(table, "SUBQUERY"):
        query = table["subquery"]["node"]
        return _only_passes_on(query) and _in_one_piece(query["from_table"], is_small)
    if is_a_table(table, "BASE_TABLE"):
        return is_small(table)
    return is_a_table(table, "EMPTY", "EMPTY_FROM", "EXPRESSION_LIST")


def _only_passes_on(query: Node) -> bool:
    if query["type"] != "SELECT_NODE":
        return False
    clauses = ("modifiers", "group_expressions", "group_sets", "having", "qualify", "sample")
    plain = query["aggregate_handling"] == "STANDARD_HANDLING" and not any(query[name] for name in clauses)
    return plain and not any(is_a(node, "WINDOW") for node in walk(query["select_list"]))
