"""What a MERGE reads: its source, where DuckDB is certain to evaluate all of that.

A source row that matches nothing, or a column that nothing uses, need not be evaluated; so the conditions are strict.
"""

from __future__ import annotations

from collections.abc import Iterator

from duck_or.queries.clauses import NO_TREE, Split, Text, Unsplittable

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


def split_merge(s: Text) -> Split:
    ctes, verb = s.verb("merge")
    opening = s.first("using", start=verb) + 1
    if opening >= s.end or s.tokens[opening].text != "(":
        raise Unsplittable("the source of MERGE is not a query in brackets")
    start, stop = opening + 1, s.close(opening)
    s.none_outside(start, stop, "the condition or the actions of MERGE, or before it")
    _check_source_is_read_whole(s, stop)
    _check_columns_are_used(s, start, stop)
    if not ctes:
        return s.verbatim("merge", start, stop)
    read = ctes + s.piece(start, stop)
    if not s.parses(read):
        raise Unsplittable(NO_TREE)
    return Split("merge", read)


def _check_source_is_read_whole(s: Text, stop: int) -> None:
    """Without WHEN NOT MATCHED DuckDB joins the inner way and may skip rows of the source that match nothing."""
    for at in s.find("not", "matched", start=stop):
        if (s.word(at + 2), s.word(at + 3)) != ("by", "source"):
            return
    raise Unsplittable("MERGE without WHEN NOT MATCHED need not read its whole source")


def _check_columns_are_used(s: Text, start: int, stop: int) -> None:
    """DuckDB does not evaluate a column of the source that nothing uses."""
    if s.word(start) != "select" or any(s.word(at) in _SET_OPERATIONS for at in _level(s, start, stop)):
        raise Unsplittable("the source of MERGE is not a single SELECT")
    clauses = [at for at in _level(s, start, stop) if s.word(at) in _CLAUSES]
    listed = next((at for at in clauses if at > start), stop)
    for first, last in s.commas(start + 1, listed, depth=1):
        if any(first <= at < last for at in s.calls) and not _is_used(s, first, last, stop):
            raise Unsplittable("a column of the source of MERGE that holds a call is not used by name")
    for call in (at for at in s.calls if at >= listed):
        if s.word(max(at for at in clauses if at < call)) != "where":
            raise Unsplittable("the source of MERGE calls the function outside its columns and its WHERE")


def _level(s: Text, start: int, stop: int) -> Iterator[int]:
    return (at for at in range(start, stop) if s.tokens[at].depth == 1)


def _is_used(s: Text, first: int, last: int, stop: int) -> bool:
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


def _takes_all(s: Text, at: int) -> bool:
    """INSERT or UPDATE without columns: INSERT, INSERT BY NAME, INSERT *, UPDATE SET * and the like."""
    if s.word(at) not in ("insert", "update"):
        return False
    shape = ("set", "by", "name", "position", "*")
    after = next((i for i in range(at + 1, s.end) if s.tokens[i].text.lower() not in shape), s.end)
    return after == s.end or s.word(after) in ("when", "returning")
