"""A query that was read and written again is the same query."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duck_or.queries.syntax import (
    argument_names,
    arguments,
    case,
    column,
    conjunction,
    ctes_of,
    expressions,
    fingerprint,
    integer,
    subquery,
)
from support.rewriting import Rewriting


@pytest.fixture(scope="module")
def world() -> Iterator[Rewriting]:
    world = Rewriting()
    yield world
    world.close()


QUERIES = [
    "SELECT 1 AS one",
    "SELECT id, k AS \"K k\" FROM t WHERE x LIKE 'p%' AND NOT k IS NULL ORDER BY y DESC NULLS LAST, id LIMIT 3 OFFSET 1",
    "WITH c(a) AS MATERIALIZED (SELECT id FROM t) SELECT a FROM c ORDER BY a",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r ORDER BY n",
    "SELECT k, count(*) AS n, sum(y) FILTER (WHERE y > 2) AS s FROM t GROUP BY ROLLUP (k) HAVING count(*) > 1 ORDER BY ALL",
    "SELECT * EXCLUDE (x) REPLACE (y + 1 AS y) FROM t ORDER BY id",
    "SELECT t.id, z FROM t LEFT JOIN u USING (id) ORDER BY ALL",
    "SELECT id FROM t EXCEPT SELECT id FROM u ORDER BY id",
    "SELECT id, row_number() OVER (PARTITION BY k ORDER BY y, id) AS r FROM t QUALIFY r < 3 ORDER BY id",
    "SELECT list_transform([1, 2], lambda v: v + 1) AS l, {'a': 1, 'b': 'c'} AS s, x[1:2] AS f FROM t ORDER BY id",
    "SELECT a, b FROM (VALUES (1, 'x'), (2, 'y')) AS v(a, b) ORDER BY a",
    "FROM t SELECT id WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) ORDER BY id",
]


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_written_says_what_was_read(world: Rewriting, query: str) -> None:
    tree = world.syntax.parse(query)
    assert tree is not None
    text = world.syntax.text(tree)
    assert text is not None
    plain, again = world.run(query), world.run(text)
    assert (again.rows, again.names) == (plain.rows, plain.names)


@pytest.mark.parametrize("text", ["SELEC 1", "SELECT 1; SELECT 2", "CREATE TABLE z (i INTEGER)", ""])
def test_what_is_no_single_select_has_no_tree(world: Rewriting, text: str) -> None:
    assert world.syntax.parse(text) is None


def test_parameters_keep_their_names(world: Rewriting) -> None:
    tree = world.syntax.parse("SELECT $b AS first, $a AS second, $b AS third")
    assert tree is not None
    text = world.syntax.text(tree)
    assert text is not None
    assert world.con.execute(text, {"a": "A", "b": "B"}).fetchall() == [("B", "A", "B")]


def test_arguments_come_with_the_names_they_are_given(world: Rewriting) -> None:
    call = world.syntax.expression("f(1, x, model := 'm')")
    assert argument_names(call) == ["", "", "model"]
    assert integer(arguments(call)[0]) == 1
    assert len(expressions(call)) == 3


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("-1001", -1001), ("'5a'", None), ("x", None), ("NULL", None)]
)
def test_integers(world: Rewriting, text: str, value: int | None) -> None:
    assert integer(world.syntax.expression(text)) == value


def test_a_fingerprint_does_not_depend_on_the_place(world: Rewriting) -> None:
    first, second = (world.syntax.expression(text) for text in ("a + f(b)", "   a  +  f( b )"))
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(first) != fingerprint(world.syntax.expression("a + f(c)"))


def test_what_is_built_is_what_it_is_called(world: Rewriting) -> None:
    facts, expression = world.facts, world.syntax.expression
    both = conjunction([expression("y > 3"), case(expression("k = 1"), expression("id > 2"), facts.null)])
    inner = world.tree("SELECT * FROM t")
    tree = {
        **world.tree("SELECT id"),
        "select_list": [column("q", "id")],
        "from_table": subquery(inner, "q"),
        "where_clause": both,
    }
    expected = world.run("SELECT id FROM t WHERE y > 3 AND k = 1 AND id > 2").rows
    assert world.run(world.text(tree)).rows == expected


def test_tables_of_with_clauses(world: Rewriting) -> None:
    tree = world.tree("WITH A AS (SELECT 1 AS i), b(p, q) AS MATERIALIZED (SELECT 1, 2) SELECT * FROM a, b")
    assert [(cte.name, cte.columns) for cte in ctes_of(tree)] == [("a", []), ("b", ["p", "q"])]
    assert all(cte.query["type"] == "SELECT_NODE" for cte in ctes_of(tree))
