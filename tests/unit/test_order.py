"""Aggregates in no certain order, what they reach, and where their order is certain all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duck_or.queries.flow import flow_of
from duck_or.queries.order import is_certain
from support.rewriting import Rewriting


@pytest.fixture(scope="module")
def world() -> Iterator[Rewriting]:
    world = Rewriting()
    yield world
    world.close()


@pytest.mark.parametrize(
    ("query", "unordered"),
    [
        ("SELECT F(-1, string_agg(x, ',')) FROM t", {"string_agg"}),
        ("SELECT F(-1, upper(first(x))) FROM t GROUP BY k", {"first"}),
        ("SELECT F(-1, list(DISTINCT x)::VARCHAR) FROM t", {"list"}),
        ("SELECT F(-1, ARRAY(SELECT x FROM t)::VARCHAR)", {"array_agg"}),
        ("SELECT F(-1, s.l::VARCHAR) FROM (SELECT list(x) AS l FROM t) AS s", {"list"}),
        ("WITH c(l) AS (SELECT any_value(x) FROM t) SELECT F(-1, l) FROM c", {"any_value"}),
        ("SELECT F(-1, x) FROM (SELECT x, row_number() OVER () AS n FROM t) WHERE n = 1", {"row_number"}),
        ("SELECT F(-1, lag(x) OVER (PARTITION BY k)) FROM t", {"lag"}),
        ("SELECT F(-1, string_agg(x, ',' ORDER BY id)) FROM t", set()),
        ("SELECT F(-1, ARRAY(SELECT x FROM t ORDER BY x)::VARCHAR)", set()),
        ("SELECT F(-1, max(x)), list(x) FROM t", set()),
        ("SELECT F(-1, s.k::VARCHAR) FROM (SELECT k, list(x) AS l FROM t GROUP BY k) AS s", set()),
        ("SELECT list(F(-1, x)) FROM t", set()),
        ("SELECT F(-1, lag(x) OVER (ORDER BY id)) FROM t", set()),
    ],
)
def test_which_of_them_a_call_depends_on(world: Rewriting, query: str, unordered: set[str]) -> None:
    assert flow_of(world.tree(query)).unordered == unordered


@pytest.mark.parametrize(
    ("query", "certain"),
    [
        ("SELECT list(x) FROM t", True),
        ("SELECT list(x) FROM u", False),
        ("SELECT list(t.x) FROM t JOIN t AS s USING (id)", True),
        ("SELECT list(t.x) FROM t JOIN u USING (id)", False),
        ("SELECT list(t.x) FROM t FULL JOIN t AS s USING (id)", False),
        ("SELECT list(x) FROM (SELECT upper(x) AS x FROM t WHERE k = 1)", True),
        ("SELECT list(x) FROM (SELECT DISTINCT x FROM t)", False),
        ("SELECT list(x) FROM (SELECT x FROM t ORDER BY x)", False),
        ("SELECT list(x) FROM (SELECT x FROM t UNION ALL SELECT x FROM t)", False),
        ("SELECT list(x) FROM (SELECT max(x) AS x FROM t GROUP BY k)", False),
        ("WITH t AS (SELECT DISTINCT x FROM u) SELECT list(x) FROM t", False),
        ("SELECT max(x) FROM u WHERE id IN (SELECT first(id) FROM t)", True),
        ("SELECT list(x) FROM (VALUES ('a'), ('b')) AS v(x)", True),
    ],
)
def test_where_one_thread_reads_in_order(world: Rewriting, query: str, certain: bool) -> None:
    assert is_certain(world.tree(query), lambda table: table["table_name"] == "t") == certain


def test_a_constant_may_hide_the_calls_beside_it(world: Rewriting) -> None:
    assert flow_of(world.tree("SELECT F(-1, x) || F(-2, 'a') FROM t")).decisive == {-2}
    assert not flow_of(world.tree("SELECT F(-1, 'a')")).decisive
