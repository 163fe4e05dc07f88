"""The budget on the lane: held before sending, settled by the answer, never passed, and never a reason to hang."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.engine.batch import Batch, Statement
from duck_or.engine.spending import Spending
from duck_or.models import Model
from support.engine_world import (
    NEVER,
    Reply,
    World,
    answer,
    error,
    failure,
    is_answered,
    request,
    texts,
    world,
)

# $0.01 a token of completion and nothing for the prompt: max_tokens is the worst case in cents.
PRICES = {
    "test/model": Model("test/model", None, 8000, 1000, 0.0, 0.01, 0.0, None, [], None),
}


def purse(usd: float) -> Spending:
    return Spending(usd, PRICES)


def own(usd: float) -> Statement:
    """A statement with a budget of its own."""
    return Statement(Spending(usd, PRICES, "statement"))


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


# --- several budgets ---------------------------------------------------------------------------------------------------


def test_a_statement_has_to_fit_in_its_own_budget_and_in_its_sessions() -> None:
    money, statement = purse(1.0), own(0.5)
    with world({"a": [answer("a", cost=0.3)]}, spending=money) as w:
        first, second = spend(w, "a", 40, statement=statement), spend(w, "b", 40, statement=statement)
        w.settle()
        assert is_answered(first)
        assert "the statement's own budget of $0.5" in failure(second).message
        assert statement.spending is not None
        assert statement.spending.spent_usd == money.spent_usd == pytest.approx(0.3)
        assert statement.spending.remaining_usd == pytest.approx(0.2)
        assert money.remaining_usd == pytest.approx(0.7)
        other = spend(w, "c", 60)
        w.settle()
        assert is_answered(other)


def test_the_sessions_budget_is_named_where_it_is_the_one_that_refuses() -> None:
    statement = own(10.0)
    with world(spending=purse(0.5)) as w:
        batch = spend(w, "a", 60, statement=statement)
        w.settle()
        assert "the session's budget_usd of $0.5" in failure(batch).message


def test_a_statement_that_waits_for_money_holds_up_no_other() -> None:
    poor = own(0.6)
    script = {"slow": [answer("slow", seconds=30.0, cost=0.1)], "next": [answer("next", cost=0.1)]}
    with world(script, spending=purse(10.0)) as w:
        waiting = [spend(w, name, 50, statement=poor) for name in ("slow", "next")]
        others = [spend(w, f"r{n}", 10) for n in range(5)]
        w.advance(2.0)
        assert all(map(is_answered, others))
        assert w.queued() == 1
        w.settle()
        assert all(map(is_answered, waiting))
        assert w.transport.sends[-1].at == 30.0


def test_whoever_joined_a_request_goes_on_when_its_owner_has_no_money() -> None:
    poor, rich = own(0.1), Statement()
    with world({"a": [answer("a", cost=0.2)]}, spending=purse(1.0), max_in_flight=1) as w:
        refused = spend(w, "a", 50, statement=poor)
        joined = [spend(w, "a", 50, statement=rich), spend(w, "a", 50)]
        w.settle()
        assert failure(refused).code == "budget_exhausted"
        assert all(map(is_answered, joined))
        assert (poor.stopped is None, rich.stopped) == (False, None)
        assert poor.spending is not None
        assert poor.spending.spent_usd == 0.0
        assert (w.stats.sent, w.stats.joined, w.stats.withdrawn) == (1, 1, 1)


def test_a_retry_that_its_owner_cannot_pay_is_paid_by_those_who_wait_besides() -> None:
    """The owner's request was sent and has failed; the joiner's is another one."""
    poor = own(0.6)
    script = {"a": [error(500, seconds=0.1), answer("a", cost=0.5)], "b": [answer("b", cost=0.6)]}
    with world(script, spending=purse(10.0)) as w:
        refused = spend(w, "a", 60, statement=poor)
        w.advance(0.05)
        joined = spend(w, "a", 60, ledger=w.session(spending=purse(1.0)))
        w.advance(0.1)
        spend(w, "b", 60, statement=poor)
        w.settle()
        assert (failure(refused).code, failure(refused).attempts) == ("budget_exhausted", 1)
        assert is_answered(joined)
        assert (w.stats.sent, w.stats.failed, w.stats.attempts) == (2, 1, 2)
        theirs = joined.ledger.stats.read()
        assert (theirs.sent, theirs.answered, theirs.attempts) == (1, 1, 1)
        assert joined.ledger.spending is not None
        assert joined.ledger.spending.spent_usd == pytest.approx(0.5)


def test_an_owner_that_left_lets_the_others_pay() -> None:
    poor = own(0.5)
    script = {"slow": [answer("slow", cost=0.5)]}
    with world(script, spending=purse(10.0)) as w:
        spend(w, "slow", 50, statement=poor)
        left = spend(w, "a", 50, statement=poor)
        w.advance(0.1)
        joined = spend(w, "a", 50)
        w.advance(0.1)
        w.withdraw(left)
        w.settle()
        assert is_answered(joined)


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


@dataclass(frozen=True)
class Row:
    """name: which of a few requests it asks, so that rows share flights. by: which of three statements."""

    name: int
    by: int


@dataclass(frozen=True)
class Price:
    """cents: the worst case. share: of it that the answer costs. stumbles: its first attempt fails."""

    cents: int
    share: float
    stumbles: bool


rows_of_three = st.lists(st.builds(Row, st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=25)
prices_of_ten = st.lists(
    st.builds(Price, st.integers(1, 60), st.floats(0, 1), st.booleans()), min_size=10, max_size=10
)
own_budgets = st.lists(st.none() | st.integers(1, 150), min_size=3, max_size=3)


@given(rows_of_three, prices_of_ten, own_budgets, st.integers(1, 300), st.integers(1, 6))
def test_no_budget_is_passed_and_none_refuses_what_it_could_pay(
    rows: list[Row], prices: list[Price], own_cents: list[int | None], session_cents: int, slots: int
) -> None:
    money = purse(session_cents / 100)
    statements = [Statement() if cents is None else own(cents / 100) for cents in own_cents]
    with world(scripted(prices), spending=money, max_in_flight=slots) as w:
        batches = [
            spend(w, f"r{row.name}", prices[row.name].cents, statement=statements[row.by]) for row in rows
        ]
        w.settle()
        assert all(outcome is not None for batch in batches for outcome in batch.outcomes)
        own_purses = [each.spending for each in statements if each.spending is not None]
        for spending in (money, *own_purses):
            assert spending.spent_usd <= spending.limit_usd
            assert spending.budget.reserved_usd == 0.0
        assert sum(each.spent_usd for each in own_purses) <= money.spent_usd + 1e-9
        for by, statement in enumerate(statements):
            dearest = max((prices[row.name].cents for row in rows if row.by == by), default=0)
            assert statement.stopped is None or any(
                dearest / 100 > spending.remaining_usd - 1e-9
                for spending in (money, statement.spending)
                if spending
            )
            assert statement.spending or "own budget" not in str(statement.stopped)
        stats = w.stats
        assert stats.requests + stats.withdrawn == len(rows)
        assert stats.sent == stats.answered + stats.failed
        assert stats.cost_usd == pytest.approx(money.spent_usd, abs=1e-9)


def scripted(prices: list[Price]) -> dict[str, list[Reply]]:
    return {
        f"r{n}": [error(500, seconds=0.3)] * price.stumbles + [answer(cost=price.cents / 100 * price.share)]
        for n, price in enumerate(prices)
    }
