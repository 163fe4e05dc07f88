"""A store that machines share: what another worker sends is waited for, and what came to nothing is given back."""

from __future__ import annotations

import pytest

from duck_or.cache.contract import Kept
from support.engine_world import (
    NEVER,
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
