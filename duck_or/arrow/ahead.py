"""Batch after batch in order, the next ones begun while the first is waited for: the pipeline does not drain between them.

What a batch is, and how it is answered, it must not know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

MOST = 16
"""Batches begun at once: each has a thread that waits. Enough for the small ones that a filter leaves."""

Batch = TypeVar("Batch")
Answers = TypeVar("Answers")


class Window(NamedTuple):
    """How far to read ahead: to the second batch in any case, and on while fewer than `rows` rows are waited for."""

    rows: int
    batches: int = MOST

    def is_full(self, batches: int, rows: int) -> bool:
        """Whether these are enough to wait for."""
        return batches >= self.batches or (batches > 1 and rows >= self.rows)


def answered_ahead(
    batches: Iterable[Batch],
    answer: Callable[[Batch], Answers],
    rows_of: Callable[[Batch], int],
    window: Window,
    give_up: Callable[[], None],
) -> Generator[Answers, None, None]:
    """The answers to each batch, in order. Batches are taken on the caller's thread, and answered on others.

    give_up: called at the end, however that comes; those who are still answering then have to return soon. Raises what
    `batches` and `answer` raise.
    """
    waiting: deque[tuple[int, Future[Answers]]] = deque()
    ahead = 0
    with ThreadPoolExecutor(window.batches, thread_name_prefix="duck_or-ahead") as threads:
        try:
            for batch in batches:
                waiting.append((rows_of(batch), threads.submit(answer, batch)))
                ahead += waiting[-1][0]
                while waiting and (waiting[0][1].done() or window.is_full(len(waiting), ahead)):
                    rows, answers = waiting.popleft()
                    yield answers.result()
                    ahead -= rows
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            give_up()
