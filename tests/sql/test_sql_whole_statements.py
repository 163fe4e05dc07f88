"""Statements that are run as a whole: the rows of the plain function, and exactly the requests that are needed."""

from __future__ import annotations

import logging

import pytest

from support.bridge import Bridge, ask, call
from support.statement_cases import CASES, ITEMS, Case

T = "CREATE TABLE t AS SELECT i AS id, 'p' || i AS x, i * 7 % 3001 AS y, i % 4 AS k, i % 5 AS z FROM range(3000) r(i)"
SMALL = "CREATE TABLE s AS FROM t WHERE id < 20"
VIEW = f"CREATE VIEW answers AS SELECT id, y, {ask('x')} AS answer FROM t"
U = "CREATE TABLE u AS SELECT i AS id, i % 2 AS odd FROM range(0, 20, 4) r(i)"


@pytest.fixture
def tables(bridge: Bridge) -> Bridge:
    for statement in (T, SMALL, VIEW, U):
        bridge.rows(statement)
    return bridge


def whole(bridge: Bridge, sql: str) -> list[tuple[object, ...]]:
    """The rows of a query; nothing may have been asked twice for it."""
    rows: list[tuple[object, ...]] = bridge.session.sql(sql).fetchall()
    asked = bridge.asked()
    assert len(asked) == len(set(asked)), "each question once"
    stats = bridge.session.stats()
    assert (stats.sent, stats.answered, stats.under_way) == (len(asked), len(asked), 0)
    return rows


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_statement_gives_the_same_and_asks_no_more(bridge: Bridge, case: Case) -> None:
    bridge.rows(ITEMS)
    for sql in case.before:
        bridge.session.execute(sql)
    assert whole(bridge, case.sql) == case.rows
    assert set(bridge.asked()) <= set(case.asked)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_execute_gives_the_same(bridge: Bridge, case: Case) -> None:
    bridge.rows(ITEMS)
    script = "; ".join([*case.before, case.sql])
    assert bridge.session.execute(script).fetchall() == case.rows
    assert set(bridge.asked()) <= set(case.asked)
    assert bridge.sent == len(set(bridge.asked()))


def names(*numbers: int) -> list[str]:
    return sorted(f"p{number}" for number in numbers)


BY_Y = sorted(range(3000), key=lambda i: i * 7 % 3001)
EXACT = [  # a query, what it asks, and how many rows there are
    (f"SELECT {ask('x')} FROM t ORDER BY y LIMIT 5", names(*BY_Y[:5]), 5),
    (f"SELECT * FROM (SELECT id, y, {ask('x')} AS a FROM t) ORDER BY y DESC LIMIT 5", names(*BY_Y[-5:]), 5),
    (f"SELECT {ask('x')} FROM t ORDER BY y LIMIT 3 OFFSET 4", names(*BY_Y[4:7]), 3),
    (f"SELECT {ask('x')} FROM t LIMIT 4", names(0, 1, 2, 3), 4),
    (f"SELECT {ask('x')} FROM t LIMIT 4 OFFSET 2990", names(2990, 2991, 2992, 2993), 4),
    ("FROM answers ORDER BY y LIMIT 5", names(*BY_Y[:5]), 5),
    ("SELECT answer FROM answers WHERE id IN (3, 4) ORDER BY y LIMIT 5", names(3, 4), 2),
    (f"WITH c AS (SELECT *, {ask('x')} AS a FROM t) SELECT a FROM c ORDER BY y LIMIT 2", names(*BY_Y[:2]), 2),
    (f"SELECT k, {ask('max(x)')} FROM s GROUP BY k ORDER BY k LIMIT 2", names(8, 9), 2),
    (f"SELECT id FROM s WHERE k = 1 AND {ask('x')} > 'p2'", names(1, 5, 9, 13, 17), 2),
    (f"SELECT id FROM s WHERE {ask('x')} > 'p2' AND k = 1", names(1, 5, 9, 13, 17), 2),
    (f"SELECT id FROM s WHERE {ask('x')} > 'p2' AND k = 1 AND id > 6", names(9, 13, 17), 1),
    (f"SELECT s.id FROM s JOIN u ON s.id = u.id AND {ask('s.x')} > 'p2'", names(0, 4, 8, 12, 16), 2),
    (f"SELECT s.id FROM s JOIN u ON {ask('s.x')} > 'p2' AND s.id = u.id WHERE z > 0", names(4, 8, 12, 16), 2),
    (f"SELECT id FROM s WHERE k = 1 OR {ask('x')} > 'p8'", names(*(i for i in range(20) if i % 4 != 1)), 5),
    (f"SELECT id FROM s WHERE NOT ({ask('x')} > 'p2' AND k = 1)", names(1, 5, 9, 13, 17), 18),
    (f"SELECT CASE WHEN id < 2 THEN {ask('x')} ELSE 'no' END FROM s", names(0, 1), 20),
    (f"SELECT CASE WHEN {ask('x')} = 'p3' AND id < 4 THEN 'yes' END FROM s", names(0, 1, 2, 3), 20),
    (f"SELECT id FROM s WHERE id < 3 AND {ask('x')} = 'p1' AND {ask(chr(39) + 'q' + chr(39) + ' || x')} = 'qp1'",
     [*names(0, 1, 2), "qp1"], 1),
    (f"SELECT {ask(chr(39) + 'q' + chr(39) + ' || x')} FROM s WHERE {ask('x')} > 'p7'",
     sorted([*names(*range(20)), "qp8", "qp9"]), 2),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "asked", "rows"), EXACT)
def test_exactly_what_is_needed_is_asked(tables: Bridge, sql: str, asked: list[str], rows: int) -> None:
    found = whole(tables, sql)
    assert len(found) == rows
    assert tables.asked() == asked
    assert sorted(tables.rows(sql), key=repr) == sorted(found, key=repr)


NESTED = [
    (ask("'again ' || " + ask("x")), [("again p1",)], ["again p1", "p1"]),
    (ask(f"concat('again ', {ask('x')})"), [("again p1",)], ["again p1", "p1"]),
    (ask(f"coalesce({ask('x')}, 'nothing')"), [("p1",)], ["p1"]),
    (ask("'b' || " + ask("'a' || " + ask("x"))), [("bap1",)], ["ap1", "bap1", "p1"]),
    (ask(f"'all: ' || string_agg({ask('x')}, ',')"), [("all: p1",)], ["all: p1", "p1"]),
]


@pytest.mark.parametrize(("item", "rows", "asked"), NESTED)
def test_a_question_made_of_answers_is_asked_when_they_are_known(
    tables: Bridge, item: str, rows: list[tuple[str]], asked: list[str]
) -> None:
    assert whole(tables, f"SELECT {item} FROM s WHERE id = 1") == rows
    assert tables.asked() == asked, "and nothing that a missing answer would have made of it"


ALIVE = [  # what runs chunk by chunk, with the plain function's requests
    (f"SELECT id FROM u WHERE EXISTS (SELECT 1 FROM s WHERE s.id = u.id AND {ask('s.x')} > 'p5') ORDER BY 1", [(8,)]),
    (f"SELECT TRY({ask('x')}) AS a FROM s WHERE id < 2 ORDER BY 1", [("p0",), ("p1",)]),
    (f"SELECT count(*) FROM s WHERE {ask('x')} > 'p5' AND random() < 2", [(4,)]),
    (f"SELECT id FROM s WHERE {ask('x')} > 'p2' LIMIT 2", [(3,), (4,)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "rows"), ALIVE)
def test_what_cannot_be_told_beforehand_runs_chunk_by_chunk_and_says_so(
    tables: Bridge, sql: str, rows: list[tuple[object]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "duck_or"):
        assert whole(tables, sql) == rows
    assert sum("chunk by chunk" in message for message in caplog.messages) == 1


def test_what_a_query_groups_by_may_be_said_twice(tables: Bridge) -> None:
    """Marks must not set apart what DuckDB compares."""
    kept = f"left({ask('s.x')}, 2)"
    grouped = f"SELECT {kept} AS a, count(*) FROM s GROUP BY left({ask('x')}, 2) HAVING count(*) > 1 ORDER BY {kept}"
    assert whole(tables, grouped) == [("p1", 11)]
    assert whole(tables, f"SELECT DISTINCT {kept} FROM s ORDER BY {kept} LIMIT 1") == [("p0",)]
    assert tables.sent == 20


def test_a_failure_beyond_the_limit_is_not_met(tables: Bridge) -> None:
    model = "CASE WHEN id < 3 THEN 'fake/echo' ELSE 'fake/err-400' END"
    query = f"SELECT id, {call('x', model=model)} ->> '$.model' FROM s ORDER BY id LIMIT 3"
    assert len(whole(tables, query)) == 3
    assert tables.asked() == names(0, 1, 2)


def test_a_parameter_is_what_the_statement_is_given(tables: Bridge) -> None:
    query = f"SELECT {ask('x || $suffix')} FROM s WHERE id < $below ORDER BY id"
    rows = tables.session.sql(query, {"suffix": "!", "below": 2}).fetchall()
    assert rows == [("p0!",), ("p1!",)]
    assert tables.asked() == ["p0!", "p1!"]
