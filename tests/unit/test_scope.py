"""Which calls a value is made of, through aliases, tables, subqueries and WITH clauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duck_or.queries.scope import Scope, clause_scope, each_select, mark_of, marks_below, taint_of
from duck_or.queries.syntax import walk
from support.rewriting import Rewriting


@pytest.fixture(scope="module")
def world() -> Iterator[Rewriting]:
    world = Rewriting()
    yield world
    world.close()


TABLES = """WITH c AS (SELECT id, y, F(-1, x) AS m FROM t), d AS (SELECT *, F(-2, m) AS n FROM c) """


@pytest.mark.parametrize(
    ("tables", "expression", "marks"),
    [
        ("FROM t", "F(-1, x)", {-1}),
        ("FROM t", "F(-1, F(-2, x))", {-1, -2}),
        ("FROM t", "k + y", set()),
        ("FROM c", "m", {-1}),
        ("FROM c", "c.m || 'a'", {-1}),
        ("FROM c", "c.id + y", set()),
        ("FROM c AS z", "z.y", set()),
        ("FROM c AS z", "z", {-1}),
        ("FROM d", "n", {-1, -2}),
        ("FROM d", "d.m", {-1}),
        ("FROM t JOIN c USING (id)", "t.m", set()),
        ("FROM t JOIN c USING (id)", "c.m", {-1}),
        ("FROM (SELECT m AS a, y AS b FROM c)", "a", {-1}),
        ("FROM (SELECT m AS a, y AS b FROM c)", "b", set()),
        ("FROM (SELECT m FROM c UNION ALL SELECT F(-3, x) FROM t)", "m", {-1, -3}),
        ("FROM c AS z(p, q, r)", "p", {-1}),
        ("FROM t", "(SELECT max(m) FROM c)", {-1}),
        ("FROM t", "EXISTS (SELECT 1 FROM c WHERE m > '1')", {-1}),
        ("FROM c", "EXISTS (SELECT 1 FROM u WHERE u.id > c.m)", {-1}),
        ("FROM c", "EXISTS (SELECT 1 FROM u WHERE u.id = c.id)", set()),
        ("FROM t", "t.id IN (SELECT id FROM c)", set()),
    ],
)
def test_what_an_expression_is_made_of(
    world: Rewriting, tables: str, expression: str, marks: set[int]
) -> None:
    select = world.tree(f"{TABLES} SELECT {expression} AS it {tables}")
    assert taint_of(select["select_list"][0], clause_scope(select, Scope())).marks == marks


@pytest.mark.parametrize(
    ("expression", "lenient"),
    [
        ("lower(F(-1, x)) = 'a'", set()),
        ("F(-1, x) IS NULL", {-1}),
        ("coalesce(F(-1, x), 'a')", {-1}),
        ("CASE WHEN F(-1, x) > 'a' THEN F(-2, x) END", set()),
        ("CASE WHEN F(-1, x) > 'a' THEN true ELSE F(-2, x) = 'b' END", set()),
        ("CASE WHEN F(-1, x) > 'a' THEN x ELSE F(-2, x) END", {-1}),
        ("F(-1, x) IS DISTINCT FROM 'a'", {-1}),
        ("(SELECT F(-1, x))", {-1}),
    ],
)
def test_where_an_unknown_answer_may_become_something_else(
    world: Rewriting, expression: str, lenient: set[int]
) -> None:
    select = world.tree(f"SELECT {expression} AS it FROM t")
    assert taint_of(select["select_list"][0], clause_scope(select, Scope())).lenient == lenient


def test_an_alias_means_what_its_item_is_made_of(world: Rewriting) -> None:
    select = world.tree("SELECT F(-1, x) AS m, m || 'a' AS n FROM t WHERE n > 'b'")
    assert taint_of(select["where_clause"], clause_scope(select, Scope())).marks == {-1}


def test_every_select_is_seen_once_and_inner_ones_first(world: Rewriting) -> None:
    query = (
        f"{TABLES} SELECT (SELECT max(z) FROM u) AS q FROM (SELECT * FROM d) WHERE id IN (SELECT id FROM u)"
    )
    tree = world.tree(query)
    seen = [id(select) for select, _ in each_select(tree)]
    assert len(seen) == len(set(seen)) == sum(node.get("type") == "SELECT_NODE" for node in walk(tree))
    assert seen[-1] == id(tree)


def test_marks_are_found_at_any_depth(world: Rewriting) -> None:
    tree = world.tree(f"{TABLES} SELECT * FROM d WHERE id IN (SELECT F(-9, x)::INTEGER FROM t)")
    assert marks_below(tree) == {-1, -2, -9}
    assert mark_of(world.tree("SELECT F(-7, x)")["select_list"][0]) == -7
    assert mark_of(world.tree("SELECT lower(x)")["select_list"][0]) is None
