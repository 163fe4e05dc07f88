"""llm_reduce over a chunk: all lists go through their levels together, so that each level is asked at once.

A level is an ordinary chunk of questions to whoever answers chunks: cached, joined, planned and counted like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import repeat
from typing import TypeAlias

import orjson

from duck_or.engine.chunk import Answered, Cell, Group
from duck_or.errors import ArgumentError, TransportError
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
    """One distinct list. at: the options of its questions under a step. cell: what became of it, once that is known."""

    at: Callable[[str], str]
    reduction: Reduction | None
    cell: Cell | None = None
    answers: list[Cell] = field(default_factory=list)


def reducing(answer: Answer, context: Context, refuse: Refuse) -> Answer:
    """As `answer`, for groups of lists: the cell of a list is the response that holds its result; None where a part of it
    is not known yet. refuse: for lists that nothing can be asked about, and results that get no shorter."""

    def reduced(groups: Sequence[Group]) -> Answered:
        length = cache(context)  # where there is no list of models, each look would ask for it again
        rows = [row for group in groups for row in _rows(group, length)]
        refused = [row.cell for row in rows if isinstance(row.cell, Failure)]
        for failure in refused:
            refuse(failure)
        lasting = not refused
        going_on = [row for row in rows if row.reduction is not None]
        while going_on:
            asked, owners = _level(going_on)
            answered = answer(asked)
            lasting &= answered.lasting
            for row, cell in zip(owners, answered.cells, strict=True):
                row.answers.append(cell)
            going_on = [row for row in going_on if _goes_on(row, refuse)]
        return Answered([row.cell for row in rows], lasting)  # type: ignore[misc]  # None while collecting

    return reduced


def _rows(group: Group, context: Context) -> Iterator[_Row]:
    options: JsonObject = orjson.loads(group.options)
    given = options.pop("context_length", None)
    at = cache(lambda step: orjson.dumps({**options, "step": step}).decode())
    for text in group.texts:
        try:
            texts = _texts(text)
            room = _room(given, texts, group.options, context)
            yield _Row(at, Reduction(texts, room) if texts else None)
        except ArgumentError as error:
            yield _Row(at, None, Failure(ArgumentError.code, str(error)))


def _room(given: object, texts: Sequence[str], options: str, context: Context) -> int:
    if given is None:
        return room_for(_asked(context, options) if size(texts) > SMALL else None)
    if type(given) is not int or given < 1:
        raise ArgumentError(f"llm_reduce: context_length must be a number of tokens; got {shown(given)}")
    return room_for(given)


def _asked(context: Context, options: str) -> int | None:
    try:
        return context(options)
    except TransportError as error:
        raise type(error)(
            f"llm_reduce has to know how long the model's context is: {error}. Say context_length := … in the call; with a "
            "cassette, also when it is recorded"
        ) from error


def _texts(text: str) -> list[str]:
    """The list's texts, without NULLs and blanks: an aggregate ignores what is not there."""
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ArgumentError(
            f"llm_reduce: the list cannot be sent, for JSON has no NaN or infinity: {error}"
        ) from error
    if not isinstance(values, list):
        raise ArgumentError(
            f"llm_reduce: the first argument must be a list of texts, list(column); got {shown(values)}"
        )
    texts = [
        each if isinstance(each, str) else orjson.dumps(each).decode() for each in values if each is not None
    ]
    return [each for each in texts if each.strip()]


def _level(rows: Sequence[_Row]) -> tuple[list[Group], list[_Row]]:
    """What the rows ask next, a group for all that have the same options, and whose each question is, in that order."""
    asked: dict[str, list[tuple[_Row, str]]] = {}
    for row in rows:
        assert row.reduction is not None
        pairs = asked.setdefault(row.at(row.reduction.step), [])
        pairs += [(row, orjson.dumps(question).decode()) for question in row.reduction.questions]
    groups = [
        Group(options, [text for _, text in pairs], len(pairs), partial(list, repeat(1, len(pairs))))
        for options, pairs in asked.items()
    ]
    return groups, [row for pairs in asked.values() for row, _ in pairs]


def _goes_on(row: _Row, refuse: Refuse) -> bool:
    """Whether there is more to ask about this list, now that a level's answers are in."""
    cells, row.answers = row.answers, []
    reduction = row.reduction
    assert reduction is not None
    failed = next((cell for cell in cells if isinstance(cell, Failure)), None)
    if failed is not None or None in cells:
        row.cell = failed
        return False
    if reduction.final:
        row.cell = cells[0]
        return False
    try:
        reduction.take([answer_text(cell) for cell in cells if isinstance(cell, bytes)])
    except (NotShorter, Unreadable) as error:
        row.cell = Failure("invalid_answer", f"llm_reduce: {error}")
        refuse(row.cell)
        return False
    return True
