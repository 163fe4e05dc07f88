"""The kinds of function that ask, by what their values are, and how a vector of rows of each is answered.

Every function of the family is of one of these; which functions there are, and who hands over the vectors, it must not know.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from duck_or.cache.recall import Recall
from duck_or.engine.batch import stop_error
from duck_or.engine.chunk import Repeated
from duck_or.errors import ArgumentError
from duck_or.outcome import Failure
from duck_or.session import OnError, SessionCore, memory_shares
from duck_or.settings import Settings
from duck_or.sql import columns
from duck_or.sql.columns import Column, Refuse
from duck_or.sql.pages import Pages
from duck_or.sql.reducing import Answer, reducing
from duck_or.sql.vectors import Desk


class Kind(NamedTuple):
    """A kind of Python function behind the macros. returns: its DuckDB type. failing: what a try_ form does with a failure.
    column: how the outcomes become values. reduces: whether its rows are lists that are reduced in levels."""

    name: str
    returns: str
    failing: OnError
    column: Callable[[bool, SessionCore, Refuse, Recall], Column]
    reduces: bool = False


RESPONSES = Kind("chat_completions", "JSON", "json", lambda as_null, *_: columns.responses(as_null))
TEXTS = Kind(
    "ask", "VARCHAR", "null", lambda _, session, refuse, known: columns.texts(session.template, refuse, known)
)
VECTORS = Kind(
    "embed", "FLOAT[]", "null", lambda _, session, refuse, __: columns.vectors(session.template, refuse)
)
REDUCED = TEXTS._replace(name="reduce", reduces=True)
KINDS = (RESPONSES, TEXTS, VECTORS, REDUCED)


class Memories(NamedTuple):
    """What a session's vectors are answered from before it is asked itself: whole chunks, and what was read out of answers."""

    pages: Pages
    values: Recall

    @classmethod
    def of(cls, settings: Settings) -> Memories:
        shares = memory_shares(settings)
        return cls(Pages(shares.pages), Recall(shares.values))


class Route(NamedTuple):
    """Where the questions of one statement go. answer: gives the cells of groups. repeat: is told of a chunk that came
    again. counts: whether a row without a value is entered as a failure."""

    answer: Answer
    repeat: Callable[[Repeated], None]
    counts: bool = True


def desk_of(kind: Kind, session: SessionCore, mode: OnError, route: Route, memories: Memories) -> Desk:
    """How the rows of one statement become values. mode: what becomes of a row that fails."""
    refuse = partial(_refuse, session, mode, counts=route.counts)
    answer = route.answer
    if kind.reduces:
        answer = reducing(answer, session.context_length, refuse)
    column = kind.column(mode == "null", session, refuse, memories.values)
    return Desk(answer, route.repeat, memories.pages, column, session.resolve)


def _refuse(session: SessionCore, mode: OnError, failure: Failure, *, counts: bool) -> None:
    if counts:
        session.enter_failure(failure)
    if mode == "raise":
        raise ArgumentError(failure.message) if failure.code == ArgumentError.code else stop_error(failure)
