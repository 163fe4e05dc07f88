"""Statements that write: asked ahead exactly, and what they do is done exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pytest

from duck_or.errors import DuckOrError
from support.bridge import Bridge, ask

Parameters = Sequence[object] | Mapping[str, object] | None

ITEMS = "CREATE TABLE items AS SELECT i AS id, 'item ' || (i % 4) AS name FROM range(8) t(i)"
COPIED = "CREATE TABLE a AS SELECT id, name, NULL::VARCHAR AS note FROM items"
KEYED = "CREATE TABLE a (id INT PRIMARY KEY, note VARCHAR)"
NAMES = [f"item {i}" for i in range(4)]
NAME = ask("name")
IN_BRACKETS = ask("'(' || note || ')'")
NOTES = "SELECT id, note FROM a ORDER BY ALL"
BY_ID = [(i, f"item {i % 4}") for i in range(8)]


class Case(NamedTuple):
    """statement: what is run as a whole; then `look` gives `rows`, after `asked` was asked."""

    id: str
    statement: str
    asked: Sequence[str]
    look: str
    rows: Sequence[tuple[object, ...]]
    before: tuple[str, ...] = ()
    parameters: Parameters = None


CASES = [
    Case("create", f"CREATE TABLE a AS SELECT id, {NAME} AS note FROM items", NAMES, NOTES, BY_ID),
    Case(
        "create temporary",
        f"CREATE TEMP TABLE a AS SELECT id, {NAME} AS note FROM items",
        NAMES,
        NOTES,
        BY_ID,
    ),
    Case(
        "create or replace",
        f"CREATE OR REPLACE TABLE items AS SELECT id, {NAME} AS note FROM items WHERE id < 2",
        NAMES[:2],
        "FROM items ORDER BY id",
        BY_ID[:2],
    ),
    Case("insert", f"INSERT INTO a SELECT id, {NAME} FROM items", NAMES, NOTES, BY_ID, (KEYED,)),
    Case(
        "insert by name",
        f"INSERT INTO a BY NAME SELECT {NAME} AS note, id FROM items",
        NAMES,
        NOTES,
        BY_ID,
        (KEYED,),
    ),
    Case(
        "insert columns",
        f"INSERT INTO a (note, id) SELECT {NAME}, id FROM items",
        NAMES,
        NOTES,
        BY_ID,
        (KEYED,),
    ),
    Case(
        "insert values",
        f"INSERT INTO a VALUES (1, {ask()}), (2, 'no question')",
        ["hi"],
        NOTES,
        [(1, "hi"), (2, "no question")],
        (KEYED,),
    ),
    Case(
        "on conflict",
        f"INSERT INTO a SELECT id, {NAME} FROM items WHERE id < 2 ON CONFLICT DO UPDATE SET note = excluded.note || '!'",
        NAMES[:2],
        NOTES,
        [(0, "item 0!"), (1, "item 1")],
        (KEYED, "INSERT INTO a VALUES (0, 'old')"),
    ),
    Case(
        "a default that counts",
        f"INSERT INTO a (note) SELECT {NAME} FROM items",
        NAMES,
        "SELECT min(id), max(id), count(*) FROM a",
        [(1, 8, 8)],
        ("CREATE SEQUENCE s", "CREATE TABLE a (id INT DEFAULT nextval('s'), note VARCHAR)"),
    ),
    Case(
        "a sequence in what is read",
        f"INSERT INTO a SELECT nextval('s'), {NAME} FROM items",
        NAMES,
        "SELECT min(id), max(id), count(*) FROM a",
        [(1, 8, 8)],
        ("CREATE SEQUENCE s", KEYED),
    ),
    Case(
        "update",
        f"UPDATE a SET note = {NAME} WHERE id < 2",
        NAMES[:2],
        NOTES + " LIMIT 3",
        [(0, "item 0"), (1, "item 1"), (2, None)],
        (COPIED,),
    ),
    Case(
        "update from",
        f"UPDATE a SET note = {ask('items.name')} FROM items WHERE items.id = a.id AND a.id < 2",
        NAMES[:2],
        NOTES + " LIMIT 3",
        [(0, "item 0"), (1, "item 1"), (2, None)],
        (COPIED,),
    ),
    Case(
        "delete",
        f"DELETE FROM a WHERE id < 4 AND {NAME} <> 'item 2'",
        NAMES,
        "SELECT id FROM a ORDER BY id LIMIT 2",
        [(2,), (4,)],
        (COPIED,),
    ),
    Case(
        "merge",
        f"MERGE INTO a USING (SELECT id, {NAME} AS n FROM items WHERE id < 2) s ON a.id = s.id"
        " WHEN MATCHED THEN UPDATE SET note = s.n WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.n)",
        NAMES[:2],
        NOTES,
        [(0, "item 0"), (1, "item 1"), (9, "left alone")],
        (KEYED, "INSERT INTO a VALUES (0, 'old'), (9, 'left alone')"),
    ),
    Case(
        "a script",
        f"CREATE TABLE a AS SELECT id, {NAME} AS note FROM items; UPDATE a SET note = {IN_BRACKETS} WHERE id = 1; "
        "DELETE FROM a WHERE id > 1",
        ["(item 1)", *NAMES],
        NOTES,
        [(0, "item 0"), (1, "(item 1)")],
    ),
    Case(
        "a view that asks",
        "CREATE TABLE a AS SELECT * FROM answered WHERE id < 2",
        NAMES[:2],
        NOTES,
        BY_ID[:2],
        (f"CREATE VIEW answered AS SELECT id, {NAME} AS note FROM items",),
    ),
    Case(
        "a temporary view over a temporary table",
        "INSERT INTO a SELECT * FROM answered",
        ["only"],
        NOTES,
        [(7, "only")],
        (
            KEYED,
            "CREATE TEMP TABLE few AS SELECT 7 AS id, 'only' AS name",
            f"CREATE TEMP VIEW answered AS SELECT id, {NAME} AS note FROM few",
        ),
    ),
    Case(
        "a temporary macro",
        "CREATE TABLE a AS SELECT id, asked(name) AS note FROM items",
        NAMES,
        NOTES,
        BY_ID,
        (f"CREATE TEMP MACRO asked(x) AS {ask('x')}",),
    ),
    Case(
        "insert with parameters",
        f"INSERT INTO a SELECT id + $1, {ask('$2 || name')} FROM items WHERE id < $3",
        ["x item 0"],
        NOTES,
        [(10, "x item 0")],
        (KEYED,),
        [10, "x ", 1],
    ),
    Case(
        "update with named parameters",
        f"UPDATE a SET note = {ask('$what || name')} WHERE id = $which",
        ["x item 1"],
        "SELECT id, note FROM a WHERE note IS NOT NULL",
        [(1, "x item 1")],
        (COPIED,),
        {"which": 1, "what": "x "},
    ),
    Case(
        "create with question marks",
        f"CREATE TABLE a AS SELECT id, {ask('? || name')} AS note FROM items WHERE id = ?",
        ["x item 1"],
        NOTES,
        [(1, "x item 1")],
        (),
        ["x ", 1],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_writes_is_asked_ahead_and_done_once(bridge: Bridge, case: Case) -> None:
    for sql in (ITEMS, *case.before):
        bridge.rows(sql)
    bridge.session.execute(case.statement, case.parameters)
    assert bridge.rows(case.look) == list(case.rows)
    assert bridge.asked() == list(case.asked)
    stats = bridge.session.stats()
    assert (stats.sent, stats.under_way) == (len(case.asked), 0)
    assert stats.requests == stats.cache_hits + stats.joined + stats.sent


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_rolled_back_nothing_is_done_and_what_was_answered_is_kept(bridge: Bridge, case: Case) -> None:
    for sql in (ITEMS, *case.before):
        bridge.rows(sql)
    tables = "SELECT table_name, estimated_size FROM duckdb_tables() ORDER BY ALL"
    before = bridge.rows(tables)
    for _ in range(2):
        bridge.rows("BEGIN")
        bridge.session.execute(case.statement, case.parameters)
        assert bridge.rows(case.look.split(" ORDER")[0] + " LIMIT 0") == []
        bridge.rows("ROLLBACK")
        assert [name for name, _ in bridge.rows(tables)] == [name for name, _ in before]
        assert bridge.asked() == list(case.asked)


def test_values_keep_the_types_that_they_have_by_themselves(bridge: Bridge) -> None:
    bridge.rows("CREATE TABLE a (n VARCHAR, note VARCHAR)")
    bridge.session.execute(f"INSERT INTO a VALUES (1, {ask()}), (2.50, 'no question')")
    assert bridge.rows("FROM a ORDER BY n") == [("1", "hi"), ("2.50", "no question")]
    assert bridge.asked() == ["hi"]


def test_values_of_mixed_types(bridge: Bridge) -> None:
    bridge.rows(KEYED)
    bridge.session.execute(f"INSERT INTO a VALUES (1, 7), (2, {ask()}), (3, DATE '2020-01-01')")
    assert bridge.rows(NOTES) == [(1, "7"), (2, "hi"), (3, "2020-01-01")]
    assert bridge.asked() == ["hi"]


def test_copy(bridge: Bridge, tmp_path: Path) -> None:
    bridge.rows(ITEMS)
    path = tmp_path / "answers.csv"
    for _ in range(2):
        bridge.session.execute(f"COPY (SELECT id, {NAME} AS a FROM items WHERE id < $1) TO '{path}'", [2])
        assert path.read_text().split() == ["id,a", "0,item", "0", "1,item", "1"]
        assert bridge.asked() == NAMES[:2]


def test_returning(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    bridge.rows(KEYED)
    result = bridge.session.execute(f"INSERT INTO a SELECT id, {NAME} FROM items RETURNING id, note")
    assert sorted(result.fetchall()) == BY_ID
    assert bridge.asked() == NAMES


def test_a_transaction_sees_its_own_changes_and_stays_usable(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    bridge.rows("BEGIN")
    bridge.rows("UPDATE items SET name = 'new ' || id")
    bridge.session.execute(f"CREATE TABLE a AS SELECT id, {NAME} AS note FROM items WHERE id < 2")
    assert bridge.rows(NOTES) == [(0, "new 0"), (1, "new 1")]
    assert bridge.session.estimate(f"SELECT {NAME} FROM items").to_send == 6
    bridge.rows("COMMIT")
    assert bridge.rows(NOTES) == [(0, "new 0"), (1, "new 1")]
    assert bridge.asked() == ["new 0", "new 1"]


class Fault(NamedTuple):
    id: str
    statement: str
    error: type[duckdb.Error]
    message: str


FAULTS = [
    Fault("table is there", f"CREATE TABLE a AS SELECT {NAME} FROM items", duckdb.CatalogException, "already exists"),
    Fault("no such table", f"INSERT INTO missing SELECT {NAME} FROM items", duckdb.CatalogException, "missing"),
    Fault("no such source", f"INSERT INTO a SELECT 1, {NAME} FROM missing", duckdb.CatalogException, "missing"),
    Fault("too many values", f"INSERT INTO a SELECT 1, 2, {NAME} FROM items", duckdb.BinderException, "3 values"),
    Fault("no such column", f"UPDATE a SET missing = {NAME} FROM items", duckdb.BinderException, "missing"),
    Fault("misspelt option", f"INSERT INTO a SELECT 1, {ask('name', modell='1')} FROM items", duckdb.BinderException, "does not support"),
    Fault("conversion", f"INSERT INTO a SELECT CAST('x' AS INT), {NAME} FROM items", duckdb.ConversionException, "'x'"),
    Fault("no such function", f"DELETE FROM items WHERE missing({NAME})", duckdb.CatalogException, "missing"),
    Fault("grammar", f"INSERT INTO INTO a SELECT {NAME} FROM items", duckdb.ParserException, "syntax error"),
    Fault("no such parameter", f"UPDATE items SET name = {ask('$1')}", duckdb.Error, "1"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.id for fault in FAULTS])
def test_what_duckdb_finds_fault_with_is_refused_before_anything_is_sent(
    bridge: Bridge, fault: Fault
) -> None:
    bridge.rows(ITEMS)
    bridge.rows("CREATE TABLE a (id INT, note VARCHAR)")
    with pytest.raises(fault.error, match=fault.message) as caught:
        bridge.session.execute(fault.statement)
    assert "__duck_or" not in str(caught.value), "the message speaks of the user's own statement"
    assert bridge.sent == 0
    assert bridge.rows("SELECT 42") == [(42,)]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.id for fault in FAULTS])
def test_in_a_transaction_the_same_error(bridge: Bridge, fault: Fault) -> None:
    bridge.rows(ITEMS)
    bridge.rows("BEGIN; CREATE TABLE a (id INT, note VARCHAR)")
    with pytest.raises(fault.error, match=fault.message):
        bridge.session.execute(fault.statement)
    bridge.rows("ROLLBACK")
    assert bridge.sent == 0


def test_a_table_that_may_be_there_already(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    statement = f"CREATE TABLE IF NOT EXISTS a AS SELECT id, {NAME} AS note FROM items"
    bridge.session.execute(statement)
    assert bridge.rows(NOTES) == BY_ID
    bridge.session.execute(statement.replace(NAME, ask("'other'")))
    assert bridge.asked() == NAMES


def test_what_fails_only_without_answers_runs_live(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    checked = f"CASE WHEN {NAME} IS NULL THEN error('no answer') ELSE 1 END"
    assert bridge.session.sql(f"SELECT sum({checked}) FROM items").fetchall() == [(8,)]
    bridge.session.execute(f"CREATE TABLE a AS SELECT {checked} AS n FROM items")
    assert bridge.rows("SELECT sum(n) FROM a") == [(8,)]
    assert bridge.asked() == NAMES


def test_where_a_transaction_is_lost_its_own_error_is_told(bridge: Bridge) -> None:
    bridge.rows(ITEMS)
    bridge.rows("BEGIN")
    with pytest.raises(duckdb.ConversionException, match="item 0"):
        bridge.session.execute(f"CREATE TABLE a AS SELECT CAST(name AS INT), {NAME} FROM items")
    bridge.session.execute("ROLLBACK")
    assert bridge.sent == 0
    assert bridge.session.execute("SELECT 42").fetchall() == [(42,)]


@pytest.mark.parametrize("again", ["session", "cursor"])
def test_a_file_database(connect: Callable[..., Bridge], tmp_path: Path, again: str) -> None:
    bridge = connect(tmp_path / "my.duckdb")
    bridge.rows(ITEMS)
    bridge.session.execute(f"CREATE TABLE a AS SELECT id, {NAME} AS note FROM items")
    assert bridge.rows(NOTES) == BY_ID
    if again == "session":
        bridge.session.execute(f"UPDATE a SET note = {IN_BRACKETS}")
    else:
        with bridge.con.cursor() as cursor:
            bridge.session.runner(cursor).execute(
                f"UPDATE a SET note = {IN_BRACKETS}".replace("chat", "duck_or.chat")
            )
    assert bridge.rows(NOTES) == [(i, f"({note})") for i, note in BY_ID]
    assert len(bridge.asked()) == 8
    assert bridge.rows(
        "SELECT count(*) FROM duckdb_functions() WHERE database_name = 'my' AND NOT internal"
    ) == [(0,)]


def test_a_read_only_database(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    path = tmp_path / "my.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(ITEMS)
    bridge = connect(path, read_only=True)
    assert bridge.session.sql(f"SELECT DISTINCT {NAME} FROM items ORDER BY 1").fetchall() == [
        (n,) for n in NAMES
    ]
    bridge.session.execute(f"CREATE TEMP TABLE a AS SELECT id, {NAME} AS note FROM items")
    assert bridge.rows(NOTES) == BY_ID
    with pytest.raises(duckdb.Error, match="read-only"):
        bridge.session.execute(f"UPDATE items SET name = {ask(chr(39) + 'never' + chr(39))}")
    assert bridge.asked() == NAMES


def test_variables_of_the_caller_whatever_they_are_called(bridge: Bridge) -> None:
    """`query`, `planned`, `statement` and the like are variables of this package, too."""
    query = planned = statement = con = pa.table({"name": ["x", "y"]})
    for number, name in enumerate(("query", "planned", "statement", "con")):
        bridge.session.execute(f"CREATE TABLE a{number} AS SELECT {NAME} AS note FROM {name}")
        assert bridge.rows(f"FROM a{number} ORDER BY 1") == [("x",), ("y",)]
        relation = bridge.session.sql(f"SELECT {NAME} FROM {name} ORDER BY name")
        assert relation.fetchall() == [("x",), ("y",)]
        assert bridge.session.estimate(f"SELECT {NAME} FROM {name}").already_answered == 2
    assert query is planned is statement is con
    assert bridge.asked() == ["x", "y"]


def test_variables_of_a_function_that_has_returned(bridge: Bridge) -> None:
    def made() -> Any:
        frame = pa.table({"name": ["x", "y"]})
        assert frame is not None
        return bridge.session.sql(f"SELECT {NAME} AS a FROM frame")

    relation = made()
    assert sorted(relation.fetchall()) == [("x",), ("y",)]
    assert relation.filter("a = 'x'").fetchall() == [("x",)]
    assert bridge.asked() == ["x", "y"]


@pytest.mark.parametrize("all_frames", [False, True])
def test_variables_of_the_callers_caller_only_where_duckdb_would_look(
    bridge: Bridge, all_frames: bool
) -> None:
    further = pa.table({"name": ["x"]})
    bridge.rows(f"SET python_scan_all_frames = {all_frames}")

    def work() -> list[Any]:
        rows: list[Any] = bridge.session.sql(f"SELECT {NAME} FROM further").fetchall()
        return rows

    if all_frames:
        assert work() == [("x",)]
    else:
        with pytest.raises(duckdb.CatalogException, match="further"):
            work()
    assert further is not None
    assert bridge.rows("SELECT current_setting('python_scan_all_frames')") == [(all_frames,)]


STREAMED = pa.table({"name": ["x", "y"]})


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT {NAME} AS stream FROM items AS x",
        f"SELECT {NAME} AS a FROM items AS stream",
        f"WITH stream AS (FROM items) SELECT {NAME} AS a FROM stream",
        f"SELECT {NAME} AS a FROM known",
        f"SELECT {NAME} AS a FROM batch",
    ],
)
def test_a_stream_that_is_not_read_is_in_nobodys_way(bridge: Bridge, query: str) -> None:
    """A variable whose name stands in the query as a column, an alias or a table that the database has."""
    for statement in (ITEMS, "CREATE TABLE known AS FROM items"):
        bridge.rows(statement)
    stream, known, batch = STREAMED.to_reader(), STREAMED.to_reader(), STREAMED.to_batches()[0]
    expected = 2 if "batch" in query else 4
    assert bridge.session.estimate(query).to_send == expected
    bridge.session.sql(query).fetchall()
    assert bridge.sent == expected
    assert stream.read_all() == known.read_all() == pa.Table.from_batches([batch])


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT {NAME} FROM stream",
        f"SELECT {NAME} FROM main.stream",
        f"SELECT {NAME} FROM items WHERE name IN (SELECT name FROM stream)",
        f"WITH stream AS (FROM stream) SELECT {NAME} FROM stream",
    ],
)
def test_what_a_stream_would_ask_cannot_be_told(bridge: Bridge, query: str) -> None:
    bridge.rows(ITEMS)
    stream = STREAMED.to_reader()
    with pytest.raises(DuckOrError, match="stream may be read only once"):
        bridge.session.estimate(query)
    assert stream.read_all() == STREAMED


def test_a_stream_is_read_once(bridge: Bridge) -> None:
    table = pa.table({"name": ["x", "y"]})
    stream = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    bridge.session.execute(f"CREATE TABLE a AS SELECT {NAME} AS note FROM stream")
    assert stream is not None
    assert bridge.rows("FROM a ORDER BY 1") == [("x",), ("y",)]
    assert bridge.asked() == ["x", "y"]
