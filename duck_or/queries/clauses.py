"""A statement cut into its clauses, at words outside every bracket: what `split` works with, and what it makes.

Which cuts a kind of statement needs, it must not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duck_or.queries.marks import planned
from duck_or.queries.tokens import Words

NO_TREE = "its query is not one that DuckDB can write down as a tree"


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


class Unsplittable(Exception):
    """Says why; `split` makes a reason of it."""


class Text(Words):
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
            raise Unsplittable(f"the function is called in {where}")

    def condition(self, where: int, stop: int) -> slice | None:
        """What stands between WHERE and `stop`."""
        if where + 1 >= stop:
            return None
        return slice(self.tokens[where + 1].start, self.tokens[stop - 1].end)

    def verbatim(self, kind: str, start: int, stop: int) -> Split:
        """The tokens start:stop are the query."""
        read = self.piece(start, stop)
        if not self.parses(read):
            raise Unsplittable(NO_TREE)
        begin = self.tokens[start].start
        return Split(kind, read, self.text[:begin], self.text[begin + len(read) :])
