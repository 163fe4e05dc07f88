"""Which predicates decide first: cheap ones before those that ask a model, several of these one inside the other.

DuckDB takes a Python function for cheap and may call it on rows that a sibling would have dropped; it evaluates THEN
only for rows that pass WHEN. Decides from the parse tree alone; what an answer costs, it must not know.

    a AND m              a AND CASE WHEN a THEN m END       a stays outside too, where scans and joins can use it
    a AND m1 AND m2      a AND CASE WHEN a THEN CASE WHEN m1 THEN m2 END END
    a OR m               CASE WHEN a THEN true ELSE m END
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from duck_or.statements.facts import Functions
from duck_or.statements.names import is_several, unmarked
from duck_or.statements.sample import independent, sample_query
from duck_or.statements.scope import Scope, each_select, is_null, is_true, marks_below, taint_of
from duck_or.statements.syntax import Node, case, conjunction, fingerprint, is_a, walk


@dataclass(frozen=True, slots=True)
class Choice:
    """Predicates that ask a model, all of which a row has to pass: which of them goes first is open.

    conjuncts: as written. keys: of each, equal from one run to the next. cheap: what a row has passed before.
    select: where they stand.
    """

    conjuncts: list[Node]
    keys: list[str]
    cheap: list[Node]
    select: Node
    carried: list[Node] | None = field(repr=False)
    facts: Functions = field(repr=False)

    def sample(self, index: int, limit: int, offset: int = 0) -> Node | None:
        """A query of one column `passed`: what this conjunct says of some of the rows. None where the SELECT cannot run
        by itself, or a LIMIT might need fewer rows."""
        if self.carried is None:
            return None
        modifier = self.facts.page(limit, offset)
        return sample_query(self.select, self.conjuncts[index], self.cheap, self.carried, modifier)


Order = Callable[[Choice], list[int]]


def as_written(choice: Choice) -> list[int]:
    return list(range(len(choice.conjuncts)))


def guard(query: Node, facts: Functions, order: Order = as_written) -> None:
    """Guard every WHERE, HAVING, QUALIFY and inner JOIN … ON of a marked query, in place. Guarding again changes nothing.

    order: the places of a choice's conjuncts, the one to decide first first.
    """
    alone = independent(query)
    for select, scope in each_select(query):
        _Guard(select, scope, facts, order, alone.get(id(select))).clauses(nested=select is not query)


@dataclass(frozen=True, slots=True)
class _Guard:
    """One SELECT and what its names mean."""

    select: Node
    scope: Scope
    facts: Functions
    order: Order
    carried: list[Node] | None

    def clauses(self, nested: bool) -> None:
        pooled = _pooled_joins(self.select["from_table"])
        for join in _joins(self.select["from_table"]):
            if join not in pooled and join["join_type"] == "INNER" and join["ref_type"] == "REGULAR":
                join["condition"] = self._clause(self._conjuncts(join["condition"]), [])
        self._where(pooled)
        if nested:
            self._items(pooled)
        self._having()
        if self.select["qualify"]:
            self.select["qualify"] = self._clause(self._conjuncts(self.select["qualify"]), [])

    def _where(self, joins: list[Node]) -> None:
        """Inner joins and WHERE decide together, so they are guarded together: what asks a model goes to WHERE."""
        moved: list[Node] = []
        for join in joins:
            parts = self._conjuncts(join["condition"])
            models = [part for part in parts if self._movable(part, join)]
            if models:
                moved += models
                rest = [part for part in parts if part not in models]
                join["condition"] = conjunction(rest) if rest else self.facts.true
        where = self.select["where_clause"]
        parts = (self._conjuncts(where) if where else []) + moved
        if parts:
            self.select["where_clause"] = self._clause(parts, self._joined(joins), choose=True)

    def _movable(self, part: Node, join: Node) -> bool:
        return self._asks(part) and not self._is_join_key(part) and self._portable(part, join)

    def _portable(self, part: Node, join: Node) -> bool:
        """Whether the names of a condition mean the same in WHERE: all tables are in sight of the outermost join only."""
        tables = _table_names(self.select["from_table"])
        names = [node["column_names"] for node in walk(part) if is_a(node, "COLUMN_REF")]
        return join is self.select["from_table"] or all(
            len(name) > 1 and tables.count(name[0].lower()) == 1 for name in names
        )

    def _joined(self, joins: list[Node]) -> list[Node]:
        """What rows that reach WHERE have passed in the joins below."""
        return [
            part
            for join in joins
            for part in self._conjuncts(join["condition"])
            if not self._asks(part) and self._repeatable(part) and self._portable(part, join)
            if not is_true(part)
        ]

    def _clause(self, parts: list[Node], passed: list[Node], choose: bool = False) -> Node:
        """The conjunction of the parts, guarded. passed: what else rows have passed before."""
        models = [part for part in parts if self._asks(part) and not self._is_join_key(part)]
        others = [part for part in parts if part not in models]
        if not models:
            return conjunction(parts)
        cheap = [part for part in others if not self._asks(part)]
        outside = _distinct([part for part in cheap if self._repeatable(part)], passed)
        once = [part for part in cheap if not self._repeatable(part)]
        before = [*outside, *passed]
        ordered = self._ordered(models, [*before, *once], choose)
        inside = self._nested([*before, *once], [self._truth(model) for model in ordered])
        keys = [part for part in others if self._asks(part)]
        return conjunction([*outside, *keys, inside])

    def _ordered(self, models: list[Node], cheap: list[Node], choose: bool) -> list[Node]:
        if len(models) < 2:
            return models
        keys = [fingerprint(unmarked(model)).decode() for model in models]
        choice = Choice(models, keys, cheap, self.select, self.carried if choose else None, self.facts)
        return [models[place] for place in self.order(choice)]

    def _truth(self, node: Node) -> Node:
        """A predicate that decides the same rows, guarded inside."""
        parts = self._conjuncts(node)
        if len(parts) > 1:
            models = [self._truth(part) for part in parts if self._asks(part)]
            return self._nested([part for part in parts if not self._asks(part)], models)
        parts = self._disjuncts(node)
        if len(parts) > 1:
            models = [self._truth(part) for part in parts if self._asks(part)]
            return self._either([part for part in parts if not self._asks(part)], models)
        return node

    def _nested(self, cheap: list[Node], models: list[Node]) -> Node:
        *first, inside = models
        for model in reversed(first):
            inside = case(model, inside, self.facts.null)
        return case(conjunction(cheap), inside, self.facts.null) if cheap else inside

    def _either(self, cheap: list[Node], models: list[Node]) -> Node:
        *first, last = models
        inside = last if _is_boolean(last) else case(last, self.facts.true, self.facts.null)
        for model in reversed(first):
            inside = case(model, self.facts.true, inside)
        when = conjunction(cheap, "CONJUNCTION_OR")
        return case(when, self.facts.true, inside) if cheap else inside

    def _conjuncts(self, node: Node) -> list[Node]:
        """What all has to hold, with what an earlier guard wrote taken apart again."""
        if node["type"] == "CONJUNCTION_AND":
            return [part for child in node["children"] for part in self._conjuncts(child)]
        if (check := self._guarded(node)) and is_null(node["else_expr"]):
            return [*self._conjuncts(check["when_expr"]), *self._conjuncts(check["then_expr"])]
        return [node]

    def _disjuncts(self, node: Node) -> list[Node]:
        if node["type"] == "CONJUNCTION_OR":
            return [part for child in node["children"] for part in self._disjuncts(child)]
        if is_a(node, "CASE") and len(node["case_checks"]) == 1 and self._asks(node["else_expr"]):
            [check] = node["case_checks"]
            if is_true(check["then_expr"]):
                return [*self._disjuncts(check["when_expr"]), *self._disjuncts(node["else_expr"])]
        return [node]

    def _guarded(self, node: Node) -> Node | None:
        """The check of CASE WHEN cheap THEN model …"""
        if not is_a(node, "CASE") or len(node["case_checks"]) != 1:
            return None
        check: Node = node["case_checks"][0]
        cheap = not self._asks(check["when_expr"])
        return check if cheap and self._asks(check["then_expr"]) else None

    def _having(self) -> None:
        """A predicate over the keys of the groups alone would be pushed down to where the rows that WHERE drops still
        are; one that counts them cannot be."""
        having = self.select["having"]
        if not having:
            return
        parts = self._conjuncts(having)
        if self.select["where_clause"] and any(self._asks(part) for part in parts):
            counted = fingerprint(self.facts.counted)
            parts = [self.facts.counted, *(part for part in parts if fingerprint(part) != counted)]
        self.select["having"] = self._clause(parts, [])

    def _items(self, joins: list[Node]) -> None:
        """A filter outside of this SELECT is pushed down into it and may come before its own: so each column that asks a
        model asks only for rows that pass these."""
        select = self.select
        if select["group_expressions"] or select["group_sets"] or _has_limit(select):
            return
        if any(self.facts.is_aggregate(node) for node in _nodes(select["select_list"])):
            return
        where = select["where_clause"]
        parts = [part for part in (self._conjuncts(where) if where else []) if not self._asks(part)]
        passed = self._joined(joins)
        cheap = [*_distinct([part for part in parts if self._repeatable(part)], passed), *passed]
        for place, item in enumerate(select["select_list"]):
            if cheap and self._can_be_guarded(item, cheap):
                guarded = case(conjunction(cheap), {**item, "alias": ""}, self.facts.null)
                select["select_list"][place] = {**guarded, "alias": item["alias"]}

    def _can_be_guarded(self, item: Node, cheap: list[Node]) -> bool:
        if not item["alias"] or is_several(item) or not marks_below(item):
            return False
        names = {name.lower() for part in cheap for node in _columns(part) for name in node["column_names"]}
        done = is_a(item, "CASE") and fingerprint(item["case_checks"][0]["when_expr"]) == fingerprint(
            conjunction(cheap)
        )
        # A name in WHERE may mean the item itself.
        return not done and item["alias"].lower() not in names

    def _asks(self, node: Node) -> bool:
        return bool(taint_of(node, self.scope))

    def _repeatable(self, part: Node) -> bool:
        return not self.facts.is_volatile(part) and not any(is_a(node, "SUBQUERY") for node in walk(part))

    def _is_join_key(self, part: Node) -> bool:
        """Whether the engine joins by this comparison: inside CASE it would compare every row with every row."""
        if not is_a(part, "COMPARISON") or not is_a_join(self.select["from_table"]):
            return False
        sides = [_columns(part["left"]), _columns(part["right"])]
        qualified = [node["column_names"][0].lower() for side in sides for node in side]
        tables = set(qualified)
        one = len(tables) == 1 and all(len(node["column_names"]) > 1 for side in sides for node in side)
        return all(sides) and not (one and tables <= set(_table_names(self.select["from_table"])))


def is_a_join(table: Node) -> bool:
    return bool(table["type"] == "JOIN")


def _joins(table: Node) -> Iterator[Node]:
    """The joins of a FROM clause, outermost first, that have a condition."""
    if is_a_join(table):
        if table["condition"]:
            yield table
        yield from _joins(table["left"])
        yield from _joins(table["right"])


def _pooled_joins(table: Node) -> list[Node]:
    """The inner joins whose conditions could as well stand in WHERE."""
    inner = is_a_join(table) and table["join_type"] == "INNER" and table["ref_type"] in ("REGULAR", "CROSS")
    if not inner or table["alias"]:
        return []
    own = [table] if table["condition"] else []
    return own + _pooled_joins(table["left"]) + _pooled_joins(table["right"])


def _table_names(table: Node) -> list[str]:
    if is_a_join(table) and not table["alias"]:
        return _table_names(table["left"]) + _table_names(table["right"])
    return [(table["alias"] or table.get("table_name", "")).lower()]


def _columns(node: Node) -> list[Node]:
    return [each for each in walk(node) if is_a(each, "COLUMN_REF")]


def _nodes(items: list[Node]) -> Iterator[Node]:
    return (node for item in items for node in walk(item) if "class" in node)


def _distinct(parts: list[Node], known: list[Node]) -> list[Node]:
    """The parts without those that are known, each once."""
    seen = {fingerprint(part) for part in known}
    kept = []
    for part in parts:
        if (print_ := fingerprint(part)) not in seen:
            seen.add(print_)
            kept.append(part)
    return kept


def _is_boolean(node: Node) -> bool:
    """Whether a predicate is certainly of type BOOLEAN, and not only read as one."""
    if is_a(node, "CASE"):
        values = [*(check["then_expr"] for check in node["case_checks"]), node["else_expr"]]
        return all(is_null(value) or is_true(value) or _is_boolean(value) for value in values)
    return is_a(node, "COMPARISON", "CONJUNCTION", "BETWEEN")


def _has_limit(query: Node) -> bool:
    return any(modifier["type"].startswith("LIMIT") for modifier in query["modifiers"])
