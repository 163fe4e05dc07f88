"""The budget on the lane: held before sending, settled by the answer, never passed, and never a reason to hang."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.engine.batch import Batch, Statement
from duck_or.engine.spending import Spending
from duck_or.models import Model
from support.engine_world import NEVER, World, answer, error, failure, is_answered, request, texts, world

# $0.01 a token of completion and nothing for the prompt: max_tokens is the worst case in cents.
PRICES = {
    "test/model": Model("test/model", None, 8000, 1000, 0.0, 0.01, 0.0, None, [], None),
}


def purse(usd: float) -> Spending:
    return Spending(usd, PRICES)


def spend(w: World, name: str, cents: int, **options: object) -> Batch:
    return w.submit(requests=[request(name, max_tokens=cents)], **options)  # type: ignore[arg-type]


def test_a_request_waits_until_an_answer_under_way_turns_out_cheaper() -> None:
    money = purse(1.0)
    with world({"a": [answer("a", cost=0.2)], "b": [answer("b", cost=0.7)]}, spending=money) as w:
        first, second = spend(w, "a", 80), spend(w, "b", 80)
        w.settle()
        assert is_answered(first)
        assert is_answered(second)
        assert [send.at for send in w.transport.sends] == [0.0, 1.0]
        assert money.budget.spent_usd == pytest.approx(0.9)
        assert money.budget.reserved_usd == 0.0


def test_when_no_money_can_come_back_the_statement_stops_and_names_the_cure() -> None:
    statement = Statement()
    with world({"a": [answer("a", cost=0.8)]}, spending=purse(1.0)) as w:
        first, second = spend(w, "a", 80, statement=statement), spend(w, "b", 80, statement=statement)
        w.settle()
        assert is_answered(first)
        assert failure(second).code == "budget_exhausted"
        assert "budget_usd" in failure(second).message
        assert statement.stopped is not None
        assert w.transport.names == ["a"]


def test_what_could_never_be_paid_is_refused_without_waiting_for_others() -> None:
    with world({"a": [NEVER]}, spending=purse(1.0)) as w:
        spend(w, "a", 80)
        dear = spend(w, "b", 101)
        w.advance(1)
        assert failure(dear).code == "budget_exhausted"


def test_a_model_without_a_price_stops_the_statement() -> None:
    with world(spending=purse(1.0)) as w:
        batch = w.submit(requests=[request("a", model="no/price")])
        w.settle()
        assert failure(batch).code == "budget_unknown_price"
        assert w.transport.sends == []


@pytest.mark.parametrize("reply", [error(400), error(500), NEVER])
def test_an_attempt_without_an_answer_gives_its_hold_back(reply: object) -> None:
    money = purse(1.0)
    with world({"a": [reply]}, spending=money) as w:  # type: ignore[list-item]
        spend(w, "a", 100, attempts=2)
        w.settle()
        assert (money.budget.spent_usd, money.budget.reserved_usd) == (0.0, 0.0)


def test_a_retry_holds_money_anew_and_is_refused_when_it_is_gone() -> None:
    money = purse(1.0)
    with world({"a": [error(500, seconds=0.1)], "b": [answer("b", cost=0.6)]}, spending=money) as w:
        first = spend(w, "a", 60)
        w.advance(0.2)
        second = spend(w, "b", 60)
        w.settle()
        assert is_answered(second)
        assert failure(first).code == "budget_exhausted"
        assert failure(first).attempts == 1
        assert (w.stats.sent, w.stats.failed, w.stats.withdrawn) == (2, 1, 0)


def test_an_answer_that_tells_no_cost_is_taken_to_have_cost_the_worst() -> None:
    money = purse(1.0)
    with world(spending=money) as w:
        spend(w, "a", 40)
        w.settle()
        assert money.budget.spent_usd == pytest.approx(0.4)


def test_a_withdrawn_request_gives_its_hold_back_even_if_its_task_never_ran() -> None:
    money = purse(1.0)
    with world({"b": [answer("b", cost=0.1)]}, spending=money) as w:
        w.withdraw(spend(w, "a", 100))
        batch = spend(w, "b", 100)
        w.settle()
        assert texts(batch) == ["b"]
        assert money.budget.reserved_usd == 0.0


COSTS = st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1), st.integers(0, 3)), min_size=1, max_size=25)


@given(COSTS, st.integers(1, 200), st.integers(1, 8))
def test_the_budget_is_never_passed_and_nobody_waits_for_ever(
    rows: list[tuple[int, float, int]], budget_cents: int, slots: int
) -> None:
    """rows: worst case in cents, the share of it that the answer costs, and which of four statements asks."""
    script = {f"r{n}": [answer(cost=cents / 100 * share)] for n, (cents, share, _) in enumerate(rows)}
    money = purse(budget_cents / 100)
    statements = [Statement() for _ in range(4)]
    with world(script, spending=money, max_in_flight=slots) as w:
        batches = [spend(w, f"r{n}", cents, statement=statements[s]) for n, (cents, _, s) in enumerate(rows)]
        w.settle()
        sent = {send.name for send in w.transport.sends}
        assert money.budget.spent_usd <= budget_cents / 100
        assert money.budget.reserved_usd == 0.0
        assert money.budget.spent_usd == pytest.approx(
            sum(cents / 100 * share for n, (cents, share, _) in enumerate(rows) if f"r{n}" in sent), abs=1e-9
        )
        assert all(outcome is not None for batch in batches for outcome in batch.outcomes)
