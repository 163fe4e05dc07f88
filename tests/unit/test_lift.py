"""Lifted queries say the same, in the same order, and ask for the rows of the page only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duck_or.queries.guard import guard
from duck_or.queries.lift import lift
from duck_or.queries.names import columns_of, name_calls, name_columns
from support.rewriting import Rewriting


@pytest.fixture(scope="module")
def world() -> Iterator[Rewriting]:
    world = Rewriting()
    yield world
    world.close()


def lifted(world: Rewriting, query: str) -> str:
    tree = world.tree(query)
    name_columns(tree, world.run(query).names)
    name_calls(tree, world.syntax)
    columns = columns_of(world.con, world.syntax)
    lift(tree, world.facts, columns)
    text = world.text(tree)
    lift(tree, world.facts, columns)
    assert world.text(tree) == text  # lifting again changes nothing
    return text


PAGE = "FROM t ORDER BY y, id LIMIT 4"
CASES = [  # a query, and one for what is asked
    (f"SELECT id, F(-1, x) AS m {PAGE}", f"SELECT x {PAGE}"),
    (f"SELECT id, F(-1, x) {PAGE} OFFSET 3", f"SELECT x {PAGE} OFFSET 3"),
    (f"SELECT *, F(-1, x) AS m {PAGE}", f"SELECT x {PAGE}"),
    (f"SELECT F(-1, x) AS m, * REPLACE (y + 1 AS k) {PAGE}", f"SELECT x {PAGE}"),
    (f"SELECT ID AS \"Id\", F(-1, x || t.k) AS \"M m\" {PAGE}", f"SELECT x || k {PAGE}"),
    (f"SELECT y + 1 AS n, F(-1, n::VARCHAR) AS m {PAGE}", f"SELECT (y + 1)::VARCHAR {PAGE}"),
    ("SELECT F(-1, x) AS m, id, y AS n FROM t ORDER BY 3, n, 2 LIMIT 4", f"SELECT x {PAGE}"),
    ("SELECT F(-1, x) AS m FROM t LIMIT 4", "SELECT x FROM t LIMIT 4"),
    ("SELECT id, F(-1, x) AS m FROM t ORDER BY y, id LIMIT 25%", "SELECT x FROM t ORDER BY y, id LIMIT 25%"),
    ("SELECT k, F(-1, k || max(x)) AS m FROM t GROUP BY k ORDER BY k LIMIT 2", "SELECT k || max(x) FROM t GROUP BY k ORDER BY k LIMIT 2"),
    ("SELECT F(-1, lower(x)) AS m FROM t GROUP BY lower(x) ORDER BY lower(x) LIMIT 2", "SELECT lower(x) FROM t GROUP BY lower(x) ORDER BY 1 LIMIT 2"),
    (f"SELECT F(-1, x || row_number() OVER (ORDER BY y, id)) AS m {PAGE}", f"SELECT x || row_number() OVER (ORDER BY y, id) {PAGE}"),
    (f"SELECT F(-1, list_transform([k], lambda y: y + id)::VARCHAR) AS m {PAGE}", f"SELECT [k + id]::VARCHAR {PAGE}"),
    ("SELECT id, m FROM (SELECT id, y, F(-1, x) AS m FROM t) ORDER BY y, id LIMIT 4", f"SELECT x {PAGE}"),
    ("SELECT * FROM (SELECT *, F(-1, x) AS m FROM t) AS v ORDER BY v.y, v.id LIMIT 4", f"SELECT x {PAGE}"),
    ("SELECT * FROM (SELECT F(-1, x) AS m, id AS i, y FROM t) ORDER BY y, i LIMIT 4", f"SELECT x {PAGE}"),
    ("WITH v AS (SELECT *, F(-1, x) AS m FROM t), w AS (SELECT id, y, upper(m) AS n FROM v WHERE k = 1) FROM w ORDER BY y, id LIMIT 2", "SELECT x FROM t WHERE k = 1 ORDER BY y, id LIMIT 2"),
    ("SELECT * FROM (SELECT id, F(-1, x) AS m FROM t ORDER BY y, id LIMIT 4) ORDER BY id", f"SELECT x {PAGE}"),
    (f"(SELECT F(-1, x) AS m {PAGE}) UNION ALL SELECT 'a'", f"SELECT x {PAGE}"),
    ("WITH v AS (SELECT *, F(-1, x) AS m FROM t) SELECT id FROM v WHERE y = 5 AND v.m > '3' ORDER BY id", "SELECT x FROM t WHERE y = 5"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "asks"), CASES)
def test_only_the_rows_of_the_page_are_asked_about(world: Rewriting, query: str, asks: str) -> None:
    plain = world.run(query)
    tree = world.tree(lifted(world, query))
    guard(tree, world.facts)
    after = world.run(world.text(tree))
    assert (after.rows, after.names) == (plain.rows, plain.names)
    assert after.asked == {(-1, x) for (x,) in world.run(asks).rows}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, F(-1, x) AS m FROM t ORDER BY m, id LIMIT 4",
        "SELECT id, F(-1, x) AS m FROM t ORDER BY 2, id LIMIT 4",
        "SELECT id, F(-1, x) AS m FROM t ORDER BY ALL LIMIT 4",
        "SELECT DISTINCT F(-1, x) AS m FROM t LIMIT 4",
        "SELECT F(-1, x) AS m FROM t",
        "SELECT F(-1, x) AS m, max(y) AS n FROM t GROUP BY ALL ORDER BY n LIMIT 2",
        "SELECT F(-1, x) AS m, max(y) AS n FROM t GROUP BY 1 ORDER BY n LIMIT 2",
        "SELECT max(F(-1, x)) AS m, k FROM t GROUP BY k ORDER BY k LIMIT 2",
        "SELECT F(-1, x) AS m, F(-2, m) AS n FROM t ORDER BY id LIMIT 4",
        "SELECT F(-1, x || random()) AS m FROM t ORDER BY id LIMIT 4",
        "SELECT F(-1, x) AS m FROM t WHERE m > '3' ORDER BY id LIMIT 4",
        "SELECT a.*, F(-1, a.x) AS m, b.* FROM t AS a JOIN u AS b USING (id) ORDER BY a.id LIMIT 4",
        "SELECT F(-1, (SELECT max(u.z) FROM u WHERE u.id = t.id)::VARCHAR) AS m FROM t ORDER BY id LIMIT 4",
        "SELECT (SELECT F(-1, t.x) AS m LIMIT 1) AS m FROM t ORDER BY id LIMIT 4",
        "SELECT id, unnest([1, 2]) AS n, F(-1, x) AS m FROM t ORDER BY id LIMIT 4",
        "SELECT m FROM (SELECT DISTINCT F(-1, x) AS m FROM t) ORDER BY m LIMIT 4",
    ],
)
def test_what_is_not_certain_stays_as_it_is(world: Rewriting, query: str) -> None:
    assert lifted(world, query) == world.text(world.tree(query))


def test_parameters_go_where_they_are_read(world: Rewriting) -> None:
    tree = world.tree("SELECT F(-1, x || ?) AS m FROM t WHERE k = ? ORDER BY y, id LIMIT ?")
    expected = world.con.execute(world.syntax.text(tree) or "", ["z", 1, 2]).fetchall()
    lift(tree, world.facts)
    text = world.syntax.text(tree)
    assert text is not None
    assert "__duck_or_page" in text
    assert world.con.execute(text, ["z", 1, 2]).fetchall() == expected


@pytest.mark.parametrize("rows", [10, 50_000])
def test_the_rows_of_a_page_keep_their_order(world: Rewriting, rows: int) -> None:
    """Whatever the number of threads, and though DuckDB was told that it need not keep the order of insertion."""
    cursor = world.con.cursor()
    cursor.execute("SET threads = 2; SET preserve_insertion_order = false")
    page = f"SELECT i * 7919 % 300007 AS a, i FROM range(300000) r(i) ORDER BY a LIMIT {rows}"
    found = cursor.execute(f"SELECT a + 1 FROM ({page})").fetchall()
    cursor.execute("SET threads = 1; SET preserve_insertion_order = true")
    assert found == sorted(found)


ITEM = st.sampled_from(
    ["id", "y AS n", "x", "k + 1 AS q", "F(-1, x) AS m", "F(-2, x || k) AS p", "upper(F(-1, x)) AS r", "t.k"]
)
ORDER = st.sampled_from(["y, id", "id DESC", "k NULLS FIRST, id", "1, id", "2 DESC, id", "m, id", "x, id"])
FROM = st.sampled_from(
    [
        "t",
        "(SELECT * FROM t) AS t",
        "(SELECT *, F(-3, x) AS a FROM t WHERE y > 2) AS t",
        "(SELECT id, x, k, y, F(-3, x) AS m FROM t) AS t",
        "(SELECT *, F(-3, x) AS x FROM t) AS t",
        "(SELECT F(-3, x) AS x, * FROM t) AS t",
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(ITEM, min_size=2, max_size=4, unique=True),
    star=st.sampled_from([None, "*", "t.*"]),
    table=FROM,
    where=st.sampled_from(["", "WHERE y > 3", "WHERE k = 1 AND F(-1, x) > '2'"]),
    order=ORDER,
    limit=st.integers(0, 9),
    offset=st.integers(0, 3),
)
def test_a_lifted_query_has_the_same_rows_in_the_same_order(
    world: Rewriting,
    items: list[str],
    star: str | None,
    table: str,
    where: str,
    order: str,
    limit: int,
    offset: int,
) -> None:
    listed = ", ".join(items + ([star] if star else []))
    order = order.replace("m,", "m," if "AS m" in listed + table else "y,")
    query = f"SELECT {listed} FROM {table} {where} ORDER BY {order} LIMIT {limit} OFFSET {offset}"
    plain = world.run(query, optimized=False)
    after = world.run(lifted(world, query), optimized=False)
    assert after.rows == plain.rows
    assert after.asked <= plain.asked
    if not star:
        assert after.names == plain.names
