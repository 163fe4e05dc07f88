"""DuckDB's own parse tree, as JSON: what a query says, read and written by the engine that will run it.

Knows the shapes that the tree has in DuckDB 1.4 to 2.0, and nothing of what is looked for in it. A query that DuckDB
cannot write down as JSON, or would not write back the same, has no tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple, TypeAlias

import duckdb
import orjson

Node: TypeAlias = dict[str, Any]
"""An expression ("class"), a query ("type" ends in _NODE) or a table ("type" is BASE_TABLE, JOIN, SUBQUERY …)."""


class Syntax:
    """Reads and writes queries. cursor: one of its own, never in the middle of a result."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def parse(self, text: str) -> Node | None:
        """The tree of one SELECT; None if it is none, or if its tree does not say all that the text says."""
        tree = self._read(text)
        if tree is None:
            return None
        return tree if self._says(self._write(tree)) else None

    def expression(self, text: str) -> Node:
        """The tree of one expression, which has to be right."""
        tree = self._read(f"SELECT {text}")
        if tree is None:
            raise ValueError(f"not an expression: {text}")
        expression: Node = tree["select_list"][0]
        return expression

    def text(self, tree: Node) -> str | None:
        """The query that this tree says; None if DuckDB would not read it back as this tree."""
        written = self._write(tree)
        return written if self._says(written) else None

    def _says(self, written: str) -> bool:
        """Whether DuckDB reads its own writing as it meant it."""
        again = self._read(written)
        if again is None:
            return False
        # A list of VALUES comes back wrapped into one more SELECT * each time.
        return self._write(again) == written or any(
            is_a_table(node, "EXPRESSION_LIST") for node in walk(again)
        )

    def _read(self, text: str) -> Node | None:
        answer = orjson.loads(self._one("SELECT json_serialize_sql(?)", text))
        if answer["error"] or len(answer["statements"]) != 1:
            return None
        tree: Node = _only_one_copy(answer["statements"][0]["node"])
        return tree

    def _write(self, tree: Node) -> str:
        statement = {"node": tree, "named_param_map": _parameters(tree)}
        document = orjson.dumps({"error": False, "statements": [statement]}).decode()
        return self._one("SELECT json_deserialize_sql(?::JSON)", document)

    def _one(self, question: str, value: str) -> str:
        [(answer,)] = self._cursor.execute(question, [value]).fetchall()
        return str(answer)


def _only_one_copy(tree: Node) -> Node:
    """DuckDB 1.4 writes a materialised CTE three times, the last of them where every other version has it."""
    while tree["type"] == "CTE_NODE":
        tree["child"]["modifiers"] += tree["modifiers"]
        tree = tree["child"]
    changed: Node = _each_query(tree, _only_one_copy)
    return changed


def _each_query(node: Any, change: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: change(value) if _is_query(value) else _each_query(value, change)
            for name, value in node.items()
        }
    if isinstance(node, list):
        return [change(value) if _is_query(value) else _each_query(value, change) for value in node]
    return node


def _is_query(value: object) -> bool:
    return isinstance(value, dict) and str(value.get("type")).endswith("_NODE")


def _parameters(tree: Node) -> list[Node]:
    names = dict.fromkeys(node["identifier"] for node in walk(tree) if node.get("class") == "PARAMETER")
    return [{"key": name, "value": place} for place, name in enumerate(names, 1)]


# --- reading ---------------------------------------------------------------------------------------------------------


def walk(node: Any) -> Iterator[Node]:
    """Every node below, and this one, subqueries included."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def expressions(node: Any) -> list[Node]:
    """The expressions directly below an expression, in the order they are written. Subqueries are not entered."""
    found: list[Node] = []
    values = node.values() if isinstance(node, dict) else node
    for value in values:
        if not isinstance(value, dict | list) or _is_query(value):
            continue
        if isinstance(value, dict) and "class" in value:
            found.append(value)
        else:
            found += expressions(value)
    return found


def subqueries(expression: Node) -> list[Node]:
    """The queries directly below an expression, not those of the expressions below it."""
    parts = {name: part for name, part in expression.items() if not _holds_expressions(part)}
    return list(queries_below(parts))


def _holds_expressions(part: Any) -> bool:
    return any(
        "class" in each for each in (part if isinstance(part, list) else [part]) if isinstance(each, dict)
    )


def queries_below(node: Any) -> Iterator[Node]:
    """The nearest queries below a node; those inside of them are not entered."""
    for value in node.values() if isinstance(node, dict) else node:
        if _is_query(value):
            yield value
        elif isinstance(value, dict | list):
            yield from queries_below(value)


class Cte(NamedTuple):
    """A table of a WITH clause. columns: the names that the clause gives to its columns, if it does."""

    name: str
    columns: list[str]
    query: Node


def ctes_of(query: Node) -> list[Cte]:
    return [
        Cte(entry["key"].lower(), value["aliases"], value.get("query_node") or value["query"]["node"])
        for entry in query["cte_map"]["map"]
        for value in [entry["value"]]
    ]


def set_operands(query: Node) -> list[Node]:
    """The branches of a UNION, INTERSECT or EXCEPT."""
    children: list[Node] = query.get("children") or [query["left"], query["right"]]
    return children


def arguments(function: Node) -> list[Node]:
    """The arguments of a FUNCTION or WINDOW node, named ones too."""
    if "arguments" in function:  # since DuckDB 2.0
        return [argument["expression"] for argument in function["arguments"]]
    children: list[Node] = function["children"]
    return children


def argument_names(function: Node) -> list[str]:
    """The name each argument is given with, in the same order; empty where it stands by position."""
    if "arguments" in function:
        return [argument["name"] for argument in function["arguments"]]
    return [child["alias"] for child in function["children"]]


def is_a(node: Node | None, *kinds: str) -> bool:
    """Whether an expression is of one of these classes."""
    return node is not None and node.get("class") in kinds


def is_a_table(node: Node, *kinds: str) -> bool:
    """Whether a node is a table of one of these kinds."""
    return "class" not in node and node.get("type") in kinds


def function_name(node: Node) -> str:
    """The bare name of a FUNCTION, lower case; empty for anything else."""
    return node["function_name"].lower() if is_a(node, "FUNCTION") else ""


def integer(node: Node) -> int | None:
    """The value of an integer constant."""
    if not is_a(node, "CONSTANT"):
        return None
    value = node["literal"]["text"] if "literal" in node else node["value"].get("value")
    return int(value) if str(value).removeprefix("-").isdecimal() else None


def column_names(node: Node) -> list[str]:
    """The parts of a column reference, lower case."""
    return [name.lower() for name in node["column_names"]]


def fingerprint(node: Any) -> bytes:
    """Equal for what says the same, wherever in a text it stands."""
    return orjson.dumps(_without_places(node), option=orjson.OPT_SORT_KEYS)


def _without_places(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: _without_places(value)
            for name, value in node.items()
            if not name.startswith("query_location")
        }
    return [_without_places(value) for value in node] if isinstance(node, list) else node


# --- writing ---------------------------------------------------------------------------------------------------------


def column(*names: str, alias: str = "") -> Node:
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": alias, "column_names": list(names)}


def conjunction(parts: list[Node], kind: str = "CONJUNCTION_AND") -> Node:
    """All (or, with CONJUNCTION_OR, any) of the parts."""
    if len(parts) == 1:
        return parts[0]
    return {"class": "CONJUNCTION", "type": kind, "alias": "", "children": parts}


def case(when: Node, then: Node, otherwise: Node) -> Node:
    return {
        "class": "CASE",
        "type": "CASE_EXPR",
        "alias": "",
        "case_checks": [{"when_expr": when, "then_expr": then}],
        "else_expr": otherwise,
    }


def subquery(query: Node, alias: str) -> Node:
    """A query as a table."""
    return {
        "type": "SUBQUERY",
        "alias": alias,
        "sample": None,
        "subquery": {"node": query, "named_param_map": []},
        "column_name_alias": [],
    }


def aliased(node: Node, alias: str) -> Node:
    return {**deepcopy(node), "alias": alias}
