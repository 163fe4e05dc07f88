"""Vectors in, vectors out: whatever repeats, is NULL, fails or comes again, each row gets its own cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.engine.chunk import Answered, Cell, Group, Repeated
from duck_or.outcome import Failure
from duck_or.sql.columns import Column, responses
from duck_or.sql.pages import OVERHEAD, Page, Pages
from duck_or.sql.vectors import CHUNK, Desk, answer_rows

BAD = Failure("bad_request", "no")


class Answers:
    """Answers each text with itself and its options; texts that begin with `!` fail."""

    def __init__(self, page_bytes: int = 1 << 24, failures_as_null: bool = False) -> None:
        self.groups: list[Group] = []
        self.repeated: list[Repeated] = []
        self.desk = Desk(
            self.answer, self.repeated.append, Pages(page_bytes), responses(failures_as_null), str
        )

    def answer(self, groups: Sequence[Group]) -> Answered:
        self.groups += groups
        cells: list[Cell] = [
            BAD if text.startswith("!") else f'"{group.options}{text}"'.encode()
            for group in groups
            for text in group.texts
        ]
        return Answered(cells, BAD not in cells)

    def rows(self, texts: Sequence[str | None], options: Sequence[str | None]) -> list[str | None]:
        vector = answer_rows(pa.array(texts, pa.string()), pa.array(options, pa.string()), self.desk)
        rows: list[str | None] = vector.to_pylist()
        return rows


def expected(text: str | None, options: str | None, failures_as_null: bool = False) -> str | None:
    if text is None:
        return None
    if text.startswith("!"):
        return None if failures_as_null else BAD.body.decode()
    return f'"{options or "{}"}{text}"'


rows = st.lists(
    st.tuples(st.sampled_from(["a", "b", "!c", "d\U0001f600", None]), st.sampled_from(["o1", "o2", None])),
    max_size=40,
)


@given(rows, st.booleans())
def test_every_row_gets_its_own_cell(pairs: list[tuple[str | None, str | None]], as_null: bool) -> None:
    answers = Answers(failures_as_null=as_null)
    texts, options = [text for text, _ in pairs], [option for _, option in pairs]
    for _ in range(3):  # asked, perhaps from a page, and again
        assert answers.rows(texts, options) == [expected(t, o, as_null) for t, o in pairs]
    asked = sum(text is not None for text in texts)
    counted = sum(group.total for group in answers.groups) + sum(each.rows for each in answers.repeated)
    assert counted == 3 * asked
    assert all(sum(group.rows()) == group.total for group in answers.groups)


@pytest.mark.parametrize("distinct", [1, 1000, CHUNK])
def test_a_chunk_that_comes_again_is_not_looked_at(distinct: int) -> None:
    answers = Answers()
    texts, options = [f"text {n % distinct}" for n in range(CHUNK)], [None] * CHUNK
    first = answers.rows(texts, options)
    assert answers.rows(texts, options) == first  # the second time it is kept
    assert len(answers.groups) == 2
    assert answers.rows(texts, options) == first
    assert len(answers.groups) == 2
    [again] = answers.repeated
    assert (again.rows, sorted(again.texts())) == (CHUNK, sorted(set(texts)))
    assert answers.rows([*texts[:-1], "other"], options)[-1] == '"{}other"'
    assert answers.rows(texts, ["o"] * CHUNK)[0] == '"otext 0"'


def test_a_chunk_with_a_failure_is_asked_again() -> None:
    answers = Answers()
    for _ in range(4):
        answers.rows(["a", "!b"], [None, None])
    assert len(answers.groups) == 4
    assert answers.repeated == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 50))), st.integers(0, 40))
def test_pages_never_outgrow_their_bytes(kept: list[tuple[int, int]], room: int) -> None:
    pages = Pages(room * OVERHEAD)
    for name, size in kept:
        texts = pa.array([f"{name}"] * size)
        for _ in range(2):
            pages.keep("o", Page(texts, texts, 1))
        page = pages.find("o", texts)
        assert page is None or page.texts.equals(texts)
    assert pages._pages.currsize <= room * OVERHEAD


def test_a_chunk_with_an_answer_of_no_use_is_met_again() -> None:
    """Where failures raise, the NULL that a lenient call made of it must not be shown."""
    answers = Answers()
    read: list[str] = []

    def make(groups: Sequence[Group], cells: Sequence[Cell], rows: int) -> pa.Array:
        read.extend(text for group in groups for text in group.texts)
        return pa.array([None if text == "b" else text for group in groups for text in group.texts])

    desk = replace(answers.desk, column=Column(pa.string(), make))
    for _ in range(4):
        answer_rows(pa.array(["a", "b"]), pa.array(["o", "o"]), desk)
    assert read == ["a", "b"] * 4
    assert answers.repeated == []
