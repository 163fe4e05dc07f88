"""Which calls of a statement are numbered, so that the function knows whom an answer is for.

`f(x)` becomes `planned_f(1001, x)`. Decided from the tokens alone; it must not know what a statement is or does. The
text is not parsed afterwards: that is its caller's, who runs the unmarked text where DuckDB rejects the marked one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from duck_or.queries.tokens import Token, tokens
from duck_or.sql.plans import PLANNED

PLACES = frozenset({"duck_or", "main", "memory", "temp"})  # where the public macros live
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
    text: str, names: Mapping[str, str], number: Callable[[], int], places: Collection[str] = PLACES
) -> Marked:
    """Replace every call of a function in `names` by a call of what it maps to, with `number()` as first argument.

    names: bare names in lower case → full names as SQL. places: the qualifiers that mean these functions; they are
    replaced along with the name. A call with another qualifier (`column.f()` is DuckDB for `f(column)`) stays.
    """
    found = tokens(text)
    pieces: list[str] = []
    marks: list[Mark] = []
    done = length = left = 0
    for index in calls(found, names):
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


def calls(found: Sequence[Token], names: Collection[str]) -> list[int]:
    """The indices of the tokens that name one of these functions and are followed by its arguments."""
    return [
        index
        for index, token in enumerate(found[:-2])
        if token.name in names and found[index + 1].text == "(" and not _defines(found, index)
    ]


def planned(found: Sequence[Token]) -> list[int]:
    """The indices of the tokens that name a planned function in a call: what `mark` made."""
    return calls(found, {token.name for token in found if token.name.startswith(PLANNED)})


def _first(found: Sequence[Token], index: int, places: Collection[str]) -> int | None:
    """The first token of a call's name, qualifiers included; None where what stands before the dot is no place."""
    while index and found[index - 1].text == ".":
        if index < 2 or found[index - 2].name not in places:
            return None
        index -= 2
    return index


def _defines(found: Sequence[Token], index: int) -> bool:
    """Whether this name gets columns here: INTO f(a), AS f(a), WITH f(a) AS (…), … , f(a) AS MATERIALIZED (…)."""
    if index and found[index - 1].word in _DEFINING:
        return True
    depth = found[index].depth
    close = next((i for i in range(index + 2, len(found)) if found[i].depth == depth), len(found))
    after = [token.word or token.text for token in found[close + 1 : close + 4]]
    return after[:1] == ["as"] and bool({"(", "materialized"} & set(after[1:]))
