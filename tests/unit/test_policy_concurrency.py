from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from duck_or.policy.concurrency import AdaptiveLimit


def round_trip(limit: AdaptiveLimit) -> int:
    """Everything that was in flight is answered and at once replaced."""
    for _ in range(limit.limit):
        limit.on_success(limit.limit, limit.limit)
    return limit.limit


def test_slow_start_doubles_per_round_trip_up_to_the_maximum() -> None:
    limit = AdaptiveLimit(256, initial=32)
    assert [round_trip(limit) for _ in range(4)] == [64, 128, 256, 256]


def test_after_a_refusal_it_grows_by_one_per_round_trip() -> None:
    limit = AdaptiveLimit(256, initial=64)
    assert limit.on_slow_down(1.0, 0.5, in_flight_at_start=50)
    assert limit.limit == 57
    assert [round_trip(limit) for _ in range(3)] == [58, 59, 60]


def test_refusals_of_one_congestion_event_decrease_once() -> None:
    limit = AdaptiveLimit(256, initial=100)
    assert [limit.on_slow_down(1.0 + n / 100, 0.9, 100) for n in range(5)] == [True] + [False] * 4
    assert limit.limit == 99
    assert limit.on_slow_down(2.0, 1.5, 60)
    assert limit.limit == 89


def test_the_limit_stays_above_what_was_in_flight_beside_the_refused_one() -> None:
    limit = AdaptiveLimit(256, initial=64)
    limit.on_slow_down(1.0, 0.5, in_flight_at_start=63)
    assert limit.limit == 62


def test_a_refusal_where_more_were_accepted_before_is_not_about_the_number_in_flight() -> None:
    limit = AdaptiveLimit(256, initial=64)
    limit.on_success(60, 60)
    assert not limit.on_slow_down(1.0, 0.5, in_flight_at_start=55)
    assert limit.limit == 64


def test_a_server_that_shrank_is_believed_after_a_while() -> None:
    limit = AdaptiveLimit(256, initial=64)
    limit.on_success(60, 60)
    for _ in range(1000):
        limit.on_success(10, 10)
    assert limit.on_slow_down(1.0, 0.5, in_flight_at_start=30)


def test_an_unused_limit_does_not_grow() -> None:
    limit = AdaptiveLimit(256, initial=16)
    for _ in range(100):
        limit.on_success(15, 15)
    assert limit.limit == 16


@given(
    maximum=st.integers(1, 300),
    initial=st.integers(1, 300),
    events=st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=400),
)
def test_always_between_one_and_the_maximum(
    maximum: int, initial: int, events: list[tuple[bool, int]]
) -> None:
    limit = AdaptiveLimit(maximum, initial)
    for now, (accepted, in_flight) in enumerate(events, start=1):
        if accepted:
            limit.on_success(in_flight, in_flight)
        else:
            limit.on_slow_down(now, now - 0.5, in_flight)
        assert 1 <= limit.limit <= maximum
