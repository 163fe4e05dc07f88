"""What a statement reads, as a query of its own, and how its text is put together again.

DuckDB has parsed the statement before; here its clauses are cut at words outside every bracket. Where several cuts are
conceivable, the one counts whose parts DuckDB parses. It must not know what the calls do, and it runs nothing.

`read` must evaluate exactly the calls that the statement evaluates: what cannot promise that is not split. A clause with
calls beside the query (ON CONFLICT, RETURNING, the actions of MERGE) makes a statement one that cannot be split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb

from duck_or.queries.marks import planned
from duck_or.queries.tokens import Words

_KINDS = {
    "SELECT": "select",
    "CREATE": "create table as",
    "INSERT": "insert",
    "COPY": "copy",
    "UPDATE": "update",
    "DELETE": "delete",
    "MERGE_INTO": "merge",
}
_QUERY = ("select", "from", "with", "values", "table")
_CREATE_OPTIONS = ("or", "replace", "temp", "temporary", "local", "unlogged")
_WRITES = ("insert", "update", "delete", "merge", "truncate", "copy")
_CLAUSES = (
    "select",
    "from",
    "where",
    "group",
    "having",
    "window",
    "qualify",
    "order",
    "limit",
    "offset",
    "using",
)
_SET_OPERATIONS = ("union", "except", "intersect")
_NO_TREE = "its query is not one that DuckDB can write down as a tree"


@dataclass(frozen=True, slots=True)
class Split:
    """A statement's query. kind: 'select', 'create table as', 'insert', 'copy', 'update', 'delete', 'merge' or 'other'.

    read: one SELECT that evaluates exactly the calls that the statement evaluates; None: it cannot be split. Its
        parameters are the statement's first ones, in the same order.
    before, after: text == before + read + after, so that another query may be put there; both None where `read` is not
        a part of the text but made up.
    condition: of a made-up `read`, where the statement's WHERE stands in the text, as characters; an equivalent of the
        read's WHERE may be put there.
    reason: why `read` is None: for people, one clause.
    """

    kind: str
    read: str | None
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    condition: slice | None = None


class _Unsplittable(Exception):
    """Says why; never leaves this module."""


class _Text(Words):
    """The statement with its marked calls, and DuckDB's word on what is a query."""

    def __init__(self, text: str, parses: Callable[[str], bool]) -> None:
        super().__init__(text)
        self.parses = parses
        self.calls = planned(self.tokens)

    def verb(self, word: str) -> tuple[str, int]:
        """The common table expressions in front of the statement's verb, as text, and where the verb stands."""
        if self.word(0) != "with":
            return "", 0
        at = next((at for at in self.find(word) if self.tokens[at - 1].text == ")"), self.end)
        return self.piece(0, at) + "\n", at

    def none_outside(self, start: int, stop: int, where: str) -> None:
        if any(not start <= at < stop for at in self.calls):
            raise _Unsplittable(f"the function is called in {where}")

    def condition(self, where: int, stop: int) -> slice | None:
        """What stands between WHERE and `stop`."""
        if where + 1 >= stop:
            return None
        return slice(self.tokens[where + 1].start, self.tokens[stop - 1].end)

    def verbatim(self, kind: str, start: int, stop: int) -> Split:
        """The tokens start:stop are the query."""
        read = self.piece(start, stop)
        if not self.parses(read):
            raise _Unsplittable(_NO_TREE)
        begin = self.tokens[start].start
        return Split(kind, read, self.text[:begin], self.text[begin + len(read) :])


def kind_of(statement: duckdb.Statement, text: str) -> str:
    """A Split's `kind`, from DuckDB's statement and its text, marked or not."""
    return _kind(statement, _Text(text, lambda query: False))


def _kind(statement: duckdb.Statement, s: _Text) -> str:
    kind = _KINDS.get(statement.type.name, "other")
    known = kind not in _KNOWN or _KNOWN[kind](s)
    return kind if known and s.end else "other"


def may_be_marked(kind: str) -> bool:
    """Whether its calls are evaluated by the statement itself; a view or macro would keep the marks."""
    return kind != "other"


def split(
    statement: duckdb.Statement,
    text: str,
    parses: Callable[[str], bool],
    exists: Callable[[str], bool] | None = None,
) -> Split:
    """What the statement reads. text: the statement's, already marked.

    parses: whether DuckDB parses a query as one SELECT that json_serialize_sql takes. exists: whether there is a table
    of this name (as SQL); without it CREATE TABLE IF NOT EXISTS is not split.
    """
    s = _Text(text, parses)
    kind = _kind(statement, s)
    if kind == "other":
        return Split(kind, None, reason="it is not a statement that can be split")
    try:
        if _writes_inside(s):
            raise _Unsplittable("a part of its query writes")
        return _create(s, exists) if kind == "create table as" else _SPLITTERS[kind](s)
    except _Unsplittable as why:
        return Split(kind, None, reason=str(why))


def _is_query(s: _Text) -> bool:
    """Not DESCRIBE, SUMMARIZE, SHOW, PIVOT, which are SELECT statements to DuckDB."""
    return next((t.word for t in s.tokens if t.text != "("), "") in _QUERY


def _is_create_table_as(s: _Text) -> bool:
    made = next((t.word for t in s.tokens[1:] if t.word not in _CREATE_OPTIONS), "")
    return made == "table" and s.first("as") < s.end


_KNOWN: dict[str, Callable[[_Text], bool]] = {
    "select": _is_query,
    "create table as": _is_create_table_as,
    "copy": lambda s: s.end > 1 and s.tokens[1].text == "(",
    "delete": lambda s: s.word(0) != "truncate",
}


def _writes_inside(s: _Text) -> bool:
    """Whether a bracket holds a statement that writes, as in WITH a AS (INSERT … RETURNING …): 2.0 takes it for a query."""
    return any(
        token.depth and token.word in _WRITES and before.text in ("(", ")") and after.name
        for before, token, after in zip(s.tokens, s.tokens[1:], s.tokens[2:], strict=False)
    )


def _select(s: _Text) -> Split:
    return s.verbatim("select", 0, s.end)


def _create(s: _Text, exists: Callable[[str], bool] | None) -> Split:
    start = s.first("as") + 1
    condition = s.first("if", "not", "exists", stop=start)
    if condition < start:
        name = condition + 3
        stop = next((at for at in range(name + 1, start) if not _names(s, at)), start)
        if exists is None or exists(s.piece(name, stop)):
            raise _Unsplittable("the table may be there already, and then nothing is read")
    if next(s.find("with", "no", "data", start=s.end - 3), None) is not None:
        raise _Unsplittable("WITH NO DATA reads nothing")
    return s.verbatim("create table as", start, s.first("with", "data", start=max(start, s.end - 2)))


def _names(s: _Text, at: int) -> bool:
    """Whether this token continues a qualified name."""
    return s.tokens[at].text == "." or s.tokens[at - 1].text == "."


def _insert(s: _Text) -> Split:
    ctes, verb = s.verb("insert")
    name = s.first("into", start=verb) + 1
    start, stop = _inserted(s, name, ctes)
    s.none_outside(0 if ctes else start, stop, "ON CONFLICT or RETURNING")
    query = _without_defaults(s, start, stop)
    if ctes or s.word(start) == "values":
        # As a query all rows of a list of VALUES have one type for each column (1 beside 2.50 is 1.00); in an INSERT each
        # value becomes the table's type by itself. So it may be read as a query, but not be replaced by one.
        return Split("insert", ctes + query)
    return s.verbatim("insert", start, stop)


def _inserted(s: _Text, name: int, ctes: str) -> tuple[int, int]:
    """Where the query stands after the table's name, as start and stop: INTO t BY NAME (a, b) query ON CONFLICT …"""
    word = next(
        (at for at in range(name + 1, s.end) if not s.tokens[at].depth and s.word(at) in _QUERY), s.end
    )
    stops = sorted({*s.find("on", "conflict", start=name), *s.find("returning", start=name), s.end})
    for start in [*s.find("(", start=name + 1, stop=word), word]:
        for stop in stops:
            if s.parses(ctes + s.piece(start, stop)):
                return start, stop
    raise _Unsplittable(_NO_TREE)


def _without_defaults(s: _Text, start: int, stop: int) -> str:
    """The query; if it is a list of VALUES, each DEFAULT in it is NULL, since only an INSERT knows the defaults."""
    defaults = [at for at in s.find("default", start=start, stop=stop, depth=1) if s.word(start) == "values"]
    pieces = []
    for at in defaults:
        pieces.append(s.text[s.tokens[start].start : s.tokens[at].start] + "NULL")
        start = at + 1
    return "".join([*pieces, s.piece(start, stop)])


def _copy(s: _Text) -> Split:
    stop = s.close(1)
    s.none_outside(2, stop, "what COPY writes to")
    return s.verbatim("copy", 2, stop)


def _update(s: _Text) -> Split:
    ctes, verb = s.verb("update")
    start = s.first("set", start=verb + 2)
    returning = s.first("returning", start=start)
    s.none_outside(0, returning, "RETURNING")
    where = s.first("where", start=start, stop=returning)
    for source in [*s.find("from", start=start, stop=where), where]:
        values = [
            value for part in s.commas(start + 1, source) if (value := _assigned(s, *part)) != "DEFAULT"
        ]
        tables = [s.piece(verb + 1, start), s.piece(source + 1, where)]
        if all(value and s.parses(f"SELECT ({value})") for value in values):
            read = f"{ctes}SELECT {', '.join(values) or '1'} {_from_where(s, tables, where, returning)}"
            if s.parses(read):
                return Split("update", read, condition=s.condition(where, returning))
    raise _Unsplittable("its clauses cannot be told apart")


def _assigned(s: _Text, start: int, stop: int) -> str:
    """The expression of `column = expression`."""
    equals = next(
        (at for at in range(start, stop) if not s.tokens[at].depth and s.tokens[at].text[:1] == "="), stop
    )
    if equals + 1 >= stop:
        return ""
    value = s.text[s.tokens[equals].start + 1 : s.tokens[stop - 1].end].strip()
    return "DEFAULT" if s.word(stop - 1) == "default" and equals + 2 == stop else value


def _delete(s: _Text) -> Split:
    ctes, verb = s.verb("delete")
    returning = s.first("returning", start=verb)
    s.none_outside(0, returning, "RETURNING")
    where = s.first("where", start=verb, stop=returning)
    using = s.first("using", start=verb, stop=where)
    tables = [s.piece(verb + 2, using), s.piece(using + 1, where)]
    read = f"{ctes}SELECT 1 {_from_where(s, tables, where, returning)}"
    if not s.parses(read):
        raise _Unsplittable("its clauses cannot be told apart")
    return Split("delete", read, condition=s.condition(where, returning))


def _from_where(s: _Text, tables: list[str], where: int, stop: int) -> str:
    return f"FROM {', '.join(filter(None, tables))} {s.piece(where, stop)}".rstrip()


def _merge(s: _Text) -> Split:
    ctes, verb = s.verb("merge")
    opening = s.first("using", start=verb) + 1
    if opening >= s.end or s.tokens[opening].text != "(":
        raise _Unsplittable("the source of MERGE is not a query in brackets")
    start, stop = opening + 1, s.close(opening)
    s.none_outside(start, stop, "the condition or the actions of MERGE, or before it")
    _check_source_is_read_whole(s, stop)
    _check_columns_are_used(s, start, stop)
    if not ctes:
        return s.verbatim("merge", start, stop)
    read = ctes + s.piece(start, stop)
    if not s.parses(read):
        raise _Unsplittable(_NO_TREE)
    return Split("merge", read)


def _check_source_is_read_whole(s: _Text, stop: int) -> None:
    """Without WHEN NOT MATCHED DuckDB joins the inner way and may skip rows of the source that match nothing."""
    for at in s.find("not", "matched", start=stop):
        if (s.word(at + 2), s.word(at + 3)) != ("by", "source"):
            return
    raise _Unsplittable("MERGE without WHEN NOT MATCHED need not read its whole source")


def _check_columns_are_used(s: _Text, start: int, stop: int) -> None:
    """DuckDB does not evaluate a column of the source that nothing uses."""
    if s.word(start) != "select" or any(s.word(at) in _SET_OPERATIONS for at in _level(s, start, stop)):
        raise _Unsplittable("the source of MERGE is not a single SELECT")
    clauses = [at for at in _level(s, start, stop) if s.word(at) in _CLAUSES]
    listed = next((at for at in clauses if at > start), stop)
    for first, last in s.commas(start + 1, listed, depth=1):
        if any(first <= at < last for at in s.calls) and not _is_used(s, first, last, stop):
            raise _Unsplittable("a column of the source of MERGE that holds a call is not used by name")
    for call in (at for at in s.calls if at >= listed):
        if s.word(max(at for at in clauses if at < call)) != "where":
            raise _Unsplittable("the source of MERGE calls the function outside its columns and its WHERE")


def _level(s: _Text, start: int, stop: int) -> Iterator[int]:
    return (at for at in range(start, stop) if s.tokens[at].depth == 1)


def _is_used(s: _Text, first: int, last: int, stop: int) -> bool:
    """Whether the column `expression AS name` is used: an action takes all columns, or alias.name stands after it."""
    if any(_takes_all(s, at + 1) for at in s.find("then", start=stop)):
        return True
    name = s.tokens[last - 1].name if last - 2 > first and s.word(last - 2) == "as" else ""
    alias = stop + 2 if s.word(stop + 1) == "as" else stop + 1
    if not name or s.tokens[alias + 1].text == "(":  # s(a, b) names the columns anew
        return False
    after = s.tokens[alias:]
    return any(
        (a.name, dot.text, b.name) == (after[0].name, ".", name)
        for a, dot, b in zip(after, after[1:], after[2:], strict=False)
    )


def _takes_all(s: _Text, at: int) -> bool:
    """INSERT or UPDATE without columns: INSERT, INSERT BY NAME, INSERT *, UPDATE SET * and the like."""
    if s.word(at) not in ("insert", "update"):
        return False
    shape = ("set", "by", "name", "position", "*")
    after = next((i for i in range(at + 1, s.end) if s.tokens[i].text.lower() not in shape), s.end)
    return after == s.end or s.word(after) in ("when", "returning")


_SPLITTERS: dict[str, Callable[[_Text], Split]] = {
    "select": _select,
    "insert": _insert,
    "copy": _copy,
    "update": _update,
    "delete": _delete,
    "merge": _merge,
}
