"""Budgets of sessions and of statements: told before anything is sent, never passed, and how it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import duck_or
from duck_or import StatementStopped
from duck_or.simulator import Scenario, Simulator
from support.bridge import KEY, Bridge, ask

ROWS = 40
PRICED = {"model": "'fake/model'", "model_kwargs": "{max_tokens: 50}"}
Q = ask("'q' || i", **PRICED)
ALL = f"SELECT {Q} FROM range({ROWS}) t(i)"


def affordable(bridge: Bridge, requests: float) -> float:
    """US dollars that are enough for so many requests at the worst. The estimate's high end is what is held back."""
    cost = bridge.session.estimate(f"SELECT {Q} FROM range(10) t(i)").cost_usd
    assert cost is not None
    return cost[1] / 10 * requests


def stopped(bridge: Bridge, statement: str, budget_usd: float | None = None) -> str:
    with pytest.raises(StatementStopped, match="budget_exhausted") as caught:
        bridge.session.execute(statement, budget_usd=budget_usd).fetchall()
    return str(caught.value)


@pytest.mark.parametrize("whose", ["session", "statement"])
def test_what_cannot_be_paid_is_refused_before_anything_is_sent(
    connect: Callable[..., Bridge], whose: str
) -> None:
    bridge = connect(budget_usd=0.0001 if whose == "session" else None)
    message = stopped(bridge, f"CREATE TABLE a AS {ALL}", None if whose == "session" else 0.0001)
    for part in (f"{ROWS} requests", "$0.0001", "Nothing was sent", whose, "between $"):
        assert part in message
    assert bridge.sent == 0
    assert bridge.rows("SELECT count(*) FROM duckdb_tables()") == [(0,)]


@pytest.mark.parametrize("whose", ["session", "statement"])
def test_what_ends_half_way_goes_on_where_it_ended(connect: Callable[..., Bridge], whose: str) -> None:
    half = affordable(connect(), ROWS / 4)
    bridge = connect(budget_usd=half if whose == "session" else None, max_in_flight=2)
    message = stopped(bridge, ALL, None if whose == "session" else half)
    stats = bridge.session.stats()
    assert 0 < bridge.sent < ROWS
    assert stats.cost_usd <= half
    assert stats.answered == bridge.sent
    assert "run the statement again, it pays only for the rest" in message
    assert whose in message
    if whose == "statement":
        assert len(bridge.session.execute(ALL, budget_usd=1.0).fetchall()) == ROWS
        assert bridge.sent == ROWS
        assert len(bridge.session.execute(ALL, budget_usd=0.0).fetchall()) == ROWS, "answers are free"


def test_a_scripts_statements_share_the_scripts_budget(connect: Callable[..., Bridge]) -> None:
    bridge = connect(max_in_flight=1)
    once = affordable(bridge, 10)
    asked = [ask(f"'{n} ' || i", **PRICED) for n in range(9)]
    parts = [f"CREATE TABLE t{n} AS SELECT {part} AS a FROM range(10) t(i)" for n, part in enumerate(asked)]
    stopped(bridge, ";".join(parts), once)
    made = bridge.rows("SELECT count(*) FROM duckdb_tables()")[0][0]
    assert 0 < made < 9
    assert bridge.session.stats().cost_usd <= once


def test_the_tighter_of_two_budgets_counts(connect: Callable[..., Bridge]) -> None:
    bridge = connect(budget_usd=1.0)
    assert "statement's own" in stopped(bridge, ALL, 0.0001)
    assert len(bridge.session.execute(ALL, budget_usd=0.9).fetchall()) == ROWS


def test_without_a_price_nothing_is_sent(connect: Callable[..., Bridge]) -> None:
    bridge = connect(budget_usd=1.0)
    bridge.simulator.scenario = Scenario(any_model=True)
    unknown = ask("'q' || i", model="'nobody/knows'")
    with pytest.raises(StatementStopped, match="budget_unknown_price"):
        bridge.session.execute(f"SELECT {unknown} FROM range(3) t(i)")
    assert bridge.sent == 0


def test_a_statement_that_runs_live_keeps_its_budget(connect: Callable[..., Bridge]) -> None:
    bridge = connect(max_in_flight=1)
    bridge.rows("CREATE SEQUENCE s")
    little = affordable(bridge, 4)
    with pytest.raises(Exception, match="budget_exhausted"):
        bridge.session.execute(
            f"CREATE TABLE a AS SELECT nextval('s') AS n, {Q} AS a FROM range({ROWS}) t(i)", budget_usd=little
        )
    assert 0 < bridge.sent < ROWS
    assert bridge.session.stats().cost_usd <= little


@cache
def worst_of_one() -> float:
    """What is held back for one of the requests below, from the price list's figures."""
    asked = ask("'a99'", **PRICED)
    with (
        Simulator() as simulator,
        duck_or.connect(base_url=simulator.base_url, api_key=KEY, cache_path=None) as con,
    ):
        cost = con.session.estimate(f"SELECT {asked}").cost_usd
        con.session.close()
    assert cost is not None
    return cost[1]


@settings(max_examples=6)
@given(
    ranges=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), min_size=2, max_size=3),
    allowed=st.integers(1, 60),
    in_flight=st.integers(1, 8),
)
def test_concurrent_statements_never_pass_one_budget(
    ranges: list[tuple[int, int]], allowed: int, in_flight: int
) -> None:
    budget = allowed * worst_of_one() / 4
    with Simulator(Scenario(latency=0.002)) as simulator:
        con = duck_or.connect(
            base_url=simulator.base_url,
            api_key=KEY,
            cache_path=None,
            rate_limit=0,
            budget_usd=budget,
            max_in_flight=in_flight,
        )
        wrong: list[Any] = []

        def work(cursor: Any, start: int, count: int) -> None:
            asked = ask("'a' || i", **PRICED)
            try:
                rows = cursor.execute(
                    f"SELECT i, {asked} FROM range({start}, {start + count}) t(i)"
                ).fetchall()
                if len(rows) != count or not all(f'"a{i}"' in answer for i, answer in rows):
                    wrong.append(rows)
            except StatementStopped as error:
                if "budget_exhausted" not in str(error):
                    wrong.append(error)

        threads = [threading.Thread(target=work, args=(con.cursor(), *each)) for each in ranges]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = con.session.stats()
        spending = con.session.spending
        con.session.close()
        con.close()
    assert not wrong
    assert spending is not None
    assert stats.cost_usd <= budget
    assert spending.spent_usd == pytest.approx(stats.cost_usd)
    assert spending.budget.reserved_usd == 0
    assert simulator.stats().answered_again == 0
    assert stats.under_way == 0
