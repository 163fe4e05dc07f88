"""Very many requests at once: all are sent, few are held, nobody waits for a straggler, and it ends when it should."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.memory import MemoryCache
from duck_or.calls import CallLog
from duck_or.engine.batch import Batch, Post, Statement, Terms
from duck_or.engine.dispatch import PARCEL, Dispatch
from duck_or.engine.ledger import Ledger
from duck_or.engine.store_thread import NoStore
from duck_or.errors import Cancelled, SettingsError
from duck_or.outcome import Action, Completion, Failure, Outcome
from duck_or.policy.retry import RetryPolicy
from duck_or.request import Request
from support.desk import OPTIONS, Desk, group, rows_of, text
from support.desk import requests as chat_requests
from support.engine_world import NEVER, answer, error, request, text_of, world


def named(count: int, first: int = 0) -> list[Request]:
    return [request(f"r{n}") for n in range(first, first + count)]


class Tap:
    """An iterator of requests that tells how many were taken."""

    def __init__(self, count: int) -> None:
        self.taken = 0
        self._count = count

    def __iter__(self) -> Iterator[Request]:
        for number in range(self._count):
            self.taken += 1
            yield request(f"r{number}")


# --- on a lane -----------------------------------------------------------------------------------------------------


def test_all_is_sent_and_the_pool_is_full_until_the_end() -> None:
    with world(max_in_flight=8) as w:
        dispatch = w.dispatch(named(100))
        w.drive(dispatch)
        assert (dispatch.landed, dispatch.failed, dispatch.under_way) == (100, 0, 0)
        assert sorted(w.transport.names) == sorted(f"r{n}" for n in range(100))
        assert w.now < 13.5  # a second for each eight of them
        assert len(w.store.answers) == 100
        assert (w.stats.sent, w.stats.requests) == (100, 100)


def test_requests_are_taken_as_there_is_room_for_them() -> None:
    with world(max_in_flight=8) as w:
        tap = Tap(500)
        dispatch = w.dispatch(tap, window=40)
        while not dispatch.step(0.0):
            assert tap.taken - dispatch.landed <= 40
            assert dispatch.under_way <= 40
            w.advance(0.25)
        assert dispatch.landed == 500


def test_a_straggler_holds_up_nobody() -> None:
    script = {f"r{n}": [answer(seconds=50.0)] for n in range(0, 40, 10)}
    with world(script, max_in_flight=8) as w:
        dispatch = w.dispatch(named(100), window=16)
        while dispatch.landed < 96:
            dispatch.step(0.0)
            w.advance(0.25)
        assert w.now < 30.0  # 96 requests of a second each through the four slots that are left
        assert not dispatch.over
        w.drive(dispatch)
        assert dispatch.landed == 100


def test_known_answers_joined_flights_and_sent_requests_all_count_once() -> None:
    with world(max_in_flight=4) as w:
        w.submit("r0")
        w.settle()
        w.submit("r1")
        w.advance(0.5)
        statement = Statement()
        w.drive(w.dispatch(named(4), statement))
        stats = w.stats
        assert (stats.sent, stats.joined, stats.memory_hits, stats.requests) == (4, 1, 1, 6)
        assert statement.claim(10) == 6  # the four of the dispatch were counted


def test_a_failed_request_is_told_and_the_others_go_on() -> None:
    statement = Statement()
    with world({"r1": [error(400)], "r5": [error(403)]}, max_in_flight=2) as w:
        dispatch = w.dispatch(named(8), statement)
        w.drive(dispatch)
        assert (dispatch.landed, dispatch.failed) == (8, 2)
        assert dispatch.first_failure is not None
        assert dispatch.first_failure.code == "bad_request"
        assert statement.stopped is None
        assert statement.recall([each.key for each in named(8)]).keys() == {named(8)[n].key for n in (1, 5)}


@pytest.mark.parametrize(("reply", "stop_on_failure"), [(error(400), True), (error(401), False)])
def test_a_stopped_statement_ends_the_feed_and_keeps_what_is_in_flight(
    reply: object, stop_on_failure: bool
) -> None:
    statement, tap = Statement(), Tap(10_000)
    with world({"r3": [reply]}, otherwise=lambda name: answer(name, seconds=2.0), max_in_flight=8) as w:  # type: ignore[list-item]
        dispatch = w.dispatch(tap, statement, window=64, stop_on_failure=stop_on_failure)
        w.drive(dispatch)
        assert dispatch.over
        assert statement.stopped is not None
        assert dispatch.first_failure == statement.stopped
        assert tap.taken == 64
        assert w.transport.names == [f"r{n}" for n in range(8)]
        assert len(w.store.answers) == 7
        # What was never sent is in no count, so no row may claim it.
        assert (w.stats.sent, w.stats.withdrawn, statement.claim(100)) == (8, 56, 92)


def test_cancelling_takes_back_what_is_under_way_and_keeps_what_has_landed() -> None:
    kept: list[Request] = []
    with world({"r2": [NEVER]}, max_in_flight=3) as w:
        dispatch = w.dispatch(named(50), keep=lambda request, _: kept.append(request))
        dispatch.step(0.0)
        w.advance(1.5)
        dispatch.cancel()
        dispatch.cancel()
        w.settle()
        assert dispatch.step(0.0)
        assert (dispatch.landed, dispatch.under_way, dispatch.failed) == (2, 0, 0)
        assert len(kept) == 2
        assert w.transport.in_flight == w.queued() == 0
        assert len(w.transport.sends) == 5


def test_a_cancelled_statement_is_withdrawn_by_the_next_step() -> None:
    statement = Statement()
    with world({"r0": [NEVER]}) as w:
        dispatch = w.dispatch(named(1), statement)
        dispatch.step(0.0)
        w.advance(1)
        statement.cancel()
        with pytest.raises(Cancelled):
            dispatch.step(10.0)
        w.settle()
        assert w.transport.cancelled == ["r0"]


def test_bodies_are_handed_to_keep_and_wait_for_it() -> None:
    kept: dict[str, str | None] = {}

    def keep(request: Request, outcome: Outcome) -> None:
        assert len(kept) <= 30
        kept[request.body.decode()] = text_of(outcome)

    with world({"r1": [error(400)]}, max_in_flight=8) as w:
        dispatch = w.dispatch(named(30), keep=keep)
        w.drive(dispatch)
        assert kept == {
            each.body.decode(): "bad_request" if n == 1 else f"r{n}" for n, each in enumerate(named(30))
        }


def test_what_is_not_kept_yet_takes_room() -> None:
    desk, tap = Desk(answer=lambda asked: Completion(asked.body)), Tap(100)
    dispatch = Dispatch(tap, desk.post, Statement(), terms(), window=16, keep=lambda *_: None)
    dispatch.step(0.0)  # the desk answers at once, so nothing is ever under way
    assert tap.taken == dispatch.landed == 16
    while not dispatch.step(0.0):
        pass
    assert dispatch.landed == 100


replies = st.sampled_from(
    [answer("x", 0.2), answer("x", 3.0), answer("x", finish="length"), error(400), error(500, seconds=0.1)]
)


@given(
    st.dictionaries(st.integers(0, 60).map("r{}".format), st.lists(replies, min_size=1, max_size=2)),
    st.integers(0, 61),
    st.integers(1, 50),
    st.integers(1, 9),
    st.booleans(),
)
def test_every_dispatch_ends_with_each_request_landed_once_or_never_sent(
    script: dict[str, list[object]], count: int, window: int, slots: int, strict: bool
) -> None:
    statement, kept = Statement(), []
    with world(script, max_in_flight=slots) as w:  # type: ignore[arg-type]
        dispatch = w.dispatch(
            named(count),
            statement,
            window=window,
            stop_on_failure=strict,
            keep=lambda *pair: kept.append(pair),
        )
        w.drive(dispatch, 1.0)
        assert dispatch.under_way == 0
        assert len(kept) == len({request.key for request, _ in kept}) == dispatch.landed == dispatch.fed
        assert dispatch.failed == sum(isinstance(outcome, Failure) for _, outcome in kept)
        assert (dispatch.landed == count) or statement.stopped is not None
        assert len(set(w.transport.names)) == w.stats.sent == w.stats.answered + w.stats.failed
        assert 1000 - statement.claim(1000) == w.stats.requests
        assert w.leftovers()[:2] == (0, 0)


# --- without one -----------------------------------------------------------------------------------------------------


def test_a_row_whose_request_was_sent_ahead_is_not_counted_twice() -> None:
    desk, statement = Desk(memorised=True), Statement()
    ahead = [f"a{n}" for n in range(40)]
    dispatch = Dispatch(chat_requests(*ahead), desk.post, statement, Terms(1.0, RetryPolicy(1)), window=1000)
    assert dispatch.step(0.0)
    for start in range(0, 100, 25):  # four chunks; every row reads one of the forty
        names = [ahead[row % 40] for row in range(start, start + 25)]
        desk.ask(group(*names), statement=statement)
    stats = desk.ledger.stats.read()
    assert (stats.requests, stats.sent, stats.memory_hits) == (100, 40, 60)
    assert len([call for call in desk.ledger.calls.calls() if call["cache_hit"]]) == 60


def test_rows_that_share_requests_claim_each_once() -> None:
    desk, statement = Desk(memorised=True), Statement()
    dispatch = Dispatch(
        chat_requests("a", "b"), desk.post, statement, Terms(1.0, RetryPolicy(1)), window=1000
    )
    assert dispatch.step(0.0)
    desk.ask(rows_of(OPTIONS, [text("a"), text("b")], [60, 40]), statement=statement)
    stats = desk.ledger.stats.read()
    assert (stats.requests, stats.sent, stats.memory_hits) == (100, 2, 98)


class Threaded:
    """A service on a thread of its own: answers in the order of the batches, as soon as it can.

    held: answers to the first request of all wait until so many others were answered.
    """

    def __init__(self) -> None:
        self.held = 0
        self.ledger = Ledger(MemoryCache(0), NoStore(), CallLog())
        self.post = Post(self.ledger, self._submit, lambda batch: None)
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _submit(self, batch: Batch) -> None:
        self._batches.put(batch)

    def _run(self) -> None:
        first: Batch | None = None
        while (batch := self._batches.get()) is not None:
            late = first is None and self.held > 0
            first = first or batch
            for index in range(late, len(batch.requests)):
                batch.resolve(index, Completion(b"{}"))
                self.held -= 1
            if self.held <= 0:
                first.resolve(0, Completion(b"{}"))

    def close(self) -> None:
        self._batches.put(None)
        self._thread.join()


@pytest.fixture
def service() -> Iterator[Threaded]:
    threaded = Threaded()
    yield threaded
    threaded.close()


def terms() -> Terms:
    return Terms(1.0, RetryPolicy(1))


def test_the_end_is_noticed_at_once(service: Threaded) -> None:
    started = time.monotonic()
    for _ in range(50):
        assert Dispatch(named(3), service.post, Statement(), terms(), window=100).step(60.0)
    assert time.monotonic() - started < 50 * 0.1 / 2  # a poll every 0.1 s would take twice that


def test_one_step_feeds_many_windows(service: Threaded) -> None:
    kept: list[Request] = []
    dispatch = Dispatch(
        named(3000),
        service.post,
        Statement(),
        terms(),
        window=2 * PARCEL,
        keep=lambda request, _: kept.append(request),
    )
    assert dispatch.step(60.0)
    assert [each.key for each in kept] == [each.key for each in named(3000)]


def test_room_is_noticed_at_once_while_one_request_takes_long(service: Threaded) -> None:
    service.held = 2999
    started = time.monotonic()
    assert Dispatch(named(3000), service.post, Statement(), terms(), window=2 * PARCEL).step(60.0)
    assert time.monotonic() - started < 1.2  # with a poll every 0.1 s, each 96 requests would wait for one


def test_waiting_is_not_spinning() -> None:
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return time.monotonic()

    desk = Desk(answer=lambda asked: None if b'"b"' in asked.body else Completion(asked.body))
    dispatch = Dispatch(chat_requests("a", "b"), desk.post, Statement(), terms(), window=8, clock=clock)
    assert not dispatch.step(0.15)
    assert looks < 10


def test_time_passes_by_the_given_clock() -> None:
    desk = Desk(answer=lambda _: None)
    ticks = iter(range(100))
    dispatch = Dispatch(
        chat_requests("a"), desk.post, Statement(), terms(), window=8, clock=lambda: float(next(ticks))
    )
    assert not dispatch.step(1.0)
    assert dispatch.under_way == 1


@pytest.mark.parametrize("error_kind", [KeyboardInterrupt, SettingsError])
def test_whatever_ends_a_step_takes_everything_back(error_kind: type[BaseException]) -> None:
    def refuse(_: Request) -> Outcome | None:
        if len(desk.batches) == 2:
            raise error_kind
        return None

    desk = Desk(answer=refuse)
    dispatch = Dispatch(chat_requests("a", "b", "c"), desk.post, Statement(), terms(), window=4)
    with pytest.raises(error_kind):
        dispatch.step(0.0)
    assert set(desk.withdrawn) == set(desk.batches)
    assert dispatch.over


def test_an_iterator_that_breaks_ends_the_step_with_its_error() -> None:
    def broken() -> Iterator[Request]:
        yield from chat_requests("a")
        raise ZeroDivisionError

    desk = Desk(answer=lambda _: None)
    dispatch = Dispatch(broken(), desk.post, Statement(), terms(), window=4)
    with pytest.raises(ZeroDivisionError):
        dispatch.step(0.0)
    assert len(desk.withdrawn) == len(desk.batches) == 1


def test_an_interrupted_keep_is_called_again() -> None:
    kept: list[Outcome] = []

    def keep(request: Request, outcome: Outcome) -> None:
        kept.append(outcome)
        if len(kept) == 1:
            raise KeyboardInterrupt

    dispatch = Dispatch(chat_requests("a"), Desk().post, Statement(), terms(), window=4, keep=keep)
    assert not dispatch.step(0.0)
    with pytest.raises(KeyboardInterrupt):
        dispatch.step(0.0)
    assert len(kept) == 2


def test_nothing_to_send_is_over_at_once() -> None:
    desk = Desk()
    assert Dispatch([], desk.post, Statement(), terms(), window=4).step(60.0)
    assert desk.batches == []


def test_a_statement_that_was_stopped_before_sends_nothing() -> None:
    statement, desk = Statement(), Desk()
    statement.stop(Failure("authentication", "bad key", action=Action.STOP))
    assert Dispatch(chat_requests("a"), desk.post, statement, terms(), window=4).step(60.0)
    assert desk.batches == []


def test_outcomes_are_not_held_by_what_is_still_under_way() -> None:
    def all_but_the_first(asked: Request) -> Outcome | None:
        return None if b'"r0"' in asked.body else Completion(asked.body)

    desk = Desk(answer=all_but_the_first)
    dispatch = Dispatch(
        chat_requests(*(f"r{n}" for n in range(20))), desk.post, Statement(), terms(), window=80
    )
    dispatch.step(0.0)
    assert (dispatch.landed, dispatch.under_way) == (19, 1)
    held = [outcome for batch in desk.batches for outcome in batch.outcomes if outcome is not None]
    assert sum(len(outcome.body) for outcome in held) == 0


def test_a_dispatch_leaves_nothing_behind() -> None:
    with world(max_in_flight=4) as w:
        dispatch: Dispatch | None = w.dispatch(named(200))
        assert dispatch is not None
        w.drive(dispatch)
        dispatch = None
        assert w.leftovers() == (0, 0, 0, 0)
