"""openrouter_set_prompt, openrouter_prompt, openrouter_set_model and their tables, in real SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

import duck_or
from support.bridge import KEY, Bridge, ask, call

SUMMARY = "CALL openrouter_set_prompt('summary', 'In {words} words: {text}')"
FAST = "CALL openrouter_set_model('fast', {'model': 'fake/echo', 'temperature': 0, 'provider': {'sort': 'price'}})"
OTHER = "CALL openrouter_set_model('fast', {'model': 'fake/model'})"


def refusal(bridge: Bridge, sql: str) -> str:
    with pytest.raises(duckdb.Error) as caught:
        bridge.rows(sql)
    return str(caught.value)


def models(bridge: Bridge) -> list[Any]:
    return [body["model"] for body in bridge.bodies()]


# ---- prompts


@pytest.mark.parametrize(
    "sql",
    [
        "CALL openrouter_set_prompt('p', 'Hi {x}')",
        "CALL openrouter_set_prompt(\"text\" := 'Hi {x}', name := 'p')",
        "SELECT openrouter_set_prompt('p', 'Hi {x}')",
        "SELECT openrouter_set_prompt(name := 'p', text := 'Hi {x}')",
        "FROM openrouter_set_prompt('p', 'Hi {x}')",
    ],
)
def test_a_prompt_can_be_set(bridge: Bridge, sql: str) -> None:
    assert bridge.column(sql) == [1]
    assert bridge.column(sql) == [1]
    assert bridge.value("SELECT openrouter_prompt('p', {'x': 'you'})") == "Hi you"


def test_prompts_from_a_table_in_its_order(bridge: Bridge) -> None:
    bridge.rows("CREATE TABLE mine AS FROM (VALUES (3, 'c'), (1, 'a'), (2, 'b')) t(version, text)")
    assert bridge.column("SELECT openrouter_set_prompt('p', text) FROM (FROM mine ORDER BY version)") == [
        1,
        2,
        3,
    ]
    assert bridge.rows("SELECT version, text FROM openrouter_prompts()") == [(1, "a"), (2, "b"), (3, "c")]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("'summary', {'text': 'abc', 'words': 20}", "In 20 words: abc"),
        ("'summary', placeholders := {'text': 'abc', 'words': 20}", "In 20 words: abc"),
        ("'summary', MAP {'text': 'abc', 'words': 'few'}", "In few words: abc"),
        ("""'summary', '{"text": "abc", "words": 20}'""", "In 20 words: abc"),
        ("""'summary', JSON '{"text": "abc", "words": 20}'""", "In 20 words: abc"),
        ("'summary', {'text': 'abc', 'words': 1.25}", "In 1.25 words: abc"),
        ("'summary', {'text': DATE '2026-01-02', 'words': [1, 2]}", "In [1,2] words: 2026-01-02"),
        ("'summary', {'text': 'abc', 'words': 20}, 1", "Old abc 20"),
        ("'summary', {'text': 'abc', 'words': 20}, version := 1", "Old abc 20"),
        ("'summary', {'text': NULL, 'words': 20}", None),
        ("'summary', NULL", None),
        ("NULL, {'text': 'abc'}", None),
        ("'greeting'", 'Hi {name} {"a": {"b": 1}}'),
        ("'greeting', MAP {}", 'Hi {name} {"a": {"b": 1}}'),
    ],
)
def test_what_a_prompt_says(bridge: Bridge, arguments: str, text: str | None) -> None:
    bridge.rows("CALL openrouter_set_prompt('summary', 'Old {text} {words}')")
    bridge.rows(SUMMARY)
    bridge.rows("""CALL openrouter_set_prompt('greeting', 'Hi {{name}} {"a": {"b": 1}}')""")
    assert bridge.value(f"SELECT openrouter_prompt({arguments})") == text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("'summary'", "no value is given for {words}, {text}"),
        ("'summary', {'text': 'a', 'word': 1}", "there is none called 'word'"),
        ("'sumary', {'text': 'a'}", "did you mean 'summary'?"),
        ("'summary', {'text': 'a', 'words': 1}, 7", "no version 7, only 1"),
        ("'summary', 'abc'", "placeholders must be an object"),
        ("'summary', vals := {'text': 'a'}", "vals"),
    ],
)
def test_a_prompt_that_cannot_be_filled(bridge: Bridge, arguments: str, said: str) -> None:
    bridge.rows(SUMMARY)
    assert said in refusal(bridge, f"SELECT openrouter_prompt({arguments})")


def test_prompts_and_versions_may_be_columns(bridge: Bridge) -> None:
    bridge.rows("CALL openrouter_set_prompt('a', 'A {x}'); CALL openrouter_set_prompt('a', 'AA {x}')")
    bridge.rows("CALL openrouter_set_prompt('b', 'B {x}')")
    rows = "(VALUES (1, 'a', 1), (2, 'a', 2), (3, 'a', NULL), (4, 'b', NULL), (5, NULL, NULL)) t(i, name, v)"
    said = bridge.column(f"SELECT openrouter_prompt(name, {{'x': i}}, v) FROM {rows} ORDER BY i")
    assert said == ["A 1", "AA 2", "AA 3", "B 4", None]


@pytest.mark.parametrize("whole", [False, True])
def test_a_prompt_goes_wherever_a_text_does(bridge: Bridge, whole: bool) -> None:
    bridge.rows(SUMMARY)
    bridge.rows(
        "CREATE TABLE t AS SELECT i, CASE WHEN i <> 2 THEN 'text ' || i END AS body FROM range(4) r(i)"
    )
    prompt = "openrouter_prompt('summary', {'text': body, 'words': 5})"
    sql = f"SELECT CASE WHEN body IS NOT NULL THEN {ask(prompt)} END FROM t ORDER BY i"
    rows = bridge.session.sql(sql).fetchall() if whole else bridge.rows(sql)
    expected = ["In 5 words: text 0", "In 5 words: text 1", None, "In 5 words: text 3"]
    assert [row[0] for row in rows] == expected
    assert bridge.asked() == [text for text in expected if text]


def test_order_by_limit_fills_only_what_is_shown(bridge: Bridge) -> None:
    """Row 5 has a value that would be refused: so it was not looked at."""
    bridge.rows(SUMMARY)
    bridge.rows(
        'CREATE TABLE t AS SELECT i, CASE WHEN i = 5 THEN \'[]\' ELSE \'{"text": "a", "words": 1}\' END AS given '
        "FROM range(10) r(i)"
    )
    sql = "SELECT openrouter_prompt('summary', given) FROM t ORDER BY i LIMIT 2"
    assert bridge.column(sql) == ["In 1 words: a"] * 2


def test_a_prepared_statement_keeps_a_prompt_of_constants_only(bridge: Bridge) -> None:
    """DuckDB computes it when it prepares; with a parameter among the values it looks again each time."""
    bridge.rows("CALL openrouter_set_prompt('p', 'old {x}')")
    bridge.rows("PREPARE fixed AS SELECT openrouter_prompt('p', {'x': 'a'})")
    bridge.rows("PREPARE open AS SELECT openrouter_prompt('p', {'x': $1})")
    bridge.rows("CALL openrouter_set_prompt('p', 'new {x}')")
    assert bridge.value("EXECUTE fixed") == "old a"
    assert bridge.value("EXECUTE open('a')") == "new a"


def test_the_columns_of_the_tables(bridge: Bridge) -> None:
    def described(table: str) -> dict[str, str]:
        return {row[0]: row[1] for row in bridge.rows(f"DESCRIBE FROM {table}()")}

    assert described("openrouter_prompts") == {
        "name": "VARCHAR",
        "version": "BIGINT",
        "text": "VARCHAR",
        "placeholders": "VARCHAR[]",
        "created": "TIMESTAMP WITH TIME ZONE",
    }
    assert described("openrouter_model_aliases") == {
        "alias": "VARCHAR",
        "model": "VARCHAR",
        "settings": "JSON",
        "created": "TIMESTAMP WITH TIME ZONE",
    }
    assert bridge.rows("FROM openrouter_prompts()") == bridge.rows("FROM openrouter_model_aliases()") == []


def test_the_tables_show_what_was_set_just_now(bridge: Bridge) -> None:
    bridge.rows(SUMMARY)
    bridge.rows(FAST)
    assert bridge.rows(
        "SELECT name, version, placeholders, created BETWEEN now() - INTERVAL 1 MINUTE AND now() + INTERVAL 1 SECOND "
        "FROM openrouter_prompts()"
    ) == [("summary", 1, ["words", "text"], True)]
    assert bridge.rows(
        "SELECT alias, model, settings ->> '$.provider.sort', settings ->> 'temperature' FROM openrouter_model_aliases()"
    ) == [("fast", "fake/echo", "price", "0")]


# ---- models


@pytest.mark.parametrize(
    "sql",
    [
        "CALL openrouter_set_model('fast', {'model': 'fake/model', 'temperature': 0})",
        """CALL openrouter_set_model('fast', '{"model": "fake/model", "temperature": 0}')""",
        """SELECT openrouter_set_model('fast', JSON '{"model": "fake/model", "temperature": 0}')""",
        "SELECT openrouter_set_model(alias := 'fast', settings := {'model': 'fake/model', 'model_kwargs': {'temperature': 0}})",
    ],
)
def test_a_model_can_be_set(bridge: Bridge, sql: str) -> None:
    assert bridge.column(sql) == ["fake/model"]
    bridge.rows(f"SELECT {call(model=repr('fast'))}")
    [body] = bridge.bodies()
    assert (body["model"], body["temperature"]) == ("fake/model", 0)


def test_the_call_wins_member_by_member(bridge: Bridge) -> None:
    bridge.rows(FAST)
    bridge.rows(f"SELECT {call(model=repr('fast'), model_kwargs='{temperature: 1, seed: 7}')}")
    [body] = bridge.bodies()
    del body["messages"]
    assert body == {"model": "fake/echo", "temperature": 1, "seed": 7, "provider": {"sort": "price"}}


@pytest.mark.parametrize("whole", [False, True])
def test_an_alias_and_what_it_means_are_one_request(bridge: Bridge, whole: bool) -> None:
    bridge.rows(FAST)
    alike = "model_kwargs := {'temperature': 0}, provider := {'sort': 'price'}"
    sql = f"SELECT {ask(model=repr('fast'))} || {ask(repr('hi'), 'model := ' + repr('fake/echo') + ', ' + alike)}"
    rows = bridge.session.sql(sql).fetchall() if whole else bridge.rows(sql)
    assert rows == [("hihi",)]
    assert bridge.sent == 1


def test_both_in_a_function_of_the_family(bridge: Bridge) -> None:
    """An alias may bring what the function has no argument for."""
    bridge.rows(SUMMARY)
    bridge.rows("CALL openrouter_set_model('fast', {'model': 'fake/echo', 'seed': 7, 'transforms': []})")
    text = "openrouter_prompt('summary', {'text': 'abc', 'words': 5})"
    assert bridge.value(f"SELECT prompt({text}, model := 'fast')") == "In 5 words: abc"
    [body] = bridge.bodies()
    del body["messages"]
    off = [{"id": "context-compression", "enabled": False}]
    assert body == {"model": "fake/echo", "seed": 7, "plugins": off}


def test_the_cache_key_is_that_of_what_an_alias_means(bridge: Bridge) -> None:
    bridge.rows(FAST)
    messages = "[{'role': 'user', 'content': 'hi'}]"
    spelled_out = "model := 'fake/echo', model_kwargs := {'temperature': 0}, provider := {'sort': 'price'}"
    keys = bridge.rows(
        f"SELECT openrouter_key({messages}, model := 'fast'), openrouter_key({messages}, {spelled_out}), "
        f"openrouter_key({messages}, model := 'fake/echo')"
    )[0]
    assert keys[0] == keys[1] != keys[2]


def test_models_in_a_column(bridge: Bridge) -> None:
    bridge.rows(FAST)
    names = "(VALUES (1, 'fast'), (2, 'fake/model'), (3, NULL)) t(i, name)"
    bridge.rows(f"SELECT {call('i::VARCHAR', model='name')} FROM {names}")
    assert sorted(models(bridge)) == ["fake/echo", "fake/echo", "fake/model"]
    assert sorted(body.get("provider", {}).get("sort", "") for body in bridge.bodies()) == ["", "", "price"]


def test_the_default_model_may_be_an_alias(connect: Any) -> None:
    bridge = connect(model="fast")
    bridge.rows(FAST)
    assert bridge.value(f"SELECT {ask()}") == "hi"
    assert bridge.bodies()[0]["provider"] == {"sort": "price"}


@pytest.mark.parametrize("whole", [False, True])
def test_a_replaced_alias_is_asked_by_the_next_statement(bridge: Bridge, whole: bool) -> None:
    """2,048 equal rows: neither the answers kept for the chunk nor those kept for a text stand in for the new model."""
    sql = f"SELECT count({call(model=repr('fast'))}) FROM range(2048)"
    for alias in (FAST, OTHER, FAST):
        bridge.rows(alias)
        rows = bridge.session.sql(sql).fetchall() if whole else bridge.rows(sql)
        assert rows == [(2048,)]
    assert models(bridge) == ["fake/echo", "fake/model"]


def test_a_refused_setting_changes_nothing(bridge: Bridge) -> None:
    bridge.rows(FAST)
    said = refusal(bridge, "CALL openrouter_set_model('fast', {'model': 'a/b', 'provider': 'cheap'})")
    assert "the settings of 'fast': provider must be an object" in said
    assert bridge.column("SELECT model FROM openrouter_model_aliases()") == ["fake/echo"]


# ---- whose they are


def test_every_cursor_sees_what_one_of_them_set(bridge: Bridge) -> None:
    bridge.con.cursor().execute(SUMMARY).fetchall()
    said = bridge.con.cursor().execute("SELECT openrouter_prompt('summary', {'text': 'a', 'words': 1})")
    assert said.fetchall() == [("In 1 words: a",)]


def test_cursors_of_a_file_have_them_by_position_and_by_the_catalog(connect: Any, tmp_path: Path) -> None:
    bridge = connect(tmp_path / "file.duckdb")
    cursor = bridge.con.cursor()
    for sql, value in [
        ("SELECT openrouter_set_prompt('p', 'Hi {x}')", 1),
        ("CALL duck_or.openrouter_set_prompt('p', 'Ho {x}')", 2),
        ("SELECT openrouter_prompt('p', {'x': 'you'})", "Ho you"),
        ("SELECT duck_or.openrouter_prompt('p', {'x': 'you'}, version := 1)", "Hi you"),
        ("SELECT openrouter_set_model('fast', {'model': 'fake/echo'})", "fake/echo"),
        ("SELECT count(*) FROM duck_or.openrouter_model_aliases()", 1),
    ]:
        assert cursor.execute(sql).fetchall() == [(value,)], sql
    assert bridge.column("SELECT version FROM openrouter_prompts()") == [1, 2]


def test_a_new_session_starts_anew(bridge: Bridge) -> None:
    bridge.rows(SUMMARY)
    bridge.rows(FAST)
    with duck_or.register(bridge.con, base_url=bridge.simulator.base_url, api_key=KEY, cache_path=None):
        assert (
            bridge.rows("FROM openrouter_prompts()") == bridge.rows("FROM openrouter_model_aliases()") == []
        )
        assert "no prompt 'summary'" in refusal(bridge, "SELECT openrouter_prompt('summary')")
