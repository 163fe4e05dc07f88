"""Which calls of a statement are numbered, so that the function knows whom an answer is for.

`f(x)` becomes `planned_f(1001, x)`. Decided from the tokens alone; it must not know what a statement is or does. The
text is not parsed afterwards: that is its caller's, who runs the unmarked text where DuckDB rejects the marked one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from duck_or.queries.tokens import Token, tokens
from duck_or.sql.plans import PLANNED

PLACES = frozenset({"duck_or", "main", "memory", "temp"})  # where the public macros live
Path: TypeAlias = tuple[str, ...]
"""A function's name with its qualifiers, in lower case: ("main", "score")."""

NOTHING: frozenset[Path] = frozenset()

# DuckDB's own grammar, where they stand by themselves: extract(year FROM d), SUMMARIZE (SELECT …).
_GRAMMAR = frozenset({"extract", "summarize"})
# DuckDB's own functions of the same name, by how many arguments without a name they take: translate(s, 'ab', 'xy').
_THEIR_OWN = {"translate": 3, "try_translate": 3}
# What stands before a name that is followed by its columns and not by arguments.
_DEFINING = frozenset({"into", "table", "exists", "as", "with", "recursive"})


@dataclass(frozen=True, slots=True)
class Mark:
    """One marked call. number: its new first argument; name: the function's bare name in lower case.

    Characters start:end of the marked text stand where the original had `replaced`.
    """

    number: int
    name: str
    start: int
    end: int
    replaced: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A text whose calls are marked, in the order of the text. left: how many calls could not be and stay plain."""

    text: str
    marks: tuple[Mark, ...]
    left: int = 0


def mark(
    text: str,
    names: Mapping[str, str],
    number: Callable[[], int],
    places: Collection[str] = PLACES,
    foreign: Collection[Path] = NOTHING,
) -> Marked:
    """Replace every call of a function in `names` by a call of what it maps to, with `number()` as first argument.

    names: bare names in lower case → full names as SQL. places: the qualifiers that mean these functions; they are
    replaced along with the name. A call with another qualifier (`column.f()` is DuckDB for `f(column)`) stays. foreign:
    names that mean somebody else's functions.
    """
    found = tokens(text)
    pieces: list[str] = []
    marks: list[Mark] = []
    done = length = left = 0
    for index in calls(found, names, foreign):
        first = _first(found, index, places)
        if first is None:
            left += 1
            continue
        span = found[first].start, found[index + 1].end
        value = number()
        inserted = names[found[index].name] + text[found[index].end : span[1]] + str(value)
        inserted += "" if found[index + 2].text == ")" else ", "
        pieces += [text[done : span[0]], inserted]
        start = length + span[0] - done
        done, length = span[1], start + len(inserted)
        marks.append(Mark(value, found[index].name, start, length, text[slice(*span)]))
    return Marked("".join([*pieces, text[done:]]), tuple(marks), left)


def calls(found: Sequence[Token], names: Collection[str], foreign: Collection[Path] = NOTHING) -> list[int]:
    """The indices of the tokens that name one of these functions and are followed by its arguments."""
    return [
        index
        for index, token in enumerate(found[:-2])
        if token.name in names
        and found[index + 1].text == "("
        and not _defines(found, index)
        and not _is_duckdbs(found, index)
        and not _is_foreign(_path(found, index), foreign)
    ]


def planned(found: Sequence[Token]) -> list[int]:
    """The indices of the tokens that name a planned function in a call: what `mark` made."""
    return calls(found, {token.name for token in found if token.name.startswith(PLANNED)})


def _path(found: Sequence[Token], index: int) -> Path:
    """A name with what stands before its dots."""
    names = [found[index].name]
    while index > 1 and found[index - 1].text == ".":
        index -= 2
        names.append(found[index].name)
    return tuple(reversed(names))


def _is_foreign(path: Path, foreign: Collection[Path]) -> bool:
    if path in foreign:
        return True
    # column.f() is f(column)
    return path[-1:] in foreign and path[:-1] != () and path[0] not in PLACES


def _is_duckdbs(found: Sequence[Token], index: int) -> bool:
    """Whether DuckDB takes this for something of its own."""
    if found[index].word in _GRAMMAR and not (index and found[index - 1].text == "."):
        return True
    return _positional(found, index + 1) == _THEIR_OWN.get(found[index].name, -1)


def _positional(found: Sequence[Token], opening: int) -> int:
    """How many arguments a call has, where none of them is named; 0 where one is."""
    depth = found[opening].depth
    close = _close(found, opening)
    level = [token.text for token in found[opening + 1 : close] if token.depth == depth + 1]
    if not level or ":=" in level or "=>" in level:
        return 0
    return 1 + level.count(",")


def _close(found: Sequence[Token], opening: int) -> int:
    depth = found[opening].depth
    return next((i for i in range(opening + 1, len(found)) if found[i].depth == depth), len(found))


def _first(found: Sequence[Token], index: int, places: Collection[str]) -> int | None:
    """The first token of a call's name, qualifiers included; None where what stands before the dot is no place."""
    while index and found[index - 1].text == ".":
        if index < 2 or found[index - 2].name not in places:
            return None
        index -= 2
    return index


def _defines(found: Sequence[Token], index: int) -> bool:
    """Whether this name gets columns here: INTO f(a), AS f(a), t f(a), WITH f(a) AS (…), …, f(a) AS MATERIALIZED (…)."""
    if index and (found[index - 1].word in _DEFINING or _is_alias(found, index)):
        return True
    close = _close(found, index + 1)
    after = [token.word or token.text for token in found[close + 1 : close + 4]]
    return after[:1] == ["as"] and bool({"(", "materialized"} & set(after[1:]))


def _is_alias(found: Sequence[Token], index: int) -> bool:
    """Whether this name stands right after a table, where no expression begins: FROM (…) f(a), FROM t f(a)."""
    before = found[index - 1]
    if before.text != ")":
        return before.kind in ("identifier", "string")
    opening = next(i for i in range(index - 2, -1, -1) if found[i].depth == before.depth)
    return not (opening > 1 and (found[opening - 2].word, found[opening - 1].word) == ("distinct", "on"))
