from __future__ import annotations

import pytest

from duck_or.engine.spending import Funds, Spending
from duck_or.models import Model
from duck_or.outcome import Action, Failure
from support.engine_world import request

CENT_A_TOKEN = {"test/model": Model("test/model", None, 8000, 1000, 0.0, 0.01, None, None, [], None)}


def purse(usd: float) -> Spending:
    return Spending(usd, CENT_A_TOKEN)


def refusal(found: Funds | Failure) -> Failure:
    assert isinstance(found, Failure)
    return found


def test_the_worst_case_is_held_back() -> None:
    money = purse(1.0)
    found, held = money.hold(request("a", max_tokens=30))
    assert found is Funds.HELD
    assert held == pytest.approx(0.3)
    assert money.budget.reserved_usd == pytest.approx(0.3)


def test_it_waits_while_something_may_come_back() -> None:
    money = purse(1.0)
    _, held = money.hold(request("a", max_tokens=60))
    assert money.hold(request("b", max_tokens=60)) == (Funds.WAIT, 0.0)
    money.budget.settle(held, 0.1)
    assert money.hold(request("b", max_tokens=60))[0] is Funds.HELD


def test_when_nothing_can_come_back_it_is_exhausted() -> None:
    money = purse(1.0)
    _, held = money.hold(request("a", max_tokens=60))
    money.budget.settle(held, 0.5)
    found, held = money.hold(request("b", max_tokens=60))
    assert (refusal(found).code, refusal(found).action, held) == ("budget_exhausted", Action.STOP, 0.0)
    assert "$0.5 is spent" in refusal(found).message


def test_what_is_dearer_than_the_whole_budget_never_waits() -> None:
    money = purse(1.0)
    money.hold(request("a", max_tokens=60))
    assert refusal(money.hold(request("b", max_tokens=10**30))[0]).code == "budget_exhausted"


@pytest.mark.parametrize("asked", [request("a", model="no/price"), request("a", model="test/model:free")])
def test_an_unknown_price_could_be_any(asked: object) -> None:
    found, held = purse(1.0).hold(asked)  # type: ignore[arg-type]
    assert (refusal(found).code, refusal(found).action, held) == ("budget_unknown_price", Action.STOP, 0.0)


@pytest.mark.parametrize("max_tokens", [-5, 0, None])
def test_an_odd_cap_is_no_discount(max_tokens: int | None) -> None:
    found, held = purse(100.0).hold(request("a", max_tokens=max_tokens))
    assert found is Funds.HELD
    assert held == (0.0 if max_tokens == -5 else 10.0)
