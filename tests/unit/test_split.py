from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from duck_or.queries.clauses import Split
from duck_or.queries.marks import PLANNED
from duck_or.queries.split import kind_of, may_be_marked, split
from duck_or.queries.tokens import tokens

CALL = f"memory.main.{PLANNED}ask(-1001, "

TABLES = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR, b VARCHAR DEFAULT 'd');
INSERT INTO t VALUES (1, 'one', 'x'), (2, 'two', 'y'), (3, NULL, 'z'), (4, 'four', NULL);
CREATE TABLE u (id INTEGER, x VARCHAR, n INTEGER);
INSERT INTO u VALUES (2, 'deux', 20), (3, 'trois', 30), (3, 'drei', 30), (7, 'sept', 70), (8, 'été', 80);
CREATE TABLE "as" ("select" VARCHAR);
"""


class Recorder:
    """A database whose function keeps what it was asked, under its planned name."""

    def __init__(self) -> None:
        self.asked: set[str | None] = set()
        self.con = duckdb.connect()
        self.con.execute(TABLES)
        create: Callable[..., object] = self.con.create_function  # its declared types differ between versions
        create(
            "recorded", self._ask, [duckdb.type("VARCHAR")], duckdb.type("VARCHAR"), null_handling="special"
        )
        self.con.execute(f"CREATE MACRO {PLANNED}ask(mark, m) AS recorded(m)")

    def _ask(self, value: str | None) -> str:
        self.asked.add(value)
        return f"<{value}>"

    def run(self, text: str) -> set[str | None]:
        self.asked.clear()
        self.con.execute(text).fetchall()
        return set(self.asked)

    def parses(self, query: str) -> bool:
        tree = self.con.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
        return tree is not None and not json.loads(tree[0])["error"]

    def split(self, text: str) -> Split:
        (statement,) = self.con.extract_statements(text)
        return split(statement, text, self.parses)


@pytest.fixture
def db() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.con.close()


# kind, text with the query between « and »; ask(…) is a marked call
VERBATIM = [
    ("select", "«SELECT ask(a) FROM t»"),
    ("select", "«FROM t SELECT ask(a) LIMIT 2» ; -- ask('no')"),
    ("select", "/* é */ «VALUES (ask('v')), ('ask(no)')»"),
    ("select", "«(SELECT ask(a) FROM t) UNION ALL (SELECT ask(x) FROM u ORDER BY n LIMIT 1)»"),
    ("select", "«WITH c(k) AS (SELECT ask(a) FROM t) SELECT k FROM c WHERE ask(k) <> ''»;;"),
    ("select", "«SELECT $$;'$$, ask('日本' /* ; */ || a)\u00a0FROM t WHERE a IS DISTINCT FROM 'x'»"),
    ("create table as", "CREATE TABLE n AS «SELECT ask(a) AS r FROM t LIMIT 3»;"),
    ("create table as", 'CREATE OR REPLACE TABLE "as" AS «FROM t SELECT ask(b) AS k» -- the end'),
    ("create table as", "CREATE TEMP TABLE n (k, r) AS «(WITH c AS (FROM u) SELECT id, ask(x) FROM c)» WITH DATA"),
    ("create table as", "CREATE TEMPORARY TABLE memory_n AS «VALUES (ask('v'))»"),
    ("insert", "INSERT INTO u «SELECT id, ask(a), 1 FROM t WHERE id < 3»"),
    ("insert", "INSERT INTO u (id, x) «(SELECT id, ask(a) FROM t ORDER BY id LIMIT 2)»;"),
    ("insert", "INSERT INTO u BY NAME «SELECT ask(a) AS x, 5 AS id FROM t» RETURNING id"),
    ("insert", "INSERT INTO u BY POSITION «FROM t SELECT id, ask(a), 1»"),
    ("insert", "INSERT OR IGNORE INTO t (id, a) «SELECT id, ask(x) FROM u»"),
    ("insert", "INSERT OR REPLACE INTO t (id, a) «WITH c AS (SELECT 1 AS i) SELECT i, ask('w') FROM c»"),
    ("insert", "INSERT INTO t (id, a) «SELECT u.id, ask(u.x) FROM u JOIN (SELECT true AS conflict, 20 AS m) ON conflict AND n = m» ON CONFLICT DO NOTHING"),
    ("copy", "COPY («SELECT ask(')'), a FROM t WHERE b = 'x'») TO 'FILE' (FORMAT csv, HEADER true);"),
    ("copy", "COPY («WITH c AS (FROM u) FROM c SELECT ask(x)»\n) TO 'FILE'"),
    ("merge", "MERGE INTO t USING («SELECT id, ask(x) AS r FROM u WHERE n <> 30») AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.r WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)"),
    ("merge", "MERGE INTO t USING («SELECT id, ask(x) AS a, 'b' AS b FROM u WHERE ask(n::VARCHAR) <> '<30>'») s USING (id) WHEN MATCHED THEN UPDATE WHEN NOT MATCHED BY TARGET THEN INSERT"),
    ("merge", "MERGE INTO t USING («SELECT id, ask(x) AS a, NULL AS b FROM u WHERE n <> 30») s USING (id) WHEN NOT MATCHED THEN INSERT BY NAME * RETURNING id"),
]  # fmt: skip

# kind, text, the made-up query
MADE_UP = [
    ("insert", "WITH c AS (FROM t WHERE id = 2) INSERT INTO u (id, x) SELECT id, ask(a) FROM c",
     "WITH c AS (FROM t WHERE id = 2)\nSELECT id, ask(a) FROM c"),
    ("insert", 'INSERT INTO "as" ("select") VALUES (ask(\'(é\')), (ask(\')\')) -- c', "VALUES (ask('(é')), (ask(')'))"),
    ("insert", "INSERT INTO t AS tt (id, a) VALUES (1, ask('q')), (9, ask('r')) ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING *",
     "VALUES (1, ask('q')), (9, ask('r'))"),
    ("insert", "INSERT INTO t VALUES (7, ask('default'), DEFAULT), (8, DEFAULT, ask('d')) RETURNING id",
     "VALUES (7, ask('default'), NULL), (8, NULL, ask('d'))"),
    ("update", "UPDATE t SET a = ask(a)", "SELECT ask(a) FROM t"),
    ("update", "UPDATE t SET a = ask(a || ',='), b = DEFAULT WHERE id > 1;",
     "SELECT ask(a || ',=') FROM t WHERE id > 1"),
    ("update", "UPDATE t AS q SET a=ask(q.b) WHERE ask(q.a) <> '<one>' -- x\n RETURNING q.id",
     "SELECT ask(q.b) FROM t AS q WHERE ask(q.a) <> '<one>'"),
    ("update", "UPDATE t SET a = CASE WHEN id = 1 THEN ask(a) ELSE 'set from where' END, b = b IS DISTINCT FROM ask(b)",
     "SELECT CASE WHEN id = 1 THEN ask(a) ELSE 'set from where' END, b IS DISTINCT FROM ask(b) FROM t"),
    ("update", "UPDATE t SET a = t.a IS NOT DISTINCT FROM ask(u.x) FROM u WHERE u.id = t.id AND n > 20",
     "SELECT t.a IS NOT DISTINCT FROM ask(u.x) FROM t, u WHERE u.id = t.id AND n > 20"),
    ("update", "UPDATE t SET b = ask(substring(s.x FROM 2)) FROM (SELECT * FROM u WHERE n > 20) s, u v WHERE s.id = t.id AND v.id = s.id",
     "SELECT ask(substring(s.x FROM 2)) FROM t, (SELECT * FROM u WHERE n > 20) s, u v WHERE s.id = t.id AND v.id = s.id"),
    ("update", "WITH c AS (SELECT id, ask(x) AS r FROM u) UPDATE t SET a = c.r FROM c WHERE c.id = t.id",
     "WITH c AS (SELECT id, ask(x) AS r FROM u)\nSELECT c.r FROM t, c WHERE c.id = t.id"),
    ("update", "UPDATE t SET b = DEFAULT WHERE ask(a) = '<one>'", "SELECT 1 FROM t WHERE ask(a) = '<one>'"),
    ("update", "UPDATE memory.main.t SET a = (SELECT max(ask(x)) FROM u WHERE u.id = t.id)",
     "SELECT (SELECT max(ask(x)) FROM u WHERE u.id = t.id) FROM memory.main.t"),
    ("delete", "DELETE FROM t", "SELECT 1 FROM t"),
    ("delete", "DELETE FROM t WHERE id > 1 AND ask(a) = '<two>' RETURNING id;", "SELECT 1 FROM t WHERE id > 1 AND ask(a) = '<two>'"),
    ("delete", "DELETE FROM t AS d USING u WHERE d.id = u.id AND ask(u.x) = '<deux>'",
     "SELECT 1 FROM t AS d, u WHERE d.id = u.id AND ask(u.x) = '<deux>'"),
    ("delete", "DELETE FROM t USING u JOIN u v USING (n) WHERE t.id = u.id AND ask(v.x || t.a) = ''",
     "SELECT 1 FROM t, u JOIN u v USING (n) WHERE t.id = u.id AND ask(v.x || t.a) = ''"),
    ("delete", "WITH c AS (SELECT 2 AS k) DELETE FROM t WHERE id IN (SELECT k FROM c WHERE ask(a) <> '')",
     "WITH c AS (SELECT 2 AS k)\nSELECT 1 FROM t WHERE id IN (SELECT k FROM c WHERE ask(a) <> '')"),
    ("merge", "WITH c AS (SELECT id, x FROM u WHERE n <> 30) MERGE INTO t USING (SELECT id, ask(x) AS r FROM c) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, s.r)",
     "WITH c AS (SELECT id, x FROM u WHERE n <> 30)\nSELECT id, ask(x) AS r FROM c"),
]  # fmt: skip


def asking(text: str) -> str:
    return text.replace("ask(", CALL)


def cut(text: str) -> tuple[str, str, str]:
    before, _, rest = asking(text).partition("«")
    read, _, after = rest.partition("»")
    return before, read, after


def test_a_query_that_stands_in_the_text(db: Recorder) -> None:
    for kind, text in VERBATIM:
        before, read, after = cut(text)
        assert db.split(before + read + after) == Split(kind, read, before, after)


def test_a_query_made_up(db: Recorder) -> None:
    for kind, text, read in MADE_UP:
        assert replace(db.split(asking(text)), condition=None) == Split(kind, asking(read))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (
            "UPDATE t SET name = f(name) WHERE id < 3 AND name <> 'where' RETURNING id",
            "id < 3 AND name <> 'where'",
        ),
        ("DELETE FROM t WHERE f(name) = 'x'", "f(name) = 'x'"),
        ("UPDATE t SET name = f(name)", None),
    ],
)
def test_where_the_condition_of_a_made_up_read_stands(db: Recorder, text: str, condition: str | None) -> None:
    whole = asking(text)
    found = db.split(whole).condition
    assert (found and whole[found]) == (condition and asking(condition))


@pytest.mark.parametrize(
    "text",
    [*(text.replace("«", "").replace("»", "") for _, text in VERBATIM), *(text for _, text, _ in MADE_UP)],
)
def test_reading_asks_what_the_statement_asks(db: Recorder, text: str, tmp_path: Path) -> None:
    whole = asking(text).replace("FILE", str(tmp_path / "out.csv"))
    read = db.split(whole).read
    assert read is not None
    asked = db.run(read)
    assert asked == db.run(whole)
    assert asked or "ask(" not in text


# Joins of sizes at which DuckDB skips rows of one side that cannot match the other.
JOINS = [
    "UPDATE t SET a = s.r FROM (SELECT id, ask(x) AS r FROM u) s WHERE s.id = t.id",
    "UPDATE t SET a = 'x' FROM u WHERE u.id = t.id AND ask(t.a) <> 'y' AND n = 4",
    "DELETE FROM t USING (SELECT id, ask(x) AS r FROM u) s WHERE s.id = t.id AND s.r <> ''",
    "DELETE FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id AND ask(x || t.a) <> '') AND t.id % 7 = 2",
    "CREATE TABLE n AS FROM (SELECT id, ask(a) AS r FROM t) JOIN u USING (id) WHERE n = 2",
    "INSERT INTO u SELECT t.id, ask(t.a), 1 FROM t JOIN u USING (id) ORDER BY t.id LIMIT 3",
    "MERGE INTO t USING (SELECT id, n, ask(x) AS r FROM u) s ON t.id = s.id AND s.n = 3 WHEN MATCHED AND s.n = 3 THEN DELETE WHEN NOT MATCHED AND s.n = 2 THEN INSERT (id, a) VALUES (-s.id, s.r)",
]  # fmt: skip


@pytest.mark.parametrize("text", JOINS)
@pytest.mark.parametrize(("rows", "other"), [(3, 2500), (2500, 3)])
def test_reading_asks_the_same_where_a_join_skips_rows(
    db: Recorder, text: str, rows: int, other: int
) -> None:
    db.con.execute("DELETE FROM t; DELETE FROM u")
    db.con.execute("INSERT INTO t (id, a) SELECT i, 'a' || i FROM range(?) r(i)", [rows])
    db.con.execute("INSERT INTO u SELECT i * 3 % 8000, 'x' || i, i % 5 FROM range(?) r(i)", [other])
    read = db.split(asking(text)).read
    assert read is not None
    assert db.run(read) == db.run(asking(text))


@pytest.mark.parametrize("gap", ["\n", " /* ; ') AS ( SELECT é */ ", " -- ON CONFLICT ' é (\n", "\u3000"])
def test_what_stands_between_the_words_does_not_matter(db: Recorder, gap: str) -> None:
    for _, text in VERBATIM:
        before, read, after = cut(text)
        spread = gap.join(word.text for word in tokens(before + read + after)) + gap
        result = db.split(spread)
        assert result.read == gap.join(word.text for word in tokens(read))
        assert f"{result.before}{result.read}{result.after}" == spread


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("create table as", "CREATE TABLE IF NOT EXISTS t AS SELECT ask(a) FROM t", "may be there"),
        ("create table as", "CREATE TABLE n AS SELECT ask(a) AS r FROM t WITH NO DATA", "NO DATA"),
        ("insert", "INSERT INTO t (id) VALUES (1) ON CONFLICT DO UPDATE SET a = ask('c')", "ON CONFLICT"),
        ("insert", "INSERT INTO u (id) SELECT 1 RETURNING ask(x)", "RETURNING"),
        ("insert", "INSERT INTO u DEFAULT VALUES", "tree"),
        ("update", "UPDATE t SET a = 'x' RETURNING ask(a)", "RETURNING"),
        ("delete", "DELETE FROM t WHERE id = 1 RETURNING ask(a)", "RETURNING"),
        ("merge", "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = ask(x)", "brackets"),
        ("merge", "MERGE INTO t USING (FROM u) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, ask(s.x))", "actions"),
        ("merge", "MERGE INTO t USING (SELECT id, ask(x) AS r FROM u) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.r", "NOT MATCHED"),
        ("merge", "MERGE INTO t USING (SELECT id, ask(x) AS r FROM u) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.r WHEN NOT MATCHED BY SOURCE THEN DELETE", "NOT MATCHED"),
        ("merge", "MERGE INTO t USING (SELECT id, ask(x) AS a FROM u) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = '' WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)", "not used"),
        ("merge", "MERGE INTO t USING (SELECT id, ask(x) AS r FROM u) s (r, q) ON t.id = s.r WHEN NOT MATCHED THEN INSERT (id) VALUES (s.r)", "not used"),
        ("merge", "MERGE INTO t USING (SELECT id, r FROM (SELECT id, ask(x) AS r FROM u)) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, s.r)", "outside"),
        ("merge", "MERGE INTO t USING (SELECT id, ask(x) AS r FROM u UNION SELECT 1, '') s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, a) VALUES (s.id, s.r)", "single"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_says_why(db: Recorder, kind: str, text: str, reason: str) -> None:
    result = db.split(asking(text))
    assert result == Split(kind, None, reason=result.reason)
    assert reason in (result.reason or "")


@pytest.mark.parametrize(("there", "read"), [(False, asking("SELECT ask(a) FROM t")), (True, None)])
def test_create_if_not_exists_reads_where_there_is_no_such_table(
    db: Recorder, there: bool, read: str | None
) -> None:
    text = asking('CREATE TABLE IF NOT EXISTS main . "n n" (r) AS SELECT ask(a) FROM t')
    (statement,) = db.con.extract_statements(text)
    answers = {'main . "n n"': there}
    assert split(statement, text, db.parses, answers.__getitem__).read == read


@pytest.mark.parametrize(
    "text",
    [
        "DESCRIBE t", "SUMMARIZE t", "SHOW TABLES", "EXPLAIN SELECT ask('a')", "CREATE VIEW v AS SELECT ask('a')",
        "CREATE OR REPLACE TEMP VIEW v AS TABLE t", "CREATE MACRO m(x) AS ask(x)", "CREATE MACRO table_(x) AS TABLE SELECT ask(x)",
        "CREATE TABLE n (a INTEGER)", "PREPARE p AS SELECT ask('a')", "EXECUTE p(1)", "SET threads = 1", "ATTACH ':memory:' AS y",
        "COPY t TO 'f'", "COPY t (a) FROM 'f'", "TRUNCATE t", "BEGIN", "CALL range(1)", "DROP TABLE t",
        "CREATE INDEX i ON t (a)", "UNPIVOT t ON a", "PIVOT t ON a", "ALTER TABLE t ADD COLUMN as_ INTEGER",
    ],
)  # fmt: skip
def test_other_statements_are_neither_marked_nor_split(db: Recorder, text: str) -> None:
    statement = db.con.extract_statements(text)[-1]
    assert not may_be_marked(kind_of(statement, statement.query))
    assert split(statement, statement.query, db.parses).read is None


def test_the_kind_is_known_before_marking(db: Recorder) -> None:
    for kind, text in VERBATIM:
        plain = text.replace("«", "").replace("»", "")
        assert kind_of(db.con.extract_statements(plain)[0], plain) == kind
        assert may_be_marked(kind)


def test_a_query_with_a_part_that_writes_is_never_read(db: Recorder) -> None:
    (statement,) = db.con.extract_statements("SELECT 1")  # 1.x parses none of these
    for text in (
        "WITH c AS (INSERT INTO u (id) VALUES (1) RETURNING x) SELECT ask(x) FROM c",
        "WITH c AS MATERIALIZED (WITH d AS (SELECT 1) UPDATE u SET x = '' RETURNING x) SELECT ask(x) FROM c",
        "WITH c AS (DELETE FROM u RETURNING x) SELECT ask(x) FROM c",
    ):
        assert split(statement, asking(text), lambda query: True) == Split(
            "select", None, reason="a part of its query writes"
        )


def test_parameters_keep_their_order(db: Recorder) -> None:
    text = asking("UPDATE t SET a = ask(?), b = ? FROM u WHERE t.id = ? AND u.id = ?")
    assert db.split(text).read == asking("SELECT ask(?), ? FROM t, u WHERE t.id = ? AND u.id = ?")
