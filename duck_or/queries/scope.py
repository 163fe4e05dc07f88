"""Which calls, and which aggregates in no certain order, a value was made of, followed through columns, aliases, subqueries and CTEs.

A call is known by its mark: the number that stands as the first argument of a planned call. Where it cannot be told what
a name means, it means everything it could. What follows from it, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

from duck_or.queries.order import unordered_aggregate
from duck_or.queries.syntax import (
    Node,
    arguments,
    column_names,
    ctes_of,
    expressions,
    function_name,
    integer,
    is_a,
    queries_below,
    set_operands,
    subqueries,
    walk,
)
from duck_or.sql.plans import PLANNED

Marks: TypeAlias = frozenset[int]
NONE: Marks = frozenset()

# NULL for an answer that is not known yet stays NULL through these, or becomes what it would have been in any case.
STRICT_FUNCTIONS = frozenset(
    [
        *("->", "->>", "json_extract", "json_extract_string", "json_value"),
        *(
            "lower",
            "upper",
            "trim",
            "ltrim",
            "rtrim",
            "left",
            "right",
            "substring",
            "substr",
            "replace",
            "split_part",
        ),
        *("length", "strlen", "contains", "starts_with", "ends_with", "prefix", "suffix"),
        *("regexp_matches", "regexp_full_match", "regexp_extract"),
        *("~~", "!~~", "~~*", "!~~*", "~~~"),  # LIKE, ILIKE, GLOB
        *("like_escape", "not_like_escape", "ilike_escape", "not_ilike_escape"),
        *("||", "+", "-", "*", "/", "//", "%", "**", "round", "floor", "ceil", "abs"),
    ]
)
STRICT_OPERATORS = frozenset(
    {"OPERATOR_NOT", "COMPARE_IN", "COMPARE_NOT_IN", "ARRAY_EXTRACT", "STRUCT_EXTRACT", "ARRAY_SLICE"}
)


@dataclass(frozen=True, slots=True)
class Taint:
    """marks: the calls a value may depend on. lenient: those of them whose missing answer may make it something that is
    not NULL, and so decide what only the answer may decide. unordered: the aggregates it may depend on that are different
    ones when their rows come in another order (see `order`). Its truth value: whether it depends on a call."""

    marks: Marks = NONE
    lenient: Marks = NONE
    unordered: frozenset[str] = frozenset()

    def __or__(self, other: Taint) -> Taint:
        unordered = self.unordered | other.unordered
        return Taint(self.marks | other.marks, self.lenient | other.lenient, unordered)

    def __bool__(self) -> bool:
        return bool(self.marks)

    @property
    def all_lenient(self) -> Taint:
        return Taint(self.marks, self.marks, self.unordered)


CLEAN = Taint()


@dataclass(frozen=True, slots=True)
class Scope:
    """What the names in a clause mean. names: columns and aliases, lower case. rest: what a name that cannot be
    resolved (a position, COLUMNS(…), a column without a name of its own) may mean. ctes: tables of the WITH clauses.
    tables: the columns of each table in sight."""

    names: Mapping[str, Taint] = field(default_factory=dict)
    rest: Taint = CLEAN
    ctes: Mapping[str, Scope] = field(default_factory=dict)
    tables: Mapping[str, Scope] = field(default_factory=dict)

    def __or__(self, other: Scope) -> Scope:
        names = dict(self.names)
        for name, taint in other.names.items():
            names[name] = names.get(name, CLEAN) | taint
        tables = dict(self.tables)
        for name, columns in other.tables.items():
            tables[name] = tables[name] | columns if name in tables else columns
        return Scope(names, self.rest | other.rest, {**self.ctes, **other.ctes}, tables)

    @property
    def everything(self) -> Taint:
        return _union(self.names.values()) | self.rest


def mark_of(node: Node) -> int | None:
    """The mark of a planned call."""
    return integer(arguments(node)[0]) if function_name(node).startswith(PLANNED) else None


def marks_below(node: object) -> Marks:
    """The marks of all calls below, subqueries included."""
    found = (mark_of(each) for each in walk(node))
    return frozenset(mark for mark in found if mark is not None)


def taint_of(node: Node | None, scope: Scope) -> Taint:
    """What an expression is made of."""
    if node is None:
        return CLEAN
    kind = node["class"]
    if kind == "COLUMN_REF":
        return _column(column_names(node), scope)
    if kind in ("POSITIONAL_REFERENCE", "STAR"):
        return scope.everything | _union(taint_of(each, scope) for each in expressions(node))
    below = _union(taint_of(each, scope) for each in expressions(node)) | _order_of(node)
    if (mark := mark_of(node)) is not None:
        return below | Taint(frozenset({mark}))
    if nested := subqueries(node):
        inside = _union(output_scope(query, scope).everything for query in nested)
        return below | (inside | _read_inside(nested, scope) | Taint(marks_below(nested))).all_lenient
    if kind == "CASE":
        return _case(node, scope, below)
    return below if _is_strict(node) else below.all_lenient


def _order_of(node: Node) -> Taint:
    name = unordered_aggregate(node)
    return CLEAN if name is None else Taint(unordered=frozenset({name}))


def _read_inside(queries: list[Node], scope: Scope) -> Taint:
    """What subqueries read of the query around them, in any of their clauses: its columns, and its WITH tables'."""
    tables = [node for node in walk(queries) if "class" not in node and "alias" in node]
    read = [scope.ctes.get(node.get("table_name", "").lower()) for node in tables]
    with_tables = reduce(Scope.__or__, [columns for columns in read if columns is not None], Scope())
    own = {(node["alias"] or node.get("table_name", "")).lower() for node in tables} - scope.tables.keys()
    columns = [column_names(node) for node in walk(queries) if is_a(node, "COLUMN_REF")]
    return _union(
        _column(names, with_tables if names[0] in own and names[1:] else scope | with_tables)
        for names in columns
    )


def _column(names: list[str], scope: Scope) -> Taint:
    if "(" in names[-1]:  # a column that is named after its expression
        return scope.rest | scope.names.get(names[-1], CLEAN)
    if len(names) == 2 and (table := scope.tables.get(names[0])):  # t.x, or the field x of a column t
        return table.names.get(names[1], CLEAN) | table.rest | scope.names.get(names[0], CLEAN)
    # A row as a whole, s.t.x or a struct's field: any of the parts may be what carries the answer.
    rows = _union(scope.tables[name].everything for name in names if name in scope.tables)
    return rows | _union(scope.names.get(name, CLEAN) for name in names)


def _is_strict(node: Node) -> bool:
    kind, name = node["class"], node["type"]
    if kind == "FUNCTION":
        return function_name(node) in STRICT_FUNCTIONS
    if kind == "OPERATOR":
        return name in STRICT_OPERATORS
    if kind == "COMPARISON":
        return "DISTINCT" not in name
    # LAMBDA: how DuckDB reads `json -> path`; a real one is the argument of a function that is not strict.
    return kind in ("CONJUNCTION", "BETWEEN", "CAST", "COLLATE", "CONSTANT", "PARAMETER", "TYPE", "LAMBDA")


def _case(node: Node, scope: Scope, below: Taint) -> Taint:
    """Strict in its conditions only where a condition that is NULL cannot bring about an answer: `CASE WHEN a THEN b END`,
    and `CASE WHEN a THEN true ELSE b END`, which is how `guard` writes AND and OR."""
    checks, otherwise = node["case_checks"], node["else_expr"]
    if len(checks) == 1 and (is_null(otherwise) or is_true(checks[0]["then_expr"])):
        return below
    conditions = _union(taint_of(check["when_expr"], scope) for check in checks)
    return below | conditions.all_lenient


def is_null(node: Node) -> bool:
    return is_a(node, "CONSTANT") and (
        node["literal"]["kind"] == "NULL_LITERAL" if "literal" in node else bool(node["value"]["is_null"])
    )


def is_true(node: Node) -> bool:
    """The constant true, in any of the ways that DuckDB writes it."""
    if is_a(node, "CAST"):  # 't'::BOOLEAN
        return is_a(node["child"], "CONSTANT") and _literal(node["child"]) in ("t", "true")
    return is_a(node, "CONSTANT") and _literal(node).lower() == "true"


def _literal(constant: Node) -> str:
    if "literal" in constant:
        literal = constant["literal"]
        return str(literal["text"] or ("true" if literal["kind"] in ("TRUE", "TRUE_LITERAL") else ""))
    return str(constant["value"].get("value"))


# --- queries ---------------------------------------------------------------------------------------------------------


def output_scope(query: Node, outer: Scope) -> Scope:
    """The columns that a query puts out. outer: what its correlated references and its WITH tables mean."""
    kind = query["type"]
    if kind == "SELECT_NODE":
        return _outputs(query, clause_scope(query, outer))
    inner = with_scope(query, outer)
    if kind == "SET_OPERATION_NODE":
        branches = [output_scope(each, inner) for each in set_operands(query)]
        others = _union(each.everything for each in branches[1:])
        # The names are the first one's; whatever the others say comes out under them.
        return Scope(
            {name: taint | others for name, taint in branches[0].names.items()},
            branches[0].rest | others,
            outer.ctes,
        )
    return Scope({}, Taint(marks_below(query)).all_lenient, outer.ctes)


def clause_scope(select: Node, outer: Scope) -> Scope:
    """What names mean in the clauses of a SELECT: the columns of its FROM, and the aliases of its own list."""
    inner = with_scope(select, outer)
    seen = Scope(ctes=inner.ctes) | table_scope(select.get("from_table"), inner)
    scope = inner | seen
    for item in select["select_list"]:
        if item["alias"] and (taint := taint_of(item, scope)) != CLEAN:
            scope = scope | Scope({item["alias"].lower(): taint})
    return scope


def with_scope(query: Node, outer: Scope, first: int | None = None) -> Scope:
    """`outer` and the tables of this query's WITH clause (or the first few of them)."""
    scope = outer
    for cte in ctes_of(query)[:first]:
        columns = _renamed(output_scope(cte.query, scope), cte.columns)
        scope = Scope(scope.names, scope.rest, {**scope.ctes, cte.name: columns}, scope.tables)
    return scope


def table_scope(table: Node | None, outer: Scope) -> Scope:
    """The columns of a table, a join, a subquery."""
    kind = table["type"] if table else "EMPTY"
    if table is None or kind in ("EMPTY", "EMPTY_FROM"):
        return Scope()
    if kind == "JOIN":
        left = table_scope(table["left"], outer)
        return left | table_scope(table["right"], outer | left)
    if kind == "BASE_TABLE":
        name = table["table_name"].lower()
        columns = outer.ctes.get(name, Scope()) if not table["schema_name"] else Scope()
        return _named(_renamed(columns, table["column_name_alias"]), table["alias"] or name)
    if kind == "SUBQUERY":
        columns = output_scope(table["subquery"]["node"], outer)
        return _named(_renamed(columns, table["column_name_alias"]), table["alias"])
    inside = _union(taint_of(each, outer) for each in _expressions_of(table))
    whole = (inside | Taint(marks_below(table))).all_lenient
    marked = whole != CLEAN
    names = [*table.get("column_name_alias", []), *table.get("expected_names", []), table.get("alias") or ""]
    # Columns that got no name here are called col0, unnest …: after that, no name is safe.
    columns = Scope(_EveryName(dict.fromkeys(map(str.lower, names), whole), whole) if marked else {}, whole)
    return _named(columns, table.get("alias") or "")


class _EveryName(dict[str, Taint]):
    """A table whose columns' names are not known: each may be any of them."""

    def __init__(self, names: Mapping[str, Taint], taint: Taint) -> None:
        super().__init__(names)
        for number in range(100):
            self[f"col{number}"] = taint
        self["unnest"] = taint


def _outputs(select: Node, scope: Scope) -> Scope:
    names: dict[str, Taint] = {}
    rest = CLEAN
    for item in select["select_list"]:
        taint = taint_of(item, scope)
        if is_a(item, "STAR"):
            for name, each in scope.names.items():
                names[name] = names.get(name, CLEAN) | each
            rest |= scope.rest
        elif item["alias"] or is_a(item, "COLUMN_REF"):
            name = (item["alias"] or item["column_names"][-1]).lower()
            names[name] = names.get(name, CLEAN) | taint
        else:
            rest |= taint
    return Scope({name: taint for name, taint in names.items() if taint != CLEAN}, rest, scope.ctes)


def _renamed(columns: Scope, aliases: list[str]) -> Scope:
    """With a list of column aliases the positions would have to be known: each may be any."""
    if not aliases:
        return columns
    return Scope(dict.fromkeys(map(str.lower, aliases), columns.everything), columns.everything, columns.ctes)


def _named(columns: Scope, alias: str) -> Scope:
    """The columns, also as those of a table of this name."""
    return columns | Scope(tables={alias.lower(): Scope(columns.names, columns.rest)}) if alias else columns


def _expressions_of(table: Node) -> list[Node]:
    return expressions(
        {name: value for name, value in table.items() if name not in ("left", "right", "subquery")}
    )


def _union(taints: Iterator[Taint] | list[Taint] | object) -> Taint:
    return reduce(Taint.__or__, taints, CLEAN)  # type: ignore[arg-type]


# --- every query of a query -------------------------------------------------------------------------------------------


def each_select(query: Node, outer: Scope | None = None) -> Iterator[tuple[Node, Scope]]:
    """Every SELECT of a query with what the names in its clauses mean, inner ones first. They may be changed in place."""
    outer = outer or Scope()
    inner = outer
    for place, cte in enumerate(ctes_of(query)):
        yield from each_select(cte.query, inner)
        inner = with_scope(query, outer, place + 1)
    scope = clause_scope(query, outer) if query["type"] == "SELECT_NODE" else inner
    first = query.get("from_table")
    while first and first["type"] == "JOIN":  # the tables on the right may read columns of those on the left
        first = first["left"]
    alone = list(queries_below([first])) if first and first["type"] == "SUBQUERY" else []
    for nested in queries_below({name: part for name, part in query.items() if name != "cte_map"}):
        yield from each_select(nested, inner if any(nested is each for each in alone) else inner | scope)
    if query["type"] == "SELECT_NODE":
        yield query, scope
