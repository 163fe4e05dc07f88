"""llm_reduce over a chunk: all lists go through their levels together, so that each level is asked at once.

A level is an ordinary chunk of questions to whoever answers chunks: cached, joined, planned and counted like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from duck_or.engine.chunk import Answered, Cell, Group
from duck_or.errors import ArgumentError
from duck_or.functions import Unreadable
from duck_or.functions.conversation import answer_text
from duck_or.functions.reduction import SMALL, NotShorter, Reduction, room_for, size
from duck_or.json_values import JsonObject, shown
from duck_or.outcome import Failure
from duck_or.sql.columns import Refuse

Answer: TypeAlias = Callable[[Sequence[Group]], Answered]
Context: TypeAlias = Callable[[str], int | None]
"""The context length of the model that some options name, in tokens; None if nobody knows."""


@dataclass(slots=True)
class _Row:
    """One distinct list. cell: what became of it, once that is known."""

    options: JsonObject
    reduction: Reduction | None
    cell: Cell | None = None

    @property
    def step_options(self) -> str:
        assert self.reduction is not None
        return orjson.dumps({**self.options, "step": self.reduction.step}).decode()


def reducing(answer: Answer, context: Context, refuse: Refuse) -> Answer:
    """As `answer`, for groups of lists: the cell of a list is the response that holds its result; None where a part of it
    is not known yet. refuse: for lists that nothing can be asked about, and results that get no shorter."""

    def reduced(groups: Sequence[Group]) -> Answered:
        rows = [_row(group.options, text, context) for group in groups for text in group.texts]
        lasting = not any(isinstance(row.cell, Failure) for row in rows)
        for row in rows:
            if isinstance(row.cell, Failure):
                refuse(row.cell)
        going_on = [row for row in rows if row.reduction is not None]
        while going_on:
            answered = answer(_groups(going_on))
            lasting &= answered.lasting
            going_on = _advance(going_on, answered.cells, refuse)
        return Answered([row.cell for row in rows], lasting)  # type: ignore[misc]  # None while collecting

    return reduced


def _row(options: str, text: str, context: Context) -> _Row:
    own: JsonObject = orjson.loads(options)
    given = own.pop("context_length", None)
    try:
        texts = _texts(text)
        return _Row(own, Reduction(texts, _room(given, texts, options, context)) if texts else None)
    except ArgumentError as error:
        return _Row(own, None, Failure(ArgumentError.code, str(error)))


def _room(given: object, texts: Sequence[str], options: str, context: Context) -> int:
    if given is None:
        return room_for(context(options) if size(texts) > SMALL else None)
    if type(given) is not int or given < 1:
        raise ArgumentError(f"llm_reduce: context_length must be a number of tokens; got {shown(given)}")
    return room_for(given)


def _texts(text: str) -> list[str]:
    """The list's texts, without NULLs and blanks: an aggregate ignores what is not there."""
    values = orjson.loads(text)
    if not isinstance(values, list):
        raise ArgumentError(f"llm_reduce: the first argument must be a list of texts, list(column); got {shown(values)}")
    texts = [each if isinstance(each, str) else orjson.dumps(each).decode() for each in values if each is not None]
    return [each for each in texts if each.strip()]


def _groups(rows: Sequence[_Row]) -> list[Group]:
    """One group for each row, in order: the questions of its level."""
    groups = []
    for row in rows:
        assert row.reduction is not None
        questions = [orjson.dumps(each).decode() for each in row.reduction.questions]
        ones = [1] * len(questions)
        groups.append(Group(row.step_options, questions, len(ones), lambda ones=ones: ones))  # type: ignore[misc]
    return groups


def _advance(rows: Sequence[_Row], cells: Sequence[Cell], refuse: Refuse) -> list[_Row]:
    """Hand out a level's answers. Returns the rows that have something more to ask."""
    left = iter(cells)
    going_on = []
    for row in rows:
        assert row.reduction is not None
        mine = [next(left) for _ in row.reduction.questions]
        if _take(row, row.reduction, mine, refuse):
            going_on.append(row)
    return going_on


def _take(row: _Row, reduction: Reduction, cells: Sequence[Cell], refuse: Refuse) -> bool:
    """Whether there is more to ask about this list."""
    failed = next((cell for cell in cells if isinstance(cell, Failure)), None)
    if failed is not None or None in cells:
        row.cell = failed
        return False
    try:
        reduction.take([answer_text(cell) for cell in cells if isinstance(cell, bytes)])
    except (NotShorter, Unreadable) as error:
        row.cell = Failure("invalid_answer", f"llm_reduce: {error}")
        refuse(row.cell)
        return False
    if reduction.result is None:
        return True
    row.cell = cells[0]
    return False
