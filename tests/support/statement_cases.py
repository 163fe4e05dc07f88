"""Every kind of statement a call may stand in: what comes out, and what is asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from support.bridge import ask

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
