"""What a statement reads, as a query of its own, and how its text is put together again.

DuckDB has parsed the statement before; here its clauses are cut at words outside every bracket. Where several cuts are
conceivable, the one counts whose parts DuckDB parses. It must not know what the calls do, and it runs nothing.

`read` must evaluate exactly the calls that the statement evaluates: what cannot promise that is not split. A clause with
calls beside the query (ON CONFLICT, RETURNING, the actions of MERGE) makes a statement one that cannot be split.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb

from duck_or.queries.clauses import NO_TREE, Split, Text, Unsplittable
from duck_or.queries.merge import split_merge

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


def kind_of(statement: duckdb.Statement, text: str) -> str:
    """A Split's `kind`, from DuckDB's statement and its text, marked or not."""
    return _kind(statement, Text(text, lambda query: False))


def _kind(statement: duckdb.Statement, s: Text) -> str:
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
    s = Text(text, parses)
    kind = _kind(statement, s)
    if kind == "other":
        return Split(kind, None, reason="it is not a statement that can be split")
    try:
        if _writes_inside(s):
            raise Unsplittable("a part of its query writes")
        return _create(s, exists) if kind == "create table as" else _SPLITTERS[kind](s)
    except Unsplittable as why:
        return Split(kind, None, reason=str(why))


def _is_query(s: Text) -> bool:
    """Not DESCRIBE, SUMMARIZE, SHOW, PIVOT, which are SELECT statements to DuckDB."""
    return next((t.word for t in s.tokens if t.text != "("), "") in _QUERY


def _is_create_table_as(s: Text) -> bool:
    made = next((t.word for t in s.tokens[1:] if t.word not in _CREATE_OPTIONS), "")
    return made == "table" and s.first("as") < s.end


_KNOWN: dict[str, Callable[[Text], bool]] = {
    "select": _is_query,
    "create table as": _is_create_table_as,
    "copy": lambda s: s.end > 1 and s.tokens[1].text == "(",
    "delete": lambda s: s.word(0) != "truncate",
}


def _writes_inside(s: Text) -> bool:
    """Whether a bracket holds a statement that writes, as in WITH a AS (INSERT … RETURNING …): 2.0 takes it for a query."""
    return any(
        token.depth and token.word in _WRITES and before.text in ("(", ")") and after.name
        for before, token, after in zip(s.tokens, s.tokens[1:], s.tokens[2:], strict=False)
    )


def _select(s: Text) -> Split:
    return s.verbatim("select", 0, s.end)


def _create(s: Text, exists: Callable[[str], bool] | None) -> Split:
    start = s.first("as") + 1
    condition = s.first("if", "not", "exists", stop=start)
    if condition < start:
        name = condition + 3
        stop = next((at for at in range(name + 1, start) if not _names(s, at)), start)
        if exists is None or exists(s.piece(name, stop)):
            raise Unsplittable("the table may be there already, and then nothing is read")
    if next(s.find("with", "no", "data", start=s.end - 3), None) is not None:
        raise Unsplittable("WITH NO DATA reads nothing")
    return s.verbatim("create table as", start, s.first("with", "data", start=max(start, s.end - 2)))


def _names(s: Text, at: int) -> bool:
    """Whether this token continues a qualified name."""
    return s.tokens[at].text == "." or s.tokens[at - 1].text == "."


def _insert(s: Text) -> Split:
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


def _inserted(s: Text, name: int, ctes: str) -> tuple[int, int]:
    """Where the query stands after the table's name, as start and stop: INTO t BY NAME (a, b) query ON CONFLICT …"""
    word = next(
        (at for at in range(name + 1, s.end) if not s.tokens[at].depth and s.word(at) in _QUERY), s.end
    )
    stops = sorted({*s.find("on", "conflict", start=name), *s.find("returning", start=name), s.end})
    for start in [*s.find("(", start=name + 1, stop=word), word]:
        for stop in stops:
            if s.parses(ctes + s.piece(start, stop)):
                return start, stop
    raise Unsplittable(NO_TREE)


def _without_defaults(s: Text, start: int, stop: int) -> str:
    """The query; if it is a list of VALUES, each DEFAULT in it is NULL, since only an INSERT knows the defaults."""
    defaults = [at for at in s.find("default", start=start, stop=stop, depth=1) if s.word(start) == "values"]
    pieces = []
    for at in defaults:
        pieces.append(s.text[s.tokens[start].start : s.tokens[at].start] + "NULL")
        start = at + 1
    return "".join([*pieces, s.piece(start, stop)])


def _copy(s: Text) -> Split:
    stop = s.close(1)
    s.none_outside(2, stop, "what COPY writes to")
    return s.verbatim("copy", 2, stop)


def _update(s: Text) -> Split:
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
    raise Unsplittable("its clauses cannot be told apart")


def _assigned(s: Text, start: int, stop: int) -> str:
    """The expression of `column = expression`."""
    equals = next(
        (at for at in range(start, stop) if not s.tokens[at].depth and s.tokens[at].text[:1] == "="), stop
    )
    if equals + 1 >= stop:
        return ""
    value = s.text[s.tokens[equals].start + 1 : s.tokens[stop - 1].end].strip()
    return "DEFAULT" if s.word(stop - 1) == "default" and equals + 2 == stop else value


def _delete(s: Text) -> Split:
    ctes, verb = s.verb("delete")
    returning = s.first("returning", start=verb)
    s.none_outside(0, returning, "RETURNING")
    where = s.first("where", start=verb, stop=returning)
    using = s.first("using", start=verb, stop=where)
    tables = [s.piece(verb + 2, using), s.piece(using + 1, where)]
    read = f"{ctes}SELECT 1 {_from_where(s, tables, where, returning)}"
    if not s.parses(read):
        raise Unsplittable("its clauses cannot be told apart")
    return Split("delete", read, condition=s.condition(where, returning))


def _from_where(s: Text, tables: list[str], where: int, stop: int) -> str:
    return f"FROM {', '.join(filter(None, tables))} {s.piece(where, stop)}".rstrip()


_SPLITTERS: dict[str, Callable[[Text], Split]] = {
    "select": _select,
    "insert": _insert,
    "copy": _copy,
    "update": _update,
    "delete": _delete,
    "merge": split_merge,
}
