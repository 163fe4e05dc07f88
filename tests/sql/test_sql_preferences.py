"""The order of several predicates that ask, learned from a sample: fewer requests, the same rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from duck_or import StatementStopped
from duck_or.statements.preference import SAMPLE, WORTH_IT
from support.bridge import Bridge, ask

ROWS = WORTH_IT + 100
PRICED = {"model": "'fake/model'", "model_kwargs": "{max_tokens: 20}"}
PASSES = f"{ask(chr(39) + 'all ' + chr(39) + ' || i')} <> ''"
DROPS = f"{ask(chr(39) + 'few ' + chr(39) + ' || i')} LIKE '%0'"
STATEMENT = f"SELECT i FROM many WHERE {PASSES} AND {DROPS} ORDER BY i"
FEW = [(i,) for i in range(0, ROWS, 10)]


def make(bridge: Bridge, rows: int = ROWS) -> None:
    bridge.rows(f"CREATE TABLE many AS SELECT i FROM range({rows}) t(i)")


def test_the_one_that_drops_more_goes_first_whatever_is_written(bridge: Bridge) -> None:
    make(bridge)
    assert bridge.session.sql(STATEMENT).fetchall() == FEW
    sampled = sum(text.startswith("all") for text in bridge.asked())
    assert sum(text.startswith("few") for text in bridge.asked()) == ROWS
    assert len(FEW) <= sampled <= len(FEW) + SAMPLE
    bridge.rows(f"INSERT INTO many SELECT i FROM range({ROWS}, {ROWS + 50}) t(i)")
    bridge.session.sql(STATEMENT).fetchall()
    asked = bridge.asked()
    assert sum(text.startswith("all") for text in asked) == sampled + 5, "what was learned is remembered"


def test_a_short_statement_is_not_worth_a_sample(bridge: Bridge) -> None:
    make(bridge, 20)
    assert bridge.session.sql(STATEMENT).fetchall() == [(0,), (10,)]
    assert sum(text.startswith("all") for text in bridge.asked()) == 20
    assert sum(text.startswith("few") for text in bridge.asked()) == 20


def test_where_the_sample_fails_they_stay_as_written(bridge: Bridge) -> None:
    """Without the first predicate the second one fails on rows that it never sees."""
    make(bridge)
    fails = f"CASE WHEN i < {SAMPLE + 8} AND i >= {SAMPLE} THEN error('never looked at') ELSE {DROPS} END"
    first = f"{ask(chr(39) + 'x ' + chr(39) + ' || i')} <> 'x ' || i OR i < {SAMPLE} OR i > {2 * SAMPLE}"
    rows = bridge.session.sql(f"SELECT i FROM many WHERE ({first}) AND {fails} ORDER BY i")
    assert rows.fetchall() == [row for row in FEW if row[0] < SAMPLE or row[0] > 2 * SAMPLE]


def test_a_sample_is_paid_from_the_statements_budget(connect: Callable[..., Bridge]) -> None:
    bridge = connect(max_in_flight=2)
    make(bridge)
    parts = [ask(f"'{name} ' || i", **PRICED) for name in ("all", "few")]
    statement = f"SELECT i FROM many WHERE {parts[0]} <> '' AND {parts[1]} LIKE '%0'"
    low = bridge.session.estimate(statement).cost_usd
    assert low is not None
    with pytest.raises(StatementStopped, match="budget_exhausted"):
        bridge.session.execute(statement, budget_usd=low[0] * 1.01)
    assert bridge.session.stats().cost_usd <= low[0] * 1.01
