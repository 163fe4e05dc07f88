"""Names that are not ours, or not always: DuckDB's grammar and functions, columns and tables, the user's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

import duck_or
from duck_or.simulator import Simulator
from support.bridge import KEY, Bridge

SETTINGS: dict[str, Any] = {"api_key": KEY, "model": "fake/model", "rate_limit": 0, "cache_path": None}

NOTHING_ASKED = [
    "SELECT extract(year FROM DATE '2020-01-01'), EXTRACT('month' FROM DATE '2020-01-01') AS score",
    "SUMMARIZE (SELECT 1 AS embed)",
    "SELECT translate('abc', 'ab', 'xy') AS prompt",
    "SELECT score FROM (VALUES (1), (2)) score(score) WHERE score IN (1, 2)",
    "WITH prompt(embed) AS (SELECT 1) SELECT classify.embed FROM prompt AS classify(embed)",
    "SELECT 'prompt(1)' AS x -- prompt(1)",
]


@pytest.mark.parametrize("query", NOTHING_ASKED)
def test_names_that_are_no_calls_are_not_planned(bridge: Bridge, query: str) -> None:
    assert not bridge.session.runner(bridge.con).asks(query, None, {})
    assert bridge.session.sql(query).fetchall() == bridge.rows(query)
    assert bridge.sent == 0


def test_an_alias_beside_a_call(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    query = "SELECT prompt(score.a) FROM (VALUES ('one')) score(a), (VALUES (1)) prompt(b) WHERE prompt.b = 1"
    assert bridge.session.sql(query).fetchall() == [("one",)]
    assert not caplog.messages


@pytest.mark.parametrize("file", [False, True])
def test_a_function_of_the_users_stays_what_it_is(
    simulator: Simulator, tmp_path: Path, file: bool, caplog: pytest.LogCaptureFixture
) -> None:
    con = duckdb.connect(tmp_path / "mine.db" if file else ":memory:")
    settings = {**SETTINGS, "base_url": simulator.base_url}
    con.execute("CREATE MACRO score(x) AS 'mine: ' || x")
    con.create_function("embed", lambda x: f"own: {x}", [duckdb.type("VARCHAR")], duckdb.type("VARCHAR"))
    session = duck_or.register(con, **settings)
    assert sorted(message.partition("(")[0] for message in caplog.messages) == ["embed", "score"]
    query = "SELECT score('a'), embed('b'), duck_or.score('apples', 'about apples') > 0.4, prompt('c', model := 'fake/echo')"
    expected = [("mine: a", "own: b", True, "c")]
    assert con.sql(query).fetchall() == expected
    assert session.sql(query).fetchall() == expected
    assert simulator.stats().requests == 2
    assert not session.runner(con).asks("SELECT score('a'), embed('b')", None, {})
    duck_or.register(con, **settings).close()
    assert len(caplog.messages) == 2, "told once"
    con.close()


def test_a_macro_of_the_users_that_comes_later_is_found_first(bridge: Bridge) -> None:
    bridge.rows("CREATE TEMP MACRO score(x) AS 'mine: ' || x")
    bridge.rows("CREATE SCHEMA s")
    bridge.rows("CREATE MACRO s.classify(x) AS 'theirs: ' || x")
    query = "SELECT score('a'), s.classify('b'), duck_or.translate('c', 'German'), classify('u', ['u'])"
    assert bridge.session.sql(query).fetchall() == [("mine: a", "theirs: b", "c", "u")]
    assert bridge.sent == 2
    assert not bridge.session.runner(bridge.con).asks("SELECT score('a'), s.classify('b')", None, {})
    bridge.rows("SET search_path = 's,main'")
    assert bridge.session.sql("SELECT classify('c'), prompt('d')").fetchall() == [("theirs: c", "d")]


def test_a_macro_of_the_same_name_that_asks_itself(bridge: Bridge) -> None:
    bridge.rows("CREATE TEMP MACRO score(x) AS prompt('how good is ' || x)")
    assert bridge.session.sql("SELECT score(x) FROM (VALUES ('a'), ('b')) v(x)").fetchall() == [
        ("how good is a",),
        ("how good is b",),
    ]
    assert bridge.asked() == ["how good is a", "how good is b"]
