"""The store's thread, with a real thread and a store that can be held up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any

import pytest

from duck_or.cache.contract import Kept, Looked
from duck_or.engine.store_thread import NoStore, StoreThread
from support.dict_store import DictStore


class Gated:
    """A DictStore whose calls wait for the gate. writes: the keys of each put_many."""

    def __init__(self) -> None:
        self.inner = DictStore()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.writes: list[list[bytes]] = []
        self.closed = False
        self.hurried = False
        self.broken = False
        self.rest: float | None = None
        self.released: list[list[bytes]] = []
        self.ticks: SimpleQueue[None] = SimpleQueue()

    def _pass(self) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        if self.broken:
            raise ZeroDivisionError("a bug in the store")

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        self._pass()
        return self.inner.get_many(keys, now)

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        self._pass()
        self.writes.append(list(items))
        self.inner.put_many(items, now)

    def look_up(self, keys: Sequence[bytes], now: float) -> Looked:
        return Looked(self.get_many(keys, now))

    def holds(self, epoch: int) -> bool:
        return True

    def hurry(self) -> None:
        self.hurried = True

    def release_many(self, keys: Sequence[bytes]) -> None:
        self._pass()
        self.released.append(list(keys))

    def tick(self) -> None:
        self.ticks.put(None)

    def close(self) -> None:
        self.closed = True


class Loop:
    """Stands for the event loop: runs what is delivered when asked to."""

    def __init__(self) -> None:
        self.delivered: SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = SimpleQueue()

    def deliver(self, callback: Callable[..., None], *arguments: Any) -> None:
        self.delivered.put((callback, arguments))

    def run_one(self) -> None:
        callback, arguments = self.delivered.get(timeout=10)
        callback(*arguments)


@pytest.fixture
def store() -> Gated:
    return Gated()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def thread(store: Gated, loop: Loop) -> Iterator[StoreThread]:
    thread = StoreThread(store, loop.deliver, clock=lambda: 42.0)
    yield thread
    store.gate.set()
    thread.close()


def test_a_look_up_sees_every_write_asked_for_before(store: Gated, loop: Loop, thread: StoreThread) -> None:
    seen: list[object] = []
    store.gate.clear()
    thread.write(b"a", b"1", lambda: seen.append("landed"))
    thread.look_up([b"a", b"b"], seen.append)
    store.gate.set()
    loop.run_one()
    loop.run_one()
    assert seen == ["landed", Looked({b"a": Kept(b"1", 42.0)})]


def test_writes_gather_while_one_is_under_way(store: Gated, loop: Loop, thread: StoreThread) -> None:
    landed: list[int] = []
    store.gate.clear()
    thread.write(b"first", b"", lambda: landed.append(-1))
    assert store.entered.wait(10)
    for n in range(100):
        thread.write(b"%d" % n, b"", lambda n=n: landed.append(n))  # type: ignore[misc]
    store.gate.set()
    loop.run_one()
    loop.run_one()
    assert landed == list(range(-1, 100))
    assert [len(keys) for keys in store.writes] == [1, 100]


def test_nothing_has_landed_before_it_is_written(store: Gated, loop: Loop, thread: StoreThread) -> None:
    store.gate.clear()
    thread.write(b"a", b"1", lambda: None)
    assert store.entered.wait(10)
    assert loop.delivered.empty()
    store.gate.set()
    loop.run_one()
    assert b"a" in store.inner.answers


def test_a_bug_in_the_store_costs_answers_but_no_row(
    store: Gated, loop: Loop, thread: StoreThread, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []
    store.broken = True
    thread.look_up([b"a"], seen.append)
    thread.write(b"a", b"1", lambda: seen.append("landed"))
    loop.run_one()
    loop.run_one()
    assert seen == [Looked({}), "landed"]
    assert "broke while reading" in caplog.text
    assert "broke while writing" in caplog.text


def test_closing_finishes_what_was_asked_for(store: Gated, loop: Loop, thread: StoreThread) -> None:
    for n in range(50):
        thread.write(b"%d" % n, b"x", lambda: None)
    thread.close()
    thread.close()
    assert len(store.inner.answers) == 50
    assert store.closed


def test_a_look_up_that_nobody_waits_for_any_more_does_not_hold_up_who_closes(
    store: Gated, loop: Loop, thread: StoreThread
) -> None:
    seen: list[object] = []
    store.gate.clear()
    thread.look_up([b"a"], seen.append)
    assert store.entered.wait(10)
    store.inner.answers[b"b"] = Kept(b"1", 42.0)
    thread.look_up([b"b"], seen.append)
    closing = threading.Thread(target=thread.close)
    closing.start()
    while not store.hurried:
        closing.join(0.001)
    store.gate.set()
    closing.join()
    loop.run_one()
    loop.run_one()
    assert seen == [Looked({}), Looked({})]
    assert not thread.holds(0)


def test_once_closed_nobody_waits_for_it(store: Gated, loop: Loop, thread: StoreThread) -> None:
    seen: list[object] = []
    thread.close()
    thread.write(b"a", b"1", lambda: seen.append("landed"))
    thread.look_up([b"a"], seen.append)
    loop.run_one()
    loop.run_one()
    assert seen == ["landed", Looked({})]


def test_no_write_is_lost_between_a_close_and_many_writers(store: Gated) -> None:
    landed = SimpleQueue[int]()
    thread = StoreThread(store, lambda callback, *arguments: callback(*arguments))

    def write(base: int) -> None:
        for n in range(base, base + 200):
            thread.write(b"%d" % n, b"", lambda n=n: landed.put(n))  # type: ignore[misc]

    writers = [threading.Thread(target=write, args=(base,)) for base in (0, 1000)]
    for writer in writers:
        writer.start()
    thread.close()
    for writer in writers:
        writer.join()
    assert landed.qsize() == 400


def test_without_a_store_nothing_is_found_and_nothing_waits() -> None:
    seen: list[object] = []
    none = NoStore()
    none.look_up([b"a"], seen.append)
    none.write(b"a", b"1", lambda: seen.append("landed"))
    none.close()
    assert seen == [Looked({}), "landed"]


def test_releases_gather_while_something_is_under_way(store: Gated, loop: Loop, thread: StoreThread) -> None:
    store.gate.clear()
    thread.look_up([b"x"], lambda looked: None)
    assert store.entered.wait(10)
    thread.release([b"a"])
    thread.release([b"b", b"c"])
    store.gate.set()
    thread.close()
    assert store.released == [[b"a", b"b", b"c"]]


def test_a_bug_in_a_release_does_not_end_the_thread(store: Gated, loop: Loop, thread: StoreThread) -> None:
    store.broken = True
    thread.release([b"a"])
    seen: list[object] = []
    thread.look_up([b"a"], seen.append)
    loop.run_one()
    assert seen == [Looked({})]


def test_an_idle_thread_does_what_is_due(loop: Loop) -> None:
    store = Gated()
    store.rest = 0.001
    thread = StoreThread(store, loop.deliver)
    store.ticks.get(timeout=10)
    thread.close()
    assert store.closed
