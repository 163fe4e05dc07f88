from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.outcome import Action, Failure
from duck_or.policy.retry import GiveUp, Retry, RetryPolicy

BUSY = Failure("rate_limited", "slow down", retryable=True, action=Action.RETRY)
POLICY = RetryPolicy(attempts=6, base=0.5, cap=30.0, max_total_wait=120.0)
low, high = (lambda: 0.0), (lambda: 0.999999)

shares = st.floats(0, 1, exclude_max=True)


@given(attempt=st.integers(1, 2000), share=shares)
def test_backoff_is_full_jitter_under_a_doubling_ceiling(attempt: int, share: float) -> None:
    policy = RetryPolicy(attempts=10_000, base=0.5, cap=30.0)
    decision = policy.decide(BUSY, attempt, 0.0, lambda: share)
    assert isinstance(decision, Retry)
    assert decision.delay == pytest.approx(share * min(30.0, 0.5 * 2 ** min(attempt - 1, 50)))


@given(hint=st.floats(0, 100), attempt=st.integers(1, 5), share=shares)
def test_a_hint_is_a_minimum(hint: float, attempt: int, share: float) -> None:
    decision = POLICY.decide(replace(BUSY, wait=hint), attempt, 0.0, lambda: share)
    assert isinstance(decision, Retry)
    assert hint <= decision.delay <= hint + max(0.5, hint / 4)


def test_rows_given_the_same_hint_come_back_apart() -> None:
    delays = {POLICY.decide(replace(BUSY, wait=1.0), 3, 0.0, lambda n=n: n / 8) for n in range(8)}
    assert len(delays) == 8


@given(hint=st.none() | st.floats(0, 200), attempt=st.integers(1, 5), waited=st.floats(0, 300), share=shares)
def test_the_cap_of_waiting_is_never_passed(
    hint: float | None, attempt: int, waited: float, share: float
) -> None:
    decision = POLICY.decide(replace(BUSY, wait=hint), attempt, waited, lambda: share)
    if isinstance(decision, Retry):
        assert waited + decision.delay <= 120.0 + 1e-9


def test_a_hint_beyond_the_cap_gives_up_at_once_and_names_both() -> None:
    decision = POLICY.decide(replace(BUSY, wait=300.0), 1, 20.0, low)
    assert isinstance(decision, GiveUp)
    assert decision.failure.message == (
        "slow down (the service asks for a wait of 300 s, but only 100 s are left of max_wait = 120 s; "
        "raise max_wait to sit it out)"
    )
    assert replace(decision.failure, message=BUSY.message) == replace(BUSY, wait=300.0)


def test_used_up_waiting_gives_up_and_names_the_setting() -> None:
    decision = POLICY.decide(BUSY, 2, 120.0, high)
    assert isinstance(decision, GiveUp)
    assert "max_wait = 120 s" in decision.failure.message


@pytest.mark.parametrize(
    ("failure", "retries"),
    [
        (BUSY, 5),
        (replace(BUSY, code="network"), 5),
        (replace(BUSY, code="empty_answer"), 2),
        (replace(BUSY, action=Action.ROW), 0),
        (replace(BUSY, action=Action.STOP), 0),
    ],
    ids=lambda value: getattr(value, "code", value),
)
def test_how_often_a_failure_is_retried(failure: Failure, retries: int) -> None:
    decisions = [POLICY.decide(failure, attempt, 0.0, low) for attempt in range(1, 8)]
    assert [isinstance(decision, Retry) for decision in decisions] == [True] * retries + [False] * (
        7 - retries
    )
    assert decisions[-1] == GiveUp(failure)


def test_few_attempts_are_not_raised_by_the_table() -> None:
    policy = RetryPolicy(attempts=2)
    assert policy.decide(replace(BUSY, code="empty_answer"), 2, 0.0, low) == GiveUp(
        replace(BUSY, code="empty_answer")
    )


def test_a_stale_connection_is_retried_at_once_but_only_once() -> None:
    stale = replace(BUSY, code="network")
    assert POLICY.decide(stale, 1, 0.0, high) == Retry(0.0)
    second = POLICY.decide(stale, 2, 0.0, high)
    assert isinstance(second, Retry)
    assert second.delay > 0.9
