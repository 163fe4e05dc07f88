from __future__ import annotations

import pytest

from duck_or.engine.spending import Funds, Spending, hold, settle
from duck_or.models import Model
from duck_or.outcome import Action, Completion, Failure
from support.engine_world import request

CENT_A_TOKEN = {"test/model": Model("test/model", None, 8000, 1000, 0.0, 0.01, None, None, [], None)}


def purse(usd: float) -> Spending:
    return Spending(usd, CENT_A_TOKEN)


def refusal(found: Funds | Failure) -> Failure:
    assert isinstance(found, Failure)
    return found


def test_the_worst_case_is_held_back() -> None:
    money = purse(1.0)
    found, held = hold((money,), request("a", max_tokens=30))
    assert found is Funds.HELD
    assert held == pytest.approx(0.3)
    assert money.budget.reserved_usd == pytest.approx(0.3)


def test_it_waits_while_something_may_come_back() -> None:
    money = purse(1.0)
    _, held = hold((money,), request("a", max_tokens=60))
    assert hold((money,), request("b", max_tokens=60)) == (Funds.WAIT, 0.0)
    money.budget.settle(held, 0.1)
    assert hold((money,), request("b", max_tokens=60))[0] is Funds.HELD


def test_when_nothing_can_come_back_it_is_exhausted() -> None:
    money = purse(1.0)
    _, held = hold((money,), request("a", max_tokens=60))
    money.budget.settle(held, 0.5)
    found, held = hold((money,), request("b", max_tokens=60))
    assert (refusal(found).code, refusal(found).action, held) == ("budget_exhausted", Action.STOP, 0.0)
    assert "$0.5 is spent" in refusal(found).message


def test_what_is_dearer_than_the_whole_budget_never_waits() -> None:
    money = purse(1.0)
    hold((money,), request("a", max_tokens=60))
    assert refusal(hold((money,), request("b", max_tokens=10**30))[0]).code == "budget_exhausted"


@pytest.mark.parametrize(
    ("max_tokens", "cure"), [(60, "or lower max_tokens,"), (None, "or set max_tokens (in model_kwargs),")]
)
def test_a_refusal_says_what_makes_a_request_cheaper(max_tokens: int | None, cure: str) -> None:
    assert cure in refusal(hold((purse(0.5),), request("a", max_tokens=max_tokens))[0]).message


@pytest.mark.parametrize("asked", [request("a", model="no/price"), request("a", model="test/model:free")])
def test_an_unknown_price_could_be_any(asked: object) -> None:
    found, held = hold((purse(1.0),), asked)  # type: ignore[arg-type]
    assert (refusal(found).code, refusal(found).action, held) == ("budget_unknown_price", Action.STOP, 0.0)


@pytest.mark.parametrize("max_tokens", [-5, 0, None])
def test_an_odd_cap_is_no_discount(max_tokens: int | None) -> None:
    found, held = hold((purse(100.0),), request("a", max_tokens=max_tokens))
    assert found is Funds.HELD
    assert held == (0.0 if max_tokens == -5 else 10.0)


# --- several budgets ---------------------------------------------------------------------------------------------------


def both(session_usd: float, statement_usd: float) -> tuple[Spending, Spending]:
    return purse(session_usd), Spending(statement_usd, CENT_A_TOKEN, "statement")


def reserved(budgets: tuple[Spending, ...]) -> list[float]:
    return [spending.budget.reserved_usd for spending in budgets]


def test_without_a_budget_everything_is_granted() -> None:
    assert hold((), request("a", model="no/price")) == (Funds.HELD, 0.0)
    settle((), 0.0, Completion(b"{}"))


@pytest.mark.parametrize("order", [1, -1])
def test_the_worst_case_is_held_in_every_budget_or_in_none(order: int) -> None:
    budgets = both(1.0, 0.7)[::order]
    assert hold(budgets, request("a", max_tokens=30))[0] is Funds.HELD
    assert reserved(budgets) == pytest.approx([0.3, 0.3])
    assert hold(budgets, request("b", max_tokens=60)) == (Funds.WAIT, 0.0)
    assert reserved(budgets) == pytest.approx([0.3, 0.3])


@pytest.mark.parametrize(
    ("session_usd", "statement_usd", "name"),
    [(1.0, 0.5, "the statement's own budget of $0.5"), (0.5, 1.0, "the session's budget_usd of $0.5")],
)
def test_the_one_that_refuses_is_named_even_if_the_other_would_wait(
    session_usd: float, statement_usd: float, name: str
) -> None:
    budgets = both(session_usd, statement_usd)
    hold(budgets, request("a", max_tokens=45))
    found, _ = hold(budgets, request("b", max_tokens=60))
    assert name in refusal(found).message


@pytest.mark.parametrize(
    ("outcome", "spent"),
    [
        (Completion(b'{"usage":{"cost":0.1}}'), 0.1),
        (Completion(b"{}"), 0.3),  # it tells no cost: taken to be the worst
        (Failure("server_error", ""), 0.0),
        (None, 0.0),
    ],
)
def test_what_was_held_becomes_what_it_cost(outcome: Completion | Failure | None, spent: float) -> None:
    budgets = both(1.0, 0.5)
    _, held = hold(budgets, request("a", max_tokens=30))
    assert [spending.remaining_usd for spending in budgets] == pytest.approx([0.7, 0.2])
    settle(budgets, held, outcome)
    assert [spending.spent_usd for spending in budgets] == pytest.approx([spent, spent])
    assert [spending.remaining_usd for spending in budgets] == pytest.approx([1.0 - spent, 0.5 - spent])
    assert reserved(budgets) == [0.0, 0.0]


def test_what_remains_is_never_shown_below_zero() -> None:
    money = purse(0.5)
    settle((money,), hold((money,), request("a", max_tokens=50))[1], Completion(b'{"usage":{"cost":0.75}}'))
    assert (money.spent_usd, money.remaining_usd) == (0.75, 0.0)
