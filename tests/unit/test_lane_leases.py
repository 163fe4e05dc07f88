"""A store that machines share: what another worker sends is waited for, and what came to nothing is given back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from duck_or.cache.contract import Kept, Looked
from duck_or.engine.batch import Statement
from duck_or.engine.ledger import Ledger
from support.engine_world import (
    NEVER,
    LoopStore,
    World,
    answer,
    error,
    is_answered,
    raises,
    refused,
    request,
    texts,
    world,
)


def key(name: str) -> bytes:
    return request(name).key


def body_of(name: str) -> bytes:
    content = answer(name).content
    assert content is not None
    assert not isinstance(content, BaseException)
    return content.body


def test_what_another_worker_sends_is_waited_for_and_read_from_the_store() -> None:
    with world() as w:
        w.store.elsewhere = {key("a")}
        batch = w.submit("a", "b")
        w.advance(2)
        assert texts(batch) == [None, "b"]
        w.store.answers[key("a")] = Kept(body_of("a"), w.now)
        w.settle()
        assert texts(batch) == ["a", "b"]
        assert w.transport.names == ["b"]
        assert (w.stats.sent, w.stats.store_hits, w.stats.requests) == (1, 1, 2)


def test_what_another_worker_gave_up_is_sent_from_here() -> None:
    with world() as w:
        w.store.elsewhere = {key("a")}
        batch = w.submit("a")
        w.advance(10)
        assert not w.transport.sends
        w.store.elsewhere.clear()
        w.settle()
        assert texts(batch) == ["a"]
        assert w.transport.names == ["a"]


def test_however_long_it_took_the_store_is_looked_into_every_second() -> None:
    with world() as w:
        w.store.elsewhere = {key("a")}
        w.submit("a")
        w.advance(60)
        w.store.elsewhere.clear()
        w.advance(1.01)
        assert w.transport.names == ["a"]
        w.settle()


def test_others_join_the_wait_and_may_leave_it() -> None:
    with world() as w:
        w.store.elsewhere = {key("a")}
        first, second = w.submit("a"), w.submit("a")
        w.advance(1)
        w.withdraw(first)
        w.advance(1)
        w.store.elsewhere.clear()
        w.settle()
        assert texts(second) == ["a"]
        assert w.transport.names == ["a"]
        assert w.leftovers()[0] == 0


def test_nobody_waits_any_more() -> None:
    with world() as w:
        w.store.elsewhere = {key("a")}
        batch = w.submit("a")
        w.advance(1)
        w.withdraw(batch)
        w.store.elsewhere.clear()
        w.settle()
        assert not w.transport.sends
        assert not w.store.released  # it was never ours


@pytest.mark.parametrize(
    "reply",
    [error(400), answer("", finish="length"), raises(ZeroDivisionError("a bug"))],
    ids=["refused", "unusable", "bug"],
)
def test_what_brought_nothing_to_keep_is_given_back(reply: object) -> None:
    with world({"a": [reply]}) as w:  # type: ignore[list-item]
        w.submit("a", "b", attempts=1)
        w.settle()
        assert w.store.released == [key("a")]


def test_what_is_kept_is_not_given_back() -> None:
    with world({"a": [refused(), answer("a")]}) as w:
        batch = w.submit("a")
        w.settle()
        assert is_answered(batch)
        assert not w.store.released


def test_what_was_taken_back_in_flight_is_given_back() -> None:
    with world({"a": [NEVER]}) as w:
        batch = w.submit("a")
        w.advance(1)
        w.withdraw(batch)
        w.settle()
        assert w.store.released == [key("a")]


def test_what_was_claimed_for_nobody_is_given_back() -> None:
    with world(read_seconds=1.0) as w:
        batch = w.submit("a")
        w.advance(0.5)
        w.withdraw(batch)
        w.settle()
        assert w.store.released == [key("a")]
        assert not w.transport.sends


def test_what_was_asked_for_again_meanwhile_is_not_given_back() -> None:
    with world(read_seconds=1.0) as w:
        first = w.submit("a")
        w.advance(0.5)
        w.withdraw(first)
        w.advance(0.1)
        second = w.submit("a")
        w.settle()
        assert texts(second) == ["a"]
        assert not w.store.released
        assert w.transport.names == ["a"]


def test_a_stopped_statement_gives_back_what_it_had_not_sent() -> None:
    with world({"a": [error(401)]}, max_in_flight=1) as w:
        w.submit("a", "b", "c")
        w.settle()
        assert sorted(w.store.released) == sorted(map(key, "abc"))


# --- a lease that may be somebody else's meanwhile ---------------------------------------------------------------------


def test_what_waits_to_be_sent_is_looked_up_again_when_leases_may_have_been_lost() -> None:
    with world({"a": [answer("a", seconds=10)]}, max_in_flight=1) as w:
        batch = w.submit("a", "b", "c")
        w.advance(1)
        w.store.epoch += 1
        w.store.elsewhere = {key("b")}
        w.advance(60)
        assert w.transport.names == ["a", "c"], "b is another's now"
        w.store.answers[key("b")] = Kept(body_of("b"), w.now)
        w.settle()
        assert texts(batch) == ["a", "b", "c"]
        assert not w.store.released
        assert (w.stats.sent, w.stats.store_hits) == (2, 1)


def test_so_is_what_rests_before_it_is_tried_again() -> None:
    with world({"a": [refused(), answer("a")]}) as w:
        batch = w.submit("a")
        w.advance(0.01)
        w.store.epoch += 1
        w.store.answers[key("a")] = Kept(body_of("a"), w.now)
        w.settle()
        assert texts(batch) == ["a"]
        assert w.transport.names == ["a"]


def test_what_is_in_doubt_may_be_taken_back() -> None:
    with world({"a": [answer("a", seconds=10)]}, max_in_flight=1, read_seconds=1.0) as w:
        first, second = w.submit("a"), w.submit("b")
        w.advance(2)
        w.store.epoch += 1
        w.advance(9.5)
        w.withdraw(second)
        w.settle()
        assert texts(first) == ["a"]
        assert w.transport.names == ["a"]
        assert w.store.released == [key("b")]
        assert w.leftovers()[:2] == (0, 0)


# --- several sessions of one process, each a worker of its own ---------------------------------------------------------


@dataclass
class Leased(LoopStore):
    """One worker's store; leases are all workers'. closed: nothing is found or claimed any more."""

    leases: dict[bytes, str] = field(default_factory=dict)
    name: str = ""
    closed: bool = False

    def _look(self, keys: Sequence[bytes]) -> Looked:
        if self.closed:
            return Looked({})
        found = self.find(keys)
        missing = [key for key in keys if key not in found]
        theirs = [key for key in missing if self.leases.setdefault(key, self.name) != self.name]
        return Looked(found, frozenset(theirs), self.epoch)

    def holds(self, epoch: int) -> bool:
        return not self.closed and super().holds(epoch)

    def release(self, keys: Sequence[bytes]) -> None:
        super().release(keys)
        for each in keys:
            if self.leases.get(each) == self.name:
                del self.leases[each]

    def _write(self, key: bytes, body: bytes, landed: Callable[[], None]) -> None:
        self.leases.pop(key, None)
        super()._write(key, body, landed)


class Pair(NamedTuple):
    """Two sessions on one lane. leases: of all workers, by key."""

    one: Ledger
    two: Ledger
    leases: dict[bytes, str]


def pair(w: World) -> Pair:
    found = Pair(w.ledger, w.session(), {})
    answers: dict[bytes, Kept] = {}
    for name, ledger in (("one", found.one), ("two", found.two)):
        ledger.store = Leased(w.loop, read_seconds=0.5, answers=answers, leases=found.leases, name=name)
    return found


def test_what_one_session_claimed_in_vain_another_may_send() -> None:
    with world() as w:
        both = pair(w)
        first = w.submit("a", ledger=both.one)
        w.advance(0.2)
        w.withdraw(first)
        w.advance(0.1)
        second = w.submit("a", ledger=both.two)
        w.settle()
        assert texts(second) == ["a"]
        assert not both.leases


def test_a_lease_ends_where_the_answer_is_kept_elsewhere() -> None:
    """The session that claimed it has left, and who still waits keeps answers in a file of his own."""
    with world({"a": [answer("a", seconds=5)]}) as w:
        both = pair(w)
        both.two.store = LoopStore(w.loop)
        first = w.submit("a", ledger=both.one)
        w.advance(2)
        second = w.submit("a", ledger=both.two)
        w.advance(1)
        w.withdraw(first)
        w.settle()
        assert texts(second) == ["a"]
        assert not both.leases


@pytest.mark.parametrize("stopping", [error(400), error(401)], ids=["a failed row", "a wrong key"])
def test_a_statement_that_was_stopped_waits_for_no_other_worker(stopping: object) -> None:
    with world({"bad": [stopping]}) as w:  # type: ignore[list-item]
        w.store.elsewhere = {key("a")}
        batch = w.submit("bad", "a", statement=Statement(), stop_on_failure=True, attempts=1)
        w.advance(5)
        assert batch.done
        assert w.transport.names == ["bad"]


def test_who_still_waits_asks_through_his_own_session_when_the_first_is_closed() -> None:
    with world() as w:
        both = pair(w)
        both.leases[key("a")] = "another machine's"
        w.submit("a", ledger=both.one)
        w.advance(2)
        second = w.submit("a", ledger=both.two)
        w.advance(2)
        w.lane.dismiss(both.one)
        both.one.store.closed = True  # type: ignore[attr-defined]
        w.advance(10)
        assert not w.transport.sends, "the other machine sends it"
        both.two.store.write(key("a"), body_of("a"), lambda: None)
        w.settle()
        assert texts(second) == ["a"]
        assert not w.transport.sends


def test_what_a_closed_session_had_claimed_is_claimed_anew_by_who_still_waits() -> None:
    with world({"x": [answer("x", seconds=10)]}, max_in_flight=1) as w:
        both = pair(w)
        w.submit("x", "a", ledger=both.one)
        w.advance(2)
        second = w.submit("a", ledger=both.two)
        w.advance(1)
        w.lane.dismiss(both.one)
        both.one.store.closed = True  # type: ignore[attr-defined]
        both.leases.clear()  # its worker has left
        w.settle()
        assert texts(second) == ["a"]
        assert w.transport.names == ["x", "a"]
        assert not both.leases
