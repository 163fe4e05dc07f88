"""What can be told of predicates and of the joins they stand in, from their trees alone.

What is done about them, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from duck_or.queries.scope import is_null, is_true, marks_below
from duck_or.queries.syntax import Node, conjunction, fingerprint, is_a, walk

_PAIRS = [("EQUAL", "NOTEQUAL"), ("LESSTHAN", "GREATERTHANOREQUALTO"), ("GREATERTHAN", "LESSTHANOREQUALTO")]
_OPPOSITES = {f"COMPARE_{a}": f"COMPARE_{b}" for pair in _PAIRS for a, b in (pair, pair[::-1])}

# DuckDB 1.x does not read NOT of these as what it is.
_READ_OTHERWISE = {"COMPARE_IN", "COMPARE_NOT_IN", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"}


def negated(node: Node) -> Node:
    """NOT (a AND b) as NOT a OR NOT b, and NOT (a OR b) likewise, where one of them asks."""
    if not is_a(node, "OPERATOR") or node["type"] != "OPERATOR_NOT":
        return node
    [inside] = node["children"]
    inside = negated(inside)
    if not is_a(inside, "CONJUNCTION") or not marks_below(inside):
        return node
    if any(part["type"] in _READ_OTHERWISE for part in inside["children"]):
        return node
    kind = "CONJUNCTION_OR" if inside["type"] == "CONJUNCTION_AND" else "CONJUNCTION_AND"
    return conjunction([_opposite(child, node) for child in inside["children"]], kind)


def _opposite(part: Node, negation: Node) -> Node:
    """NOT part: a <= b for a > b, which is how DuckDB 1.x reads it."""
    kind = _OPPOSITES.get(part["type"])
    if kind is not None and is_a(part, "COMPARISON"):
        return {**part, "type": kind}
    return {**negation, "children": [part]}


def is_a_join(table: Node) -> bool:
    return bool(table["type"] == "JOIN")


def joins(table: Node) -> Iterator[Node]:
    """The joins of a FROM clause, outermost first, that have a condition."""
    if is_a_join(table):
        if table["condition"]:
            yield table
        yield from joins(table["left"])
        yield from joins(table["right"])


def pooled_joins(table: Node) -> list[Node]:
    """The inner joins whose conditions could as well stand in WHERE."""
    inner = is_a_join(table) and table["join_type"] == "INNER" and table["ref_type"] in ("REGULAR", "CROSS")
    if not inner or table["alias"]:
        return []
    own = [table] if table["condition"] else []
    return own + pooled_joins(table["left"]) + pooled_joins(table["right"])


def table_names(table: Node) -> list[str]:
    if is_a_join(table) and not table["alias"]:
        return table_names(table["left"]) + table_names(table["right"])
    return [(table["alias"] or table.get("table_name", "")).lower()]


def qualifiers(node: Node) -> set[str]:
    """The tables that an expression is about; none where that is not certain."""
    names = [each["column_names"] for each in columns(node)]
    return {name[0].lower() for name in names} if all(len(name) > 1 for name in names) else set()


def columns(node: Node) -> list[Node]:
    return [each for each in walk(node) if is_a(each, "COLUMN_REF")]


def nodes(items: list[Any]) -> list[Node]:
    """Their expressions, those of subqueries too."""
    return [node for item in items for node in walk(item) if "class" in node]


def distinct(parts: list[Node], known: list[Node]) -> list[Node]:
    """The parts without those that are known, each once."""
    seen = {fingerprint(part) for part in known}
    kept = []
    for part in parts:
        if (print_ := fingerprint(part)) not in seen:
            seen.add(print_)
            kept.append(part)
    return kept


def is_boolean(node: Node) -> bool:
    """Whether a predicate is certainly of type BOOLEAN, and not only read as one."""
    if is_a(node, "CASE"):
        values = [*(check["then_expr"] for check in node["case_checks"]), node["else_expr"]]
        return all(is_null(value) or is_true(value) or is_boolean(value) for value in values)
    return is_a(node, "COMPARISON", "CONJUNCTION", "BETWEEN")


def has_limit(query: Node) -> bool:
    return any(modifier["type"].startswith("LIMIT") for modifier in query["modifiers"])
