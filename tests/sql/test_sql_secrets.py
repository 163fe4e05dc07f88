"""The API key appears nowhere; prompts appear in no log."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from support.bridge import KEY, Bridge, ask, call

SECRET_QUESTION = "the ingredients of the secret sauce"
Q = "'q' || i"
FAULTS = ["401", "402-credits", "429-no-hint", "502", "hang", "reset-mid-body", "html-200", "truncated-json"]


def everything_sql_can_see(bridge: Bridge) -> str:
    tables = ["stats", "calls", "errors", "models"]
    times = {"calls": "WHERE t.time > now() - INTERVAL 1 MINUTE ORDER BY time DESC LIMIT 1000"}
    seen = [
        bridge.rows(f"SELECT t::VARCHAR FROM openrouter_{table}() t {times.get(table, '')}")
        for table in tables
    ]
    seen.append(bridge.rows("EXPLAIN ANALYZE SELECT " + call("'plan'")))
    seen.append(bridge.rows("EXPLAIN SELECT " + call("'plan'")))
    seen.append(bridge.rows("SELECT f::VARCHAR FROM duckdb_functions() f WHERE NOT internal"))
    seen.append(bridge.rows("SELECT s::VARCHAR FROM duckdb_settings() s"))
    return str(seen)


def test_the_key_is_nowhere(
    connect: Callable[..., Bridge],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "cache.sqlite"
    bridge = connect(tmp_path / "my.duckdb", cache_path=cache, timeout=0.3, attempts=1, log_prompts=True)
    seen = [str(bridge.rows(f"CREATE TABLE answers AS SELECT {call(Q)} AS r FROM range(5) t(i)"))]
    for fault in FAULTS:
        try:
            seen += bridge.column(
                "SELECT " + call(model=f"'fake/err-{fault}'", function="try_chat_completions")
            )
            bridge.rows("SELECT " + call(model=f"'fake/err-{fault}'"))
        except duckdb.Error as error:
            seen += [str(error), repr(error.__cause__)]
    seen.append(everything_sql_can_see(bridge))
    settings = bridge.session.settings
    seen += [
        repr(bridge.session),
        repr(settings),
        str(settings),
        repr(copy.copy(settings)),
        str(vars(bridge.session)),
    ]
    bridge.session.close()
    bridge.con.close()
    seen += [caplog.text, *capfd.readouterr()]
    assert KEY not in "\n".join(seen)
    assert KEY[-12:] not in "\n".join(seen)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert cache in files
    for file in files:
        assert KEY[-12:].encode() not in file.read_bytes(), file
    assert cache.stat().st_mode & 0o777 == 0o600


def test_the_key_reaches_the_service_and_nobody_elses_headers_do(
    connect: Callable[..., Bridge],
) -> None:
    bridge = connect()
    bridge.rows("SELECT " + call())
    [request] = bridge.simulator.requests
    assert request.headers["authorization"] == KEY[-4:], "the simulator keeps the last four characters only"
    leaked = [name for name in request.headers if name.startswith(("openai-", "x-stainless"))]
    assert leaked == []


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_prompts_and_answers_are_not_logged(
    connect: Callable[..., Bridge], tmp_path: Path, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    caplog.set_level(level)
    bridge = connect(cache_path=tmp_path / "cache.sqlite", attempts=1)
    bridge.rows(f"SELECT {ask('$1')}", [SECRET_QUESTION])
    bridge.rows(
        f"SELECT {call('$1', model='$2', function='try_chat_completions')}", [SECRET_QUESTION, "fake/err-502"]
    )
    bridge.session.close()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("duck_or")]
    assert SECRET_QUESTION not in "\n".join(ours if level == logging.DEBUG else [caplog.text])
    assert SECRET_QUESTION not in repr(bridge.session)
