from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.policy.rate_limit import TokenBucket

gaps = st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=120)


@given(rate=st.floats(1, 6000), burst=st.integers(1, 20), gaps=gaps)
def test_no_window_holds_more_than_burst_and_rate(rate: float, burst: int, gaps: list[float]) -> None:
    bucket, now, leaving = TokenBucket(rate, burst), 1000.0, []
    for gap in gaps:
        now += gap
        leaving.append(now + bucket.reserve(now))
    assert leaving == sorted(leaving)
    for first, start in enumerate(leaving):
        for last in range(first, len(leaving)):
            assert last - first + 1 <= burst + rate / 60 * (leaving[last] - start) + 1e-6


@given(rate=st.floats(1, 6000), burst=st.integers(1, 20), gaps=gaps)
def test_no_request_waits_longer_than_the_rate_demands(rate: float, burst: int, gaps: list[float]) -> None:
    """A late request had to wait because `burst` others left within the time their tokens take to come back."""
    bucket, now, leaving = TokenBucket(rate, burst), 1000.0, []
    for gap in gaps:
        now += gap
        delay = bucket.reserve(now)
        if delay > 0:
            full = [n for n in range(1, len(leaving) + 1) if n >= burst]
            assert any(
                math.isclose(now + delay, leaving[-n] + (n + 1 - burst) * 60 / rate, abs_tol=1e-6)
                for n in full
            )
        leaving.append(now + delay)


def test_hours_do_not_drift() -> None:
    bucket = TokenBucket(7 * 60, burst=1)
    start = now = 123456.789
    for sent in range(7 * 3600 * 3):
        now += bucket.reserve(now)
        assert abs(now - start - sent / 7) < 1e-6


def test_asking_takes_nothing() -> None:
    bucket = TokenBucket(60, burst=1)
    assert [bucket.delay(5.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    bucket.take(5.0)
    assert bucket.delay(5.25) == pytest.approx(0.75)


@pytest.mark.parametrize("rate", [None, 0, 0.0])
def test_no_rate_means_no_wait(rate: float | None) -> None:
    bucket = TokenBucket(rate)
    assert {bucket.reserve(1.0) for _ in range(1000)} == {0.0}


@pytest.mark.parametrize(("rate", "burst"), [(20, 1), (60, 1), (600, 10), (6000, 100)])
def test_the_default_burst_is_a_second_of_the_rate(rate: float, burst: int) -> None:
    bucket = TokenBucket(rate)
    assert sum(bucket.reserve(0.0) == 0.0 for _ in range(500)) == burst


@pytest.mark.parametrize(("rate", "burst"), [(-1, None), (float("nan"), None), (60, 0)])
def test_nonsense_is_refused(rate: float, burst: int | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        TokenBucket(rate, burst)
