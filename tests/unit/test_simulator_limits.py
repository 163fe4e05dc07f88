"""Limits, with time as an argument."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.simulator import Scenario
from duck_or.simulator.limits import InFlightBudget, Limits, TokenBucket, Window
from duck_or.simulator.reply import Reply

NOON = 1_800_000_000.0  # a multiple of a minute


def admit(
    limits: Limits, now: float, *, free: bool = False, in_flight: int = 1, hold: float = 0.0
) -> Reply | None:
    return limits.admit(now, free=free, in_flight=in_flight, hold=hold)


def error_of(reply: Reply | None) -> dict[str, object]:
    assert reply is not None
    error: dict[str, object] = orjson.loads(reply.body)["error"]
    return error


@given(
    rpm=st.floats(1, 60_000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=100),
)
def test_a_token_bucket_never_lets_more_through_than_rate_and_burst(
    rpm: float, burst: int, gaps: list[float]
) -> None:
    bucket, now, admitted = TokenBucket(rpm, burst), NOON, 0
    for gap in gaps:
        now += gap
        admitted += bucket.take(now) == 0
    # NOON is large, so a difference of times is off by a few tenths of a microsecond
    assert admitted <= burst + (now - NOON) * rpm / 60 + 1e-2


def test_a_token_bucket_says_when_the_next_token_is_there() -> None:
    bucket = TokenBucket(60, 2)
    assert [bucket.take(NOON), bucket.take(NOON)] == [0, 0]
    assert bucket.take(NOON) == pytest.approx(1)
    assert bucket.take(NOON + 0.75) == pytest.approx(0.25)
    assert bucket.take(NOON + 1.01) == 0


def test_a_clock_that_goes_back_does_not_take_tokens_away() -> None:
    bucket = TokenBucket(60, 2)
    bucket.take(NOON)
    assert bucket.take(NOON - 100) == 0


def test_a_window_starts_anew_at_its_border() -> None:
    window = Window(2, 60)
    window.use(NOON)
    assert not window.full(NOON + 59)
    window.use(NOON + 59)
    assert window.full(NOON + 59.9)
    assert window.ends_at(NOON + 59.9) == NOON + 60
    assert not window.full(NOON + 60)


def test_the_rate_limit_tells_its_wait_in_every_header() -> None:
    limits = Limits(Scenario(rpm=30, burst=1))
    assert admit(limits, NOON) is None
    refused = admit(limits, NOON)
    assert refused is not None
    assert refused.status == 429
    assert refused.headers == {
        "Retry-After": "2",
        "X-RateLimit-Limit": "30",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int((NOON + 2) * 1000)),
    }
    assert admit(limits, NOON + 2) is None


def test_concurrency_counts_the_request_itself() -> None:
    limits = Limits(Scenario(max_concurrency=2))
    assert admit(limits, NOON, in_flight=2) is None
    refused = admit(limits, NOON, in_flight=3)
    assert refused is not None
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")


def test_free_models_have_a_minute_and_a_day() -> None:
    limits = Limits(Scenario(free_rpm=2, free_rpd=3))
    assert [admit(limits, NOON, free=True) for _ in range(2)] == [None, None]
    minute = admit(limits, NOON, free=True)
    assert minute is not None
    assert "free-models-per-min" in str(error_of(minute)["message"])
    assert "Retry-After" not in minute.headers
    assert minute.headers["X-RateLimit-Reset"] == str(int((NOON + 60) * 1000))
    assert admit(limits, NOON + 60, free=True) is None
    day = error_of(admit(limits, NOON + 60, free=True))
    assert day["metadata"]["limit_source"] == "openrouter_free_tier_daily"  # type: ignore[index]
    assert admit(limits, NOON + 60) is None, "paid models are not concerned"


def test_credits_run_out() -> None:
    limits = Limits(Scenario(credits_usd=0.01))
    assert admit(limits, NOON) is None
    limits.settle(NOON, 0, 0.01)
    refused = error_of(admit(limits, NOON))
    assert (refused["code"], refused["metadata"]["limit_source"]) == (402, "openrouter_credits")  # type: ignore[index]
    assert admit(limits, NOON, free=True) is None, "free models cost nothing"


@pytest.mark.parametrize("status", [402, 403])
def test_the_key_limit_comes_under_either_status(status: int) -> None:
    limits = Limits(Scenario(key_limit_usd=0.01, key_limit_status=status))  # type: ignore[arg-type]
    limits.settle(NOON, 0, 0.02)
    refused = admit(limits, NOON)
    assert refused is not None
    assert refused.status == status
    assert "Key limit exceeded" in str(error_of(refused)["message"])


def test_the_in_flight_budget_holds_releases_and_settles() -> None:
    limits = Limits(Scenario(in_flight_budget_usd=1.0, settle_after=2.0))
    assert admit(limits, NOON, hold=0.6) is None
    refused = admit(limits, NOON, hold=0.6)
    assert refused is not None
    assert (refused.status, refused.headers) == (402, {"Retry-After": "2"})
    assert error_of(refused)["metadata"]["reason"] == "in_flight_budget_exhausted"  # type: ignore[index]
    limits.settle(NOON, 0.6, 0.5)
    assert admit(limits, NOON + 1.9, hold=0.6) is not None, "the real cost still counts"
    assert admit(limits, NOON + 2, hold=0.6) is None


def test_a_request_dearer_than_the_whole_budget_is_told_so() -> None:
    refused = admit(Limits(Scenario(in_flight_budget_usd=1.0)), NOON, hold=1.1)
    assert error_of(refused)["metadata"]["reason"] == "weight_exceeds_budget"  # type: ignore[index]
    assert refused is not None
    assert not refused.headers


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), max_size=40))
def test_an_in_flight_budget_is_empty_again_when_all_is_settled(work: list[tuple[float, float]]) -> None:
    budget = InFlightBudget(10.0, 2.0)
    for hold, cost in work:
        budget.hold(hold)
        budget.release(hold, cost, NOON)
    assert budget.fits(10.0 - 1e-6, NOON + 2)
