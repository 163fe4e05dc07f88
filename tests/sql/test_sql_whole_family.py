"""Whole statements with every function that asks: what they ask, in which levels, and what it depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from duck_or.statements.estimate import Estimate
from support.bridge import Bridge
from support.whole_world import World

Rows = list[tuple[Any, ...]]

T = """CREATE TABLE t AS SELECT i AS id, i % 4 AS k, i % 5 AS z, i * 7 % 101 AS y,
    CASE WHEN i % 2 = 0 THEN 'apples' ELSE 'pears' END || ' ' || i AS x FROM range(100) r(i)"""
ABOUT = "'Is it about apples?'"


@pytest.fixture
def tables(connect: Callable[..., Bridge]) -> Bridge:
    bridge = connect(model="fake/model")
    bridge.rows(T)
    bridge.rows("CREATE TABLE few AS FROM t WHERE id < 12")
    bridge.rows("CREATE VIEW judged AS SELECT id, x, score(x, 'how much apples?') AS sureness FROM few")
    return bridge


def whole(bridge: Bridge, sql: str) -> Rows:
    """The rows of a query; nothing may have been asked twice for it."""
    rows: Rows = bridge.session.sql(sql).fetchall()
    asked = [str(body) for body in bridge.bodies()]
    assert len(asked) == len(set(asked)), "each question once"
    return rows


def fruit(*numbers: int) -> list[str]:
    return sorted(f"{'pears' if number % 2 else 'apples'} {number}" for number in numbers)


# --- what is asked -----------------------------------------------------------------------------------------------------

BY_Y = sorted(range(100), key=lambda i: i * 7 % 101)
ASKED = [  # a query, what it asks, and how many rows there are
    ("SELECT prompt(x) FROM t ORDER BY y LIMIT 5", BY_Y[:5], 5),
    ("SELECT try_prompt(x), y FROM t ORDER BY y DESC LIMIT 5", BY_Y[-5:], 5),
    (f"SELECT id FROM t WHERE llm_filter(x, {ABOUT}) AND z = 1", range(1, 100, 5), 10),
    (f"SELECT id FROM t WHERE z = 1 AND try_llm_filter(x, {ABOUT})", range(1, 100, 5), 10),
    (f"SELECT id FROM t WHERE z = 1 OR llm_filter(x, {ABOUT})", [i for i in range(100) if i % 5 != 1], 60),
    (f"SELECT a.id FROM few a JOIN few b ON llm_filter(a.x, {ABOUT}) AND a.id = b.id AND b.id > 5", range(6, 12), 3),
    (f"FROM few WHERE CASE WHEN id < 3 THEN llm_filter(x, {ABOUT}) END", range(3), 2),
    ("SELECT id FROM few WHERE score(x, 'about apples') > 0.4 AND id > 5", range(6, 12), 3),
    ("SELECT id FROM few ORDER BY score(x, 'about apples') DESC, id LIMIT 2", range(12), 2),
    ("SELECT id, classify(x, ['apples', 'pears']) FROM few WHERE k = 1", [1, 5, 9], 3),
    ("SELECT \"extract\"(x, {'number': 'INTEGER'}) FROM few WHERE k = 1 ORDER BY id LIMIT 2", [1, 5], 2),
    ("SELECT duck_or.extract(x, {'number': 'INTEGER'}), extract(year FROM DATE '2020-01-01') FROM few", range(12), 12),
    ("SELECT prompt_as(x, 'INTEGER') FROM t ORDER BY y LIMIT 3", BY_Y[:3], 3),
    ("SELECT duck_or.summarize(x), llm_summarize(x) FROM few", range(12), 12),
    ("SELECT translate(x, 'German') FROM few WHERE k = 0", [0, 4, 8], 3),
    ("SELECT id FROM judged WHERE sureness > 0.1 AND id < 4", range(4), 2),
    ("FROM (SELECT id, prompt(x) AS score FROM t) ORDER BY id LIMIT 4", range(4), 4),
    (f"SELECT llm_filter(x, {ABOUT}) AS yes, count(*) FROM few GROUP BY llm_filter(x, {ABOUT})", range(12), 2),
]  # fmt: skip


@pytest.mark.parametrize(("query", "asked", "rows"), ASKED, ids=[query for query, *_ in ASKED])
def test_a_statement_asks_no_more_than_its_rows_need(
    tables: Bridge, query: str, asked: list[int], rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    found = whole(tables, query)
    assert len(found) == rows
    assert tables.asked() == fruit(*asked)
    assert not caplog.messages, "planned"
    sent = tables.sent
    assert sorted(tables.rows(query), key=repr) == sorted(found, key=repr)
    assert tables.sent == sent


def test_what_one_predicate_drops_the_next_is_not_asked_about(tables: Bridge) -> None:
    echo = "prompt(x, model := 'fake/echo')"
    query = f"SELECT x FROM few WHERE llm_filter(x, {ABOUT}) AND {echo} LIKE 'apples%' AND id < 6"
    assert sorted(whole(tables, query)) == [(text,) for text in fruit(0, 2, 4)]
    assert tables.sent == 6 + 3


def test_a_column_without_a_name_is_called_as_on_a_plain_connection(tables: Bridge) -> None:
    for item in (
        "prompt(x)", "try_classify(x, ['apples', 'pears'])", "llm_filter(x, 'apples?')", "llm_summarize(x)",
        "\"extract\"(x, {'number': 'INTEGER'})", "upper(llm_summarize(x))", "embed(x, model := 'fake/embedding')",
    ):  # fmt: skip
        query = f"SELECT {item}, id FROM few ORDER BY id LIMIT 1"
        for each in (query, f"SELECT * FROM ({query}) WHERE id >= 0"):
            plain, planned = tables.con.sql(each), tables.session.sql(each)
            assert (planned.columns, planned.types) == (plain.columns, plain.types)


def test_rankings_are_planned_too(tables: Bridge) -> None:
    best = "rerank('apples', list(x ORDER BY id), top_n := 2, model := 'fake/rerank')"
    query = f"SELECT z, {best} AS best FROM few GROUP BY z ORDER BY z"
    assert tables.session.estimate(query).to_send == 5
    found = tables.session.sql(query).fetchall()
    assert tables.sent == 5
    assert tables.rows(query) == found
    assert tables.sent == 5


def test_a_constant_does_not_keep_the_rest_from_being_asked_at_once(
    tables: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    """DuckDB folds what a missing answer makes NULL, and then asks nothing else there."""
    x, apples = (f"embed({of}, model := 'fake/embedding', dimensions := 8)" for of in ("x", "'apples'"))
    query = f"SELECT x, array_cosine_distance({x}, {apples}) AS far FROM t"
    assert not tables.session.estimate(query).complete
    with tables.con.cursor() as other:
        tables.session.execute(f"CREATE TABLE near AS {query}")
        assert other.execute("SELECT count(far) FROM near").fetchall() == [(100,)]
    assert tables.simulator.stats().texts_asked == 101
    assert tables.sent <= 4
    assert not caplog.messages


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT prompt(x, modle := 'm') FROM few", "prompt("),
        ("SELECT classify(x) FROM few", "classify("),
        ("CREATE TABLE c AS SELECT score(x, 'a', 'b', 'c', 'd', 'e', 'f') FROM few", "score("),
        ("SELECT nothing, prompt(x) FROM few", "nothing"),
    ],
)
def test_errors_speak_of_what_the_user_wrote(tables: Bridge, query: str, says: str) -> None:
    with pytest.raises(duckdb.Error) as raised:
        tables.session.execute(query)
    assert says in str(raised.value)
    assert "__duck_or_" not in str(raised.value)
    assert tables.sent == 0


# --- levels ------------------------------------------------------------------------------------------------------------

REDUCED = "llm_reduce(list(x ORDER BY id), 'Count the fruit.', model := 'fake', context_length := 64)"
# 25 texts in a group, three or four to a question, and five answers: eight parts, two merges, and one more.
IN_LEVELS = f"""
    SELECT k, {REDUCED} AS r FROM t WHERE k < 2 GROUP BY k
    UNION ALL SELECT k, {REDUCED} AS r FROM t WHERE k >= 2 GROUP BY k
"""


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    world.do(T)
    yield world
    world.close()


def test_each_level_of_a_reduction_is_asked_at_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    plain = world.plain(IN_LEVELS)
    found = world.whole(IN_LEVELS)
    assert sorted(found.rows) == sorted(plain.rows)
    assert sorted(found.asked) == sorted(plain.asked)
    levels = ["part" if "s " in question else "merge" for question in found.asked]
    assert levels == ["part"] * 32 + ["merge"] * 12
    world.service.asked.clear()
    assert sorted(world.session.sql(IN_LEVELS).fetchall()) == sorted(plain.rows)
    assert not world.service.asked
    assert not caplog.messages


def test_what_depends_on_a_reduction_waits_for_its_last_level(world: World) -> None:
    query = f"SELECT k, F⟨'about ' || r⟩ FROM (SELECT k, {REDUCED} AS r FROM t GROUP BY k)"
    plain, found = world.plain(query), world.whole(query)
    assert sorted(found.rows) == sorted(plain.rows)
    assert sorted(found.asked) == sorted(plain.asked)


def test_levels_that_are_not_known_make_an_estimate_incomplete(tables: Bridge) -> None:
    def estimate(more: str) -> Estimate:
        reduced = f"llm_reduce(list(x ORDER BY id), 'Count.'{more})"
        return tables.session.estimate(f"SELECT k, {reduced} FROM t GROUP BY k")

    assert (estimate("").to_send, estimate("").complete) == (4, True)
    in_parts = estimate(", context_length := 64")
    assert (in_parts.to_send, in_parts.complete) == (32, False)
    assert tables.sent == 0


# --- the order of rows -------------------------------------------------------------------------------------------------

UNORDERED = [
    "SELECT k, prompt(string_agg(x, ',')) FROM big GROUP BY k",
    "SELECT prompt(first(x)) FROM big",
    "SELECT prompt(f) FROM (SELECT k, any_value(x) AS f FROM big GROUP BY k)",
    "WITH c AS (SELECT k, list(x)[:2] AS f FROM big GROUP BY k) SELECT prompt(f::VARCHAR) FROM c",
    "SELECT prompt(x) FROM (SELECT x, row_number() OVER () AS n FROM big) WHERE n < 3",
    "SELECT prompt(y) FROM (SELECT array_agg(x)[1] AS y FROM (SELECT x FROM t ORDER BY id))",
    "SELECT prompt(string_agg(x, ',')) FROM (FROM few UNION ALL FROM few)",
]
ORDERED = [
    "SELECT k, prompt(left(string_agg(x, ',' ORDER BY id), 9)) FROM big GROUP BY k",
    "SELECT prompt(max(x)), list(k)[:1] IS NULL FROM big",
    "SELECT k, prompt(string_agg(x, ',')) FROM t GROUP BY k",
    "SELECT a.k, prompt(string_agg(a.x, ',')) FROM t a JOIN few b ON a.k = b.k GROUP BY a.k",
    "SELECT f, prompt(k::VARCHAR) FROM (SELECT k, any_value(x) AS f FROM big GROUP BY k)",
    "SELECT prompt(x) FROM (SELECT x, row_number() OVER (ORDER BY id) AS n FROM t) WHERE n < 3",
    "SELECT k, llm_reduce(list(x), 'Count.') FROM (SELECT k, lower(x) AS x FROM t WHERE z = 1) GROUP BY k",
]


@pytest.fixture
def threads(tables: Bridge) -> Bridge:
    tables.rows("SET threads = 4")
    tables.rows("CREATE TABLE big AS SELECT i AS id, i % 4 AS k, 'pears' AS x FROM range(122880) r(i)")
    return tables


@pytest.mark.parametrize("query", UNORDERED)
def test_what_comes_in_no_certain_order_is_asked_as_it_comes(
    threads: Bridge, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    estimate = threads.session.estimate(query)
    assert not estimate.complete
    assert "ORDER BY" in " ".join(estimate.notes)
    small = query.replace("big", "(FROM big LIMIT 20)")
    threads.session.sql(small).fetchall()
    [warning] = caplog.messages
    assert "without ORDER BY may come in another order each time: write" in warning


@pytest.mark.parametrize("query", ORDERED)
def test_an_order_that_is_certain_is_planned(
    threads: Bridge, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    estimate = threads.session.estimate(query)
    threads.session.sql(query).fetchall()
    assert (estimate.complete, estimate.to_send) == (True, threads.sent)
    assert not caplog.messages


def test_one_thread_reads_in_one_order(threads: Bridge) -> None:
    threads.rows("SET threads = 1")
    for query in UNORDERED:
        assert threads.session.estimate(query).complete


# --- estimates ---------------------------------------------------------------------------------------------------------


def test_estimates_of_every_kind_of_question(tables: Bridge) -> None:
    labels = tables.session.estimate("SELECT classify(x, ['apples', 'pears']) FROM few")
    assert (labels.to_send, labels.complete, labels.rows) == (12, True, 12)
    assert labels.prompt_tokens > 12 * 30
    vectors = tables.session.estimate("SELECT embed(x, model := 'fake/embedding') FROM few")
    assert (vectors.to_send, vectors.completion_tokens) == (12, (0, 0))
    ranked = tables.session.estimate("SELECT rerank('apples', ['pears', 'apples'], model := 'fake/rerank')")
    assert (ranked.to_send, ranked.completion_tokens) == (1, (0, 0))
    assert tables.sent == 0


@pytest.mark.parametrize(
    "call",
    [
        "prompt('a')", "prompt_as('a', 'INTEGER')", "classify('a', ['b', 'c'])", "\"extract\"('a', {'n': 'INTEGER'})",
        "score('a', 'b')", "embed('a', model := 'fake/embedding', dimensions := 4)", "llm_reduce(['a', 'b'], 'c')",
        "rerank('a', ['b', 'c'], model := 'fake/rerank')", "chat_completions('[{\"role\":\"user\",\"content\":\"a\"}]')",
    ],
)  # fmt: skip
def test_an_estimate_of_constants_sends_nothing(tables: Bridge, call: str) -> None:
    assert tables.session.estimate(f"SELECT {call} AS r").to_send == 1
    assert tables.sent == 0
    tables.session.sql(f"SELECT {call} AS r").fetchall()
    assert tables.sent == 1
