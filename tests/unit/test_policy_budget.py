from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.policy.budget import Budget

usd = st.floats(0, 2, allow_nan=False)


@given(
    limit=st.floats(0, 10),
    steps=st.lists(st.tuples(st.sampled_from("rsx"), usd, st.floats(0, 1)), max_size=80),
)
def test_never_overspent_whatever_the_order(limit: float, steps: list[tuple[str, float, float]]) -> None:
    """r: reserve; s: settle the oldest at a share of its worst case; x: release the oldest."""
    budget, out = Budget(limit), []
    for action, amount, share in steps:
        if action == "r":
            before = budget.reserved_usd
            allowed = budget.allows(amount)
            assert budget.reserved_usd == before
            if budget.reserve(amount):
                assert allowed
                out.append(amount)
            else:
                assert not allowed
                assert budget.reserved_usd == before
                assert budget.spent_usd + before + amount > limit - 1e-11
        elif out:
            worst = out.pop(0)
            if action == "s":
                budget.settle(worst, worst * share)
            else:
                budget.release(worst)
        assert budget.remaining_usd is not None
        assert budget.remaining_usd >= 0
    for worst in out:
        budget.release(worst)
    assert budget.reserved_usd == 0


@pytest.mark.parametrize(("limit", "each", "times"), [(0.7, 0.07, 10), (0.3, 0.1, 3), (1.0, 1e-5, 100_000)])
def test_sums_are_exact(limit: float, each: float, times: int) -> None:
    budget = Budget(limit)
    for _ in range(times):
        assert budget.reserve(each)
        budget.settle(each, each)
    assert budget.spent_usd == limit
    assert not budget.reserve(1e-9)


def test_a_cost_above_the_worst_case_is_not_hidden() -> None:
    budget = Budget(1.0)
    assert budget.reserve(0.9)
    budget.settle(0.9, 1.25)
    assert (budget.spent_usd, budget.reserved_usd, budget.remaining_usd) == (1.25, 0.0, -0.25)
    assert not budget.reserve(0.0)


def test_without_a_limit_everything_is_granted_and_counted() -> None:
    budget = Budget(None)
    assert budget.reserve(1e6)
    budget.settle(1e6, 12.5)
    assert budget.remaining_usd is None
    assert budget.spent_usd == 12.5


def test_releasing_more_than_is_reserved_is_a_mistake() -> None:
    budget = Budget(1.0)
    assert budget.reserve(0.5)
    with pytest.raises(ValueError, match=r"only 0\.5 USD are reserved"):
        budget.release(0.6)


@pytest.mark.parametrize("amount", [-0.01, float("nan"), float("inf")])
def test_amounts_are_finite_and_not_negative(amount: float) -> None:
    with pytest.raises(ValueError, match="USD"):
        Budget(1.0).reserve(amount)
    with pytest.raises(ValueError, match="USD"):
        Budget(amount)
