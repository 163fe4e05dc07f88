"""One suite for every store: what a session may rely on, whichever it has.

A random run of operations is compared with a dict, so that TTL, replacement and deletion agree in every order.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from duck_or.cache.contract import Kept, Store
from duck_or.cache.postgres_store import PostgresStore
from duck_or.cache.redis_store import RedisStore
from duck_or.cache.sqlite_store import SqliteStore
from support.dict_store import DictStore
from support.servers import fresh_postgres, fresh_redis

Factory = Callable[..., Store]
NOW = 1_790_000_000.0
TTL = 60.0


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def sqlite(directory: Path) -> Factory:
    return partial(SqliteStore, directory / "cache.sqlite")


def in_memory(_: Path) -> Factory:
    return DictStore


def redis(_: Path) -> Factory:
    return partial(RedisStore, fresh_redis())


def postgres(_: Path) -> Factory:
    return partial(PostgresStore, fresh_postgres())


KINDS: Sequence[Callable[[Path], Factory]] = (sqlite, in_memory, redis, postgres)
"""Each gives, in an empty place, what makes a store there: `make(ttl=…)`."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Factory]:
    """Makes stores of one place; they are closed afterwards."""
    made: list[Store] = []
    kind: Factory = request.param(tmp_path)

    def factory(ttl: float | None = None) -> Store:
        made.append(kind(ttl=ttl))
        return made[-1]

    yield factory
    for store in made:
        store.close()


@pytest.fixture
def store(make: Factory) -> Store:
    return make()


BODIES = {
    "empty": b"",
    "one byte": b"{",
    "not text": bytes(range(256)),
    "repetitive": b'{"choices":[]}' * 10_000,
    "umlauts": '{"content":"größer"}'.encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_answer_comes_back_byte_for_byte_with_its_time(store: Store, body: bytes) -> None:
    store.put_many({key(1): body}, NOW)
    assert store.get_many([key(1)], NOW + 1) == {key(1): Kept(body, NOW)}


def test_keys_that_are_not_there_are_left_out(store: Store) -> None:
    store.put_many({key(1): b"a"}, NOW)
    assert store.get_many([key(2), key(1), key(2), key(1)], NOW) == {key(1): Kept(b"a", NOW)}


def test_no_keys_and_no_items_are_fine(store: Store) -> None:
    store.put_many({}, NOW)
    assert store.get_many([], NOW) == {}
    assert store.delete_many([]) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 2047, 2048, 2049, 5000])
def test_any_number_of_keys_in_one_call(store: Store, count: int) -> None:
    items = {key(number): b"%d" % number for number in range(count)}
    store.put_many(items, NOW)
    found = store.get_many([*items, key(-1)], NOW)
    assert {one: kept.body for one, kept in found.items()} == items


def test_a_second_put_replaces_answer_and_time(store: Store) -> None:
    store.put_many({key(1): b"old", key(2): b"other"}, NOW)
    store.put_many({key(1): b"new"}, NOW + 5)
    assert store.get_many([key(1), key(2)], NOW + 5) == {
        key(1): Kept(b"new", NOW + 5),
        key(2): Kept(b"other", NOW),
    }


@pytest.mark.parametrize(("age", "there"), [(-5, True), (0, True), (TTL, True), (TTL + 0.001, False)])
def test_an_answer_is_good_up_to_its_ttl_inclusive(make: Factory, age: float, there: bool) -> None:
    store = make(ttl=TTL)
    store.put_many({key(1): b"a"}, NOW)
    assert (key(1) in store.get_many([key(1)], NOW + age)) is there
    assert store.prune(NOW + age) == (0 if there else 1)
    assert store.info().entries == (1 if there else 0)


def test_delete_and_clear_say_how_many(store: Store) -> None:
    store.put_many({key(number): b"a" for number in range(5)}, NOW)
    assert store.delete_many([key(0), key(1), key(99)]) == 2
    assert store.clear() == 3
    assert store.clear() == 0
    assert store.get_many([key(2)], NOW) == {}


def test_info_adds_up(store: Store) -> None:
    store.put_many({key(1): b"abc"}, NOW)
    store.put_many({key(2): b"defgh"}, NOW + 9)
    info = store.info()
    assert (info.entries, info.bytes_of_answers, info.oldest, info.newest) == (2, 8, NOW, NOW + 9)
    store.clear()
    info = store.info()
    assert (info.entries, info.bytes_of_answers, info.oldest, info.newest) == (0, 0, None, None)


def test_vacuum_keeps_every_answer(store: Store) -> None:
    store.put_many({key(number): b"a" * number for number in range(100)}, NOW)
    store.vacuum()
    assert len(store.get_many([key(number) for number in range(100)], NOW)) == 100


def test_closing_twice_is_fine(store: Store) -> None:
    store.put_many({key(1): b"a"}, NOW)
    store.close()
    store.close()
    assert store.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


def all_of(store: Store) -> dict[bytes, Kept]:
    return {key: kept for part in store.entries() for key, kept in part.items()}


def test_entries_are_all_there_is_past_its_ttl_or_not(make: Factory) -> None:
    store = make(ttl=TTL)
    assert all_of(store) == {}
    old = {key(number): b"old" for number in range(1500)}
    new = {key(number): b"%d" % number for number in range(1500, 3000)}
    store.put_many(old, NOW)
    store.put_many(new, NOW + 10 * TTL)
    expected = {one: Kept(body, NOW) for one, body in old.items()}
    assert all_of(store) == expected | {one: Kept(body, NOW + 10 * TTL) for one, body in new.items()}


def test_adding_keeps_the_newer_of_two_answers(store: Store) -> None:
    store.put_many({key(1): b"there", key(2): b"there"}, NOW)
    added = {key(1): Kept(b"older", NOW - 1), key(2): Kept(b"newer", NOW + 1), key(3): Kept(b"new", NOW - 9)}
    assert store.add_many(added) == 2
    assert all_of(store) == {key(1): Kept(b"there", NOW), key(2): added[key(2)], key(3): added[key(3)]}
    assert store.add_many(added) == 0
    assert store.add_many({}) == 0


def test_any_number_may_be_added(store: Store) -> None:
    added = {key(number): Kept(b"%d" % number, NOW + number) for number in range(5000)}
    assert store.add_many(added) == 5000
    assert all_of(store) == added


keys = st.integers(0, 7).map(key)
bodies = st.binary(max_size=400) | st.text(max_size=100).map(str.encode)


class AgainstDict(RuleBasedStateMachine):
    """Whatever is done, in whatever order, the store answers as a dict does."""

    kind: Callable[[Path], Factory]

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.real: Store = type(self).kind(Path(self.directory.name))(ttl=TTL)
        self.model: Store = DictStore(ttl=TTL)
        self.now = NOW

    @rule(seconds=st.floats(0, TTL))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(items=st.dictionaries(keys, bodies))
    def put(self, items: dict[bytes, bytes]) -> None:
        self.real.put_many(items, self.now)
        self.model.put_many(items, self.now)

    @rule(items=st.dictionaries(keys, bodies), age=st.floats(0, 2 * TTL))
    def add(self, items: dict[bytes, bytes], age: float) -> None:
        added = {one: Kept(body, self.now - age) for one, body in items.items()}
        assert self.real.add_many(added) == self.model.add_many(added)

    @rule(wanted=st.lists(keys))
    def get(self, wanted: list[bytes]) -> None:
        assert self.real.get_many(wanted, self.now) == self.model.get_many(wanted, self.now)

    @rule(unwanted=st.lists(keys))
    def delete(self, unwanted: list[bytes]) -> None:
        assert self.real.delete_many(unwanted) == self.model.delete_many(unwanted)

    @rule()
    def prune(self) -> None:
        assert self.real.prune(self.now) == self.model.prune(self.now)

    @rule()
    def clear(self) -> None:
        assert self.real.clear() == self.model.clear()

    @rule()
    def reopen(self) -> None:
        self.real.close()

    @rule()
    def read_all(self) -> None:
        assert all_of(self.real) == all_of(self.model)

    @invariant()
    def same_summary(self) -> None:
        real, model = self.real.info(), self.model.info()
        assert (real.entries, real.bytes_of_answers) == (model.entries, model.bytes_of_answers)
        assert (real.oldest, real.newest) == (model.oldest, model.newest)

    def teardown(self) -> None:
        self.real.close()
        self.directory.cleanup()


class SqliteAgainstDict(AgainstDict):
    kind = staticmethod(sqlite)


class RedisAgainstDict(AgainstDict):
    kind = staticmethod(redis)


class PostgresAgainstDict(AgainstDict):
    kind = staticmethod(postgres)


TestSqliteAgainstDict = SqliteAgainstDict.TestCase
TestRedisAgainstDict = RedisAgainstDict.TestCase
TestPostgresAgainstDict = PostgresAgainstDict.TestCase
TestSqliteAgainstDict.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestRedisAgainstDict.settings = settings(TestSqliteAgainstDict.settings)
TestPostgresAgainstDict.settings = settings(TestSqliteAgainstDict.settings, max_examples=20)
