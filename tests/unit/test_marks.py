from __future__ import annotations

from itertools import count

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.queries.marks import Marked, mark, planned
from duck_or.queries.tokens import tokens

NAMES = {"f": "m.main.__duck_or_planned_f", "try_f": "m.main.__duck_or_planned_try_f"}
P, Q = NAMES["f"], NAMES["try_f"]


def marked(text: str) -> Marked:
    sites = count(1001)
    return mark(text, NAMES, lambda: -next(sites))


def original(result: Marked) -> str:
    """The marks taken out again."""
    text = result.text
    for one in reversed(result.marks):
        text = text[: one.start] + one.replaced + text[one.end :]
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT f(x)", f"SELECT {P}(-1001, x)"),
        ("SELECT F(), Try_F( )", f"SELECT {P}(-1001), {Q}(-1002 )"),
        ('SELECT "f" /* ( */ (\nx)', f"SELECT {P} /* ( */ (-1001, \nx)"),
        ("SELECT f(f(x) ->> '$.f(') AS f", f"SELECT {P}(-1001, {P}(-1002, x) ->> '$.f(') AS f"),
        ("SELECT duck_or.f(x), Memory . \"main\".f(y)", f"SELECT {P}(-1001, x), {P}(-1002, y)"),
        ("SELECT 'é', f(日) -- f(x)\n, f(y)", f"SELECT 'é', {P}(-1001, 日) -- f(x)\n, {P}(-1002, y)"),
        ("SELECT\u00a0f(x)", f"SELECT\u00a0{P}(-1001, x)"),
        ("SELECT f(x, model := f)", f"SELECT {P}(-1001, x, model := f)"),
        ("WITH f(a) AS (SELECT f(1)) FROM f", f"WITH f(a) AS (SELECT {P}(-1001, 1)) FROM f"),
        ("WITH a AS (FROM b), f(a) AS MATERIALIZED (SELECT f(1)) FROM f",
         f"WITH a AS (FROM b), f(a) AS MATERIALIZED (SELECT {P}(-1001, 1)) FROM f"),
        ("INSERT INTO f(a) SELECT f(b) FROM t AS f(b)", f"INSERT INTO f(a) SELECT {P}(-1001, b) FROM t AS f(b)"),
    ],
)  # fmt: skip
def test_calls_are_marked(text: str, expected: str) -> None:
    result = marked(text)
    assert result.text == expected
    assert original(result) == text
    assert [one.number for one in result.marks] == [-1001 - index for index in range(len(result.marks))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT f, t.f FROM f",
        "SELECT 'f(x)', $$f(x)$$, E'\\'f(x)' -- f(x)",
        'SELECT /* f(x) */ g(x), ff(x), "f("(x)',
    ],
)
def test_what_is_no_call_stays(text: str) -> None:
    assert marked(text) == Marked(text, ())


@pytest.mark.parametrize(
    "text", ["SELECT a.f()", "SELECT t.a.f(model := 1)", "SELECT ('x').f()", "SELECT x.main.f()"]
)
def test_a_call_on_a_value_stays_and_is_counted(text: str) -> None:
    assert marked(text) == Marked(text, (), left=1)


def test_each_mark_says_what_it_is() -> None:
    first, second = marked("SELECT duck_or.F (x), try_f()").marks
    assert (first.name, first.replaced, second.name, second.replaced) == (
        "f",
        "duck_or.F (",
        "try_f",
        "try_f(",
    )


def test_marked_calls_are_found_again() -> None:
    found = tokens(marked("SELECT f(1), '__duck_or_planned_f(', __duck_or_planned_f, try_f(2)").text)
    assert [found[index].name for index in planned(found)] == [
        "__duck_or_planned_f",
        "__duck_or_planned_try_f",
    ]


def test_duckdb_calls_the_marked_function() -> None:
    with duckdb.connect() as con:
        con.execute("CREATE MACRO f(m, model := 'd') AS m || model")
        con.execute("CREATE MACRO __duck_or_planned_f(n, m, model := 'd') AS n || m || model")
        text = "SELECT f('x'), memory.main.f('y', model := 'e'), 'a' -- f(\n || F (m := 'z')"
        result = mark(text, {"f": "memory.main.__duck_or_planned_f"}, iter([-1, -2, -3]).__next__)
        assert con.execute(text).fetchall() == [("xd", "ye", "azd")]
        assert con.execute(result.text).fetchall() == [("-1xd", "-2ye", "a-3zd")]


CALLS = st.sampled_from(["f(", "F (", '"f"(', "duck_or.try_f(", "memory.main. f /* é */ ("])
OTHERS = st.sampled_from(["f", "g(x)", "'f('", "/* f( */", "-- f(\n", "$$ f( $$", "é", ",", "x)", "\n"])


@given(st.lists(st.one_of(CALLS, OTHERS), max_size=12))
def test_marks_can_be_taken_out_again(pieces: list[str]) -> None:
    text = " ".join(pieces)
    result = marked(text)
    assert original(result) == text
    assert sum(piece.endswith("(") for piece in pieces) >= len(result.marks)


@given(st.text(st.sampled_from("ab(),.'\"-/*é \n"), max_size=40))
def test_a_text_without_the_names_is_unchanged(text: str) -> None:
    assert marked(text) == Marked(text, ())


FAMILY = {name: f"m.{name}" for name in ("extract", "summarize", "translate", "score", "prompt")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT extract(year FROM d)", "SELECT extract(year FROM d)"),
        ("SELECT \"extract\"(t, {'a': 1})", "SELECT m.extract(1, t, {'a': 1})"),
        ("SELECT duck_or.extract(t, {'a': 1})", "SELECT m.extract(1, t, {'a': 1})"),
        ("SUMMARIZE (SELECT 1)", "SUMMARIZE (SELECT 1)"),
        ("SELECT translate(t, 'ab', f(1, 2))", "SELECT translate(t, 'ab', f(1, 2))"),
        ("SELECT translate(t, 'German')", "SELECT m.translate(1, t, 'German')"),
        ("SELECT translate(t, 'German', model := 'm')", "SELECT m.translate(1, t, 'German', model := 'm')"),
        ("FROM t score(a)", "FROM t score(a)"),
        ("FROM 'a.csv' score(a), (VALUES (1)) prompt(b)", "FROM 'a.csv' score(a), (VALUES (1)) prompt(b)"),
        ("SELECT DISTINCT ON (a) score(b) FROM t", "SELECT DISTINCT ON (a) m.score(1, b) FROM t"),
        (
            "SELECT CASE WHEN score(a) THEN prompt(b) END",
            "SELECT CASE WHEN m.score(1, a) THEN m.prompt(2, b) END",
        ),
        ("SELECT score FROM score WHERE score > (1)", "SELECT score FROM score WHERE score > (1)"),
    ],
)
def test_names_that_mean_something_else_too(text: str, expected: str) -> None:
    sites = count(1)
    assert mark(text, FAMILY, lambda: next(sites)).text == expected


def test_names_that_are_somebody_elses() -> None:
    text = "SELECT score(a), x.score(b), s.prompt(c), duck_or.score(d), prompt(e)"
    sites = count(1)
    result = mark(text, FAMILY, lambda: next(sites), foreign={("score",), ("s", "prompt")})
    assert result.text == "SELECT score(a), x.score(b), s.prompt(c), m.score(1, d), m.prompt(2, e)"
    assert not result.left
