"""Every kind of statement a call may stand in: what comes out, and how many requests it took."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from support.bridge import Bridge, ask, call
from support.statement_cases import ANSWER, BY_ID, CASES, ITEMS, NAMES, Case


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_statement(bridge: Bridge, case: Case) -> None:
    bridge.rows(ITEMS)
    for sql in case.before:
        bridge.rows(sql)
    assert bridge.rows(case.sql) == case.rows
    assert bridge.asked() == case.asked, "each question once"
    stats = bridge.session.stats()
    assert stats.requests == stats.cache_hits + stats.joined + stats.sent
    assert (stats.sent, stats.answered, stats.under_way) == (len(case.asked), len(case.asked), 0)


def test_prepared_statements_ask_with_each_parameter(bridge: Bridge) -> None:
    bridge.rows(f"PREPARE ask AS SELECT {ask('$1')}")
    answers = [bridge.value(f"EXECUTE ask('{question}')") for question in ("a", "b", "a")]
    assert answers == ["a", "b", "a"]
    assert [bridge.value(f"SELECT {ask('$1', model='$2')}", [q, "fake/echo"]) for q in ("c", "a")] == [
        "c",
        "a",
    ]
    assert bridge.asked() == ["a", "b", "c"]


def test_a_prepared_statement_asks_again_for_what_failed_before(bridge: Bridge) -> None:
    bridge.rows(
        "PREPARE ask AS SELECT " + call("$1", function="try_chat_completions", model="'fake/err-400'")
    )
    for asked in (1, 2):
        bridge.rows("EXECUTE ask('x')")
        assert bridge.sent == asked


def test_executemany(bridge: Bridge) -> None:
    bridge.rows("CREATE TABLE answers (a VARCHAR)")
    bridge.con.executemany(f"INSERT INTO answers SELECT {ask('$1')}", [["a"], ["b"], ["a"]])
    assert bridge.column("FROM answers ORDER BY 1") == ["a", "a", "b"]
    assert bridge.asked() == ["a", "b"]


def test_relations(bridge: Bridge) -> None:
    relation = bridge.con.sql("SELECT 'q' || i AS q FROM range(3) t(i)").project(f"{ask('q')} AS a")
    assert sorted(relation.fetchall()) == [("q0",), ("q1",), ("q2",)]
    assert relation.filter("a = 'q1'").fetchall() == [("q1",)]
    assert bridge.asked() == ["q0", "q1", "q2"]


def test_arrow_and_csv_out(bridge: Bridge, tmp_path: Path) -> None:
    bridge.rows(ITEMS)
    path = tmp_path / "answers.csv"
    bridge.rows(f"COPY (SELECT id, {ANSWER} AS a FROM items ORDER BY id) TO '{path}'")
    with path.open() as file:
        assert list(csv.reader(file)) == [["id", "a"], *([str(i), a] for i, a in BY_ID)]
    parquet = tmp_path / "answers.parquet"
    bridge.rows(f"COPY (SELECT {call('name')} AS r FROM items) TO '{parquet}'")
    assert bridge.value(f"SELECT count(r ->> '$.id') FROM '{parquet}'") == 8
    assert bridge.asked() == NAMES


def test_the_type_is_json(bridge: Bridge) -> None:
    assert bridge.value(f"SELECT typeof({call()})") == "JSON"
    assert bridge.value(f"SELECT typeof({call(function='system.main.chat_completions')})") == "JSON"
    assert bridge.value(f"SELECT json_valid({call()})") is True


def test_an_empty_table_asks_nothing(bridge: Bridge) -> None:
    bridge.rows("CREATE TABLE nothing (name VARCHAR, model VARCHAR)")
    assert bridge.rows(f"SELECT {call('name')}, {call('name', model='model')} FROM nothing") == []
    assert bridge.sent == 0


def test_describe_and_prepare_ask_nothing(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    bridge.rows(f"DESCRIBE SELECT {ANSWER} FROM items")
    bridge.rows(f"EXPLAIN SELECT {ANSWER} FROM items")
    bridge.rows(f"PREPARE later AS SELECT {ANSWER} FROM items")
    bridge.rows(f"CREATE VIEW later AS SELECT {ANSWER} FROM items")
    assert bridge.sent == 0


def test_a_transaction_that_is_rolled_back_keeps_the_paid_answers(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    bridge.rows("BEGIN")
    bridge.rows(f"CREATE TABLE answers AS SELECT {ANSWER} AS a FROM items")
    bridge.rows("ROLLBACK")
    bridge.rows(f"CREATE TABLE answers AS SELECT {ANSWER} AS a FROM items")
    assert bridge.asked() == NAMES


def test_a_failure_lasts_as_long_as_its_transaction(bridge: Bridge) -> None:
    """Nothing tells the statements of one open transaction apart: what failed is asked again in the next one."""
    failing = call(function="try_chat_completions", model="'fake/err-400'")
    for sent in (1, 2):
        bridge.rows("BEGIN")
        for _ in range(2):
            bridge.rows(f"SELECT {failing} FROM range(3)")
            assert bridge.sent == sent
        bridge.rows("COMMIT")


def test_cursors_of_an_in_memory_database_see_every_name(bridge: Bridge) -> None:
    cursor = bridge.con.cursor()
    assert cursor.execute("SELECT " + ask(model="'fake/echo'")).fetchall() == [("hi",)]
    assert cursor.execute(f"SELECT {ask(function='try_chat_completions')}").fetchall() == [("hi",)]
    assert cursor.execute("SELECT sent FROM openrouter_stats()").fetchall() == [(1,)]
