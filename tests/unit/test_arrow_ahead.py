"""Batches are answered in order, with the next ones under way; whoever stops early stops the others too."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.arrow.ahead import Window, answered_ahead


class Answers:
    """Doubles each number. A batch that holds 0 waits until it is released, one that holds a negative number fails."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.taken: list[int] = []
        self.begun = threading.Semaphore(0)
        self.released = threading.Event()
        self.given_up = 0

    def source(self, batches: list[list[int]]) -> Iterator[list[int]]:
        for number, batch in enumerate(batches):
            self.taken.append(number)
            yield batch

    def answer(self, batch: list[int]) -> list[int]:
        self.begun.release()
        if 0 in batch:
            self.released.wait()
        if min(batch, default=0) < 0:
            raise ArithmeticError(str(batch))
        return [2 * each for each in batch]

    def give_up(self) -> None:
        self.given_up += 1
        self.released.set()

    def run(self, batches: list[list[int]], window: Window) -> Iterator[list[int]]:
        return answered_ahead(self.source(batches), self.answer, len, window, self.give_up)


@given(st.lists(st.lists(st.integers(1, 9), max_size=5), max_size=12), st.integers(0, 20), st.integers(1, 4))
def test_the_order_is_kept(batches: list[list[int]], rows: int, most: int) -> None:
    answers = Answers()
    assert list(answers.run(batches, Window(rows, most))) == [
        [2 * each for each in batch] for batch in batches
    ]
    assert answers.given_up == 1


def test_the_next_batch_is_under_way_while_the_first_is_waited_for() -> None:
    answers = Answers()
    found = answers.run([[0, 1], [2], [3], [4]], Window(rows=1))
    first: list[list[int]] = []
    reader = threading.Thread(target=lambda: first.append(next(found)))
    reader.start()
    assert answers.begun.acquire(timeout=10)
    assert answers.begun.acquire(
        timeout=10
    )  # the second one has begun, and nobody has the first one's answers
    assert not first
    answers.released.set()
    reader.join()
    assert first == [[0, 2]]
    assert answers.taken[:2] == [0, 1]
    assert list(found) == [[4], [6], [8]]


@pytest.mark.parametrize(
    ("batches", "rows", "full"),
    [(0, 0, False), (1, 99, False), (2, 99, True), (2, 5, False), (2, 10, True), (3, 9, False), (4, 4, True)],
)
def test_how_far_to_read(batches: int, rows: int, full: bool) -> None:
    assert Window(rows=10, batches=4).is_full(batches, rows) is full


def test_a_failure_comes_in_its_turn_and_ends_the_rest() -> None:
    answers = Answers()
    found = answers.run([[1], [-1], [0], [2]], Window(99))
    assert next(found) == [2]
    with pytest.raises(ArithmeticError):
        next(found)
    assert answers.given_up == 1
    assert list(found) == []


def test_who_stops_reading_stops_those_who_wait() -> None:
    answers = Answers()
    found = answers.run([[1], [0], [0]], Window(99))
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert answers.given_up == 1
