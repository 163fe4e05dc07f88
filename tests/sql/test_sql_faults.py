"""Every fault the simulator knows, through SQL: the right kind of row, in bounded time, and never a hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import duckdb
import orjson
import pytest

import duck_or
from duck_or.simulator import FAULTS, Simulator
from support.bridge import KEY, Bridge, ask, call, failure_of

# fmt: off
STOPS = {  # no row of the statement can succeed
    "400-model-not-found": "model_not_found", "401": "authentication", "401-missing": "authentication",
    "402-credits": "insufficient_credits", "402-key-limit": "key_limit", "403-key-limit": "key_limit",
    "403-region": "region_restricted", "404-no-endpoints": "no_endpoints", "404-data-policy": "no_endpoints",
    "404-tools": "no_endpoints", "429-free-daily": "free_tier_daily_limit",
    "200-error-credits": "insufficient_credits",
}
ROWS = {  # this row fails, and asking again would not help
    "400": "bad_request", "400-context": "context_length", "400-content-policy": "content_policy",
    "400-image": "bad_image", "402-too-expensive": "request_too_expensive", "403-moderation": "moderation",
    "403-guardrail": "guardrail", "413": "payload_too_large", "422": "unprocessable",
    "200-error-context": "context_length", "finish-length-empty": "cut_off_empty",
    "content-filter": "content_filter",
}
WAITS = {  # everybody is asked to slow down, then it goes on
    "402-in-flight": "in_flight_budget", "429": "rate_limited", "429-no-hint": "rate_limited",
    "429-upstream": "rate_limited", "429-body-hint": "rate_limited", "429-capacity": "provider_overloaded",
    "503": "provider_overloaded", "503-retry-after": "provider_overloaded", "529": "provider_overloaded",
    "1015-text": "rate_limited", "429-retry-after-date": "rate_limited", "429-retry-after-ms": "rate_limited",
    "429-reset-ms": "rate_limited", "429-reset-seconds": "rate_limited", "bad-retry-after": "rate_limited",
    "retry-after-float": "rate_limited", "retry-after-zero": "rate_limited",
    "retry-after-negative": "rate_limited", "429-docs-shape": "provider_overloaded",
    "200-error": "rate_limited",
}
RETRIED = {  # this attempt failed, the next one may do better
    "408": "gateway_timeout", "409": "conflict", "500": "server_error", "502": "provider_error",
    "504": "gateway_timeout", "524": "gateway_timeout", "502-html": "provider_error",
    "520-html": "gateway_error", "522-html": "gateway_error", "524-html": "gateway_timeout",
    "string-code": "provider_error", "200-error-502": "provider_error", "200-drip-error": "provider_error",
    "choices-null": "no_choices", "choices-empty": "no_choices", "choices-missing": "no_choices",
    "content-null": "empty_answer", "content-empty": "empty_answer", "invalid-utf8": "malformed_answer",
    "finish-error": "provider_error", "malformed-function-call": "provider_error",
    "truncated-json": "malformed_answer", "whitespace-only": "empty_body",
    "whitespace-dot": "malformed_answer", "empty-body": "empty_body", "json-null": "malformed_answer",
    "json-list": "malformed_answer", "html-200": "malformed_answer", "sse-body": "malformed_answer",
    "gzip-garbage": "network", "reset-before-headers": "network", "reset-after-headers": "network",
    "reset-mid-body": "network", "close-mid-body": "network", "wrong-length": "network", "hang": "timeout",
    "drip-forever": "timeout", "stream-error": "malformed_answer", "stream-no-done": "malformed_answer",
    "stream-comments": "malformed_answer",
}
ANSWERS = {  # strange, but an answer
    "content-empty-meant", "content-parts", "content-huge", "content-emoji", "surrogate", "finish-null",
    "finish-length", "usage-null", "usage-missing", "unknown-fields", "slow-headers", "stale-keepalive",
    # These strike typed answers and embeddings only.
    "invalid-answer", "invalid-answer-always", "embeddings-shuffled", "embeddings-short", "embeddings-null",
}
LONG = {"retry-after-300": "rate_limited"}
# fmt: on
TRY = "try_chat_completions"


def test_the_tables_hold_every_fault() -> None:
    tables = (STOPS, ROWS, WAITS, RETRIED, ANSWERS, LONG)
    assert sorted(name for table in tables for name in table) == sorted(FAULTS)


def sweep(names: list[str], prefix: str, **settings: Any) -> dict[str, str]:
    """One statement that asks each fault's model; the JSON of each row."""
    with Simulator() as simulator, duckdb.connect() as con:
        given: dict[str, Any] = {
            "base_url": simulator.base_url,
            "api_key": KEY,
            "cache_path": None,
            "rate_limit": None,
        }
        with duck_or.register(con, **{**given, "on_error": "json", **settings}) as session:
            con.execute("CREATE TABLE faults (name VARCHAR)")
            con.executemany("INSERT INTO faults VALUES (?)", [[name] for name in names])
            asked = call("name", model=f"'{prefix}' || name")
            rows = con.execute(f"SELECT name, {asked} FROM faults").fetchall()
            stats = session.stats()
    assert stats.sent == len(names) == stats.answered + stats.failed
    return dict(rows)


@pytest.fixture(scope="module")
def one_attempt() -> dict[str, str]:
    names = [*ROWS, *WAITS, *RETRIED, *ANSWERS, *LONG]
    return sweep(names, "fake/err-", attempts=1, timeout=2.5)


@pytest.fixture(scope="module")
def second_attempt() -> dict[str, str]:
    return sweep([*RETRIED], "fake/err-once-", attempts=3, timeout=2.5)


@pytest.mark.parametrize(("name", "code"), [*ROWS.items(), *WAITS.items(), *RETRIED.items(), *LONG.items()])
def test_without_retries_the_row_says_what_happened(
    one_attempt: dict[str, str], name: str, code: str
) -> None:
    error = failure_of(one_attempt[name])
    assert list(error) == ["code", "message", "retryable", "attempts", "http_status", "provider"]
    assert (error["code"], error["attempts"], error["retryable"]) == (code, 1, name not in ROWS)
    assert error["message"]
    assert (error["http_status"] is None) == (code in ("network", "timeout"))


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_a_strange_answer_is_an_answer(one_attempt: dict[str, str], name: str) -> None:
    answer = orjson.loads(one_attempt[name])
    assert "error" not in answer
    assert answer["choices"][0]["message"]["role"] == "assistant"


@pytest.mark.parametrize("name", sorted(RETRIED))
def test_the_second_attempt_answers(second_attempt: dict[str, str], name: str) -> None:
    assert "choices" in orjson.loads(second_attempt[name])


@pytest.mark.parametrize("name", sorted(WAITS))
def test_after_waiting_the_second_attempt_answers(bridge: Bridge, name: str) -> None:
    asked = call(model=f"'fake/err-once-{name}'", function=TRY)
    started = time.monotonic()
    assert bridge.value(f"SELECT ({asked} -> 'choices') IS NOT NULL")
    assert time.monotonic() - started < 6
    assert bridge.sent == 2
    stats = bridge.session.stats()
    assert (stats.sent, stats.attempts, stats.retries, stats.slow_downs) == (1, 2, 1, 1)


@pytest.mark.parametrize(
    ("name", "code", "on_error"),
    [
        *((name, code, "json") for name, code in STOPS.items()),
        ("401", "authentication", "raise"),
        ("401", "authentication", "null"),
    ],
)
def test_configuration_failures_stop_the_statement_whatever_on_error_says(
    connect: Callable[..., Bridge], name: str, code: str, on_error: str
) -> None:
    bridge = connect(on_error=on_error, max_in_flight=4)
    model = f"'fake/err-{name}'"
    with pytest.raises(duckdb.InvalidInputException, match=f"StatementStopped: .*code {code}"):
        bridge.rows(f"SELECT {call('i::VARCHAR', model=model)} FROM range(5000) t(i)")
    assert bridge.sent <= 4, "only what was in flight already"
    with pytest.raises(duckdb.InvalidInputException, match=f"code {code}"):
        bridge.rows(f"SELECT {call('i::VARCHAR', model=model, function=TRY)} FROM range(50) t(i)")
    assert bridge.sent <= 8, "the next statement tries again"
    assert bridge.value(f"SELECT {ask()}") == "hi"


def test_a_wait_longer_than_max_wait_is_not_waited_for(connect: Callable[..., Bridge]) -> None:
    bridge = connect(max_wait=5, on_error="json")
    started = time.monotonic()
    error = failure_of(bridge.value("SELECT " + call(model="'fake/err-retry-after-300'")))
    assert time.monotonic() - started < 2
    assert (error["code"], error["attempts"]) == ("rate_limited", 1)
    assert "300 s" in error["message"]
    assert "max_wait" in error["message"]


@pytest.mark.parametrize("name", ["hang", "drip-forever"])
def test_the_timeout_is_wall_clock(connect: Callable[..., Bridge], name: str) -> None:
    bridge = connect(timeout=0.3, attempts=2, on_error="json")
    started = time.monotonic()
    error = failure_of(bridge.value("SELECT " + call(model=f"'fake/err-{name}'")))
    assert (error["code"], error["attempts"], error["http_status"]) == ("timeout", 2, None)
    assert 0.6 <= time.monotonic() - started < 3
    assert bridge.session.stats().under_way == 0
