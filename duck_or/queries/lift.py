"""Which calls are moved above a LIMIT, so that they are made for the rows that are left only.

    SELECT id, f(x) AS mood FROM t ORDER BY y LIMIT 5
    SELECT id, f(__duck_or_2) AS mood
    FROM (SELECT id, NULL AS __duck_or_1, x AS __duck_or_2 FROM t ORDER BY y LIMIT 5) AS __duck_or_page

DuckDB does this itself, but only up to some thousand rows, and not above groups, windows and percentages. A projection
of a limited subquery keeps the order of its rows. Decides from the parse tree alone; what is not certain stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from duck_or.queries.facts import Functions
from duck_or.queries.page import Split, Splitter, lambdas, own_name, parameters_of, references, without
from duck_or.queries.scope import Scope, each_select, marks_below, taint_of
from duck_or.queries.syntax import (
    Node,
    aliased,
    ctes_of,
    integer,
    is_a,
    is_a_table,
    set_operands,
    subquery,
    walk,
)

PAGE = "__duck_or_page"
CLAUSES = ("group_expressions", "having", "qualify", "modifiers")


Columns = Callable[[Node], list[str] | None]


def unknown(query: Node) -> None:
    """For callers that cannot ask what a query's columns are called."""


def lift(query: Node, facts: Functions, columns: Columns = unknown) -> None:
    """Move the calls in the list of every SELECT with a LIMIT above it, and those of a subquery above the WHERE of the
    SELECT that reads it, in place. To be done before `guard`, and after every item that is no plain column got its alias
    (`name_columns`, `name_calls`). Lifting again changes nothing.

    columns: the names of a query's columns, None if it cannot be told: nothing is lifted out of a subquery with a star then.
    """
    splitter = Splitter(facts)
    standing = list(_standing(query))
    for select in standing:
        if _limit(select) or select["where_clause"]:
            _Pull(splitter, facts, columns).into(select, select)
    chosen = [select for select in standing if _limit(select) and not _has_distinct(select)]
    scopes = {id(select): scope for select, scope in each_select(query)}
    for select in chosen:
        scope = scopes.get(id(select))  # none: it has become a part of the query around it
        if scope is not None and _keeps_order(select, scope) and (split := splitter.split(select)):
            _rise(select, split, [aliased(facts.null, splitter.name()) for _ in split.lifted])


def _rise(select: Node, split: Split, fillers: list[Node]) -> None:
    """Make this SELECT read a page of itself. fillers: hold the places of lifted items, for ORDER BY 2."""
    waiting = iter(fillers)
    read = [next(waiting) if item is None else item for item in split.kept] + split.hidden
    above = without(split.above, [item["alias"] for item in [*fillers, *split.hidden]])
    page = {**select, "cte_map": {"map": []}, "select_list": read}
    nothing: Node = {"where_clause": None, "having": None, "sample": None, "qualify": None}
    nothing |= {"modifiers": [], "group_expressions": [], "group_sets": []}
    select |= {**nothing, "aggregate_handling": "STANDARD_HANDLING", "select_list": above}
    select["from_table"] = subquery(page, PAGE)


def _keeps_order(select: Node, scope: Scope) -> bool:
    """Whether the order, and which rows there are, can be told without the calls of the list."""
    if select["aggregate_handling"] != "STANDARD_HANDLING":
        return False  # GROUP BY ALL: the list says what the groups are
    orders = [order["expression"] for each in select["modifiers"] for order in each.get("orders", [])]
    places = [key for key in [*orders, *select["group_expressions"]] if _place(key, select)]
    if any(is_a(key, "STAR") or taint_of(key, scope) for key in orders):
        return False
    return not any(marks_below(_place(key, select)) for key in places)


def _place(key: Node, select: Node) -> Node | None:
    """The item that a position in ORDER BY or GROUP BY stands for; any of them where a star makes it uncertain."""
    place = integer(key)
    items = select["select_list"]
    if place is None:
        return None
    if any(is_a(item, "STAR") for item in items[:place]):
        return {"any": items}
    return items[place - 1] if 0 < place <= len(items) else None


# --- calls in a table below ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pull:
    splitter: Splitter
    facts: Functions
    columns: Columns

    def into(self, select: Node, holder: Node) -> None:
        """Bring the calls of the subquery that a SELECT reads up into its own list and WHERE, if it only passes them on.

        holder: whose WITH clause is in sight.
        """
        _inline(select, holder)
        table = select["from_table"]
        if not is_a_table(table, "SUBQUERY") or table["column_name_alias"] or table["sample"]:
            return
        inner = table["subquery"]["node"]
        if inner["type"] != "SELECT_NODE" or select["aggregate_handling"] != "STANDARD_HANDLING":
            return
        self.into(inner, inner if inner["cte_map"]["map"] else holder)
        if not _is_plain(inner, self.facts) or (split := self.splitter.split(inner)) is None:
            return
        if self._has_names_of_its_own(inner, holder, split):
            _merge(select, inner, table["alias"].lower(), split)

    def _has_names_of_its_own(self, inner: Node, holder: Node, split: Split) -> bool:
        """Whether what a lifted column is called means this column alone."""
        stars = [item for item in split.kept if item is not None and is_a(item, "STAR")]
        plain = {(item["alias"] or own_name(item)).lower() for item in split.kept if item is not None}
        if plain & split.lifted.keys():
            return False
        if not stars:
            return True
        entries = [*(holder["cte_map"]["map"] if holder is not inner else []), *inner["cte_map"]["map"]]
        names = self.columns(
            {**inner, "select_list": stars, "where_clause": None, "cte_map": {"map": entries}}
        )
        return names is not None and split.lifted.keys().isdisjoint(name.lower() for name in names)


def _merge(select: Node, inner: Node, alias: str, split: Split) -> None:
    where = select["where_clause"]
    if where and not _can_follow(where, alias, frozenset(split.lifted)):
        return
    if items := _merged(select, alias, split):
        inner["select_list"] = [*(item for item in split.kept if item is not None), *split.hidden]
        select |= {"select_list": items, "where_clause": _substituted(where, split.lifted)}


def _is_plain(select: Node, facts: Functions) -> bool:
    """Whether a SELECT has one row for each row it reads that passes WHERE."""
    clauses = ("modifiers", "group_expressions", "group_sets", "having", "sample", "qualify")
    if any(select[name] for name in clauses) or select["aggregate_handling"] != "STANDARD_HANDLING":
        return False
    nodes = (node for item in select["select_list"] for node in walk(item) if "class" in node)
    return not any(facts.is_aggregate(node) and not is_a(node, "WINDOW") for node in nodes)


def _merged(select: Node, alias: str, split: Split) -> list[Node] | None:
    """The items of the outer list over the reading SELECT; None where they, or another clause, use an answer in a way
    that cannot be followed."""
    names = frozenset(split.lifted)
    clauses = [select[clause] for clause in CLAUSES]
    used = {name.lower() for each in references(clauses) for name in each["column_names"]}
    whole_row = any(
        each["column_names"][0].lower() == alias
        for each in references(clauses)
        if len(each["column_names"]) == 1
    )
    if names & used or whole_row:
        return None
    items: list[Node] = []
    for item in select["select_list"]:
        more = _spread(item, alias, split) if is_a(item, "STAR") else _followed(item, alias, split)
        if not more:
            return None
        items += more
    return items


def _spread(star: Node, alias: str, split: Split) -> list[Node]:
    """What a star over the old columns is over the new ones; empty where that is not certain."""
    special = ("replace_list", "columns", "expr", "qualified_exclude_list", "rename_list", "exclude_list")
    if any(star[name] for name in special) or star["relation_name"].lower() not in ("", alias):
        return []
    return without(split.above, [item["alias"] for item in split.hidden])


def _followed(item: Node, alias: str, split: Split) -> list[Node]:
    """The item over the new columns, as a list of one; empty where it reads an answer in an uncertain way."""
    names = frozenset(split.lifted)
    if not _can_follow(item, alias, names):
        return []
    followed = _substituted(item, split.lifted)
    if followed == item or item["alias"]:
        return [followed]
    # An expression without an alias is called after its text, which is another one now.
    return [split.lifted[item["column_names"][-1].lower()]] if is_a(item, "COLUMN_REF") else []


def _can_follow(item: Node, alias: str, names: frozenset[str]) -> bool:
    for each in references(item):
        parts = [name.lower() for name in each["column_names"]]
        known = len(parts) == 1 or parts[:-1] == [alias]
        if parts == [alias] or (names & set(parts) and not known):
            return False
    nested = [part for part in walk(item) if is_a(part, "SUBQUERY")]
    if any(names & set(map(str.lower, each["column_names"])) for each in references(nested)):
        return False
    parameters = (parameters_of(each) for part in walk(item) for each in lambdas(part))
    return not any(names & each for each in parameters)


def _substituted(node: Any, lifted: dict[str, Node]) -> Any:
    if isinstance(node, list):
        return [_substituted(each, lifted) for each in node]
    if not isinstance(node, dict):
        return node
    if is_a(node, "COLUMN_REF") and (answer := lifted.get(node["column_names"][-1].lower())):
        return {**deepcopy(answer), "alias": node["alias"]}
    return {name: _substituted(value, lifted) for name, value in node.items()}


def _inline(select: Node, holder: Node) -> None:
    """Read a table of the WITH clause, which nothing else reads, where it is read."""
    table, entries = select["from_table"], holder["cte_map"]["map"]
    if not is_a_table(table, "BASE_TABLE") or any(
        table[name] for name in ("schema_name", "sample", "column_name_alias")
    ):
        return
    names = [entry["key"].lower() for entry in entries]
    name = table["table_name"].lower()
    if names.count(name) != 1 or _tables(holder).count(name) != 1:
        return
    place = names.index(name)
    cte = ctes_of(holder)[place]
    shadowed = set(names[place:]) & set(_tables(cte.query))
    if not cte.columns and not shadowed and cte.query["type"] == "SELECT_NODE":
        select["from_table"] = subquery(cte.query, table["alias"] or table["table_name"])
        del entries[place]


def _tables(query: Node) -> list[str]:
    return [node["table_name"].lower() for node in walk(query) if is_a_table(node, "BASE_TABLE")]


def _limit(select: Node) -> bool:
    return any(each["type"].startswith("LIMIT") for each in select["modifiers"])


def _has_distinct(select: Node) -> bool:
    return any(each["type"] == "DISTINCT_MODIFIER" for each in select["modifiers"])


def _standing(query: Node) -> Iterator[Node]:
    """The SELECTs that cannot read columns of a query around them."""
    for cte in ctes_of(query):
        yield from _standing(cte.query)
    if query["type"] == "SET_OPERATION_NODE":
        for branch in set_operands(query):
            yield from _standing(branch)
    if query["type"] == "SELECT_NODE":
        table = query["from_table"]
        while table["type"] == "JOIN":  # the tables on the right may read columns of those on the left
            table = table["left"]
        if table["type"] == "SUBQUERY":
            yield from _standing(table["subquery"]["node"])
        yield query
