"""Guarded queries say the same, and ask for no row that a cheap predicate drops."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duck_or.queries.guard import Choice, guard
from duck_or.queries.syntax import Node
from support.rewriting import Rewriting


@pytest.fixture(scope="module")
def world() -> Iterator[Rewriting]:
    world = Rewriting()
    yield world
    world.close()


def guarded(world: Rewriting, query: str) -> str:
    tree = world.tree(query)
    guard(tree, world.facts)
    text = world.text(tree)
    guard(tree, world.facts)
    assert world.text(tree) == text  # guarding again changes nothing
    return text


CASES = [  # a query, and the rows of t that may be asked about
    ("SELECT id FROM t WHERE F(-1, x) > '3' AND y + id > 20", "y + id > 20"),
    ("SELECT id FROM t WHERE y + id > 20 AND F(-1, x) > '3' AND k = 1", "y + id > 20 AND k = 1"),
    ("SELECT id FROM t WHERE F(-1, x) > '3' OR y + id > 20", "(y + id > 20) IS NOT true"),
    ("SELECT id FROM t WHERE NOT (F(-1, x) > '3' AND y + id > 20)", "y + id > 20"),
    ("SELECT id FROM t WHERE NOT (NOT (NOT (F(-1, x) > '3' OR k = 1)))", "k <> 1"),
    ("SELECT id, CASE WHEN F(-1, x) > '3' AND y > 6 THEN 'a' ELSE 'b' END AS c FROM t", "y > 6"),
    ("SELECT id FROM t WHERE y < 6 AND (k = 1 OR (k = 2 AND F(-1, x) > '3'))", "y < 6 AND k = 2"),
    ("SELECT id FROM t WHERE k + y > 9 AND (F(-1, x) > '3' AND id > 5)", "k + y > 9 AND id > 5"),
    ("SELECT id FROM t WHERE F(-1, x) > '3' AND id IN (SELECT id FROM u)", "id IN (SELECT id FROM u)"),
    ("SELECT id FROM t WHERE F(-1, x) > '3' AND random() >= 0 AND y + id > 20", "y + id > 20"),
    (
        "SELECT t.id FROM t JOIN u ON t.id = u.id AND F(-1, x) > '3' WHERE y + z > 5",
        "id IN (SELECT id FROM u)",
    ),
    ("SELECT t.id FROM t JOIN u ON t.id + 0 = u.id + 0 WHERE F(-1, t.x) > '3'", "id IN (SELECT id FROM u)"),
    ("SELECT t.id FROM t, u WHERE t.id = u.id AND F(-1, x) > '3'", "id IN (SELECT id FROM u)"),
    ("SELECT id FROM (SELECT id, F(-1, x) AS m FROM t WHERE y + id > 20) WHERE m > '3'", "y + id > 20"),
    ("SELECT id, F(-1, x) AS m FROM t WHERE m > '3' AND y + id > 20", "y + id > 20"),
    ("SELECT x FROM t WHERE y + id > 30 GROUP BY x HAVING F(-1, x) > '3'", "y + id > 30"),
    ("SELECT x FROM t GROUP BY x HAVING max(y + id) > 30 AND F(-1, x) > '3'", "y + id > 30"),
    ("SELECT id FROM t QUALIFY row_number() OVER (ORDER BY id) < 4 AND F(-1, x) >= '0'", "id < 3"),
    (
        "SELECT id FROM u WHERE EXISTS (FROM t WHERE t.id = 3 AND F(-1, t.x) > '0' AND t.y + t.id > 9)",
        "id = 3",
    ),
]


@pytest.mark.parametrize(("query", "passes"), CASES)
def test_only_rows_that_pass_the_cheap_predicates_are_asked_about(
    world: Rewriting, query: str, passes: str
) -> None:
    plain, after = world.run(query), world.run(guarded(world, query))
    may = {(-1, x) for (x,) in world.run(f"SELECT x FROM t WHERE {passes}").rows}
    assert sorted(after.rows) == sorted(plain.rows)
    assert after.asked <= may
    assert after.asked <= plain.asked


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM t WHERE (F(-1, x) > '3')",
        "SELECT id FROM t WHERE ((k = 1) AND (y > 3))",
        "SELECT F(-1, x) AS m FROM t WHERE (k = 1)",
    ],
)
def test_what_has_no_model_predicate_with_a_sibling_stays_as_it_is(world: Rewriting, query: str) -> None:
    assert guarded(world, query) == world.text(world.tree(query))


@pytest.mark.parametrize("kind", ["LEFT", "RIGHT", "FULL", "SEMI", "ANTI"])
def test_conditions_of_other_joins_stay_as_they_are(world: Rewriting, kind: str) -> None:
    query = f"SELECT count(*) AS n FROM t {kind} JOIN u ON t.id = u.id AND F(-1, x) > '3'"
    assert guarded(world, query) == world.text(world.tree(query))


def test_a_comparison_that_joins_two_tables_still_joins_them(world: Rewriting) -> None:
    query = "SELECT t.id FROM t JOIN u ON F(-1, x) = u.z::VARCHAR WHERE t.y > 3"
    assert guarded(world, query) == world.text(world.tree(query))


def test_a_volatile_predicate_is_evaluated_once(world: Rewriting) -> None:
    text = guarded(world, "SELECT id FROM t WHERE random() < 0.5 AND F(-1, x) > '3'")
    assert text.count("random") == 1


def test_an_or_takes_what_is_no_boolean_for_one(world: Rewriting) -> None:
    query = "SELECT id FROM t WHERE k = 1 OR CASE WHEN F(-1, x) > '4' THEN 2 ELSE 0 END ORDER BY id"
    assert world.run(guarded(world, query)).rows == world.run(query).rows


def test_the_order_of_model_predicates_is_the_callers_choice(world: Rewriting) -> None:
    seen: list[Choice] = []

    def backwards(choice: Choice) -> list[int]:
        seen.append(choice)
        return [1, 0]

    query = "SELECT id FROM t WHERE F({}, x) > '8' AND F({}, y::VARCHAR) > '2' AND k = 1"
    tree = world.tree(query.format(-1, -2))
    guard(tree, world.facts, backwards)
    asked = world.run(world.text(tree)).asked
    passing = {x for x, y in world.run("SELECT x, y FROM t WHERE k = 1").rows if str(y)[-1] > "2"}
    assert {x for mark, x in asked if mark == -1} == passing
    guard(world.tree(query.format(-7, -9)), world.facts, backwards)
    assert seen[0].keys == seen[1].keys  # whatever the marks are
    assert len(set(seen[0].keys)) == 2


def sample_of(world: Rewriting, query: str) -> Node | None:
    found: list[Node | None] = []

    def take(choice: Choice) -> list[int]:
        found.append(choice.sample(1, limit=3, offset=1))
        return [0, 1]

    guard(world.tree(query), world.facts, take)
    assert len(found) == 1
    return found[0]


BOTH = "F(-1, x) > '3' AND F(-2, x) > '5' AND k = 1"


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT * FROM t WHERE {BOTH}",
        f"SELECT * FROM (SELECT * FROM t WHERE {BOTH})",
        f"WITH c AS (SELECT * FROM t), d AS (SELECT * FROM c WHERE {BOTH}) SELECT * FROM d",
        "SELECT id, F(-2, x) AS m FROM t WHERE F(-1, x) > '3' AND m > '5' AND k = 1",
    ],
)
def test_a_sample_says_what_one_predicate_says_of_some_rows(world: Rewriting, query: str) -> None:
    sample = sample_of(world, query)
    assert sample is not None
    ran = world.run(world.text(sample))
    expected = world.run("SELECT F(-2, x) > '5' AS passed FROM t WHERE k = 1 LIMIT 3 OFFSET 1")
    assert (ran.names, ran.rows) == (["passed"], expected.rows)
    assert {mark for mark, _ in ran.asked} == {-2}


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT * FROM t WHERE {BOTH} LIMIT 2",
        f"SELECT * FROM (SELECT * FROM t WHERE {BOTH}) LIMIT 2",
        f"SELECT * FROM u WHERE EXISTS (SELECT 1 FROM t WHERE t.id = u.id AND {BOTH})",
        f"SELECT count(*) FROM t GROUP BY x, k HAVING {BOTH}",
    ],
)
def test_no_sample_of_what_cannot_run_by_itself(world: Rewriting, query: str) -> None:
    assert sample_of(world, query) is None


CHEAP = st.sampled_from(["k = 1", "y > 5", "y % 3 = 0", "x IS NULL", "x > 'p4'", "k + y < 8", "NULL", "y"])
MODEL = st.integers(1, 3).flatmap(
    lambda n: st.sampled_from([f"F(-{n}, x) > '4'", f"F(-{n}, k::VARCHAR) = '1'", f"NOT F(-{n}, x) > '4'"])
)
PREDICATE = st.recursive(
    CHEAP | MODEL,
    lambda inner: st.builds(
        lambda word, parts: f"({word.join(parts)})",
        st.sampled_from([" AND ", " OR "]),
        st.lists(inner, min_size=2, max_size=3),
    ),
    max_leaves=7,
)
SHAPE = st.sampled_from(
    [
        "SELECT id FROM t WHERE {0}",
        "SELECT t.id FROM t JOIN u USING (id) WHERE {0} AND {1}",
        "SELECT id FROM (SELECT *, F(-4, x) AS m FROM t WHERE {0}) WHERE m > '2' AND {1}",
        "SELECT id FROM t WHERE {0} UNION ALL SELECT id + 100 FROM t WHERE {1}",
        "SELECT t.id, u.z FROM t JOIN u ON t.id = u.id AND {0} WHERE {1}",
    ]
)


@settings(max_examples=60, deadline=None)
@given(shape=SHAPE, first=PREDICATE, second=PREDICATE)
def test_a_guarded_query_has_the_same_rows(world: Rewriting, shape: str, first: str, second: str) -> None:
    query = shape.format(first, second)
    tree = world.tree(query)
    guard(tree, world.facts)
    assert sorted(world.run(world.text(tree)).rows) == sorted(world.run(query).rows)
