from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.stats import COUNTERS, DERIVED, Stats, StatsCounter

counted = st.sampled_from(COUNTERS)


@given(st.lists(st.tuples(counted, st.integers(0, 1000))))
def test_the_counters_always_add_up(added: list[tuple[str, int]]) -> None:
    counter = StatsCounter()
    for name, amount in added:
        counter.add(**{name: amount})
    stats = counter.read()
    assert stats.requests == stats.cache_hits + stats.joined + stats.sent
    assert stats.cache_hits == stats.memory_hits + stats.store_hits
    assert stats.sent == stats.answered + stats.failed + stats.under_way
    for name in COUNTERS:
        assert getattr(stats, name) == sum(amount for each, amount in added if each == name)


@pytest.mark.parametrize("name", DERIVED)
def test_what_follows_from_other_counters_cannot_be_added_to(name: str) -> None:
    with pytest.raises(KeyError):
        StatsCounter().add(**{name: 1})


def test_nothing_is_lost_between_threads() -> None:
    counter = StatsCounter()

    def count() -> None:
        for _ in range(2000):
            counter.add(sent=1, answered=1, cost_usd=0.001)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = counter.read()
    assert (stats.sent, stats.answered, stats.cost_usd) == (8000, 8000, 8.0)


def test_other_counters_are_added_when_read() -> None:
    assert StatsCounter().read(store_read_errors=2, store_write_errors=3) == Stats(
        store_read_errors=2, store_write_errors=3
    )


def test_printed_it_shows_what_is_not_zero() -> None:
    counter = StatsCounter()
    counter.add(memory_hits=1234567, cost_usd=0.5)
    assert [line.split() for line in str(counter.read()).splitlines()] == [
        ["requests", "1,234,567"],
        ["cache_hits", "1,234,567"],
        ["memory_hits", "1,234,567"],
        ["cost_usd", "0.5"],
    ]
