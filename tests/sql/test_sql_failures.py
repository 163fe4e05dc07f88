"""What one failed row does to its statement, to its neighbours and to the next run, for each `on_error`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import duckdb
import orjson
import pytest

from duck_or.simulator import Scenario
from support.bridge import Bridge, ask, call, failure_of

TRY = "try_chat_completions"
Q = "'q' || i"
FAKE = "'fake/model'"
BAD = "CASE WHEN i % 10 = 3 THEN 'fake/err-400' END"
SCHEMA = (
    "{'response_format': {'type': 'json_schema', 'json_schema': {'name': 'n', 'schema':"
    " {'type': 'object', 'required': ['n']}}}}"
)


def test_json_gives_the_failed_row_its_reason_and_the_others_their_answer(
    connect: Callable[..., Bridge],
) -> None:
    bridge = connect(on_error="json")
    rows = bridge.rows(f"SELECT i, {call(Q, model=BAD)} FROM range(20) t(i) ORDER BY i")
    for i, value in rows:
        if i % 10 == 3:
            assert orjson.loads(value) == {
                "error": {
                    "code": "bad_request",
                    "message": "Invalid request parameters. Check the messages and model_kwargs.",
                    "retryable": False,
                    "attempts": 1,
                    "http_status": 400,
                    "provider": None,
                }
            }
        else:
            assert orjson.loads(value)["choices"][0]["message"]["content"] == f"q{i}"
    assert bridge.sent == 20


def test_null_gives_the_failed_row_null(connect: Callable[..., Bridge]) -> None:
    bridge = connect(on_error="null")
    sql = (
        f"SELECT i FROM (SELECT i, {call(Q, model=BAD)} AS r FROM range(20) t(i)) WHERE r IS NULL ORDER BY i"
    )
    assert bridge.column(sql) == [3, 13]
    assert bridge.sent == 20
    errors = bridge.rows("SELECT code, model FROM openrouter_errors() WHERE time > now() - INTERVAL 1 MINUTE")
    assert errors[-2:] == [("bad_request", "fake/err-400")] * 2


def test_raise_ends_the_statement_and_keeps_what_came_back(connect: Callable[..., Bridge]) -> None:
    bridge = connect(on_error="raise")
    sql = f"SELECT {call(Q, model=BAD)} FROM range(20) t(i)"
    with pytest.raises(duckdb.InvalidInputException, match=r"RequestFailed: .*code bad_request, .*try_chat"):
        bridge.rows(sql)
    first = bridge.sent
    assert bridge.session.stats().answered >= first - 2
    answered = bridge.session.stats().answered
    bridge.rows(sql.replace("chat_completions", TRY))
    assert bridge.sent - first == 20 - answered, "only what had no answer is asked again"


@pytest.mark.parametrize("on_error", ["raise", "null", "json"])
def test_try_always_gives_json(connect: Callable[..., Bridge], on_error: str) -> None:
    bridge = connect(on_error=on_error)
    error = failure_of(bridge.value(f"SELECT {call(model='$1', function=TRY)}", ["fake/err-400"]))
    assert error["code"] == "bad_request"


def test_a_filter_and_a_column_see_the_same_failure(connect: Callable[..., Bridge]) -> None:
    """DuckDB evaluates the call in both places; a failure is not stored, yet asked for once."""
    bridge = connect(on_error="json", attempts=1)
    response = call(Q, model="'fake/err-502'")
    rows = bridge.rows(
        f"SELECT {response} ->> '$.error.code' FROM range(6) t(i) WHERE ({response} -> 'error') IS NOT NULL"
    )
    assert rows == [("provider_error",)] * 6
    assert bridge.session.stats().sent == 6


def test_arguments_that_are_wrong_in_some_rows(bridge: Bridge) -> None:
    rows = bridge.rows(f"""
        SELECT i, {call("CASE WHEN i <> 2 THEN 'q' || i END", function=TRY)} FROM range(4) t(i) ORDER BY i
    """)
    error = failure_of(rows[2][1])
    assert (error["code"], error["attempts"], error["http_status"]) == ("bad_argument", 0, None)
    assert bridge.asked() == ["q0", "q1", "q3"]
    assert bridge.session.stats().rejected == 1


@pytest.mark.parametrize("model", ["fake/err-once-502", "fake/err-once-retry-after-zero"])
def test_a_retry_is_not_seen_by_sql(bridge: Bridge, model: str) -> None:
    assert bridge.value("SELECT count(*) FROM (SELECT " + ask(Q, model="$1") + " AS a FROM range(5) t(i)) WHERE a IS NOT NULL", [model]) == 5  # fmt: skip
    assert bridge.sent == 10
    assert bridge.session.stats().retries == 5


def test_attempts_are_counted_in_the_error(connect: Callable[..., Bridge]) -> None:
    bridge = connect(attempts=3)
    error = failure_of(bridge.value("SELECT " + call(model="'fake/err-reset-before-headers'", function=TRY)))
    assert (error["code"], error["attempts"]) == ("network", 3)
    assert bridge.sent == 3


def test_nobody_listens(connect: Callable[..., Bridge]) -> None:
    bridge = connect(base_url="http://127.0.0.1:9/api/v1", attempts=2)
    error = failure_of(bridge.value("SELECT " + call(function=TRY)))
    assert (error["code"], error["attempts"], error["http_status"]) == ("network", 2, None)


def test_a_cut_off_answer_is_returned_but_not_stored(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    bridge = connect(cache_path=tmp_path / "cache.sqlite")
    response = call("'one two three four five six ' || i", model_kwargs="{'max_tokens': 2}")
    sql = (
        f"SELECT {response} ->> '$.choices[0].finish_reason' FROM range(3) t(i) WHERE {response} IS NOT NULL"
    )
    for sent in (3, 6):
        assert bridge.column(sql) == ["length"] * 3
        assert bridge.sent == sent, "once for each statement"


def test_an_answer_that_breaks_its_schema_is_returned_but_not_stored(
    connect: Callable[..., Bridge], tmp_path: Path
) -> None:
    bridge = connect(cache_path=tmp_path / "cache.sqlite")
    wrong, right = (
        ask("'echo: {\"m\": 1}'", model_kwargs=SCHEMA),
        ask("'echo: {\"n\": 1}'", model_kwargs=SCHEMA),
    )
    for sent in (2, 3):
        assert bridge.rows(f"SELECT {wrong}, {right}") == [('{"m": 1}', '{"n": 1}')]
        assert bridge.sent == sent


def test_no_credits_in_the_middle_keeps_what_was_answered(
    connect: Callable[..., Bridge], tmp_path: Path
) -> None:
    bridge = connect(cache_path=tmp_path / "cache.sqlite", max_in_flight=1, on_error="json")
    bridge.simulator.scenario = Scenario(credits_usd=0.0001)
    sql = f"SELECT {ask(Q, model=FAKE)} FROM range(100) t(i)"
    with pytest.raises(duckdb.InvalidInputException, match="insufficient_credits"):
        bridge.rows(sql)
    stats = bridge.simulator.stats()
    assert (stats.refused, stats.answered) == (1, bridge.session.stats().answered)
    assert 0 < stats.answered < 99
    bridge.simulator.scenario = Scenario()
    bridge.rows(sql)
    assert bridge.simulator.stats().answered == 100
    assert bridge.simulator.stats().answered_again == 0


def test_a_wrong_key(connect: Callable[..., Bridge]) -> None:
    key = f"sk-or-invalid-{uuid.uuid4()}"
    bridge = connect(api_key=key, on_error="json", max_in_flight=2)
    with pytest.raises(duckdb.InvalidInputException, match="OPENROUTER_API_KEY") as caught:
        bridge.rows(f"SELECT {ask(Q)} FROM range(300) t(i)")
    assert bridge.sent <= 2
    assert key not in str(caught.value)


def test_no_key_is_an_error_at_the_first_request_only(connect: Callable[..., Bridge]) -> None:
    bridge = connect(api_key=None, base_url="https://openrouter.ai/api/v1")
    assert bridge.value("SELECT chat_completions(NULL)") is None
    with pytest.raises(
        duckdb.InvalidInputException, match=r"SettingsError: no API key: .*OPENROUTER_API_KEY"
    ):
        bridge.rows(f"SELECT {ask()}")


def test_no_key_for_another_server_is_fine(connect: Callable[..., Bridge]) -> None:
    """Servers such as vLLM or Ollama need none; the simulator answers 401 itself."""
    bridge = connect(api_key=None)
    with pytest.raises(duckdb.InvalidInputException, match="code authentication"):
        bridge.rows(f"SELECT {ask()}")
    assert bridge.sent == 1


def test_a_closed_session_says_so(bridge: Bridge) -> None:
    bridge.session.close()
    bridge.session.close()
    for sql in (ask(), ask(function=TRY), "(SELECT sent FROM openrouter_stats())"):
        with pytest.raises(duckdb.InvalidInputException, match=r"SessionClosed: .*duck_or.register\(con\)"):
            bridge.rows(f"SELECT {sql}")
    assert repr(bridge.session) == "<Session closed>"
    assert bridge.sent == 0
