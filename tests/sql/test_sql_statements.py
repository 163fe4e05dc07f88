"""Every kind of statement a call may stand in: what comes out, and how many requests it took."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from support.bridge import Bridge, ask, call

ITEMS = "CREATE TABLE items AS SELECT i AS id, 'item ' || (i % 4) AS name, i AS price FROM range(8) t(i)"
NAMES = [f"item {i}" for i in range(4)]
ANSWER = ask("name")
ALL_NAMES = "string_agg(DISTINCT name, ',' ORDER BY name)"
LAST_NAME = "lag(name, 1, 'none') OVER (ORDER BY id)"
NEVER = ask("'never'")
AGAIN = ask("'again ' || " + ask("'first ' || id"))
MOOD = ask("'Mood? ' || t")


class Case(NamedTuple):
    id: str
    sql: str
    rows: Sequence[tuple[object, ...]]
    asked: Sequence[str]
    before: tuple[str, ...] = ()


BY_ID = [(i, f"item {i % 4}") for i in range(8)]
CASES = [
    Case("select", f"SELECT id, {ANSWER} FROM items ORDER BY id", BY_ID, NAMES),
    Case("constant", f"SELECT {ask()}, {ask()}", [("hi", "hi")], ["hi"]),
    Case(
        "constant beside rows",
        f"SELECT count(*), min({ask()}) FROM items",
        [(8, "hi")],
        ["hi"],
    ),
    Case("where", f"SELECT id FROM items WHERE {ANSWER} = 'item 1' ORDER BY id", [(1,), (5,)], NAMES),
    Case(
        "select and where",
        f"SELECT id, {ANSWER} FROM items WHERE {ANSWER} > 'item 1' ORDER BY id",
        [row for row in BY_ID if row[1] > "item 1"],
        NAMES,
    ),
    Case(
        "group by",
        f"SELECT {ANSWER} AS a, count(*) FROM items GROUP BY a ORDER BY a",
        [(name, 2) for name in NAMES],
        NAMES,
    ),
    Case(
        "having",
        f"SELECT name, sum(price) FROM items GROUP BY name HAVING {ANSWER} = 'item 3'",
        [("item 3", 10)],
        NAMES,
    ),
    Case(
        "aggregate of answers",
        f"SELECT count(DISTINCT {ANSWER}), max({ANSWER}) FROM items",
        [(4, "item 3")],
        NAMES,
    ),
    Case(
        "question about an aggregate",
        f"SELECT {ask(ALL_NAMES)} FROM items",
        [(",".join(NAMES),)],
        [",".join(NAMES)],
    ),
    Case(
        "window over answers",
        f"SELECT id, row_number() OVER (PARTITION BY {ANSWER} ORDER BY id), first({ANSWER}) OVER (ORDER BY id)"
        " FROM items ORDER BY id",
        [(i, 1 + i // 4, "item 0") for i in range(8)],
        NAMES,
    ),
    Case(
        "question about a window",
        f"SELECT id, {ask(LAST_NAME)} FROM items WHERE id < 3 ORDER BY id",
        [(0, "none"), (1, "item 0"), (2, "item 1")],
        ["item 0", "item 1", "none"],
    ),
    Case(
        "order by answer",
        f"SELECT id FROM items ORDER BY {ANSWER} DESC, id LIMIT 3",
        [(3,), (7,), (2,)],
        NAMES,
    ),
    Case(
        "limit in a subquery",
        f"SELECT id, {ANSWER} FROM (FROM items ORDER BY id DESC LIMIT 2) ORDER BY id",
        [(6, "item 2"), (7, "item 3")],
        ["item 2", "item 3"],
    ),
    Case(
        "join on answers",
        f"SELECT count(*) FROM items a JOIN items b ON {ask('a.name')} = {ask('b.name')}",
        [(16,)],
        NAMES,
    ),
    Case(
        "left join beside answers",
        f"SELECT i.id, CASE WHEN label IS NOT NULL THEN {ask('label')} END FROM items i"
        " LEFT JOIN (VALUES (0, 'zero')) l(id, label) USING (id) WHERE i.id < 2 ORDER BY 1",
        [(0, "zero"), (1, None)],
        ["zero"],
    ),
    Case(
        "case",
        f"SELECT id, CASE WHEN id < 2 THEN {ANSWER} ELSE 'not asked' END FROM items ORDER BY id",
        [(i, f"item {i}" if i < 2 else "not asked") for i in range(8)],
        ["item 0", "item 1"],
    ),
    Case(
        "coalesce",
        f"SELECT DISTINCT coalesce(name, {NEVER}) FROM items ORDER BY 1",
        [(n,) for n in NAMES],
        ["never"],
    ),
    Case(
        "lateral",
        f"SELECT i.id, a FROM (FROM items LIMIT 3) i, LATERAL (SELECT {ask('i.name')} AS a) ORDER BY 1",
        BY_ID[:3],
        NAMES[:3],
    ),
    Case(
        "correlated subquery",
        f"SELECT name, (SELECT max({ask('o.name || i.name')}) FROM items o WHERE o.id = i.id) FROM items i"
        " WHERE id < 2 ORDER BY 1",
        [("item 0", "item 0item 0"), ("item 1", "item 1item 1")],
        ["item 0item 0", "item 1item 1"],
    ),
    Case(
        "exists",
        f"SELECT id FROM items i WHERE EXISTS (SELECT 1 FROM items o WHERE o.id = i.id AND {ask('o.name')} = 'item 2')"
        " ORDER BY 1",
        [(2,), (6,)],
        NAMES,
    ),
    Case(
        "union",
        f"SELECT {ANSWER} FROM items UNION SELECT {ANSWER} FROM items ORDER BY 1",
        [(name,) for name in NAMES],
        NAMES,
    ),
    Case(
        "cte used twice",
        f"WITH a AS (SELECT id, {ANSWER} AS a FROM items) SELECT count(*) FROM a x JOIN a y USING (a)",
        [(16,)],
        NAMES,
    ),
    Case(
        "inlined cte used twice",
        f"WITH a AS NOT MATERIALIZED (SELECT id, {ANSWER} AS a FROM items)"
        " SELECT (SELECT count(*) FROM a), (SELECT max(a) FROM a)",
        [(8, "item 3")],
        NAMES,
    ),
    Case(
        "answer in the next question",
        f"SELECT {AGAIN} FROM items WHERE id = 1",
        [("again first 1",)],
        ["again first 1", "first 1"],
        ("DELETE FROM items WHERE id <> 1",),
    ),
    Case(
        "list of answers",
        f"SELECT list_transform(list(name ORDER BY id), lambda x: {ask('x')})[1:2] FROM items",
        [(["item 0", "item 1"],)],
        NAMES,
    ),
    Case(
        "view",
        "SELECT a FROM answers WHERE id = 3",
        [("item 3",)],
        ["item 3"],
        (f"CREATE VIEW answers AS SELECT id, {ANSWER} AS a FROM items",),
    ),
    Case(
        "macro",
        "SELECT DISTINCT mood(name) FROM items WHERE id = 2",
        [("Mood? item 2",)],
        ["Mood? item 2"],
        (f"CREATE MACRO mood(t) AS {MOOD}",),
    ),
    Case(
        "create table as",
        "FROM answers ORDER BY id",
        BY_ID,
        NAMES,
        (f"CREATE TABLE answers AS SELECT id, {ANSWER} AS a FROM items",),
    ),
    Case(
        "insert select",
        "FROM answers ORDER BY id",
        BY_ID,
        NAMES,
        (
            "CREATE TABLE answers (id INT PRIMARY KEY, a VARCHAR)",
            f"INSERT INTO answers SELECT id, {ANSWER} FROM items",
        ),
    ),
    Case(
        "insert values",
        "FROM answers",
        [("hi",)],
        ["hi"],
        ("CREATE TABLE answers (a VARCHAR)", f"INSERT INTO answers VALUES ({ask()})"),
    ),
    Case(
        "insert on conflict",
        "FROM answers ORDER BY id",
        [(0, "item 0"), (1, "item 1")],
        ["item 0", "item 1"],
        (
            "CREATE TABLE answers (id INT PRIMARY KEY, a VARCHAR)",
            "INSERT INTO answers VALUES (0, 'old')",
            f"INSERT OR REPLACE INTO answers SELECT id, {ANSWER} FROM (FROM items WHERE id < 2)",
        ),
    ),
    Case(
        "update",
        "SELECT id, note FROM items WHERE id < 2 ORDER BY id",
        [(0, "item 0"), (1, "item 1")],
        NAMES,
        ("ALTER TABLE items ADD COLUMN note VARCHAR", f"UPDATE items SET note = {ANSWER}"),
    ),
    Case(
        "delete",
        "SELECT id FROM items ORDER BY id",
        [(i,) for i in range(8) if i % 4 != 1],
        NAMES,
        (f"DELETE FROM items WHERE {ANSWER} = 'item 1'",),
    ),
    Case(
        "merge",
        "FROM answers ORDER BY id",
        [(0, "item 0"), (1, "item 1"), (9, "left alone")],
        ["item 0", "item 1"],
        (
            "CREATE TABLE answers AS FROM (VALUES (0, 'old'), (9, 'left alone')) t(id, a)",
            f"MERGE INTO answers USING (SELECT id, {ANSWER} AS a FROM (FROM items WHERE id < 2)) n USING (id)"
            " WHEN MATCHED THEN UPDATE SET a = n.a WHEN NOT MATCHED THEN INSERT VALUES (n.id, n.a)",
        ),
    ),
    Case("returning", f"INSERT INTO items VALUES (9, 'nine', 9) RETURNING {ANSWER}", [("nine",)], ["nine"]),
    Case(
        "pivot",
        f"PIVOT (SELECT {ANSWER} AS a, id % 2 AS odd FROM items) ON odd USING count(*) ORDER BY a",
        [("item 0", 2, 0), ("item 1", 0, 2), ("item 2", 2, 0), ("item 3", 0, 2)],
        NAMES,
    ),
    Case(
        "try_ in one statement with chat_",
        f"SELECT DISTINCT {ANSWER} = {ask('name', function='try_chat_completions')} FROM items",
        [(True,)],
        NAMES,
    ),
]


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
