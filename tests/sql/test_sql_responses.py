"""What is in a response: for every kind of answer, as JSON and as text, and without asking twice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.simulator.faults.bodies import BODY_FAULTS
from duck_or.sql.vectors import json_vector
from support.bridge import Bridge, call

USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens", "cost")
ACCESSORS = ("chat_text", "chat_json", "chat_tool_calls", "chat_error", "chat_usage")


def with_accessors(con: duckdb.DuckDBPyConnection) -> None:
    """The macros, where `register` has not put them there."""
    if con.execute("SELECT 1 FROM duckdb_functions() WHERE function_name = 'chat_text'").fetchall():
        return
    script = files("duck_or.sql").joinpath("responses.sql").read_text("utf-8")
    script = script.replace("{create}", "CREATE OR REPLACE MACRO").replace("{schema}", "")
    con.execute(script).fetchall()


@pytest.fixture
def db(bridge: Bridge) -> Bridge:
    with_accessors(bridge.con)
    return bridge


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Macros only: no session, no function of ours."""
    with duckdb.connect() as con:
        with_accessors(con)
        yield con


def answer(content: object, **message: object) -> str:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    return orjson.dumps({"choices": [choice]}).decode()


def one(con: duckdb.DuckDBPyConnection, function: str, response: str | None, kind: str = "JSON") -> Any:
    rows = con.execute(f"SELECT {function}(?::{kind})", [response]).fetchall()
    return rows[0][0]


@pytest.mark.parametrize("kind", ["JSON", "VARCHAR"])
@pytest.mark.parametrize(
    ("response", "text"),
    [
        (answer("hello"), "hello"),
        (answer(""), ""),
        (answer("a\n\"b\" \U0001f9a5 {'c'}"), "a\n\"b\" \U0001f9a5 {'c'}"),
        (answer("[1, 2]"), "[1, 2]"),
        (answer("null"), "null"),
        (
            answer([{"type": "text", "text": "a "}, {"type": "image_url"}, {"type": "text", "text": "b"}]),
            "a b",
        ),
        (answer([{"type": "text", "text": ""}]), ""),
        (answer([{"type": "image_url"}]), None),
        (answer([]), None),
        (answer(None), None),
        (answer(None, refusal="I cannot help with that"), None),
        (answer({"text": "x"}), None),
        ('{"choices": []}', None),
        ('{"choices": null}', None),
        ('{"error": {"code": "rate_limited", "message": "no"}}', None),
        ("{}", None),
        ("null", None),
        (None, None),
    ],
)
def test_text(con: duckdb.DuckDBPyConnection, kind: str, response: str | None, text: str | None) -> None:
    assert one(con, "chat_text", response, kind) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, "```"]}', {"a": [1, "```"]}),
        (" [1]\n", [1]),
        ("17", 17),
        ("null", None),
        ('"a ```json\\n1\\n``` b"', "a ```json\n1\n``` b"),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```JSON\r\n{"a": 1}\r\n```\n', {"a": 1}),
        ('\n``` \n{\n  "a": 1\n}\n\n```  ', {"a": 1}),
        ('```json\n{"a": "```"}\n```', {"a": "```"}),
        ('```json\n{"a": 1}```', {"a": 1}),
    ],
)
def test_json(con: duckdb.DuckDBPyConnection, text: str, value: object) -> None:
    assert orjson.loads(one(con, "chat_json", answer(text))) == value


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here is it",
        "",
        "```json\nSure\n```",
        '{"a": ',
        '```json\n{"a": 1}\n``` as you asked',
        "{'a': 1}",
    ],
)
def test_what_is_not_json_is_shown(con: duckdb.DuckDBPyConnection, text: str) -> None:
    with pytest.raises(duckdb.ConversionException, match="Malformed JSON") as caught:
        one(con, "chat_json", answer(text))
    shown = text.strip().removeprefix("```json\n").removesuffix("\n```") if "as you" not in text else text
    assert shown in str(caught.value)


@pytest.mark.parametrize("response", [answer(None), '{"error": {"code": "x"}}', "{}", None])
def test_no_text_is_no_json(con: duckdb.DuckDBPyConnection, response: str | None) -> None:
    assert one(con, "chat_json", response) is None


def calling(arguments: object) -> str:
    called = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return answer(None, tool_calls=[called, {**called, "id": "call_2"}])


@pytest.mark.parametrize(
    ("arguments", "read"),
    [('{"x": 1}', '{"x": 1}'), ("", "{}"), ({"x": 1}, '{"x":1}'), (None, None), ("null", "null")],
)
def test_tool_calls(con: duckdb.DuckDBPyConnection, arguments: object, read: str | None) -> None:
    calls = one(con, "chat_tool_calls", calling(arguments))
    assert calls == [{"id": number, "name": "f", "arguments": read} for number in ("call_1", "call_2")]


def test_broken_arguments_are_shown(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.ConversionException, match=r'\{"x": nothing'):
        one(con, "chat_tool_calls", calling('{"x": nothing'))


@pytest.mark.parametrize("response", [answer("hi"), answer("", tool_calls=None), '{"error": {}}', "{}"])
def test_who_calls_no_tool_has_an_empty_list(con: duckdb.DuckDBPyConnection, response: str) -> None:
    assert one(con, "chat_tool_calls", response) == []
    assert con.execute("SELECT unnest(chat_tool_calls(?))", [response]).fetchall() == []


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ('{"error": {"code": "rate_limited", "attempts": 6}}', '{"code":"rate_limited","attempts":6}'),
        ('{"error": "no"}', '"no"'),
        ('{"error": null, "choices": []}', None),
        (answer("hi"), None),
        (None, None),
    ],
)
def test_error(con: duckdb.DuckDBPyConnection, response: str | None, error: str | None) -> None:
    assert one(con, "chat_error", response) == error


def test_usage(con: duckdb.DuckDBPyConnection) -> None:
    usage = {
        "prompt_tokens": 43,
        "completion_tokens": 53,
        "total_tokens": 96,
        "cost": 0.000924,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 48},
    }
    response = orjson.dumps({"usage": usage}).decode()
    assert one(con, "chat_usage", response) == dict(zip(USAGE, (43, 53, 96, 7, 48, 0.000924), strict=True))


@pytest.mark.parametrize(
    ("usage", "known"),
    [
        ('{"cost": "0.5", "prompt_tokens": "3"}', {"cost": 0.5, "prompt_tokens": 3}),
        ('{"cost": null, "prompt_tokens": "many", "prompt_tokens_details": null}', {}),
        ('{"prompt_tokens": [1], "completion_tokens": {}, "total_tokens": true}', {}),
        ("{}", {}),
    ],
)
def test_usage_of_other_types(con: duckdb.DuckDBPyConnection, usage: str, known: dict[str, object]) -> None:
    assert one(con, "chat_usage", f'{{"usage": {usage}}}') == {**dict.fromkeys(USAGE), **known}


@pytest.mark.parametrize("response", ['{"usage": null}', '{"usage": 3}', '{"error": {}}', None])
def test_no_usage(con: duckdb.DuckDBPyConnection, response: str | None) -> None:
    assert one(con, "chat_usage", response) is None


TYPES = {
    "chat_text": "VARCHAR",
    "chat_json": "JSON",
    "chat_tool_calls": "STRUCT(id VARCHAR, name VARCHAR, arguments JSON)[]",
    "chat_error": "JSON",
    "chat_usage": "STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT, total_tokens BIGINT, "
    "cached_tokens BIGINT, reasoning_tokens BIGINT, cost DOUBLE)",
}


@pytest.mark.parametrize(("function", "kind"), TYPES.items(), ids=TYPES)
@pytest.mark.parametrize("value", ["NULL", "NULL::JSON", "NULL::VARCHAR", "'{}'", "'{}'::JSON"])
def test_types(con: duckdb.DuckDBPyConnection, function: str, kind: str, value: str) -> None:
    query = f"SELECT typeof(x).replace('\"', '') FROM (SELECT {function}({value}) AS x)"
    assert con.execute(query).fetchall() == [(kind,)]


@pytest.mark.parametrize("function", ACCESSORS)
def test_constants_are_folded(con: duckdb.DuckDBPyConnection, function: str) -> None:
    plan = con.execute(f"""EXPLAIN SELECT {function}('{{"choices": []}}') AS x FROM range(5)""").fetchall()[
        0
    ][1]
    assert "list_" not in plan
    assert "json_" not in plan


# ---- an argument that is dear

QUERIES = {
    "select": "SELECT {} FROM t",
    "twice": "SELECT {}, {} FROM t",
    "where": "SELECT i FROM t WHERE {} IS NULL",
    "both": "SELECT {} AS x FROM t WHERE x IS NULL",
    "and": "SELECT i FROM t WHERE i >= 0 AND {} IS NOT NULL",
    "case": "SELECT CASE WHEN {} IS NULL THEN 1 ELSE 2 END FROM t",
    "group": "SELECT {} AS x, count(*) FROM t GROUP BY x",
    "order": "SELECT i FROM t ORDER BY {}",
    "limit": "SELECT {} FROM t LIMIT 5",
    "order and limit": "SELECT i, {} FROM t ORDER BY i LIMIT 5",
    "join": "SELECT count(*) FROM t JOIN t u ON {} IS NULL AND t.i = u.i",
    "subquery": "SELECT (SELECT {}) FROM t",
    "update": "UPDATE t SET i = i WHERE {} IS NULL",
}


@pytest.fixture(scope="module")
def counted() -> Iterator[tuple[duckdb.DuckDBPyConnection, list[int]]]:
    """A database with `slow(i)`, which counts its rows in the list."""
    rows: list[int] = []

    def slow(numbers: Any) -> Any:
        rows.extend([1] * len(numbers))
        texts = (f'["a text that is too long to be held inline", {i}]' for i in numbers.to_pylist())
        return json_vector(pa.array([answer(text) for text in texts]))

    with duckdb.connect() as con:
        with_accessors(con)
        con.create_function(
            "slow",
            slow,
            [duckdb.type("BIGINT")],
            duckdb.type("JSON"),
            type="arrow",
            side_effects=False,  # type: ignore[arg-type]
        )
        con.execute("CREATE TABLE t AS SELECT range AS i FROM range(3000)")
        yield con, rows


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("function", ACCESSORS)
def test_the_argument_is_evaluated_no_more_often_than_alone(
    counted: tuple[duckdb.DuckDBPyConnection, list[int]], function: str, query: str
) -> None:
    con, rows = counted

    def evaluated(expression: str) -> int:
        rows.clear()
        con.execute(query.replace("{}", expression)).fetchall()
        return len(rows)

    alone = evaluated("json_extract(slow(t.i), '$.no')")
    assert evaluated(f"{function}(slow(t.i))") <= alone


@pytest.mark.parametrize("around", ["coalesce({}, '1')", "ifnull({}, '1')", "CASE WHEN t.i >= 0 THEN {} END"])
@pytest.mark.parametrize("function", ["chat_text", "chat_json"])
def test_a_value_outlives_its_response(
    counted: tuple[duckdb.DuckDBPyConnection, list[int]], function: str, around: str
) -> None:
    """Not a matter of course: DuckDB 1.4 and 1.5 free what a Python function returned before coalesce has read it."""
    con, _ = counted
    expression = around.replace("{}", f"{function}(slow(t.i))")
    values = con.execute(f"SELECT {expression} FROM t ORDER BY i").fetchall()
    assert values == [(f'["a text that is too long to be held inline", {i}]',) for i in range(3000)]


# ---- real responses


def parts_of(value: str | None) -> tuple[Any, Any, Any]:
    """(text, error, prompt tokens), as Python reads them."""
    response = orjson.loads(value or "null") or {}
    message = (response.get("choices") or [{}])[0].get("message", {})
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part["text"] for part in content)
    return content, response.get("error"), (response.get("usage") or {}).get("prompt_tokens")


STOPS = "200-error-credits"  # an error for the whole statement: there is no response to look into


def test_every_kind_of_answer(connect: Any) -> None:
    bridge = connect(attempts=1)
    with_accessors(bridge.con)
    faults = [fault.name for fault in BODY_FAULTS if fault.name != STOPS]
    bridge.con.execute("CREATE TABLE faults AS SELECT unnest(?) AS name", [faults])
    asked = call("'hello'", function="try_chat_completions", model="'fake/err-' || name")
    bridge.con.execute(f"CREATE TABLE answers AS SELECT name, {asked} AS r FROM faults")
    rows = bridge.rows(
        "SELECT name, r, chat_text(r), chat_error(r), chat_usage(r).prompt_tokens, chat_tool_calls(r) FROM answers"
    )
    assert sorted(name for name, *_ in rows) == sorted(faults)
    for name, response, text, error, tokens, calls in rows:
        assert (text, error and orjson.loads(error), tokens) == parts_of(response), name
        assert calls == [], name
        assert (text is None) == (error is not None), name


def test_a_tool_is_called(db: Bridge) -> None:
    tools = (
        "[{'name': 'weather', 'parameters': {'type': 'object', 'properties': {'city': {'type': 'string'}}}}]"
    )
    asked = call("'Rain?'", model="'fake/model'", tools=tools)
    [(name, arguments, text)] = db.rows(
        f"SELECT c.name, c.arguments, chat_text(r) FROM (SELECT {asked} AS r) q, unnest(chat_tool_calls(r)) AS u(c)"
    )
    assert name == "weather"
    assert isinstance(orjson.loads(arguments), dict)
    assert text is None


def test_an_error_of_a_row(db: Bridge) -> None:
    asked = call(function="try_chat_completions", model="'fake/err-400'")
    [(code, text, usage)] = db.rows(
        f"SELECT chat_error(r) ->> 'code', chat_text(r), chat_usage(r) FROM (SELECT {asked} AS r)"
    )
    assert (code, text, usage) == ("bad_request", None, None)


def test_in_a_statement_run_as_a_whole(db: Bridge) -> None:
    db.con.execute("CREATE TABLE t AS SELECT range AS i FROM range(20)")
    asked = call("'number ' || i")
    rows = db.session.sql(f"SELECT i, chat_text({asked}) AS x FROM t WHERE x LIKE '%3' ORDER BY i").fetchall()
    assert rows == [(3, "number 3"), (13, "number 13")]
    assert db.sent == 20


# ---- anything

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "{}", "0.5"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["text", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def text_of(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        ]
        return "".join(texts) if texts else None
    return None


@given(
    content=st.text(max_size=9)
    | st.lists(
        st.fixed_dictionaries(
            {}, optional={"text": st.text(max_size=3) | st.none(), "type": st.just("text")}
        ),
        max_size=3,
    )
)
def test_any_text_comes_out_as_it_was(con: duckdb.DuckDBPyConnection, content: Any) -> None:
    assert one(con, "chat_text", answer(content), "VARCHAR") == text_of(content)


@given(content=JSON, usage=JSON, error=JSON, calls=JSON)
def test_nothing_is_so_odd_that_it_raises(
    con: duckdb.DuckDBPyConnection, content: Any, usage: Any, error: Any, calls: Any
) -> None:
    message = {"content": content, "tool_calls": calls}
    response = orjson.dumps({"choices": [{"message": message}], "usage": usage, "error": error}).decode()
    query = "SELECT chat_text(r), chat_usage(r), chat_error(r), chat_tool_calls(r) FROM (SELECT ?::JSON AS r)"
    [(text, used, reason, called)] = con.execute(query, [response]).fetchall()
    if isinstance(content, str):
        assert text == content
    assert (used is not None) == isinstance(usage, dict)
    assert (None if reason is None else orjson.loads(reason)) == error
    assert len(called) == (len(calls) if isinstance(calls, list) else 0)
    assert used is None or all(value is None or math.isfinite(value) for value in used.values())
