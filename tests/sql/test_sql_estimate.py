"""What an estimate says, against what the statement then does. Nothing is sent to find out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import duckdb
import pytest

from duck_or import DuckOrError
from support.bridge import CHAT, Bridge, ask, call

ITEMS = "CREATE TABLE items AS SELECT i AS id, 'item ' || (i % 4) AS name FROM range(8) t(i)"
NAME = ask("name")
AGAIN = ask("'again ' || " + ask("'first ' || id"))


class Case(NamedTuple):
    id: str
    statement: str
    rows: int
    to_send: int
    complete: bool = True


CASES = [
    Case("select", f"SELECT id, {NAME} FROM items", 8, 4),
    Case("two calls", f"SELECT {NAME}, {ask(chr(39) + 'x' + chr(39) + ' || name')} FROM items", 16, 8),
    Case("filter", f"SELECT {NAME} FROM items WHERE id < 2", 2, 2),
    Case("limit", f"SELECT {NAME} FROM (FROM items ORDER BY id LIMIT 3)", 3, 3),
    Case("nothing to send", f"SELECT {NAME} FROM items WHERE id > 100", 0, 0),
    Case("no call", "SELECT count(*) FROM items", 0, 0),
    Case("create", f"CREATE TABLE a AS SELECT {NAME} FROM items", 8, 4),
    Case("update", f"UPDATE items SET name = {NAME} WHERE id = 1", 1, 1),
    Case("script", f"SELECT {NAME} FROM items WHERE id = 0; SELECT {NAME} FROM items WHERE id = 1", 2, 2),
]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_its_figures_are_those_of_the_run(bridge: Bridge, case: Case) -> None:
    bridge.rows(ITEMS)
    found = bridge.session.estimate(case.statement)
    assert (found.rows, found.requests, found.to_send) == (case.rows, case.to_send, case.to_send)
    assert (found.already_answered, found.rejected, found.complete) == (0, 0, True)
    assert not [request for request in bridge.simulator.requests if request.path.endswith(CHAT)]
    assert bridge.session.stats().requests == 0
    bridge.session.execute(case.statement).fetchall()
    assert bridge.sent == case.to_send
    if not case.statement.startswith("CREATE"):
        after = bridge.session.estimate(case.statement)
        assert (after.to_send, after.requests) == (0, after.already_answered)


def test_what_is_answered_already_is_counted_apart(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    bridge.session.execute(f"SELECT {NAME} FROM items WHERE id < 3").fetchall()
    found = bridge.session.estimate(f"SELECT {NAME} FROM items")
    assert (found.rows, found.requests, found.already_answered, found.to_send) == (8, 4, 3, 1)


def test_where_questions_hang_on_answers_it_says_at_least(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    statement = f"SELECT {AGAIN} FROM items"
    found = bridge.session.estimate(statement)
    assert (found.to_send, found.complete) == (8, False)
    assert "at least" in repr(found)
    assert bridge.session.estimate(f"SELECT id FROM items WHERE {NAME} = 'item 1'").to_send == 4
    bridge.session.execute(statement).fetchall()
    assert bridge.sent == 16
    after = bridge.session.estimate(statement)
    assert (after.requests, after.to_send, after.complete) == (16, 0, True)


def test_rows_whose_arguments_are_wrong(bridge: Bridge) -> None:
    wrong = call("CASE WHEN i <> 2 THEN 'q' || i END")
    found = bridge.session.estimate(f"SELECT {wrong} FROM range(4) t(i)")
    assert (found.rows, found.rejected, found.to_send) == (4, 1, 3)
    assert "1 row cannot become a request" in repr(found)
    assert bridge.sent == 0


def test_what_runs_live_cannot_be_told(bridge: Bridge) -> None:
    bridge.rows("CREATE SEQUENCE s")
    with pytest.raises(DuckOrError, match="nextval"):
        bridge.session.estimate(f"SELECT nextval('s'), {ask()}")
    assert bridge.sent == 0
    assert bridge.value("SELECT nextval('s')") == 1


def test_duckdbs_own_errors(bridge: Bridge) -> None:
    with pytest.raises(duckdb.CatalogException, match="missing"):
        bridge.session.estimate(f"SELECT {NAME} FROM missing")
    with pytest.raises(duckdb.ParserException):
        bridge.session.estimate("SELEKT chat_completions(1)")
    assert bridge.rows("SELECT 42") == [(42,)]


def test_in_sql(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    rows = bridge.rows(
        "SELECT row_count, requests, already_answered, to_send, complete, cost_usd_low <= cost_usd_high "
        "FROM openrouter_estimate($1)",
        [f"SELECT {NAME} FROM items"],
    )
    assert rows == [(8, 4, 0, 4, True, True)]
    assert bridge.sent == 0
    with pytest.raises(duckdb.Error, match="missing"):
        bridge.rows("FROM openrouter_estimate('SELECT chat_completions(x) FROM missing')")


def test_dollars_and_minutes_bound_the_run(connect: Callable[..., Bridge]) -> None:
    bridge = connect(rate_limit=6000)
    priced = ask("'q' || i", model="'fake/model'", model_kwargs="{max_tokens: 50}")
    statement = f"SELECT {priced} FROM range(60) t(i)"
    found = bridge.session.estimate(statement)
    assert found.cost_usd is not None
    bridge.session.execute(statement).fetchall()
    assert found.cost_usd[0] / 2 <= bridge.session.stats().cost_usd <= found.cost_usd[1]
    assert found.completion_tokens[1] == 60 * 50
    assert found.minutes[0] >= 60 / 6000
    assert bridge.session.estimate(statement).cost_usd == (0.0, 0.0)


def test_how_it_reads(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    found = bridge.session.estimate(f"SELECT {NAME} FROM items")
    assert "4 distinct: 0 answered already, 4 to send" in repr(found)
    assert found._repr_html_().startswith("<table>")
    assert "4 to send" in found._repr_html_()
    assert "nothing to send" in repr(bridge.session.estimate("SELECT 1"))


def test_in_a_transaction_and_with_parameters(bridge: Bridge) -> None:
    bridge.rows("BEGIN")
    bridge.rows(ITEMS)
    found = bridge.session.estimate(f"SELECT {ask('$1 || name')} FROM items WHERE id < $2", ["x ", 3])
    assert found.to_send == 3
    bridge.rows("ROLLBACK")
    assert bridge.sent == 0


def test_a_call_that_cannot_be_marked_is_not_made_by_an_estimate(bridge: Bridge) -> None:
    bridge.con.execute(
        "CREATE TABLE t AS SELECT [{'role': 'user', 'content': 'hi'}] AS m, 'ho' AS name"
    ).fetchall()
    query = f"SELECT m.chat_completions() IS NOT NULL, {ask('name')} FROM t"
    with pytest.raises(DuckOrError, match="cannot be marked"):
        bridge.session.estimate(query)
    assert bridge.sent == 0
    assert bridge.session.sql(query).fetchall() == [(True, "ho")]
    assert bridge.asked() == ["hi", "ho"]
