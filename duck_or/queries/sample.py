"""How a predicate of a statement is tried on some of its rows: which SELECTs can run by themselves, and the query that does.

From the parse tree alone; what is done with the sample, this module must not know.
"""

from __future__ import annotations

from copy import deepcopy

from duck_or.queries.syntax import Node, aliased, conjunction, ctes_of, is_a, set_operands, subquery, walk

PASSED = "passed"


def independent(query: Node, carried: list[Node] | None = None) -> dict[int, list[Node]]:
    """The SELECTs of a query that read nothing of another one's row and are not cut short by a LIMIT.

    By `id` of the node; the value is what has to be added to its WITH clause.
    """
    carried = carried or []
    own: list[Node] = query["cte_map"]["map"]
    names = [entry["key"].lower() for entry in carried + own]
    if any(each["type"].startswith("LIMIT") for each in query["modifiers"]) or len(set(names)) < len(names):
        return {}
    found: dict[int, list[Node]] = {}
    for place, cte in enumerate(ctes_of(query)):
        found |= independent(cte.query, carried + own[:place])
    if query["type"] == "SET_OPERATION_NODE":
        for branch in set_operands(query):
            found |= independent(branch, carried + own)
    if query["type"] == "SELECT_NODE":
        found[id(query)] = carried
        table = query["from_table"]
        while table["type"] == "JOIN":  # the tables on the right may read columns of those on the left
            table = table["left"]
        if table["type"] == "SUBQUERY":
            found |= independent(table["subquery"]["node"], carried + own)
    return found


def sample_query(select: Node, predicate: Node, cheap: list[Node], carried: list[Node], limit: Node) -> Node:
    """SELECT <predicate> AS passed FROM … WHERE <cheap> LIMIT …"""
    used = _aliases_used(select, [predicate, *cheap])
    where = conjunction([deepcopy(part) for part in cheap]) if cheap else None
    sample: Node = {
        **_empty(select),
        "cte_map": {"map": [*deepcopy(carried), *deepcopy(select["cte_map"]["map"])]},
        "select_list": [*used, aliased(predicate, PASSED)],
        "from_table": deepcopy(select["from_table"]),
        "where_clause": where,
        "modifiers": [limit],
    }
    if not used:
        return sample
    column = {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": [PASSED]}
    return {**_empty(select), "select_list": [column], "from_table": subquery(sample, "__duck_or_sample")}


def _empty(select: Node) -> Node:
    """A SELECT in this version's shape, with nothing in it."""
    nothing: Node = {
        "modifiers": [],
        "cte_map": {"map": []},
        "where_clause": None,
        "group_expressions": [],
        "group_sets": [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    }
    return {**select, **nothing}


def _aliases_used(select: Node, parts: list[Node]) -> list[Node]:
    """The items of the list whose aliases these expressions may mean."""
    named = {item["alias"].lower(): item for item in select["select_list"] if item["alias"]}
    wanted: dict[str, Node] = {}
    waiting = list(parts)
    while waiting:
        for node in walk(waiting.pop()):
            name = node["column_names"][0].lower() if is_a(node, "COLUMN_REF") else ""
            if name in named and name not in wanted:
                wanted[name] = named[name]
                waiting.append(named[name])
    return [deepcopy(item) for name, item in named.items() if name in wanted]
