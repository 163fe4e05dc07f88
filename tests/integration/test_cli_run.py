"""`duck-or run`: scripts, budgets, exit codes, the JSON, and the question before money is spent."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duck_or.simulator import Scenario, Simulator
from support.bridge import KEY, ask, call
from support.command_line import ROOT, duck_or, pointing_at, start
from support.scripts import wait_until

Script = Callable[[str], str]

TWO_QUESTIONS = f"""
-- a comment; with a semicolon
CREATE OR REPLACE TABLE docs AS SELECT i, 'text ' || i AS body FROM range(5) t(i);

CREATE OR REPLACE TABLE answers AS
SELECT i, {ask("body")} AS answer FROM docs;
SELECT answer, {ask("'again ' || answer")} AS twice FROM answers WHERE i < 2 ORDER BY i;
"""


@pytest.fixture
def script(tmp_path: Path) -> Script:
    def write(text: str) -> str:
        path = tmp_path / "etl.sql"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_script_runs_statement_by_statement(simulator: Simulator, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "x.duckdb"
    result = duck_or("run", script(TWO_QUESTIONS), "--database", str(file), **pointing_at(simulator.base_url))
    assert result.exit_code == 0, result.output
    assert "again text 1" in result.stdout
    assert "Count" not in result.stdout, "only the last statement's rows are printed"
    assert "3 statements in " in result.stderr
    assert "7 sent, 0 failed" in result.stderr
    assert simulator.stats().requests == 7
    with duckdb.connect(str(file)) as con:
        assert con.execute("SELECT count(*) FROM answers WHERE answer IS NOT NULL").fetchall() == [(5,)]


def test_a_dash_reads_the_script_from_standard_input_and_asks_nobody(simulator: Simulator) -> None:
    result = duck_or("run", "-", stdin=TWO_QUESTIONS, **pointing_at(simulator.base_url))
    assert result.exit_code == 0, result.output
    assert "[y/N]" not in result.stderr
    assert simulator.stats().requests == 7


@pytest.mark.parametrize("option", [("--budget", "0.000001"), ("--set", "budget_usd=0.000001")])
def test_a_budget_that_is_too_small_stops_before_anything_is_sent(
    simulator: Simulator, script: Script, option: tuple[str, str]
) -> None:
    result = duck_or("run", script(TWO_QUESTIONS), *option, **pointing_at(simulator.base_url))
    assert result.exit_code == 5
    assert "budget_usd" in result.stderr
    assert "1 of 3 statements" in result.stderr
    assert simulator.stats().requests == 0


def test_the_budget_is_that_of_all_statements_together(simulator: Simulator, script: Script) -> None:
    """Each of them could be paid alone; the last one has nothing left."""
    one = call("'q' || i", model_kwargs="{'max_tokens': 1000}")
    text = "".join(f"SELECT {one.replace('q', name)} FROM range(10) t(i);\n" for name in "abc")
    alone = json.loads(
        duck_or("estimate", text.partition(";")[0], "--json", **pointing_at(simulator.base_url)).stdout
    )
    low, high = alone["estimate"]["cost_usd"]
    assert simulator.stats().requests == 0
    spent = json.loads(duck_or("run", script(text), "--json", **pointing_at(simulator.base_url)).stdout)[
        "totals"
    ]["cost_usd"]
    assert low < high
    simulator.reset()
    # Enough for the worst case of one request beside what two statements cost.
    budget = 2 / 3 * spent + high / 10
    result = duck_or(
        "run", script(text), "--budget", str(budget), "--json", **pointing_at(simulator.base_url)
    )
    found = json.loads(result.stdout)
    assert (result.exit_code, found["error"]["code"]) == (5, "budget_exhausted")
    assert found["error"]["statement"] == 3
    assert found["totals"]["cost_usd"] <= budget
    assert simulator.stats().requests >= 20


def test_two_budgets_are_a_usage_error(script: Script) -> None:
    result = duck_or("run", script("SELECT 1"), "--budget", "1", "--set", "budget_usd=2")
    assert result.exit_code == 2
    assert "--budget" in result.stderr


def test_json_is_one_object_and_no_rows(simulator: Simulator, script: Script) -> None:
    result = duck_or("run", script(TWO_QUESTIONS), "--json", **pointing_at(simulator.base_url))
    found = json.loads(result.stdout)
    assert result.exit_code == found["exit_code"] == 0
    told = [(each["number"], each["line"], each["kind"], each["rows"]) for each in found["statements"]]
    assert told == [(1, 3, "create table as", 5), (2, 5, "create table as", 5), (3, 7, "select", 2)]
    assert [each["sent"] for each in found["statements"]] == [0, 5, 2]
    assert found["totals"]["sent"] == 7
    assert found["totals"]["cost_usd"] == pytest.approx(sum(each["cost_usd"] for each in found["statements"]))
    assert found["totals"]["cost_usd"] > 0
    assert (found["error"], found["estimate"], found["not_estimated"]) == (None, None, [])


ROWS = [
    ("CREATE TABLE t AS FROM range(3)", "create table as", 3),
    ("CREATE TABLE t (i INT)", "create", None),
    ("CREATE TABLE t (i INT); INSERT INTO t VALUES (1), (2)", "insert", 2),
    ("CREATE TABLE t (i INT); INSERT INTO t VALUES (1), (2) RETURNING i", "insert", 2),
    ("CREATE TABLE t AS SELECT 1 AS i; UPDATE t SET i = 2", "update", 1),
    ("CREATE TABLE t AS SELECT 1 AS i; DELETE FROM t", "delete", 1),
    ("SET VARIABLE a = 1", "set", None),
    ("BEGIN; COMMIT", "transaction", None),
    ("FROM range(25000)", "select", 25_000),
    ('SELECT 7 AS "Count"', "select", 1),
    ("SUMMARIZE SELECT 1 AS one", "select", 1),
]


@pytest.mark.parametrize(("text", "kind", "rows"), ROWS)
def test_what_each_kind_of_statement_is_said_to_have_done(text: str, kind: str, rows: int | None) -> None:
    found = json.loads(duck_or("run", "-", "--json", stdin=text).stdout)
    last = found["statements"][-1]
    assert (last["kind"], last["rows"]) == (kind, rows)


FAILING: list[tuple[str, dict[str, str], int, str, str]] = [
    ("SELEC 1", {}, 1, "duckdb", "syntax error"),
    ("SELECT 1; SELECT * FROM nowhere", {}, 1, "duckdb", "nowhere"),
    (f"SELECT {call()}", {"OPENROUTER_API_KEY": "sk-or-invalid"}, 3, "authentication", "authentication"),
    (f"SELECT {call(model=repr('no/such'))}", {}, 3, "model_not_found", "no/such"),
    ("SELECT 1", {"DUCK_OR_TIMEOUT": "soon"}, 3, "settings", "DUCK_OR_TIMEOUT"),
    (f"SELECT {call(model=repr('fake/err-400'))}", {}, 4, "bad_request", "bad_request"),
    (f"CREATE TABLE t AS SELECT {call(model=repr('fake/err-400'))}", {}, 4, "bad_request", "bad_request"),
    ("SELECT chat_completions([1])", {}, 4, "bad_argument", "messages"),
    (f"SELECT {call()}", {"DUCK_OR_BUDGET_USD": "0.0000001"}, 5, "budget_exhausted", "budget"),
    (f"SELECT {call(model=repr('fake/err-402-credits'))}", {}, 5, "insufficient_credits", "credits"),
]


@pytest.mark.parametrize(("text", "environment", "exit_code", "code", "said"), FAILING)
def test_exit_codes_and_codes(
    simulator: Simulator, text: str, environment: dict[str, str], exit_code: int, code: str, said: str
) -> None:
    where = pointing_at(simulator.base_url, **environment)
    result = duck_or("run", "-", "--json", stdin=text, **where)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["exit_code"], found["error"]["code"]) == (exit_code, exit_code, code)
    assert said in found["error"]["message"]
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "UDF" not in result.output
    assert KEY not in result.output


def test_what_was_done_before_a_failure_stays_and_the_next_run_pays_for_the_rest(
    simulator: Simulator, tmp_path: Path
) -> None:
    file = str(tmp_path / "x.duckdb")
    where = pointing_at(simulator.base_url, DUCK_OR_CACHE=str(tmp_path / "answers.sqlite"))
    first = f"CREATE OR REPLACE TABLE a AS SELECT {ask('i::VARCHAR')} AS answer FROM range(4) t(i);"
    failing = duck_or(
        "run", "-", "--database", file, stdin=f"{first} SELECT {call(model=repr('fake/err-400'))}", **where
    )
    assert failing.exit_code == 4
    with duckdb.connect(file) as con:
        assert con.execute("SELECT count(*) FROM a").fetchall() == [(4,)]
    before = simulator.stats().requests
    mended = duck_or("run", "-", "--database", file, stdin=f"{first} SELECT {ask()}", **where)
    assert mended.exit_code == 0, mended.output
    assert "from the cache, 1 sent, 0 failed" in mended.stderr
    assert simulator.stats().requests == before + 1


def test_a_script_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.sql"
    path.write_bytes(b"SELECT '\xff'")
    result = duck_or("run", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not UTF-8" in result.stderr


def test_a_script_that_is_not_there() -> None:
    assert duck_or("run", "nowhere.sql").exit_code == 2


def test_an_empty_script() -> None:
    result = duck_or("run", "-", stdin="-- nothing\n;")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("0 statements")


def test_a_pivot_of_answers_runs_like_any_other_statement(simulator: Simulator) -> None:
    """DuckDB makes two statements of it, in 1.x without a text."""
    text = f"CREATE TABLE t AS SELECT {ask('chr(97 + i::INT)')} AS a, i FROM range(2) t(i); PIVOT t ON a USING sum(i)"
    result = duck_or("run", "-", stdin=text, **pointing_at(simulator.base_url))
    assert result.exit_code == 0, result.output
    assert "int128" in result.stdout


def test_prefetch_off_leaves_every_statement_to_duckdb(simulator: Simulator) -> None:
    where = pointing_at(simulator.base_url)
    result = duck_or("run", "-", "--set", "prefetch=off", stdin=TWO_QUESTIONS, **where)
    assert result.exit_code == 0, result.output
    assert "7 sent" in result.stderr


def test_ctrl_c(simulator: Simulator, script: Script) -> None:
    simulator.scenario = Scenario(latency=60)
    process = start("run", script(TWO_QUESTIONS), "--json", **pointing_at(simulator.base_url))
    wait_until(lambda: simulator.stats().in_flight > 0 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    found = json.loads(stdout)
    assert (process.returncode, found["exit_code"], found["error"]["code"]) == (130, 130, "cancelled")
    assert found["error"]["statement"] == 2
    assert stderr.endswith("Error: stopped; what was answered until then is kept\n")


class Terminal:
    """A process whose standard input and standard error are a terminal; its standard output is a pipe."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self.shown = ""

    def until(self, words: str) -> str:
        """What was shown, as soon as these words are on the screen."""
        while words not in self.shown:
            self._read()
        return self.shown

    def type(self, line: str) -> None:
        os.write(self._screen, f"{line}\n".encode())

    def finish(self) -> tuple[int, str, str]:
        """Exit code, standard output, the screen."""
        assert self.process.stdout is not None
        stdout = self.process.stdout.read().decode()
        exit_code = self.process.wait(20)
        try:
            while True:
                self._read()
        except OSError:  # nobody writes to it any more
            return exit_code, stdout, self.shown

    def _read(self) -> None:
        piece = os.read(self._screen, 4096)
        if not piece:
            raise OSError("the terminal is closed")
        self.shown += piece.decode(errors="replace").replace("\r\n", "\n")


@contextmanager
def terminal(*arguments: str, **environment: str) -> Iterator[Terminal]:
    """`duck-or ARGUMENTS` with somebody in front of it."""
    screen, its_end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "duck_or", *arguments],
        stdin=its_end,
        stdout=subprocess.PIPE,
        stderr=its_end,
        env={**os.environ, **environment},
        cwd=ROOT,
    ) as process:
        os.close(its_end)
        try:
            yield Terminal(process, screen)
        finally:
            process.kill()
            os.close(screen)


def test_on_a_terminal_each_statement_that_sends_is_asked_about(simulator: Simulator, script: Script) -> None:
    with terminal("run", script(TWO_QUESTIONS), **pointing_at(simulator.base_url)) as there:
        shown = there.until("[y/N]")
        assert "Statement 2 (create table as, line 5)" in shown
        assert "5 distinct: 0 answered already, 5 to send" in shown
        assert "Send 5 requests, $" in shown
        assert simulator.stats().requests == 0
        there.type("y")
        assert "Send 2 requests, $" in there.until("Statement 3").join(
            ["", there.until("Send 2 requests, $")]
        )
        there.type("yes")
        exit_code, stdout, shown = there.finish()
    assert exit_code == 0
    assert stdout.startswith("┌"), "nothing but the result"
    assert "again text 1" in stdout
    assert "3 statements in" in shown
    assert simulator.stats().requests == 7


@pytest.mark.parametrize("answer", ["", "n", "what?"])
def test_whoever_does_not_say_yes_pays_nothing(
    simulator: Simulator, script: Script, tmp_path: Path, answer: str
) -> None:
    file = str(tmp_path / "x.duckdb")
    where = pointing_at(simulator.base_url)
    with terminal("run", script(TWO_QUESTIONS), "--database", file, "--json", **where) as there:
        there.until("[y/N]")
        there.type(answer)
        exit_code, stdout, shown = there.finish()
    found = json.loads(stdout)
    assert (exit_code, found["exit_code"], found["error"]["code"]) == (6, 6, "declined")
    assert "Error: declined: nothing was sent for statement 2" in shown
    assert simulator.stats().requests == 0
    with duckdb.connect(file) as con:
        assert con.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("docs",)]


def test_ctrl_c_at_the_question(simulator: Simulator, script: Script) -> None:
    with terminal("run", script(TWO_QUESTIONS), **pointing_at(simulator.base_url)) as there:
        there.until("[y/N]")
        there.process.send_signal(signal.SIGINT)
        exit_code, _, shown = there.finish()
    assert exit_code == 130
    assert "Error: stopped" in shown
    assert "Traceback" not in shown
    assert simulator.stats().requests == 0


def test_nobody_is_asked_where_nothing_is_to_be_decided(
    simulator: Simulator, script: Script, tmp_path: Path
) -> None:
    """With --yes; and afterwards without it, because every answer is known."""
    where = pointing_at(simulator.base_url, DUCK_OR_CACHE=str(tmp_path / "answers.sqlite"))
    options: list[list[str]] = [["--yes"], []]
    for more in options:
        with terminal("run", script(TWO_QUESTIONS), *more, **where) as there:
            exit_code, _, shown = there.finish()
        assert exit_code == 0
        assert "[y/N]" not in shown
    assert simulator.stats().requests == 7


def test_what_cannot_be_counted_is_asked_about_too(simulator: Simulator, script: Script) -> None:
    text = f"SELECT {ask('random()::VARCHAR')} AS a FROM range(3)"
    with terminal("run", script(text), **pointing_at(simulator.base_url)) as there:
        assert "cannot be told beforehand: random()" in there.until("[y/N]")
        there.type("n")
        assert there.finish()[0] == 6
    assert simulator.stats().requests == 0


def test_help_says_all_there_is_to_know() -> None:
    text: Any = duck_or("run", "--help").stdout
    for words in ("--estimate", "--budget", "--yes", "--json", "--set", "130", "  6  ", "exit_code", "cron"):
        assert words in text
