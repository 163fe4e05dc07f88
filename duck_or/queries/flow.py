"""Which calls of a query may influence which others: what a collecting run may believe.

While answers are being collected, an answer that is not known yet is NULL. That is harmless where it only goes into the
result, and where a filter drops its row: the row comes again when the answer is known. It is not where something else is
asked because of it: a prompt built from an answer, the ELSE of a CASE, coalesce, a count. So what a call asks is believed
only in a round in which no call that may influence it lacked an answer. Where DuckDB could ask less than any such round
finds (a LIMIT that is filled by filtered rows), the statement has to run live.

Every rule here errs towards influence: too much of it costs a round, too little would ask what nobody needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from duck_or.queries.scope import (
    NONE,
    Marks,
    Scope,
    clause_scope,
    mark_of,
    marks_below,
    output_scope,
    table_scope,
    taint_of,
    with_scope,
)
from duck_or.queries.syntax import (
    Node,
    ctes_of,
    expressions,
    function_name,
    is_a,
    set_operands,
    subqueries,
    walk,
)

# Their arguments are looked at one after another, and no further than need be.
IN_SEQUENCE = frozenset({"if", "ifnull", "nvl", "coalesce"})


@dataclass(frozen=True, slots=True)
class Flow:
    """influences: for each call, the others that may decide whether and what it is asked. decisive: those whose answers
    may bring about further questions, so that one more round has to look for them. live: why the statement has to run
    chunk by chunk, None if it need not. unordered: the aggregates in no certain order that decide what is asked."""

    influences: Mapping[int, Marks] = field(default_factory=dict)
    decisive: Marks = NONE
    live: str | None = None
    unordered: frozenset[str] = frozenset()

    def believed(self, unknown: Marks) -> Marks:
        """The calls whose questions are certain after a round in which these lacked an answer."""
        return frozenset(mark for mark, others in self.influences.items() if others.isdisjoint(unknown))


def flow_of(query: Node) -> Flow:
    """The flow of a marked query."""
    marks = marks_below(query)
    try:
        visitor = _Visitor({mark: set() for mark in marks})
        visitor.query(query, Scope(), NONE)
    except _RunsLive as reason:
        return Flow(live=str(reason))
    visitor.reverse(marks)
    influences = {mark: frozenset(others - {mark}) for mark, others in visitor.influences.items()}
    decisive = frozenset(visitor.decisive).union(*influences.values())
    if len(marks) > 1:
        decisive |= _constant(query)
    return Flow(influences, decisive, unordered=frozenset(visitor.unordered))


def _constant(query: Node) -> Marks:
    """The calls that read no column. Where their missing answer is NULL, DuckDB folds what they stand in, and does not even
    look at the other calls there: distance(embed(x), embed('a'))."""
    return frozenset(
        mark
        for node in walk(query)
        if (mark := mark_of(node)) is not None
        and not any(
            is_a(each, "COLUMN_REF", "SUBQUERY", "POSITIONAL_REFERENCE", "STAR") for each in walk(node)
        )
    )


class _RunsLive(Exception):
    """Why."""


@dataclass(slots=True)
class _Visitor:
    influences: dict[int, set[int]]
    earlier: dict[int, Marks] = field(default_factory=dict)  # what is certainly evaluated before a call
    grouped: set[int] = field(default_factory=set)  # what is grouped by is not evaluated again above
    filtering: set[int] = field(default_factory=set)  # filters read their answers
    either: list[list[Marks]] = field(default_factory=list)  # the parts of each OR
    decisive: set[int] = field(default_factory=set)  # they decide which rows there are
    lenient: set[int] = field(default_factory=set)  # their missing answers may let rows through a filter
    unordered: set[str] = field(default_factory=set)  # what is asked depends on the order of their rows

    # Each method returns the calls that decide which rows come out of what it visited.

    def query(self, query: Node, outer: Scope, before: Marks) -> Marks:
        kind = query["type"]
        if not marks_below(query):
            return NONE
        if kind == "SELECT_NODE":
            return self._select(query, outer, before)
        if kind == "SET_OPERATION_NODE":
            return self._set_operation(query, outer, before)
        raise _RunsLive(f"a call stands in a {kind.removesuffix('_NODE').lower().replace('_', ' ')}")

    def _set_operation(self, query: Node, outer: Scope, before: Marks) -> Marks:
        decided = self._ctes(query, outer, before)
        inner = with_scope(query, outer)
        for branch in set_operands(query):
            decided |= self.query(branch, inner, before | decided)
        if not query["setop_all"] or query["setop_type"] != "UNION":
            decided |= output_scope(query, outer).everything.marks
        return self._modified(query, output_scope(query, outer) | inner, before, decided, stops_early=True)

    def _select(self, select: Node, outer: Scope, before: Marks) -> Marks:
        if select.get("sample"):
            raise _RunsLive("a sample is another one each time")
        decided = self._ctes(select, outer, before)
        inner = with_scope(select, outer)
        decided |= self._table(select.get("from_table"), inner, before | decided)
        scope = clause_scope(select, outer)
        decided |= self._filter(select["where_clause"], scope, before | decided)
        groups = NONE
        for expression in select["group_expressions"]:
            groups |= self.expression(expression, scope, before | decided)
        self.grouped |= marks_below(select["group_expressions"])
        streams = not (groups or select["group_expressions"])
        decided |= groups
        for name in ("having", "qualify"):
            decided |= self._filter(select[name], scope, before | decided)
        for item in select["select_list"]:
            self.expression(item, scope, before | decided)
        return self._modified(select, scope, before, decided, streams)

    def _ctes(self, query: Node, outer: Scope, before: Marks) -> Marks:
        decided = NONE
        for place, cte in enumerate(ctes_of(query)):
            decided |= self.query(cte.query, with_scope(query, outer, place), before | decided)
        return decided

    def _modified(self, query: Node, scope: Scope, before: Marks, decided: Marks, stops_early: bool) -> Marks:
        """DISTINCT, ORDER BY, LIMIT. stops_early: without a sort, a LIMIT ends the work below it."""
        kinds = {modifier["type"] for modifier in query["modifiers"]}
        keys = NONE
        for modifier in query["modifiers"]:
            for expression in expressions(modifier):
                keys |= self.expression(expression, scope, before | decided)
        if "DISTINCT_MODIFIER" in kinds:
            decided |= keys | self._listed(query, scope)
        self.decisive |= decided
        if kinds.isdisjoint({"LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER"}):
            return decided
        if decided and stops_early and "ORDER_MODIFIER" not in kinds:
            raise _RunsLive("answers decide how soon its LIMIT is reached")
        self.decisive |= keys
        self._may_come_later(marks_below(query), keys)
        return decided | keys

    def _may_come_later(self, marks: Marks, keys: Marks) -> None:
        """DuckDB may evaluate what the order needs not for the rows that are left only."""
        needed = keys.union(*(self.influences[key] for key in keys))
        for mark in marks - needed:
            self.influences[mark] |= keys

    def _listed(self, query: Node, scope: Scope) -> Marks:
        items = query.get("select_list", [])
        return _union(taint_of(item, scope).marks for item in items) | (
            scope.everything.marks if not items else NONE
        )

    def _table(self, table: Node | None, outer: Scope, before: Marks) -> Marks:
        if table is None:
            return NONE
        if table.get("sample"):
            raise _RunsLive("a sample is another one each time")
        kind = table["type"]
        if kind == "SUBQUERY":
            return self.query(table["subquery"]["node"], outer, before)
        if kind == "JOIN":
            return self._join(table, outer, before)
        if kind == "EXPRESSION_LIST" or not marks_below(table):
            for expression in _expressions_of(table):
                self.expression(expression, outer, before)
            return NONE
        raise _RunsLive(f"a call stands in a {kind.lower().replace('_', ' ')}")

    def _join(self, join: Node, outer: Scope, before: Marks) -> Marks:
        left = table_scope(join["left"], outer)
        both = outer | left | table_scope(join["right"], outer | left)
        decided = self._table(join["left"], outer, before)
        decided |= self._table(join["right"], outer | left, before | decided)
        decided |= self._filter(join["condition"], both, before | decided)
        return decided | _union(
            both.names[name.lower()].marks for name in join["using_columns"] if name.lower() in both.names
        )

    def _filter(self, condition: Node | None, scope: Scope, before: Marks) -> Marks:
        if condition is None:
            return NONE
        taint = taint_of(condition, scope)
        self.lenient |= taint.lenient
        self.filtering |= taint.marks
        self.unordered |= taint.unordered
        return self.expression(condition, scope, before, decides=True)

    def expression(
        self, node: Node, scope: Scope, before: Marks, earlier: Marks = NONE, decides: bool = False
    ) -> Marks:
        """Visit an expression; returns the calls its value is made of. before: those that decide whether it is reached;
        earlier: and those that do so within the same expression. decides: whether only the rows that it is true for go on.
        """
        if is_a(node, "OPERATOR") and node["type"] == "OPERATOR_TRY" and marks_below(node):
            raise _RunsLive("TRY(…) goes on after a row's failure")
        self._subqueries(node, scope, before | earlier)
        used = NONE
        for part in expressions(node):
            passed = earlier | used if _in_sequence(node) else earlier
            used |= self.expression(part, scope, before, passed, _decides(node, part, decides))
        if is_a(node, "CONJUNCTION"):
            self._conjunction(node, scope, decides)
        if (mark := mark_of(node)) is not None and mark not in self.grouped:
            self.earlier[mark] = self.earlier.get(mark, used | earlier) & (used | earlier)
            self.influences[mark] |= before | used | earlier
            self.unordered |= taint_of(node, scope).unordered
        return used | taint_of(node, scope).marks

    def _subqueries(self, node: Node, scope: Scope, before: Marks) -> None:
        for nested in subqueries(node):
            decided = self.query(nested, scope, before)
            if decided and node.get("subquery_type") != "ANY":
                raise _RunsLive("a subquery may end early, once answers decide that it can")

    def _conjunction(self, node: Node, scope: Scope, decides: bool) -> None:
        """DuckDB orders the parts of AND and OR as it likes, and leaves out the later ones where the rows are chosen by
        them; where only their value is wanted, it evaluates them all. An AND leaves out no less for a missing answer,
        except where that lets rows through."""
        parts = [taint_of(part, scope) for part in expressions(node)]
        marks = [part.marks for part in parts]
        if node["type"] == "CONJUNCTION_OR":
            self.either.append(marks)
            if decides:
                self.filtering |= NONE.union(*marks)
        elif decides:
            self._influence([part.lenient for part in parts], marks)

    def _influence(self, parts: list[Marks], others: list[Marks]) -> None:
        """Each of the parts all but the one in its own place."""
        for place, part in enumerate(parts):
            for mark in _union(others[:place] + others[place + 1 :]):
                self.influences[mark] |= part - {mark}

    def reverse(self, marks: Marks) -> None:
        """A filter may be pushed below other calls. Where a missing answer only drops rows, they merely come later; where
        it lets rows through, nothing else can be believed before it is known."""
        for mark in self.lenient:
            for other in marks - {mark} - self.earlier.get(mark, NONE):
                self.influences[other].add(mark)
        for parts in self.either:
            if not self.filtering.isdisjoint(_union(parts)):
                self._influence(parts, parts)


def _decides(node: Node, part: Node, decides: bool) -> bool:
    """Whether DuckDB chooses rows by a part of an expression. decides: whether it does by the whole."""
    if is_a(node, "CASE") and any(part is check["when_expr"] for check in node["case_checks"]):
        return True
    return part is node.get("filter") or (decides and is_a(node, "CASE", "CONJUNCTION"))


def _in_sequence(node: Node) -> bool:
    return (
        is_a(node, "CASE")
        or (is_a(node, "OPERATOR") and node["type"] == "OPERATOR_COALESCE")
        or function_name(node) in IN_SEQUENCE
    )


def _expressions_of(table: Node) -> list[Node]:
    return [node for node in walk(table) if "class" in node]


def _union(marks: Iterable[Marks]) -> Marks:
    return NONE.union(*marks)
