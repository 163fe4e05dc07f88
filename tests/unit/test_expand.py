"""Views and macros that hold calls are replaced by what they say; nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from duck_or.queries.expand import Library, expand
from duck_or.queries.marks import Marked, mark
from duck_or.queries.scope import marks_below
from duck_or.queries.syntax import Node
from support.rewriting import CALL, Rewriting

DEFINITIONS = """
    CREATE SCHEMA s;
    CREATE TABLE s.t AS SELECT id, 'q' || id AS x FROM u;
    CREATE VIEW asks AS SELECT id, chat_completions(x) AS m FROM t;
    CREATE VIEW named(a, "B b") AS SELECT id, chat_completions(x) FROM t WHERE id > 3;
    CREATE VIEW over AS SELECT * FROM asks WHERE id > 2;
    CREATE VIEW nameless AS SELECT id, chat_completions(x) FROM t;
    CREATE VIEW plain AS SELECT id FROM t;
    CREATE TEMP VIEW passing AS SELECT *, chat_completions(x, model := 'k') AS m FROM t;
    USE memory.s;
    CREATE VIEW elsewhere AS SELECT id, chat_completions(x) AS m FROM t;
    USE memory.main;
    CREATE MACRO ask(p, q) AS chat_completions(p || q);
    CREATE MACRO twice(p) AS ask(p, p) || 'z';
    CREATE MACRO over_loaded(p) AS p, (p, q) AS chat_completions(p || q);
    CREATE MACRO preset(p, q := 'x') AS chat_completions(p || q);
    CREATE MACRO listing(p) AS TABLE SELECT chat_completions(p) AS r;
    CREATE MACRO upper_case(p) AS upper(p);
"""


@pytest.fixture(scope="module")
def world() -> Iterator[Rewriting]:
    world = Rewriting()
    world.con.execute(DEFINITIONS)
    yield world
    world.close()


def expanded(world: Rewriting, query: str) -> Node | str:
    numbers = count(1001)

    def marks(text: str) -> Marked:
        return mark(text, {"chat_completions": CALL}, lambda: -next(numbers))

    tree = world.syntax.parse(marks(query).text)
    assert tree is not None
    return expand(tree, Library(world.con), marks)


CASES = [  # a query, and how many calls it holds
    ("SELECT * FROM asks", 1),
    ('SELECT a, "B b" FROM named AS w WHERE w.a > 6', 1),
    ("FROM over AS z(i)", 1),
    ("FROM nameless", 1),
    ("FROM passing", 1),
    ("FROM s.elsewhere", 1),
    ("FROM memory.s.elsewhere", 1),
    ("FROM main.asks WHERE id IN (SELECT id FROM over)", 2),
    ("SELECT b.m FROM asks AS a JOIN asks AS b USING (id)", 2),
    ("SELECT ask(x, 'y'), twice(p := x), id + 1 FROM t", 2),
    ("SELECT ask(chat_completions(x), q := 'r') AS n FROM t", 2),
    ("SELECT over_loaded(x, 'a'), over_loaded(x) FROM t", 1),
    ("SELECT preset(x, q := 'r') FROM t", 1),
    ("SELECT upper_case(m) FROM (SELECT twice(x) AS m FROM t)", 1),
    ("WITH t AS (SELECT 7 AS id, 'c' AS x) SELECT * FROM asks, t", 1),
    ("WITH asks AS (SELECT 1 AS id) SELECT * FROM asks, over", 1),
]


@pytest.mark.parametrize(("query", "calls"), CASES)
def test_an_expanded_query_says_and_asks_the_same(world: Rewriting, query: str, calls: int) -> None:
    tree = expanded(world, query)
    assert isinstance(tree, dict)
    assert len(marks_below(tree)) == calls  # each use has a mark of its own
    text = world.syntax.text(tree)
    assert text is not None
    plain, after = world.run(query), world.run(text)
    assert (sorted(map(str, after.rows)), after.names) == (sorted(map(str, plain.rows)), plain.names)
    assert {x for _, x in after.asked} == {x for _, x in plain.asked}
    assert all(number < 0 for number, _ in after.asked)  # no call was left unmarked


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM plain",
        "SELECT upper_case(x) FROM t",
        "WITH asks AS (SELECT 1 AS id) SELECT * FROM asks",
        "SELECT asks.id FROM plain AS asks",
        "SELECT * FROM t",
    ],
)
def test_what_holds_no_call_is_not_expanded(world: Rewriting, query: str) -> None:
    tree = expanded(world, query)
    assert isinstance(tree, dict)
    assert world.text(tree) == world.text(world.tree(query))


@pytest.mark.parametrize(
    ("query", "reason"),
    [("SELECT preset(x) FROM t", "defaults"), ("FROM listing('a')", "table macro listing")],
)
def test_what_cannot_be_expanded_says_why(world: Rewriting, query: str, reason: str) -> None:
    answer = expanded(world, query)
    assert isinstance(answer, str)
    assert reason in answer


def test_a_temporary_table_hides_a_view(world: Rewriting) -> None:
    world.con.execute("CREATE TEMP TABLE over AS SELECT 1 AS one")
    try:
        tree = expanded(world, "SELECT * FROM over")
    finally:
        world.con.execute("DROP TABLE temp.over")
    assert isinstance(tree, dict)
    assert not marks_below(tree)


def test_without_views_and_macros_that_ask_there_is_nothing_to_know() -> None:
    world = Rewriting()
    world.con.execute("CREATE VIEW plain AS SELECT id FROM t; CREATE MACRO m(p) AS p + 1")
    assert Library(world.con).asking == frozenset()
    world.close()
