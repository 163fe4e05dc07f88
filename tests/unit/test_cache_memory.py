"""The memory cache: bounded by bytes, least recently used out first, age counted from when an answer was stored."""

from __future__ import annotations

import hashlib
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.contract import Kept
from duck_or.cache.memory import ENTRY_OVERHEAD, MemoryCache

NOW = 1_790_000_000.0


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def answer(size: int, stored: float = NOW) -> Kept:
    return Kept(b"x" * size, stored)


def room_for(entries: int, size: int = 100) -> int:
    return entries * (ENTRY_OVERHEAD + size)


def test_answers_come_in_the_order_of_the_keys() -> None:
    cache = MemoryCache(room_for(10))
    cache.put_many({key(1): answer(1), key(2): answer(2)})
    assert cache.get_many([key(2), key(3), key(1), key(2)], NOW) == [answer(2), None, answer(1), answer(2)]
    assert cache.get_many([], NOW) == []


def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(room_for(3))
    for number in range(3):
        cache.put_many({key(number): answer(100)})
    cache.get_many([key(0)], NOW)
    cache.put_many({key(3): answer(100)})
    held = [one is not None for one in cache.get_many([key(number) for number in range(4)], NOW)]
    assert held == [True, False, True, True]


def test_an_answer_larger_than_the_cache_is_not_kept_and_ends_the_old_one() -> None:
    cache = MemoryCache(room_for(1))
    cache.put_many({key(1): answer(100)})
    cache.put_many({key(2): answer(101)})
    assert cache.get_many([key(1), key(2)], NOW) == [answer(100), None]
    cache.put_many({key(1): answer(101)})
    assert (cache.get_many([key(1)], NOW), len(cache), cache.bytes) == ([None], 0, 0)


def test_no_bytes_is_off() -> None:
    cache = MemoryCache(0)
    cache.put_many({key(1): answer(0)})
    assert (cache.get_many([key(1)], NOW), len(cache)) == ([None], 0)


@pytest.mark.parametrize(("age", "there"), [(0, True), (60, True), (60.001, False), (-10, True)])
def test_age_counts_from_when_the_answer_was_stored(age: float, there: bool) -> None:
    cache = MemoryCache(room_for(1), ttl=60)
    cache.put_many({key(1): answer(5, NOW - 1000)})
    assert (cache.get_many([key(1)], NOW - 1000 + age) == [answer(5, NOW - 1000)]) is there


def test_without_ttl_an_answer_never_ages() -> None:
    cache = MemoryCache(room_for(1))
    cache.put_many({key(1): answer(5, 0.0)})
    assert cache.get_many([key(1)], NOW) == [answer(5, 0.0)]


def test_clear_says_how_many() -> None:
    cache = MemoryCache(room_for(5))
    cache.put_many({key(number): answer(3) for number in range(4)})
    assert (cache.clear(), len(cache), cache.bytes) == (4, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=40), st.integers(0, 8000))
def test_bytes_never_exceed_the_bound_and_add_up(puts: list[tuple[int, int]], bound: int) -> None:
    cache = MemoryCache(bound)
    for number, size in puts:
        cache.put_many({key(number): answer(size)})
        held = [one for one in cache.get_many([key(n) for n in range(10)], NOW) if one is not None]
        assert cache.bytes == sum(ENTRY_OVERHEAD + len(one.body) for one in held) <= bound
        assert len(cache) == len(held)


def test_the_stated_overhead_covers_what_an_entry_takes() -> None:
    entries = 4000
    cache = MemoryCache(room_for(entries))
    tracemalloc.start()
    try:
        for number in range(entries):
            cache.put_many({key(number): answer(100)})
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(cache) == entries
    assert cache.bytes * 0.5 <= taken <= cache.bytes


def test_many_threads_may_use_it_at_once() -> None:
    cache = MemoryCache(room_for(50))

    def work(seed: int) -> bool:
        mine = [key((seed * 7 + step) % 100) for step in range(60)]
        for _ in range(20):
            cache.put_many({one: Kept(one, NOW) for one in mine})
            if any(
                found is not None and found.body != one
                for one, found in zip(mine, cache.get_many(mine, NOW), strict=True)
            ):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert cache.bytes <= room_for(50)
