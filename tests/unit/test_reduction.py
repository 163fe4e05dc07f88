"""Which texts go into one question of llm_reduce, and how its levels end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.functions.reduction import (
    TAGS,
    UNKNOWN_CONTEXT,
    NotShorter,
    Reduction,
    batches,
    room_for,
    size,
)

texts = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80), min_size=1, max_size=30)
rooms = st.integers(TAGS + 8, 400)


@given(texts, rooms)
def test_no_text_is_lost_and_no_question_is_too_long(given_texts: list[str], room: int) -> None:
    found = batches(given_texts, room)
    assert "".join(text for batch in found for text in batch) == "".join(given_texts)
    assert all(batch and size(batch) <= room for batch in found)


@given(texts, texts, rooms)
def test_a_list_that_has_grown_changes_only_its_last_question(
    given_texts: list[str], more: list[str], room: int
) -> None:
    before, after = batches(given_texts, room), batches(given_texts + more, room)
    assert after[: len(before) - 1] == before[:-1]


def test_what_fits_is_one_question() -> None:
    reduction = Reduction(["a", "b"], 1000)
    assert (reduction.step, reduction.questions) == ("whole", [["a", "b"]])
    assert reduction.final


@given(texts, st.integers(2 * TAGS + 8, 400))  # two answers fit into a question, or none could be merged
def test_it_ends_when_answers_are_short(given_texts: list[str], room: int) -> None:
    reduction, levels = Reduction(given_texts, room), 0
    while not reduction.final:
        reduction.take(["x"] * len(reduction.questions))
        levels += 1
    assert len(reduction.questions) == 1
    assert levels <= 1 + sum(map(len, given_texts))


def test_the_parts_are_merged_in_the_end() -> None:
    reduction = Reduction(["a" * 50, "b" * 50, "c" * 50], 70)
    assert (reduction.step, len(reduction.questions)) == ("part", 3)
    reduction.take(["A", "B", "C"])
    assert (reduction.step, reduction.questions, reduction.final) == ("merge", [["A", "B", "C"]], True)


def test_results_that_get_no_shorter_are_an_error() -> None:
    reduction = Reduction(["a" * 50, "b" * 50, "c" * 50], 70)
    with pytest.raises(NotShorter, match="results of 3 parts"):
        reduction.take(["A" * 50, "B" * 50, "C" * 50])


def test_room_is_half_of_the_context() -> None:
    assert room_for(100_000) == 150_000
    assert room_for(None) == room_for(UNKNOWN_CONTEXT)
