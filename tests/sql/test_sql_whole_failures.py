"""What failed rows do to a statement that is run as a whole: the same as to the plain one, each tried once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duck_or import ArgumentError, RequestFailed, SessionClosed, SettingsError, StatementStopped
from duck_or.simulator import Scenario
from support.bridge import Bridge, ask, call, failure_of

Q = "'q' || i"
BAD = "CASE WHEN i % 10 = 3 THEN 'fake/err-400' END"
SOME_FAIL = f"SELECT i, {call(Q, model=BAD)} AS r FROM range(20) t(i) ORDER BY i"
TRY = "try_chat_completions"


def rows_of(bridge: Bridge, sql: str) -> list[Any]:
    rows: list[Any] = bridge.session.execute(sql).fetchall()
    return rows


@pytest.mark.parametrize("on_error", ["null", "json"])
def test_the_rows_are_the_plain_functions(connect: Callable[..., Bridge], on_error: str) -> None:
    whole, plain = connect(on_error=on_error), connect(on_error=on_error)
    found, expected = rows_of(whole, SOME_FAIL), plain.rows(SOME_FAIL)
    for (i, answer), (j, same) in zip(found, expected, strict=True):
        assert i == j
        if i % 10 == 3:
            assert answer == same, "the same failure, to the letter"
        else:
            assert f"q{i}" in str(answer)
    assert whole.sent == 40, "each of the two asked for all"
    stats = whole.session.stats()
    assert (stats.sent, stats.failed, stats.requests) == (20, 2, 20)


def test_a_failure_is_tried_once_however_often_it_is_looked_at(connect: Callable[..., Bridge]) -> None:
    bridge = connect(on_error="json", attempts=1)
    response = call(Q, model="'fake/err-502'")
    failed = f"SELECT {response} ->> '$.error.code' AS code FROM range(6) t(i) WHERE ({response} -> 'error') IS NOT NULL"
    assert rows_of(bridge, failed) == [("provider_error",)] * 6
    assert bridge.sent == 6
    bridge.session.execute(f"CREATE TABLE a AS {failed}")
    assert bridge.sent == 12, "another statement tries again"
    assert bridge.rows("SELECT count(*) FROM a") == [(6,)]


def test_raise_ends_it_before_anything_is_written(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    bridge = connect(cache_path=tmp_path / "cache.sqlite")
    with pytest.raises(RequestFailed, match=r"code bad_request.*try_chat_completions") as caught:
        bridge.session.execute(f"CREATE TABLE a AS {SOME_FAIL}")
    assert not isinstance(caught.value, StatementStopped)
    assert bridge.rows("SELECT count(*) FROM duckdb_tables()") == [(0,)]
    answered, sent = bridge.session.stats().answered, bridge.sent
    rows_of(bridge, SOME_FAIL.replace("chat_completions", TRY))
    assert bridge.sent - sent == 20 - answered, "only what had no answer is asked again"


def test_try_and_raise_in_one_statement(bridge: Bridge) -> None:
    """One that may fail and one that may not: only the second ends the statement."""
    tried = call(Q, model="'fake/err-400'", function=TRY)
    [(code, answer)] = rows_of(bridge, f"SELECT {tried} ->> '$.error.code', {ask(Q)} FROM range(1) t(i)")
    assert (code, answer) == ("bad_request", "q0")
    with pytest.raises(RequestFailed, match="bad_request"):
        rows_of(
            bridge, f"SELECT {tried}, {call(Q, model=chr(39) + 'fake/err-400' + chr(39))} FROM range(1) t(i)"
        )


def test_a_wrong_key_stops_before_the_second_request(connect: Callable[..., Bridge]) -> None:
    key = f"sk-or-invalid-{uuid.uuid4()}"
    bridge = connect(api_key=key, on_error="json", max_in_flight=1)
    with pytest.raises(StatementStopped, match="OPENROUTER_API_KEY") as caught:
        bridge.session.execute(f"SELECT {ask(Q)} FROM range(300) t(i)")
    assert bridge.sent == 1
    assert key not in str(caught.value)
    assert rows_of(bridge, "SELECT 42") == [(42,)]


def test_no_key(connect: Callable[..., Bridge]) -> None:
    bridge = connect(api_key=None, base_url="https://openrouter.ai/api/v1")
    with pytest.raises(SettingsError, match="no API key"):
        bridge.session.execute(f"CREATE TABLE a AS SELECT {ask(Q)} FROM range(3) t(i)")
    assert rows_of(bridge, "SELECT count(*) FROM duckdb_tables()") == [(0,)]


def test_no_credits_half_way_keeps_what_was_answered(connect: Callable[..., Bridge]) -> None:
    bridge = connect(max_in_flight=1, on_error="json")
    bridge.simulator.scenario = Scenario(credits_usd=0.0001)
    statement = f"SELECT {ask(Q, model=chr(39) + 'fake/model' + chr(39))} FROM range(100) t(i)"
    with pytest.raises(StatementStopped, match="insufficient_credits"):
        bridge.session.execute(statement)
    assert 0 < bridge.simulator.stats().answered < 99
    bridge.simulator.scenario = Scenario()
    assert len(rows_of(bridge, statement)) == 100
    assert (bridge.simulator.stats().answered, bridge.simulator.stats().answered_again) == (100, 0)


def test_bad_arguments_end_it_before_anything_is_sent(connect: Callable[..., Bridge]) -> None:
    bridge = connect()
    wrong = call("CASE WHEN i <> 150 THEN 'q' || i END")
    with pytest.raises(ArgumentError):
        bridge.session.execute(f"SELECT {wrong} FROM range(200) t(i)")
    assert bridge.sent == 0
    [(value,)] = rows_of(bridge, f"SELECT {wrong.replace('chat', 'try_chat')} FROM range(150, 151) t(i)")
    assert failure_of(value)["code"] == "bad_argument"


@pytest.mark.parametrize("on_error", ["null", "json"])
def test_bad_arguments_are_a_row_that_failed(connect: Callable[..., Bridge], on_error: str) -> None:
    bridge = connect(on_error=on_error)
    wrong = call("CASE WHEN i <> 2 THEN 'q' || i END")
    rows = rows_of(bridge, f"SELECT {wrong} FROM range(4) t(i) ORDER BY i")
    assert bridge.asked() == ["q0", "q1", "q3"]
    if on_error == "null":
        assert rows[2] == (None,)
    else:
        assert failure_of(rows[2][0])["code"] == "bad_argument"


def test_in_a_transaction_a_failure_leaves_it_usable(bridge: Bridge) -> None:
    bridge.rows("BEGIN; CREATE TABLE mine (i INT)")
    with pytest.raises(RequestFailed):
        bridge.session.execute(f"CREATE TABLE a AS {SOME_FAIL}")
    bridge.rows("INSERT INTO mine VALUES (1)")
    bridge.rows("COMMIT")
    assert bridge.rows("FROM mine") == [(1,)]


@pytest.mark.parametrize("memory", [0, 10_000])
@pytest.mark.parametrize("kind", ["CREATE TABLE a AS", ""])
def test_without_room_in_memory_each_request_is_still_sent_once(
    connect: Callable[..., Bridge], memory: int, kind: str
) -> None:
    bridge = connect(memory_cache_bytes=memory)
    answer = ask("'q' || (i % 300)")
    bridge.session.execute(
        f"{kind} SELECT i, {answer} AS a, length({answer}) FROM range(6000) t(i) ORDER BY i"
    )
    rows = bridge.con.fetchall() if not kind else bridge.rows("FROM a ORDER BY i")
    assert [(i, a) for i, a, _ in rows] == [(i, f"q{i % 300}") for i in range(6000)]
    stats = bridge.session.stats()
    assert (bridge.sent, stats.sent, stats.joined) == (300, 300, 0)
    assert stats.requests == stats.cache_hits + stats.joined + stats.sent


def test_cut_off_answers_are_asked_for_once_by_each_statement(connect: Callable[..., Bridge]) -> None:
    bridge = connect(memory_cache_bytes=0)
    response = call("'one two three four five six ' || i", model_kwargs="{'max_tokens': 2}")
    cut = (
        f"SELECT {response} ->> '$.choices[0].finish_reason' FROM range(3) t(i) WHERE {response} IS NOT NULL"
    )
    for sent in (3, 6):
        assert rows_of(bridge, cut) == [("length",)] * 3
        assert bridge.sent == sent


def test_a_closed_session_says_so(bridge: Bridge) -> None:
    bridge.session.close()
    for run in (bridge.session.sql, bridge.session.execute, bridge.session.estimate):
        with pytest.raises(SessionClosed, match=r"duck_or.register\(con\)"):
            run(f"SELECT {ask()}")
    assert bridge.sent == 0
