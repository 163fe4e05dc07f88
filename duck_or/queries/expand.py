"""Which views and macros of a query are replaced by their definitions: those that hold calls, so that these are marked.

Decides from the parse tree and the definitions in a Library. What is not certain is a reason not to expand at all; what
the marks are for, this module must not know.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

from duck_or.queries.facts import Place
from duck_or.queries.library import Library, Macro, View
from duck_or.queries.marks import Marked
from duck_or.queries.names import is_several, name_calls, text_of, unmarked
from duck_or.queries.page import lambdas, parameters_of
from duck_or.queries.scope import marks_below
from duck_or.queries.syntax import (
    Node,
    argument_names,
    arguments,
    ctes_of,
    function_name,
    is_a,
    is_a_table,
    subquery,
    walk,
)

__all__ = ["Library", "expand"]

Mark = Callable[[str], Marked]


class _Cannot(Exception):
    """Why something that asks cannot be expanded."""


class _Sight(NamedTuple):
    """What a name may mean where it stands. ctes: tables of WITH clauses. home: the view that it is in, and `outside` the
    tables of WITH clauses around that, which it does not see."""

    ctes: frozenset[str] = frozenset()
    home: Place | None = None
    outside: frozenset[str] = frozenset()


def expand(query: Node, library: Library, mark: Mark) -> Node | str:
    """The query with the definitions of all views and macros that hold calls in their places; or why it cannot be told.

    mark: marks the calls in a text; each use of a definition gets marks of its own.
    """
    if not library.asking:
        return query
    try:
        expanded: Node = _Expansion(library, mark).tree(query, _Sight())
    except _Cannot as reason:
        return str(reason)
    return expanded


class _Expansion:
    def __init__(self, library: Library, mark: Mark) -> None:
        self._library = library
        self._mark = mark

    def tree(self, node: Any, sight: _Sight) -> Any:
        """The same with all definitions in place; nothing of what was given is changed."""
        if isinstance(node, list):
            return [self.tree(each, sight) for each in node]
        if not isinstance(node, dict):
            return node
        if "cte_map" in node:
            return self._query(node, sight)
        if is_a_table(node, "BASE_TABLE"):
            return self._table(node, sight)
        if is_a_table(node, "TABLE_FUNCTION"):
            self._refuse_table_macro(node["function"], sight)
        changed = self._children(node, sight)
        return self._call(changed, sight) if is_a(node, "FUNCTION") else changed

    def _children(self, node: Node, sight: _Sight) -> Node:
        return {name: self.tree(value, sight) for name, value in node.items()}

    def _query(self, query: Node, sight: _Sight) -> Node:
        names = [cte.name for cte in ctes_of(query)]
        entries = [
            # A recursive table sees itself; for any other one its own name cannot mean a view that asks without doubt.
            self.tree(entry, sight._replace(ctes=sight.ctes | set(names[: place + 1])))
            for place, entry in enumerate(query["cte_map"]["map"])
        ]
        inner = sight._replace(ctes=sight.ctes | set(names) | {query.get("cte_name", "").lower()} - {""})
        if query["type"] == "SELECT_NODE":
            query = {**query, "select_list": [self._named(item) for item in query["select_list"]]}
        rest = {name: self.tree(part, inner) for name, part in query.items() if name != "cte_map"}
        return {**rest, "cte_map": {"map": entries}}

    def _named(self, item: Node) -> Node:
        """The item of a list under the name it has before its macros are expanded."""
        uses = any(function_name(node) in self._library.asking for node in walk(item))
        if item["alias"] or is_several(item) or not uses:
            return item
        return {**item, "alias": text_of(unmarked(item), self._library.syntax)}

    # --- views

    def _table(self, table: Node, sight: _Sight) -> Node:
        name, schema = table["table_name"].lower(), table["schema_name"]
        if not schema and name in sight.ctes:
            return table
        places = self._library.places(table["catalog_name"], schema, sight.home)
        if name not in self._library.asking and sight.home is None:
            return table
        if view := self._library.view(name, places):
            return self._view(view, table, sight)
        if sight.home is None or schema:
            return table
        return self._qualified(table, self._library.place_of(name, places), sight)

    def _qualified(self, table: Node, place: Place | None, sight: _Sight) -> Node:
        """A table of a view, as it is to be found from outside of the view."""
        if place is None:
            if table["table_name"].lower() in sight.outside:
                raise _Cannot(f"it is not certain which table {table['table_name']} is in a view")
            return table
        named = {**table, "catalog_name": place.catalog, "schema_name": place.schema}
        path = {"path": [place.catalog, place.schema, table["table_name"]]}
        return named | ({"qualified_name": path} if "qualified_name" in table else {})

    def _view(self, view: View, table: Node, sight: _Sight) -> Node:
        if table.get("at_clause"):
            raise _Cannot(f"the view {view.name} is read as of another time")
        body = self._library.syntax.parse(self._marked(view.text, view.name))
        if body is None:
            raise _Cannot(f"DuckDB cannot write the view {view.name} down as a tree")
        name_calls(body, self._library.syntax)
        inside = _Sight(home=view.place, outside=sight.ctes | sight.outside)
        expanded = self.tree(body, inside)
        if not marks_below(expanded):
            return table
        own = table["column_name_alias"]
        names = [*own, *view.columns[len(own) :]]
        if names and _rename(expanded, names):
            names = []
        read = subquery(expanded, table["alias"] or table["table_name"])
        return {**read, "column_name_alias": names, "sample": table["sample"]}

    # --- macros

    def _call(self, call: Node, sight: _Sight) -> Node:
        """A call whose arguments are expanded already."""
        name = function_name(call)
        if name not in self._library.asking:
            return call
        overloads = self._overloads(call, sight)
        if not any(macro.asks for macro in overloads):
            return call
        given = self._given(overloads, call)
        body = self._library.syntax.expression(self._marked(given[0].text, name))
        expanded = self.tree(body, sight)
        result: Node = _substituted(expanded, given[1])
        return {**result, "alias": call["alias"]}

    def _overloads(self, call: Node, sight: _Sight) -> list[Macro]:
        places = self._library.places(call["catalog"], call["schema"], sight.home)
        found = self._library.macros(function_name(call), places)
        if not found and call["schema"]:
            raise _Cannot(f"{call['schema']}.{call['function_name']}() may be a macro that asks")
        return [macro for macro in found if not macro.table]

    def _given(self, overloads: list[Macro], call: Node) -> tuple[Macro, dict[str, Node]]:
        """The overload that a call means, and its arguments by their names."""
        values = [{**value, "alias": ""} for value in arguments(call)]
        names = [name.lower() for name in argument_names(call)]
        for macro in overloads:
            parameters = [parameter.lower() for parameter in macro.parameters]
            given = dict(
                zip(
                    [name or place for name, place in zip(names, parameters, strict=False)],
                    values,
                    strict=False,
                )
            )
            if len(values) == len(parameters) and given.keys() == set(parameters):
                return macro, given
        raise _Cannot(
            f"the macro {call['function_name']} is called with its defaults, which the catalog does not tell"
        )

    def _refuse_table_macro(self, function: Node, sight: _Sight) -> None:
        places = self._library.places(function.get("catalog", ""), function.get("schema", ""), sight.home)
        macros = self._library.macros(function_name(function), places)
        if any(macro.table and macro.asks for macro in macros):
            raise _Cannot(f"the table macro {function['function_name']} asks")

    def _marked(self, text: str, name: str) -> str:
        marked = self._mark(text)
        if marked.left:
            raise _Cannot(f"a call in {name} cannot be marked")
        return marked.text


def _substituted(node: Any, given: dict[str, Node]) -> Any:
    """A macro's definition with its parameters replaced."""
    if isinstance(node, list):
        return [_substituted(each, given) for each in node]
    if not isinstance(node, dict):
        return node
    if is_a(node, "COLUMN_REF") and node["column_names"][0].lower() in given:
        if len(node["column_names"]) > 1:
            raise _Cannot(f"a macro reads {'.'.join(node['column_names'])}, a part of its parameter")
        return {**deepcopy(given[node["column_names"][0].lower()]), "alias": node["alias"]}
    if any(parameters_of(each) & given.keys() for each in lambdas(node)):
        raise _Cannot("a macro has a lambda function with a parameter of the same name as its own")
    return {name: _substituted(value, given) for name, value in node.items()}


def _rename(query: Node, names: list[str]) -> bool:
    """Give the columns of a view their names in its own list, where they cannot be taken for something else there."""
    if query["type"] != "SELECT_NODE" or any(is_several(item) for item in query["select_list"]):
        return False
    items = query["select_list"]
    used = {name.lower() for node in walk(query) if is_a(node, "COLUMN_REF") for name in node["column_names"]}
    old = {item["alias"].lower() for item in items} - {""}
    if len(names) > len(items) or used & {name.lower() for name in names} or used & old:
        return False
    for item, name in zip(items, names, strict=False):
        item["alias"] = name
    return True
