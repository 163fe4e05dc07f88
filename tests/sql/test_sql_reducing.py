"""The levels of llm_reduce, with somebody else answering."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from duck_or.engine.chunk import Answered, Cell, Group
from duck_or.functions.reduction import SMALL
from duck_or.outcome import Failure
from duck_or.sql.reducing import reducing

OPTIONS = '{"function":"llm_reduce","instruction":"Count."}'


def response(text: str) -> bytes:
    return orjson.dumps({"choices": [{"finish_reason": "stop", "message": {"content": text}}]})


def group(*lists: list[str]) -> Group:
    texts = [orjson.dumps(each).decode() for each in lists]
    return Group(OPTIONS, texts, len(texts), lambda: [1] * len(texts))


class Model:
    """Answers each question with how many texts are in it. levels: what was asked at once, step by step."""

    def __init__(self, context_length: int | None = None) -> None:
        self.levels: list[list[tuple[str, int]]] = []
        self.looked_up = 0
        self.refused: list[Failure] = []
        self._context_length = context_length

    def context(self, options: str) -> int | None:
        self.looked_up += 1
        return self._context_length

    def answer(self, groups: Sequence[Group]) -> Answered:
        asked = [
            (orjson.loads(group.options)["step"], len(orjson.loads(text)))
            for group in groups
            for text in group.texts
        ]
        self.levels.append(asked)
        cells: list[Cell] = [response(f"{count}") for _, count in asked]
        return Answered(cells, lasting=True)

    def reduce(self, *lists: list[str]) -> list[Cell]:
        return reducing(self.answer, self.context, self.refused.append)([group(*lists)]).cells


def test_lists_that_fit_are_one_question_each_and_one_group() -> None:
    model = Model()
    assert model.reduce(["a", "b"], ["c"]) == [response("2"), response("1")]
    assert model.levels == [[("whole", 2), ("whole", 1)]]


def test_lists_of_any_length_go_through_their_levels_together() -> None:
    model = Model(context_length=100)
    long = ["x" * 100] * (SMALL // 50)
    cells = model.reduce(["a"], long, long[:-1])
    assert [sorted({step for step, _ in level}) for level in model.levels][:2] == [
        ["part", "whole"],
        ["merge"],
    ]
    assert len(cells) == 3
    assert model.refused == []


def test_how_long_the_context_is_is_looked_up_once_for_a_chunk() -> None:
    model = Model(context_length=None)
    model.reduce(*[["x" * SMALL, f"{n}"] for n in range(20)])
    assert model.looked_up == 1


def test_a_list_of_nothing_is_null_and_a_list_of_no_list_is_refused() -> None:
    model = Model()
    assert model.reduce([], ["", " "]) == [None, None]
    cells = reducing(model.answer, model.context, model.refused.append)(
        [Group(OPTIONS, ['"text"'], 1, lambda: [1])]
    ).cells
    assert [type(cell) for cell in cells] == [Failure]
    assert "must be a list of texts" in model.refused[0].message
    assert model.levels == []
