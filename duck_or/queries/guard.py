"""Which predicates decide first: cheap ones before those that ask a model, several of these one inside the other.

DuckDB takes a Python function for cheap and may call it on rows that a sibling would have dropped; it evaluates THEN
only for rows that pass WHEN. Decides from the parse tree alone; what an answer costs, it must not know.

    a AND m              a AND CASE WHEN a THEN m END       a stays outside too, where scans and joins can use it
    a AND m1 AND m2      a AND CASE WHEN a THEN CASE WHEN m1 THEN m2 END END
    a OR m               CASE WHEN a THEN true ELSE m END
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from duck_or.queries.facts import Functions
from duck_or.queries.names import is_several, unmarked
from duck_or.queries.predicates import (
    columns,
    distinct,
    has_limit,
    is_a_join,
    is_boolean,
    joins,
    negated,
    nodes,
    pooled_joins,
    qualifiers,
    table_names,
)
from duck_or.queries.sample import independent, sample_query
from duck_or.queries.scope import Scope, each_select, is_null, is_true, marks_below, taint_of
from duck_or.queries.syntax import Node, case, conjunction, fingerprint, is_a, walk


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
        pooled = pooled_joins(self.select["from_table"])
        for join in joins(self.select["from_table"]):
            if join not in pooled and join["join_type"] == "INNER" and join["ref_type"] == "REGULAR":
                join["condition"] = self._clause(self._conjuncts(join["condition"]), [])
        self._where(pooled, self._out_of_having())
        if nested:
            self._items(pooled)
        self._having()
        if self.select["qualify"]:
            self.select["qualify"] = self._clause(self._conjuncts(self.select["qualify"]), [])
        for node in nodes([self.select[name] for name in ("select_list", "modifiers")]):
            for check in node["case_checks"] if is_a(node, "CASE") else []:
                if self._asks(check["when_expr"]):
                    check["when_expr"] = self._truth(check["when_expr"])

    def _where(self, pooled: list[Node], moved: list[Node]) -> None:
        """Inner joins and WHERE decide together, so they are guarded together: what asks a model goes to WHERE. moved:
        there from elsewhere."""
        for join in pooled:
            parts = self._conjuncts(join["condition"])
            models = [part for part in parts if self._movable(part, join)]
            if models:
                moved += models
                rest = [part for part in parts if part not in models]
                join["condition"] = conjunction(rest) if rest else self.facts.true
        where = self.select["where_clause"]
        parts = (self._conjuncts(where) if where else []) + moved
        if parts:
            self.select["where_clause"] = self._clause(parts, self._joined(pooled), choose=True)

    def _movable(self, part: Node, join: Node) -> bool:
        return self._asks_here(part) and not self._is_join_key(part) and self._portable(part, join)

    def _portable(self, part: Node, join: Node) -> bool:
        """Whether the names of a condition mean the same in WHERE: all tables are in sight of the outermost join only."""
        tables = table_names(self.select["from_table"])
        names = [node["column_names"] for node in walk(part) if is_a(node, "COLUMN_REF")]
        return join is self.select["from_table"] or all(
            len(name) > 1 and tables.count(name[0].lower()) == 1 for name in names
        )

    def _joined(self, pooled: list[Node]) -> list[Node]:
        """What rows that reach WHERE have passed in the joins below."""
        return [
            part
            for join in pooled
            for part in self._conjuncts(join["condition"])
            if not self._asks(part) and self._repeatable(part) and self._portable(part, join)
            if not is_true(part)
        ]

    def _clause(self, parts: list[Node], passed: list[Node], choose: bool = False) -> Node:
        """The conjunction of the parts, guarded. passed: what else rows have passed before."""
        models = [part for part in parts if self._asks_here(part) and not self._is_join_key(part)]
        cheap = [part for part in parts if not self._asks(part)]
        others = [self._beside(part, cheap) for part in parts if part not in models and part not in cheap]
        if not models:
            return conjunction([*cheap, *others])
        outside = distinct([part for part in cheap if self._repeatable(part)], passed)
        once = [part for part in cheap if not self._repeatable(part)]
        before = [*outside, *passed]
        ordered = self._ordered(models, [*before, *once], choose)
        inside = self._nested([*before, *once], [self._truth(model) for model in ordered])
        return conjunction([*outside, *others, inside])

    def _beside(self, part: Node, cheap: list[Node]) -> Node:
        """A predicate on a side of a join where its answers are asked for: guarded by what can go there with it."""
        tables = qualifiers(part)
        before = [each for each in cheap if self._repeatable(each) and tables and qualifiers(each) == tables]
        return (
            part
            if self._is_join_key(part) or not before
            else case(conjunction(before), part, self.facts.null)
        )

    def _asks_here(self, part: Node) -> bool:
        """Whether the calls that a predicate reads are evaluated with it, and not below a join."""
        aliases = {item["alias"].lower() for item in self.select["select_list"] if self._asks(item)}
        named = {node["column_names"][0].lower() for node in columns(part) if not node["column_names"][1:]}
        below = is_a_join(self.select["from_table"]) and not marks_below(part) and aliases.isdisjoint(named)
        return self._asks(part) and not below

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
        inside = last if is_boolean(last) else case(last, self.facts.true, self.facts.null)
        for model in reversed(first):
            inside = case(model, self.facts.true, inside)
        when = conjunction(cheap, "CONJUNCTION_OR")
        return case(when, self.facts.true, inside) if cheap else inside

    def _conjuncts(self, node: Node) -> list[Node]:
        """What all has to hold, with what an earlier guard wrote taken apart again."""
        node = negated(node)
        if node["type"] == "CONJUNCTION_AND":
            return [part for child in node["children"] for part in self._conjuncts(child)]
        if (check := self._guarded(node)) and is_null(node["else_expr"]):
            return [*self._conjuncts(check["when_expr"]), *self._conjuncts(check["then_expr"])]
        return [node]

    def _disjuncts(self, node: Node) -> list[Node]:
        node = negated(node)
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

    def _out_of_having(self) -> list[Node]:
        """The predicates over keys of groups that DuckDB would push down to before the groups are made, where that spares
        the questions that are asked for making them."""
        select = self.select
        if not select["having"] or len(select["group_sets"]) != 1 or not self._asks_for_groups():
            return []
        aliases = {item["alias"].lower() for item in select["select_list"]}
        parts = self._conjuncts(select["having"])
        moved = [part for part in parts if self._asks(part) and self._is_of_keys(part, aliases)]
        rest = [part for part in parts if part not in moved]
        select["having"] = conjunction(rest) if rest else None
        return moved

    def _asks_for_groups(self) -> bool:
        made = [self.select[name] for name in ("select_list", "having", "qualify", "modifiers")]
        folded = [node for node in nodes(made) if self.facts.is_aggregate(node) and not is_a(node, "WINDOW")]
        return any(self._asks(node) for node in [*folded, *self.select["group_expressions"]])

    def _is_of_keys(self, part: Node, aliases: set[str]) -> bool:
        if any(is_a(node, "SUBQUERY") or self.facts.is_aggregate(node) for node in nodes([part])):
            return False
        return not any(
            node["column_names"][0].lower() in aliases
            for node in columns(part)
            if not node["column_names"][1:]
        )

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

    def _items(self, pooled: list[Node]) -> None:
        """A filter outside of this SELECT is pushed down into it and may come before its own: so each column that asks a
        model asks only for rows that pass these."""
        select = self.select
        if select["group_expressions"] or select["group_sets"] or has_limit(select):
            return
        if any(self.facts.is_aggregate(node) for node in nodes(select["select_list"])):
            return
        where = select["where_clause"]
        parts = [part for part in (self._conjuncts(where) if where else []) if not self._asks(part)]
        passed = self._joined(pooled)
        cheap = [*distinct([part for part in parts if self._repeatable(part)], passed), *passed]
        for place, item in enumerate(select["select_list"]):
            if cheap and self._can_be_guarded(item, cheap):
                guarded = case(conjunction(cheap), {**item, "alias": ""}, self.facts.null)
                select["select_list"][place] = {**guarded, "alias": item["alias"]}

    def _can_be_guarded(self, item: Node, cheap: list[Node]) -> bool:
        if not item["alias"] or is_several(item) or not marks_below(item):
            return False
        names = {name.lower() for part in cheap for node in columns(part) for name in node["column_names"]}
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
        sides = [columns(part["left"]), columns(part["right"])]
        qualified = [node["column_names"][0].lower() for side in sides for node in side]
        tables = set(qualified)
        one = len(tables) == 1 and all(len(node["column_names"]) > 1 for side in sides for node in side)
        return all(sides) and not (one and tables <= set(table_names(self.select["from_table"])))
