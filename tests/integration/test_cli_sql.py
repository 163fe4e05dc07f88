"""`duck-or sql`: results, exit codes, the line on standard error, Ctrl-C."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from pathlib import Path

import duckdb
import pytest

from duck_or.simulator import Scenario, Simulator
from support.bridge import KEY, ask, call
from support.command_line import duck_or, pointing_at, start
from support.scripts import wait_until


def test_a_table_on_standard_output_and_a_summary_on_standard_error(simulator: Simulator) -> None:
    result = duck_or(
        "sql",
        f"SELECT {ask('word')} AS answer FROM (VALUES ('hi')) t(word)",
        **pointing_at(simulator.base_url),
    )
    assert result.exit_code == 0
    assert "│ hi      │" in result.stdout
    assert "1 request: 0 from the cache, 1 sent, 0 failed; $0.00000" in result.stderr


def test_nothing_is_said_about_requests_where_there_were_none() -> None:
    result = duck_or("sql", "SELECT 42 AS answer")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "42" in result.stdout


def test_every_row_is_asked_about_once_however_long_the_result_is(simulator: Simulator) -> None:
    """A relation that is shown directly would evaluate the beginning only, or twice."""
    content = "'row ' || (i % 7)"
    sql = f"SELECT i, {ask(content)} AS answer FROM range(12000) t(i)"
    result = duck_or("sql", sql, **pointing_at(simulator.base_url))
    assert "12,000 rows in all" in result.stdout
    assert simulator.stats().requests == 7
    assert "12,000 requests" in result.stderr


@pytest.mark.parametrize("form", ["csv", "json"])
def test_csv_and_json_come_as_duckdb_writes_them(form: str) -> None:
    result = duck_or(
        "sql", "SELECT 1 AS a, 'x,\"y\" é' AS b UNION ALL SELECT 2, NULL ORDER BY a", "--format", form
    )
    if form == "csv":
        rows: object = list(csv.DictReader(io.StringIO(result.stdout)))
        assert rows == [{"a": "1", "b": 'x,"y" é'}, {"a": "2", "b": ""}]
    else:
        assert json.loads(result.stdout) == [{"a": 1, "b": 'x,"y" é'}, {"a": 2, "b": None}]


def test_a_dash_reads_the_statement_from_standard_input() -> None:
    assert "42" in duck_or("sql", "-", stdin="SELECT 40 + 2 -- with a comment").stdout


@pytest.mark.parametrize(
    "statement", ["DESCRIBE SELECT 1 AS one", "SET VARIABLE one = 1; SELECT getvariable('one') AS one"]
)
def test_statements_that_are_not_plain_queries(statement: str) -> None:
    result = duck_or("sql", statement)
    assert result.exit_code == 0
    assert "one" in result.stdout


def test_a_database_file_is_read_and_written(tmp_path: Path, simulator: Simulator) -> None:
    file = str(tmp_path / "reviews.duckdb")
    duck_or("sql", "CREATE TABLE reviews AS SELECT 'fine' AS review", file)
    sql = f"CREATE TABLE answers AS SELECT {ask('review')} AS answer FROM reviews"
    assert duck_or("sql", sql, file, **pointing_at(simulator.base_url)).exit_code == 0
    with duckdb.connect(file) as con:
        assert con.execute("FROM answers").fetchall() == [("fine",)]
        assert con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall() == [
            ("answers",),
            ("reviews",),
        ]


def test_settings_of_one_run(simulator: Simulator) -> None:
    sql = f"SELECT {call(model=repr('fake/err-400'))}->>'$.error.code' AS code"
    result = duck_or("sql", sql, "--set", "on_error=json", **pointing_at(simulator.base_url))
    assert result.exit_code == 0
    assert "bad_request" in result.stdout


FAILING = [
    ("SELEC 1", {}, 1, "syntax error"),
    ("SELECT * FROM nowhere", {}, 1, "nowhere"),
    (f"SELECT {call(mdoel='1')}", {}, 1, "chat_completions"),
    (f"SELECT {call()}", {"OPENROUTER_API_KEY": "sk-or-invalid"}, 3, "authentication"),
    (f"SELECT {call(model=repr('no/such'))}", {}, 3, "no/such is not a valid model ID"),
    ("SELECT 1", {"DUCK_OR_TIMEOUT": "soon"}, 3, "DUCK_OR_TIMEOUT"),
    (f"SELECT {call(model=repr('fake/err-400'))}", {}, 4, "bad_request"),
    ("SELECT chat_completions([1])", {}, 4, "messages"),
    (f"SELECT {call()}", {"DUCK_OR_BUDGET_USD": "0.0000001"}, 5, "budget"),
    (f"SELECT {call(model=repr('fake/err-402-credits'))}", {}, 5, "insufficient_credits"),
]


@pytest.mark.parametrize(("statement", "environment", "exit_code", "said"), FAILING)
def test_exit_codes(
    simulator: Simulator, statement: str, environment: dict[str, str], exit_code: int, said: str
) -> None:
    result = duck_or("sql", statement, **pointing_at(simulator.base_url, **environment))
    assert (result.exit_code, result.stdout) == (exit_code, "")
    message = result.stderr.partition("Error: ")[2]
    assert said in message
    assert "UDF" not in message
    assert "At:" not in message
    assert KEY not in result.stderr


def test_without_a_key_openrouter_is_not_asked() -> None:
    result = duck_or("sql", f"SELECT {call(model=repr('a/b'))}")
    assert result.exit_code == 3
    assert "OPENROUTER_API_KEY" in result.stderr


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("on_eror=json", "on_error"), ("model", "NAME=VALUE"), (f"api_key={KEY}", "command line")],
)
def test_a_setting_that_cannot_be_is_a_usage_error(assignment: str, said: str) -> None:
    result = duck_or("sql", "SELECT 1", "--set", assignment)
    assert result.exit_code == 2
    assert said in result.stderr
    assert KEY not in result.stderr


@pytest.mark.parametrize("threads", [1, 4])
def test_ctrl_c_stops_at_once_and_is_told(simulator: Simulator, threads: int) -> None:
    simulator.scenario = Scenario(latency=60)
    sql = f"SET threads = {threads}; SELECT {ask('(i % 500)::VARCHAR')} FROM range(300000) t(i)"
    process = start("sql", sql, **pointing_at(simulator.base_url))
    wait_until(lambda: simulator.stats().in_flight > 0 or process.poll() is not None)
    interrupted = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert time.monotonic() - interrupted < 5
    assert process.returncode == 130
    assert "Error: stopped" in stderr
    assert "Traceback" not in stderr
    assert "leaked" not in stderr
