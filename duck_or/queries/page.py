"""How a SELECT is split in two: one that reads, and the items above it that ask a model.

The reading part puts out, beside the columns that ask nothing, hidden ones for all that the others read. Decides from the
parse tree alone; whether a split is worth while, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from duck_or.queries.facts import Functions
from duck_or.queries.names import is_several
from duck_or.queries.scope import marks_below
from duck_or.queries.syntax import Node, aliased, arguments, column, fingerprint, function_name, is_a, walk

HIDDEN = "__duck_or_"
LAMBDA_FUNCTIONS = frozenset(
    f"{prefix}{name}"
    for name in ("transform", "apply", "filter", "reduce")
    for prefix in ("", "list_", "array_")
)
NAMES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Split:
    """kept: the items that ask nothing, None in the place of one that does. hidden: the columns that those read. above:
    what makes the old columns of them all. lifted: those of `above` that ask, by their names in lower case."""

    kept: list[Node | None]
    hidden: list[Node]
    above: list[Node]
    lifted: dict[str, Node]


class Splitter:
    """Splits the SELECTs of one query. Hidden names are never used twice."""

    def __init__(self, facts: Functions) -> None:
        self._facts = facts
        self._count = 0

    def split(self, select: Node) -> Split | None:
        """None where nothing is to be lifted, or it is not certain that the columns would be the same."""
        items = select["select_list"]
        lifted = [self._can_be_lifted(item, select) for item in items]
        if not any(lifted) or not _is_certain(select, lifted):
            return None
        hidden = _Hidden(self, self._facts, _group_keys(select))
        above = [
            hidden.above(item) if lift else deepcopy(item) if is_several(item) else _by_name(item)
            for item, lift in zip(items, lifted, strict=True)
        ]
        return Split(
            kept=[None if lift else item for item, lift in zip(items, lifted, strict=True)],
            hidden=hidden.items,
            above=_with_one_star(above, lifted),
            lifted={item["alias"].lower(): item for item, lift in zip(above, lifted, strict=True) if lift},
        )

    def name(self) -> str:
        self._count += 1
        return f"{HIDDEN}{self._count}"

    def _can_be_lifted(self, item: Node, select: Node) -> bool:
        """Whether an item asks a model, and gives the same when it is computed one level above."""
        if not marks_below(item) or not item["alias"] or is_several(item) or self._facts.is_volatile(item):
            return False
        nodes = [node for node in walk(item) if "class" in node]
        if any(is_a(node, "SUBQUERY", "POSITIONAL_REFERENCE") for node in nodes):
            return False
        return not any(self._facts.is_aggregate(node) and marks_below(node) for node in nodes)


class _Hidden:
    """Rewrites expressions into ones over hidden columns, and keeps the list of these."""

    def __init__(self, splitter: Splitter, facts: Functions, keys: frozenset[bytes]) -> None:
        self._splitter = splitter
        self._facts = facts
        self._keys = keys
        self._found: dict[bytes, Node] = {}
        self._lambdas: set[int] = set()

    @property
    def items(self) -> list[Node]:
        return list(self._found.values())

    def above(self, node: Any, parameters: frozenset[str] = NAMES) -> Any:
        """The same over hidden columns. parameters: of the lambda functions around it."""
        if isinstance(node, list):
            return [self.above(each, parameters) for each in node]
        if not isinstance(node, dict):
            return node
        if "class" in node and self._is_read_below(node, parameters):
            return column(self._column(node), alias=node["alias"])
        if id(node) in self._lambdas:
            inside = self.above(node["expr"], parameters | parameters_of(node))
            return {**node, "lhs": deepcopy(node["lhs"]), "expr": inside}
        self._lambdas |= {id(each) for each in lambdas(node)}
        return {name: self.above(value, parameters) for name, value in node.items()}

    def _is_read_below(self, node: Node, parameters: frozenset[str]) -> bool:
        if is_a(node, "COLUMN_REF"):
            return node["column_names"][0].lower() not in parameters
        return self._facts.is_aggregate(node) or (
            not is_a(node, "CONSTANT") and fingerprint({**node, "alias": ""}) in self._keys
        )

    def _column(self, node: Node) -> str:
        key = fingerprint({**node, "alias": ""})
        if key not in self._found:
            self._found[key] = aliased(node, self._splitter.name())
        name: str = self._found[key]["alias"]
        return name


def lambdas(node: Node) -> list[Node]:
    """The lambda functions among the arguments of a function. `x -> '$.a'` reads the same and is none elsewhere."""
    if not is_a(node, "FUNCTION"):
        return []
    known = function_name(node) in LAMBDA_FUNCTIONS
    found = [each for each in arguments(node) if is_a(each, "LAMBDA")]
    return [each for each in found if known or each.get("syntax_type") == "LAMBDA_KEYWORD"]


def parameters_of(function: Node) -> frozenset[str]:
    return frozenset(
        each["column_names"][0].lower() for each in walk(function["lhs"]) if is_a(each, "COLUMN_REF")
    )


def references(node: Any) -> Iterator[Node]:
    return (each for each in walk(node) if is_a(each, "COLUMN_REF"))


def _group_keys(select: Node) -> frozenset[bytes]:
    return frozenset(fingerprint(key) for key in select["group_expressions"])


def _is_certain(select: Node, lifted: list[bool]) -> bool:
    """Whether each column can be named from above, and none is needed below that goes up."""
    items = select["select_list"]
    kept = [item for item, lift in zip(items, lifted, strict=True) if not lift]
    stars = [item for item in kept if is_several(item)]
    plain = [(item["alias"] or own_name(item)).lower() for item in kept if not is_several(item)]
    gone = {item["alias"].lower() for item, lift in zip(items, lifted, strict=True) if lift}
    if len(gone) < sum(lifted) or any(not is_a(star, "STAR") or marks_below(star) for star in stars):
        return False
    if any(is_a(node, "POSITIONAL_REFERENCE") for item in items for node in walk(item)):
        return False
    if (
        stars
    ):  # one star above is all that was not lifted, so this has to stand together; other names stay unknown
        if any(lifted[lifted.index(False) : len(lifted) - lifted[::-1].index(False)]):
            return False
        if any(star["relation_name"] == "" for star in stars) and select["from_table"]["type"] == "JOIN":
            return False  # equal names of two tables would come out as different ones
        if len(stars) > 1:
            return False
    elif "" in plain or len(set(plain)) < len(plain):
        return False
    clauses = [
        select[name] for name in ("where_clause", "group_expressions", "having", "qualify", "modifiers")
    ]
    # An item that reads a column of its own name means the one below.
    reads = [(clauses, ""), *(({**item, "alias": ""}, item["alias"].lower()) for item in items)]
    return all(
        gone.isdisjoint({each["column_names"][0].lower() for each in references(part)} - {own})
        for part, own in reads
    )


def own_name(item: Node) -> str:
    """What a plain column is called without an alias; empty for anything else."""
    return str(item["column_names"][-1]) if is_a(item, "COLUMN_REF") else ""


def _by_name(item: Node) -> Node:
    return column(item["alias"] or own_name(item))


def _with_one_star(above: list[Node], lifted: list[bool]) -> list[Node]:
    """With a star below, one star above is all that was not lifted."""
    star = next((item for item in above if is_a(item, "STAR")), None)
    if star is None:
        return above
    empty: Node = {"relation_name": "", "replace_list": [], "columns": False, "expr": None, "alias": ""}
    empty |= {"exclude_list": [], "qualified_exclude_list": [], "rename_list": []}
    first = lifted.index(False)
    after = [item for item, lift in zip(above[first:], lifted[first:], strict=True) if lift]
    return [*above[:first], {**star, **empty}, *after]


def without(above: list[Node], hidden: list[str]) -> list[Node]:
    """The items with these columns left out of their star."""
    return [
        {**item, "exclude_list": [*item["exclude_list"], *hidden]} if is_a(item, "STAR") else deepcopy(item)
        for item in above
    ]
