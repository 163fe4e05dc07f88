"""One suite for every store that several machines share: leases, signs of life, and one rate.

Workers are compared with a model in random runs; that nothing is given twice is also tried with threads and processes that
ask at the same moment.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from fractions import Fraction
from functools import partial
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

import duck_or
from duck_or.cache.contract import Kept
from duck_or.cache.opening import open_shared
from duck_or.cache.shared import Claims, SharedStore
from support.servers import fresh_postgres, fresh_redis

NOW = 1_790_000_000.0
TTL = 60.0
LONG = 1000.0
"""Seconds of life that outlast every test."""


class Store(SharedStore, Protocol):
    """With the clock of its buckets in our hands."""

    def _reserve(self, bucket: str, rate: float, count: int, microsecond: int | None = None) -> float: ...


Factory = Callable[..., Store]
PLACES: tuple[Callable[[], str], ...] = (fresh_redis, fresh_postgres)


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def keys(*numbers: int) -> list[bytes]:
    return [key(number) for number in numbers]


@pytest.fixture(params=PLACES, ids=["redis", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    address: str = request.param()
    return address


@pytest.fixture
def make(url: str) -> Iterator[Factory]:
    """Makes stores of one place, each with a connection of its own; they are closed afterwards."""
    with ExitStack() as stack:

        def factory(ttl: float | None = None) -> Store:
            store: Store = stack.enter_context(closing(open_shared(url, ttl)))  # type: ignore[assignment]
            return store

        yield factory


@pytest.fixture
def store(make: Factory) -> Store:
    """With two living workers."""
    opened = make()
    opened.beat("ada", LONG)
    opened.beat("ben", LONG)
    return opened


def mine(store: SharedStore, worker: str, *numbers: int) -> list[int]:
    """Those of the keys that are the worker's to send."""
    claimed = store.claim_many(keys(*numbers), NOW, worker).mine
    return [number for number in numbers if key(number) in claimed]


# --- leases ----------------------------------------------------------------------------------------------------------


def test_a_missing_key_is_the_first_ones_to_send_and_nobody_elses(store: Store) -> None:
    store.put_many({key(1): b"a"}, NOW)
    assert store.claim_many(keys(1, 2, 2, 3), NOW, "ada") == Claims(
        {key(1): Kept(b"a", NOW)}, frozenset(keys(2, 3))
    )
    assert store.claim_many(keys(1, 2, 4), NOW, "ben") == Claims(
        {key(1): Kept(b"a", NOW)}, frozenset(keys(4))
    )


def test_what_a_worker_holds_is_its_own_again(store: Store) -> None:
    assert mine(store, "ada", 1, 2) == [1, 2]
    assert mine(store, "ada", 1, 2) == [1, 2]
    assert mine(store, "ben", 1, 2) == []


@pytest.mark.parametrize("size", [0, 1, 2048, 2049, 5000])
def test_any_number_of_keys_may_be_claimed_and_released(store: Store, size: int) -> None:
    numbers = range(size)
    assert mine(store, "ada", *numbers) == [*numbers]
    assert mine(store, "ben", *numbers) == []
    store.release_many(keys(*numbers), "ada")
    assert mine(store, "ben", *numbers) == [*numbers]


def test_an_answer_past_its_ttl_is_missing(make: Factory) -> None:
    store = make(ttl=TTL)
    store.beat("ada", LONG)
    store.put_many({key(1): b"a"}, NOW)
    assert store.claim_many(keys(1), NOW + TTL, "ada") == Claims({key(1): Kept(b"a", NOW)}, frozenset())
    assert store.claim_many(keys(1), NOW + TTL + 0.001, "ada") == Claims({}, frozenset(keys(1)))


ENDINGS: dict[str, Callable[[Store], object]] = {
    "an answer is put": lambda store: store.put_many({key(1): b"a"}, NOW - 2 * TTL),
    "an answer is added": lambda store: store.add_many({key(1): Kept(b"a", NOW - 2 * TTL)}),
    "it is deleted": lambda store: store.delete_many(keys(1)),
    "it is given back": lambda store: store.release_many(keys(1), "ada"),
    "its holder leaves": lambda store: store.leave("ada"),
    "its holder's time is over": lambda store: store.beat("ada", 0.0),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_lease_ends_when(make: Factory, ending: Callable[[Store], object]) -> None:
    store = make(ttl=TTL)  # what is put is too old to be an answer, so that the key can be claimed again
    store.beat("ada", LONG)
    store.beat("ben", LONG)
    assert mine(store, "ada", 1, 2) == [1, 2]
    ending(store)
    assert 1 in mine(store, "ben", 1, 2)


def test_only_its_holder_can_give_a_lease_back(store: Store) -> None:
    assert mine(store, "ada", 1) == [1]
    store.release_many(keys(1), "ben")
    assert mine(store, "ben", 1) == []


def test_a_lease_outlives_what_it_was_claimed_on(make: Factory, store: Store) -> None:
    assert mine(store, "ada", 1) == [1]
    store.close()
    assert mine(make(), "ben", 1) == []


def test_a_worker_that_says_nothing_any_more_holds_nobody_up(store: Store) -> None:
    began = time.monotonic()
    store.beat("ada", 0.2)
    assert mine(store, "ada", 1) == [1]
    while not mine(store, "ben", 1):
        assert time.monotonic() - began < 10
    assert time.monotonic() - began >= 0.2


def test_a_sign_of_life_keeps_the_leases_it_had(store: Store) -> None:
    store.beat("ada", 0.0)
    assert mine(store, "ada", 1) == [1]
    store.beat("ada", LONG)
    assert mine(store, "ben", 1) == []


def test_beat_says_how_many_live(make: Factory) -> None:
    store = make()
    assert [store.beat(name, LONG) for name in ("ada", "ben", "ada", "cid")] == [1, 2, 2, 3]
    store.leave("ben")
    store.leave("nobody")
    assert store.beat("cid", LONG) == 2
    store.beat("ada", 0.0)
    assert store.beat("cid", LONG) == 1


def test_clearing_takes_the_answers_and_leaves_the_leases(store: Store) -> None:
    store.put_many({key(2): b"a"}, NOW)
    assert mine(store, "ada", 1, 2) == [1]
    assert store.clear() == 1
    assert mine(store, "ben", 1, 2) == [2]


class Workers(RuleBasedStateMachine):
    """Whatever workers do, in whatever order: each key is whose the model says."""

    names = st.sampled_from(["ada", "ben", "cid", "dot", "eve"])
    numbers = st.lists(st.integers(0, 5).map(key))
    place: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.store = open_shared(type(self).place(), TTL)
        self.now = NOW
        self.answers: dict[bytes, Kept] = {}
        self.leases: dict[bytes, str] = {}
        self.living: set[str] = set()
        self.gone: set[str] = set()

    @rule(worker=names)
    def lives(self, worker: str) -> None:
        if worker not in self.gone:
            self.living.add(worker)
            assert self.store.beat(worker, LONG) == len(self.living)

    @rule(worker=names, end=st.sampled_from(["time over", "leaves"]))
    def ends(self, worker: str, end: str) -> None:
        if worker in self.living:
            self.living.remove(worker)
            self.gone.add(worker)
            if end == "leaves":
                self.store.leave(worker)
            else:
                self.store.beat(worker, 0.0)

    @rule(seconds=st.floats(0, TTL))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(worker=names, asked=numbers)
    def claims(self, worker: str, asked: list[bytes]) -> None:
        if worker not in self.living:
            return
        good = {one: self.answers[one] for one in asked if one in self.answers}
        good = {one: kept for one, kept in good.items() if self.now - kept.stored <= TTL}
        missing = set(asked) - good.keys()
        free = {one for one in missing if self.leases.get(one, worker) not in self.living - {worker}}
        assert self.store.claim_many(asked, self.now, worker) == Claims(good, frozenset(free))
        self.leases.update(dict.fromkeys(free, worker))

    @rule(asked=numbers)
    def puts(self, asked: list[bytes]) -> None:
        self.store.put_many({one: one[:3] for one in asked}, self.now)
        self.answers.update({one: Kept(one[:3], self.now) for one in asked})
        self._end(asked)

    @rule(asked=numbers)
    def deletes(self, asked: list[bytes]) -> None:
        assert self.store.delete_many(asked) == len(self.answers.keys() & set(asked))
        for one in asked:
            self.answers.pop(one, None)
        self._end(asked)

    @rule(worker=names, asked=numbers)
    def releases(self, worker: str, asked: list[bytes]) -> None:
        self.store.release_many(asked, worker)
        self._end([one for one in asked if self.leases.get(one) == worker])

    @rule()
    def prunes(self) -> None:
        old = [one for one, kept in self.answers.items() if self.now - kept.stored > TTL]
        assert self.store.prune(self.now) == len(old)
        for one in old:
            del self.answers[one]

    def _end(self, asked: list[bytes]) -> None:
        for one in asked:
            self.leases.pop(one, None)

    def teardown(self) -> None:
        self.store.close()


class RedisWorkers(Workers):
    place = staticmethod(fresh_redis)


class PostgresWorkers(Workers):
    place = staticmethod(fresh_postgres)


TestRedisWorkers = RedisWorkers.TestCase
TestPostgresWorkers = PostgresWorkers.TestCase
TestRedisWorkers.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestPostgresWorkers.settings = settings(TestRedisWorkers.settings, max_examples=20)


# --- at the same moment ----------------------------------------------------------------------------------------------


def test_of_workers_that_ask_at_once_exactly_one_gets_each_key(make: Factory) -> None:
    """Half of the keys are left over from a worker that died."""
    names = ["ada", "ben", "cid", "dot"]
    numbers = range(1000)
    dead = make()
    dead.beat("eve", 0.0)
    dead.claim_many(keys(*numbers[::2]), NOW, "eve")

    def work(name: str) -> list[int]:
        store, chance = make(), random.Random(name)
        store.beat(name, LONG)
        got: list[int] = []
        order = chance.sample(numbers, len(numbers))
        for start in range(0, len(order), 50):
            got += mine(store, name, *order[start : start + 50])
        return got

    with ThreadPoolExecutor(len(names)) as pool:
        given_out = [number for got in pool.map(work, names) for number in got]
    assert sorted(given_out) == [*numbers]


def test_who_asks_while_the_answers_are_put_is_given_answers_not_leases(make: Factory) -> None:
    """However the two meet: before the answer there is the other's lease, after it the answer."""
    numbers = range(300)
    writer, reader = make(), make()
    for store, name in ((writer, "ada"), (reader, "ben")):
        store.beat(name, LONG)
    assert mine(writer, "ada", *numbers) == [*numbers]

    def put() -> None:
        for number in numbers:
            writer.put_many({key(number): b"a"}, NOW)

    with ThreadPoolExecutor(1) as pool:
        putting = pool.submit(put)
        looks = 0
        while not putting.done() or not looks:
            claims = reader.claim_many(keys(*random.Random(looks).sample(numbers, 20)), NOW, "ben")
            assert claims.mine == frozenset()
            looks += 1
        putting.result()
    assert len(reader.claim_many(keys(*numbers), NOW, "ben").found) == len(numbers)


def test_everything_at_once_neither_fails_nor_stands_still(make: Factory) -> None:
    """Overlapping keys in every order: where locks are taken one after another, this is what deadlocks."""
    names = ["ada", "ben", "cid", "dot"]

    def work(name: str) -> None:
        store, chance = make(), random.Random(name)
        for _ in range(25):
            store.beat(name, LONG)
            some = keys(*chance.sample(range(200), 100))
            claims = store.claim_many(some, NOW, name)
            store.put_many(dict.fromkeys(chance.sample(some, 50), b"a"), NOW)
            store.add_many({one: Kept(b"b", NOW + 1) for one in chance.sample(some, 50)})
            store.delete_many(chance.sample(some, 70))
            store.release_many([*claims.mine], name)
            store.reserve("bucket", 1e6, 3)
        store.leave(name)

    with ThreadPoolExecutor(len(names)) as pool:
        assert [*pool.map(work, names)] == [None] * len(names)


def test_several_that_begin_together_find_or_make_the_place(make: Factory) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = [*pool.map(lambda number: make().beat(f"{number}", LONG), range(4))]
    assert all(1 <= living <= 4 for living in told)  # two that come at once may not have heard of one another
    assert make().beat("0", LONG) == 4


# --- one rate --------------------------------------------------------------------------------------------------------

_bucket = count()
START = 1_790_000_000_000_000
"""A microsecond."""
EXACT = Fraction(1, 1000)
"""Of a microsecond: what the servers' floating point numbers may be off."""


def test_the_first_token_is_there_and_the_others_follow(store: Store) -> None:
    assert store.reserve("a", 0.5, 1) == 0.0
    assert 1.5 < store.reserve("a", 0.5, 4) <= 2.0
    assert 9.5 < store.reserve("a", 0.5, 1) <= 10.0
    assert store.reserve("b", 0.5, 1) == 0.0


rates = st.floats(0.01, 5000) | st.sampled_from([1.0, 3.0, 7.0, 400.0, 1e6])


def test_tokens_are_never_too_early_and_hardly_late(store: Store) -> None:
    """In whole microseconds: one that waits for the token before it waits 1 / rate, and less than one more a draw."""

    @settings(max_examples=60, deadline=None)
    @given(rates, st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 500)), max_size=15))
    def check(rate: float, draws: list[tuple[int, int]]) -> None:
        bucket, now = f"bucket {next(_bucket)}", START
        token = 1_000_000 / Fraction(rate)
        free_from = Fraction(0)
        for pause, tokens in draws:
            now += pause
            first = now + round(store._reserve(bucket, rate, tokens, now) * 1e6)
            earliest = max(free_from, Fraction(now))
            assert earliest - EXACT <= first < earliest + 1 + EXACT
            free_from = first + tokens * token

    check()


def test_each_ones_tokens_take_up_what_its_own_rate_makes_of_them(store: Store) -> None:
    assert [store._reserve("a", rate, 1, START) for rate in (1.0, 4.0, 2.0, 4.0)] == [0.0, 1.0, 1.25, 1.75]
    assert store._reserve("a", 1.0, 1, START + 9_000_000) == 0.0  # nothing was saved up
    assert store._reserve("a", 1.0, 1, START + 9_000_000) == 1.0


RESERVE = """
import sys
from duck_or.cache.opening import open_shared
store = open_shared(sys.argv[1])
store.reserve("warm", 1.0, 1)
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    store.reserve("bucket", 1.0, 1 + number % 3)
print("done", flush=True)
"""


def test_two_processes_are_given_each_token_once(url: str, store: Store) -> None:
    tokens = 2 * sum(1 + number % 3 for number in range(200))
    command = [sys.executable, "-c", RESERVE, url]
    start = partial(subprocess.Popen, command, cwd=Path(duck_or.__file__).parents[1], text=True)
    with ExitStack() as stack:
        workers = [
            stack.enter_context(start(stdin=subprocess.PIPE, stdout=subprocess.PIPE)) for _ in range(2)
        ]
        assert [said(worker) for worker in workers] == ["ready"] * 2
        began = time.monotonic()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        assert [said(worker) for worker in workers] == ["done"] * 2
    wait = store.reserve("bucket", 1.0, 1)  # one token a second: the bucket has never been idle
    assert tokens - (time.monotonic() - began) <= wait <= tokens


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
