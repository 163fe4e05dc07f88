"""Which calls may influence which, and when a round of collecting can be believed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duck_or.queries.flow import Flow, flow_of
from support.rewriting import Rewriting


@pytest.fixture(scope="module")
def world() -> Iterator[Rewriting]:
    world = Rewriting()
    yield world
    world.close()


def flow(world: Rewriting, query: str) -> Flow:
    return flow_of(world.tree(query))


C = "WITH c AS (SELECT id, F(-1, x) AS m FROM t) "
CASES: list[tuple[str, dict[int, set[int]], set[int]]] = [  # a query, the influences that are there, what is decisive
    # side by side
    ("SELECT F(-1, x), F(-2, x) FROM t", {}, set()),
    ("SELECT k + 1 FROM t", {}, set()),
    ("SELECT F(-1, x) = F(-2, x) AND F(-3, x) > '1' FROM t", {}, set()),
    ("SELECT F(-1, x) > '1' OR F(-2, x) > '1' FROM t", {}, set()),
    ("SELECT F(-1, x) FROM t UNION ALL SELECT F(-2, x) FROM t", {}, set()),
    # one inside the other
    ("SELECT F(-1, F(-2, x)) FROM t", {-1: {-2}}, {-2}),
    ("SELECT F(-1, F(-2, F(-3, x))) FROM t", {-1: {-2, -3}, -2: {-3}}, {-2, -3}),
    (f"{C} SELECT F(-2, m) FROM c", {-2: {-1}}, {-1}),
    (f"{C} SELECT F(-2, id::VARCHAR) FROM c", {}, set()),
    ("SELECT F(-1, string_agg(F(-2, x), ',')) FROM t", {-1: {-2}}, {-2}),
    # one after the other
    ("SELECT CASE WHEN F(-1, x) > '1' THEN F(-2, x) ELSE F(-3, x) END FROM t", {-2: {-1}, -3: {-1, -2}}, {-1, -2}),
    ("SELECT coalesce(F(-1, x), F(-2, x)) FROM t", {-2: {-1}}, {-1}),
    ("SELECT CASE WHEN F(-1, x) > '1' OR F(-2, x) > '1' THEN 1 END FROM t", {-1: {-2}, -2: {-1}}, {-1, -2}),
    ("SELECT CASE WHEN F(-1, x) > '1' AND F(-2, x) > '1' THEN 1 END FROM t", {}, set()),
    ("SELECT CASE WHEN F(-1, x) IS NULL AND F(-2, x) > '1' THEN 1 END FROM t", {-2: {-1}}, {-1}),
    # filters: a missing answer drops the row, or lets it through
    ("SELECT F(-1, x) FROM t WHERE F(-2, x) > '1'", {-1: {-2}}, {-2}),
    ("SELECT id FROM t WHERE F(-1, x) > '1' AND F(-2, x) > '1'", {}, {-1, -2}),
    ("SELECT id FROM t WHERE F(-1, x) > '1' OR F(-2, x) > '1'", {-1: {-2}, -2: {-1}}, {-1, -2}),
    ("SELECT id FROM t WHERE F(-1, x) IS NULL AND F(-2, x) > '1'", {-2: {-1}}, {-1, -2}),
    ("SELECT id FROM t WHERE CASE WHEN F(-1, x) IS NULL THEN F(-2, x) IS NULL END", {-2: {-1}}, {-1, -2}),
    (f"{C} SELECT id FROM c WHERE m > '1'", {}, {-1}),
    ("SELECT id FROM (SELECT id, F(-1, x) AS m, F(-2, x) AS n FROM t) WHERE n IS NULL", {-1: {-2}}, {-2}),
    ("SELECT id FROM (SELECT id, F(-1, x) > '1' OR F(-2, x) > '1' AS m FROM t) WHERE m", {-1: {-2}, -2: {-1}}, {-1, -2}),
    # joins
    ("SELECT F(-1, x) FROM t JOIN u ON F(-2, z::VARCHAR) = '1'", {-1: {-2}}, {-2}),
    (f"{C} SELECT F(-2, x) FROM t LEFT JOIN c ON c.m = t.x", {-2: {-1}}, {-1}),
    (f"{C} SELECT F(-2, m) FROM t JOIN c USING (id)", {-2: {-1}}, {-1}),
    # groups
    ("SELECT F(-1, x), count(*) FROM t GROUP BY F(-1, x)", {}, {-1}),
    ("SELECT F(-1, x), max(F(-2, x)) FROM t GROUP BY F(-1, x)", {-2: {-1}}, {-1}),
    ("SELECT F(-1, x) FROM t GROUP BY x HAVING F(-2, x) > '1'", {-1: {-2}}, {-2}),
    # which rows there are
    ("SELECT DISTINCT F(-1, x) FROM t", {}, {-1}),
    ("SELECT F(-1, x) FROM t UNION SELECT F(-2, x) FROM t", {}, {-1, -2}),
    ("SELECT F(-1, x) FROM t ORDER BY F(-2, x)", {}, set()),
    ("SELECT F(-1, x) FROM t ORDER BY F(-2, x) LIMIT 3", {-1: {-2}}, {-2}),
    ("SELECT F(-1, x) FROM t ORDER BY id LIMIT 3", {}, set()),
    ("SELECT F(-1, x) FROM (SELECT x FROM t ORDER BY F(-2, x) LIMIT 3)", {-1: {-2}}, {-2}),
    ("SELECT id FROM (SELECT id, F(-1, x) AS m FROM t) ORDER BY F(-2, id::VARCHAR) LIMIT 3", {-1: {-2}}, {-2}),
    # subqueries
    ("SELECT F(-1, (SELECT max(F(-2, z::VARCHAR)) FROM u)) FROM t", {-1: {-2}}, {-2}),
    ("SELECT F(-1, x) FROM t WHERE id IN (SELECT z FROM u WHERE F(-2, z::VARCHAR) > '1')", {-1: {-2}}, {-2}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "influences", "decisive"), CASES)
def test_the_flow_of_a_query(
    world: Rewriting, query: str, influences: dict[int, set[int]], decisive: set[int]
) -> None:
    found = flow(world, query)
    assert found.live is None
    assert {mark: set(others) for mark, others in found.influences.items() if others} == influences
    assert found.decisive >= decisive


LIVE = [
    ("SELECT id FROM t WHERE F(-1, x) > '1' LIMIT 3", "answers decide how soon its LIMIT is reached"),
    ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE F(-1, x) > '1')", "a subquery may end early, once answers"),
    ("SELECT (SELECT z FROM u WHERE F(-1, z::VARCHAR) > '1' LIMIT 1) FROM t", "LIMIT"),
    ("SELECT TRY(F(-1, x)) FROM t", "TRY"),
    ("SELECT F(-1, x) FROM t USING SAMPLE 3", "a sample is another one each time"),
    ("SELECT F(-1, x) FROM t TABLESAMPLE 3 ROWS", "a sample is another one each time"),
    ("WITH RECURSIVE r AS (SELECT 'a' AS x UNION ALL SELECT F(-1, x) FROM r WHERE x < 'c') FROM r", "a call stands in a"),
    ("SELECT * FROM unnest([F(-1, 'a')])", "a call stands in a"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "reason"), LIVE)
def test_what_cannot_be_analysed_runs_live_and_says_why(world: Rewriting, query: str, reason: str) -> None:
    live = flow(world, query).live
    assert live is not None
    assert reason in live


def test_a_call_is_believed_when_nothing_that_may_influence_it_lacks_an_answer(world: Rewriting) -> None:
    found = flow(world, "SELECT F(-1, F(-2, x)), F(-3, x) FROM t")
    assert found.believed(frozenset({-1, -2, -3})) == {-2, -3}
    assert found.believed(frozenset({-1})) == {-1, -2, -3}
    assert found.believed(frozenset()) == {-1, -2, -3}
