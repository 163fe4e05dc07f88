"""From the text of a statement to what is run for it: a query to collect with, and the statement itself, planned.

Puts the pieces in their order: mark the calls, cut out what the statement reads, expand views and macros, guard the calls
with cheap predicates, lift them above LIMIT, see which calls depend on which. Where a step cannot be sure, the statement
runs live, as DuckDB runs it, and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, repeat
from typing import Any, NamedTuple, TypeAlias

import duckdb

from duck_or.queries.clauses import Split
from duck_or.queries.expand import expand
from duck_or.queries.facts import Functions, Sources, catalogue
from duck_or.queries.flow import Flow, flow_of
from duck_or.queries.guard import Choice, Order, as_written, guard
from duck_or.queries.library import Library
from duck_or.queries.lift import lift
from duck_or.queries.marks import Marked, calls, mark
from duck_or.queries.names import columns_of, match_calls, name_calls, name_columns, text_of, unmarked
from duck_or.queries.order import IN_ORDER, WINDOWED, is_certain
from duck_or.queries.reads import tables_read
from duck_or.queries.scope import mark_of, marks_below
from duck_or.queries.split import kind_of, may_be_marked, split
from duck_or.queries.syntax import Node, Syntax, is_a, walk
from duck_or.queries.tokens import tokens
from duck_or.sql.family import ASKING
from duck_or.sql.functions import Slot
from duck_or.sql.plans import CALLS, PLANNED
from duck_or.statements.preference import SAMPLE

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any] | None

# Another one each time they are evaluated, but nothing comes of evaluating them once more.
HARMLESS = frozenset({"random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7"})
MOMENTS = frozenset(
    {
        *("now", "current_timestamp", "get_current_timestamp", "transaction_timestamp", "localtimestamp"),
        *("current_localtimestamp", "current_time", "get_current_time", "localtime", "current_localtime"),
    }
)


class _RunsLive(Exception):
    """Why."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement as it will be run. number: its plan's. kind: as in `split`. collect: the query to collect with, None if
    there is none. written: the statement as it is written, its calls marked. run: the same with its query rewritten, to be
    run once all is asked. Parameters are for `collect` and for the statement. flow: what may be believed; its `live` says
    why the statement runs chunk by chunk."""

    number: int
    kind: str
    collect: str | None
    written: str
    run: str
    flow: Flow
    collect_parameters: Parameters = None
    parameters: Parameters = None


class Sample(NamedTuple):
    """A query as a user would write it, of one column `passed`."""

    text: str
    parameters: Parameters


class _Source(NamedTuple):
    """A statement that is being planned. alike: its text, all calls with one mark, so that its places are those of the
    text that `parts` are of. mark: marks the calls in a text with the statement's next numbers."""

    number: int
    text: str
    kind: str
    parts: Split
    alike: str
    mark: Callable[[str], Marked]
    parameters: Parameters


class Planner:
    """Plans statements for one connection. Parses on a cursor of its own; asks the connection itself for what no other
    one sees: its temporary views and macros, and what its query's columns are called."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        slot: Slot,
        read_once: Callable[[str], bool] = lambda name: False,
    ) -> None:
        """read_once: whether a name that the catalog does not know means rows that can be read only once."""
        self._con = con
        self._slot = slot
        self._read_once = read_once
        self._cursor = con.cursor()
        self._syntax = Syntax(self._cursor)

    def plan(
        self, statement: duckdb.Statement, parameters: Parameters, order: Order = as_written
    ) -> Planned | None:
        """None: nothing in it asks, so it is run as it is written. order: which of several predicates that ask decides
        first. Raises duckdb.Error where DuckDB does not know what the statement names."""
        text = statement.query
        kind = kind_of(statement, text)
        if not may_be_marked(kind):
            return None
        known = catalogue(self._con)
        library = Library(self._con, known)
        if not _may_ask(text, library):
            return None
        number = self._slot.plans.number()
        marks = self._marks(count(number * CALLS + 1), library)
        marked = marks(text)
        parts = split(statement, marked.text, self._parses, self._exists)
        # What runs as it is written needs no marks that tell its calls apart, and DuckDB has to find equal ones equal.
        alike = self._marks(repeat(number * CALLS), library)(text).text
        source = _Source(number, text, kind, parts, alike, marks, parameters)
        try:
            if marked.left:  # it would be asked while the others are being collected
                raise _RunsLive("a call in it is written in a way that cannot be marked")
            return self._planned(source, library, Functions.read(self._cursor, known), order)
        except _RunsLive as reason:
            return Planned(number, kind, None, alike, alike, Flow(live=str(reason)), parameters=parameters)

    def _parses(self, query: str) -> bool:
        return self._syntax.parse(query) is not None

    def _exists(self, name: str) -> bool:
        try:
            self._con.sql(f"FROM {name}")
        except duckdb.CatalogException:
            return False
        return True

    def sample(self, choice: Choice, place: int, parameters: Parameters) -> Sample | None:
        """A query that tries one of a choice's predicates on some rows, on other ones for each; None if there is none."""
        tree = choice.sample(place, SAMPLE, place * SAMPLE)
        if tree is None or (text := self._syntax.text(unmarked(tree))) is None:
            return None
        return Sample(text, _parameters_of(tree, parameters))

    def _planned(self, source: _Source, library: Library, facts: Functions, order: Order) -> Planned | None:
        tree = self._tree(source, library)
        if not marks_below(tree):
            return None
        self._refuse_streams(tree, library)
        _refuse_changing(tree, facts)
        if source.kind == "select":
            with self._slot.mute():
                name_columns(tree, self._columns(source))
        name_calls(match_calls(tree), self._syntax)
        run = self._rewritten(source, tree, facts, order)
        read = self._written(tree)
        given = _parameters_of(tree, source.parameters)
        flow = self._in_order(tree, flow_of(tree))
        return Planned(source.number, source.kind, read, source.alike, run, flow, given, source.parameters)

    def _rewritten(self, source: _Source, tree: Node, facts: Functions, order: Order) -> str:
        """Rewrite the query so that it asks no more than it has to; returns the statement's text with it. What cannot be
        put back into the statement is left as it is: what is collected is what will be asked."""
        parts, text = source.parts, source.alike
        if parts.before is not None and parts.after is not None:
            if not _mixes_parameters(tree, parts.before + parts.after):
                lift(tree, facts, columns_of(self._con, self._syntax))
                guard(tree, facts, order)
                return f"{parts.before}{self._written(tree)}{parts.after}"
        elif parts.condition is not None and not marks_below(tree["from_table"]):
            before, after = text[: parts.condition.start], text[parts.condition.stop :]
            if not _mixes_parameters(tree, before + after):
                guard(tree, facts, order)
                return f"{before}{text_of(tree['where_clause'], self._syntax)}{after}"
        return text

    def _in_order(self, tree: Node, flow: Flow) -> Flow:
        """The flow; live where the questions may be other ones each time, since rows come in another order."""
        if not flow.unordered or flow.live is not None:
            return flow
        tables = Sources(self._con)
        if tables.one_thread or is_certain(tree, tables.is_small):
            return flow
        name = min(flow.unordered)
        return replace(
            flow, live=f"{name}() without ORDER BY may come in another order each time: {_cure(name)}"
        )

    def _written(self, tree: Node) -> str:
        text = self._syntax.text(tree)
        if text is None:
            raise _RunsLive("DuckDB would not read its own writing of this query")
        return text

    def _tree(self, source: _Source, library: Library) -> Node:
        if source.parts.read is None:
            raise _RunsLive(source.parts.reason or "it cannot be split")
        tree = self._syntax.parse(source.parts.read)
        if tree is None:
            raise _RunsLive("DuckDB cannot write its query down as a tree")
        expanded = expand(tree, library, source.mark)
        if isinstance(expanded, str):
            raise _RunsLive(expanded)
        return expanded

    def _refuse_streams(self, tree: Node, library: Library) -> None:
        """Raises _RunsLive if the query reads what is gone once its questions are collected."""
        for table in tables_read(tree):
            name = table["table_name"]
            if not self._read_once(name):
                continue
            places = library.places(table["catalog_name"], table["schema_name"], None)
            if library.place_of(name.lower(), places) is None:
                raise _RunsLive(f"{name} may be read only once")

    def _columns(self, source: _Source) -> list[str]:
        """What the query's columns are called as it was written. Binds the query, runs nothing."""
        if source.parameters:  # before 2.0, a relation with parameters is evaluated when it is made
            described = self._con.sql(f"DESCRIBE {source.text}", params=source.parameters)
            return [row[0] for row in described.fetchall()]
        columns: list[str] = self._con.sql(source.text).columns
        return columns

    def _marks(self, numbers: Iterator[int], library: Library) -> Callable[[str], Marked]:
        names = {name: f"{self._slot.prefix}{PLANNED}{name}" for name in ASKING}
        return lambda text: mark(text, names, numbers.__next__, foreign=library.foreign)


def _may_ask(text: str, library: Library) -> bool:
    """Whether a text holds a call, or the name of a view or macro that does."""
    found = tokens(text)
    named = any(token.name in library.asking for token in found)
    return named or bool(calls(found, ASKING, library.foreign))


def _cure(aggregate: str) -> str:
    if aggregate.startswith("json_group_"):  # macros, which take no ORDER BY
        return "write to_json(list(x ORDER BY …))"
    where = (
        f"{aggregate}(…) OVER (ORDER BY …)"
        if aggregate in WINDOWED - IN_ORDER
        else f"{aggregate}(x ORDER BY …)"
    )
    return f"write {where}"


def _refuse_changing(tree: Node, facts: Functions) -> None:
    """Raises _RunsLive if the query, run again, may ask something else, or change something."""
    harmless = {id(node) for item in _plain_items(tree) for node in walk(item) if _name(node) in HARMLESS}
    for node in walk(tree):
        if _name(node) in facts.volatile and id(node) not in harmless:
            raise _RunsLive(f"{_name(node)}() is another one each time it is evaluated")
        if mark_of(node) is not None and (moment := _moment_in(node)):
            raise _RunsLive(f"{moment} in what is asked is another one each time")


def _mixes_parameters(tree: Node, rest: str) -> bool:
    """DuckDB writes a query's `?` with numbers, which must not stand beside others without."""
    return any(is_a(node, "PARAMETER") for node in walk(tree)) and any(
        token.text == "?" for token in tokens(rest)
    )


def _plain_items(tree: Node) -> list[Node]:
    """The items of the top SELECT that hold no call, where nothing else depends on them."""
    if tree["type"] != "SELECT_NODE" or tree["modifiers"]:
        return []
    return [item for item in tree["select_list"] if not marks_below(item)]


def _moment_in(call: Node) -> str | None:
    for node in walk(call):
        *_, name = [_name(node)] if is_a(node, "FUNCTION") else node.get("column_names") or [""]
        if name.lower() in MOMENTS:
            return str(name)
    return None


def _name(node: Node) -> str:
    return str(node.get("function_name", "")).lower()


def _parameters_of(tree: Node, given: Parameters) -> Parameters:
    """Those of a statement's parameters that its query takes."""
    if given is None:
        return None
    taken = {str(node["identifier"]) for node in walk(tree) if is_a(node, "PARAMETER")}
    if isinstance(given, Mapping):
        return {name: value for name, value in given.items() if name in taken} or None
    return list(given)[: len(taken)] or None
