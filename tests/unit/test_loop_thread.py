"""The loop's thread, really run."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from duck_or.engine.loop_thread import LoopThread, loop_thread


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


def test_calls_run_in_order_on_one_thread_that_is_not_ours(thread: LoopThread) -> None:
    seen: SimpleQueue[tuple[int, str]] = SimpleQueue()
    for n in range(100):
        thread.call(lambda n: seen.put((n, threading.current_thread().name)), n)
    assert [seen.get(timeout=10) for _ in range(100)] == [(n, "duck_or") for n in range(100)]


def test_a_coroutines_result_comes_back(thread: LoopThread) -> None:
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    assert thread.run(add(1, 2)) == 3


def test_a_coroutines_exception_comes_back(thread: LoopThread) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here"):
        thread.run(fail())


def test_a_coroutine_that_takes_too_long_is_cancelled(thread: LoopThread) -> None:
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        thread.run(wait(), 0.05)
    assert cancelled.wait(10)


def test_a_broken_callback_is_told_to_the_hooks(thread: LoopThread, caplog: pytest.LogCaptureFixture) -> None:
    told: SimpleQueue[BaseException] = SimpleQueue()
    thread.on_bug(told.put)
    with caplog.at_level(logging.CRITICAL, "asyncio"):
        thread.call(lambda: 1 / 0)
        assert isinstance(told.get(timeout=10), ZeroDivisionError)


def test_what_libraries_report_besides_is_no_bug_of_a_callback(
    thread: LoopThread, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[BaseException] = []
    thread.on_bug(told.append)

    async def report() -> None:
        context = {"message": "Future exception was never retrieved", "exception": OSError("reset")}
        asyncio.get_running_loop().call_exception_handler(context)

    with caplog.at_level(logging.CRITICAL, "asyncio"):
        thread.run(report())
    assert told == []


def test_stopping_cancels_what_runs_and_may_be_repeated() -> None:
    thread, ended = LoopThread(), threading.Event()

    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    async def start() -> None:
        tasks.append(asyncio.create_task(wait()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    thread.run(start())
    thread.stop()
    thread.stop()
    assert ended.is_set()
    with pytest.raises(RuntimeError, match="closed"):
        thread.call(lambda: None)


def test_a_process_has_one() -> None:
    found: SimpleQueue[LoopThread] = SimpleQueue()
    threads = [threading.Thread(target=lambda: found.put(loop_thread())) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({found.get() for _ in range(8)}) == 1
