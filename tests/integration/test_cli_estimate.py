"""`duck-or estimate` and `duck-or run --estimate`: nothing is sent, nothing stays, and what is not known is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duck_or.cli.consent import may_send, question
from duck_or.cli.rehearsal import Part, file_of, is_silent, part_of, reads_file, stage, written
from duck_or.cli.script import Step, steps
from duck_or.simulator import Simulator
from duck_or.statements.estimate import Surveyed, Tally, estimate_of
from support.bridge import ask, call
from support.command_line import duck_or, pointing_at


def estimated(text: str, where: Mapping[str, str], *options: str) -> dict[str, Any]:
    """The JSON of `run --estimate`, which succeeds."""
    result = duck_or("run", "-", "--estimate", "--json", *options, stdin=text, **where)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def to_send(found: dict[str, Any]) -> dict[int, int]:
    """By the number of each statement that asks."""
    return {each["number"]: each["estimate"]["to_send"] for each in found["statements"] if each["estimate"]}


# --- one statement ---------------------------------------------------------------------------------------------------


def test_one_statement(simulator: Simulator) -> None:
    sql = f"SELECT {ask('(i % 3)::VARCHAR')} FROM range(10) t(i)"
    result = duck_or("estimate", sql, **pointing_at(simulator.base_url))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Estimate\n")
    assert "3 distinct: 0 answered already, 3 to send" in result.stdout
    assert simulator.stats().requests == 0


def test_one_statement_for_machines(simulator: Simulator) -> None:
    sql = f"SELECT {ask('(i % 2)::VARCHAR')} FROM range(10) t(i)"
    found = json.loads(duck_or("estimate", sql, "--json", **pointing_at(simulator.base_url)).stdout)
    assert (found["estimate"]["rows"], found["estimate"]["to_send"]) == (10, 2)
    assert found["statements"][0]["estimate"]["models"][0]["model"] == "fake/echo"
    assert (found["totals"], found["error"], found["exit_code"]) == (None, None, 0)


def test_on_a_file_and_with_settings(simulator: Simulator, tmp_path: Path) -> None:
    file = str(tmp_path / "x.duckdb")
    with duckdb.connect(file) as con:
        con.execute("CREATE TABLE t AS FROM range(4) t(i)")
    where = pointing_at(simulator.base_url)
    options = ("--set", "model=openai/gpt-5-mini")
    result = duck_or("estimate", f"SELECT {ask('i::VARCHAR')} FROM t", file, *options, **where)
    assert "4 to send" in result.stdout
    assert "openai/gpt-5-mini" in result.stdout


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("SELEC", "duckdb", "syntax"),
        (f"SELECT {ask()} FROM nowhere", "duckdb", "nowhere"),
        (f"SELECT {ask('random()::VARCHAR')}", "failed", "cannot be told beforehand"),
        (f"EXPLAIN ANALYZE SELECT {ask()}", "failed", "cannot be told beforehand"),
    ],
)
def test_what_cannot_be_estimated_says_why(simulator: Simulator, sql: str, code: str, said: str) -> None:
    result = duck_or("estimate", sql, "--json", **pointing_at(simulator.base_url))
    found = json.loads(result.stdout)
    assert (result.exit_code, found["exit_code"], found["error"]["code"]) == (1, 1, code)
    assert said in found["error"]["message"]
    assert simulator.stats().requests == 0


def test_without_a_key(simulator: Simulator) -> None:
    """Counting needs none; openrouter.ai is not asked for its prices here, nobody is."""
    where = {"OPENROUTER_BASE_URL": simulator.base_url, "OPENROUTER_MODEL": "fake/echo"}
    result = duck_or("estimate", f"SELECT {ask()}", **where)
    assert result.exit_code == 0, result.output
    assert "1 to send" in result.stdout


# --- a script --------------------------------------------------------------------------------------------------------

MAKES = "CREATE OR REPLACE TABLE docs AS SELECT i, 'text ' || i AS body FROM range(5) t(i);\n"
ASKS = f"CREATE OR REPLACE TABLE answers AS SELECT i, {ask('body')} AS answer FROM docs;\n"


def test_statements_find_the_tables_that_earlier_ones_make(simulator: Simulator) -> None:
    found = estimated(MAKES + ASKS + "SELECT count(*) FROM answers;", pointing_at(simulator.base_url))
    assert to_send(found) == {2: 5}
    assert found["estimate"]["complete"]
    assert found["not_estimated"] == []
    assert simulator.stats().requests == 0


def test_for_people(simulator: Simulator) -> None:
    text = MAKES + ASKS + f"SELECT {ask('answer')} FROM answers"
    result = duck_or("run", "-", "--estimate", stdin=text, **pointing_at(simulator.base_url))
    assert result.exit_code == 0
    assert "Statement 2 (create table as, line 2)\nEstimate\n" in result.stdout
    assert "In all at least 5 requests to send by 1 statement: $" in result.stdout
    assert "Statement 3 (select, line 3) was not estimated: it names answers" in result.stdout


@pytest.mark.parametrize("exists", [True, False])
def test_the_database_is_as_before(simulator: Simulator, tmp_path: Path, exists: bool) -> None:
    file = tmp_path / "x.duckdb"
    if exists:
        with duckdb.connect(str(file)) as con:
            con.execute("CREATE TABLE docs AS SELECT 1 AS i, 'old' AS body")
    before = file.read_bytes() if exists else None
    text = MAKES + ASKS + f"COPY docs TO '{tmp_path / 'docs.csv'}'; INSERT INTO docs SELECT 7, 'seven'"
    found = estimated(text, pointing_at(simulator.base_url), "--database", str(file))
    assert to_send(found) == {2: 5}
    assert [path.name for path in tmp_path.iterdir()] == (["x.duckdb"] if exists else [])
    assert (file.read_bytes() if exists else None) == before


def test_nothing_is_estimated_from_the_rows_of_an_earlier_run(simulator: Simulator, tmp_path: Path) -> None:
    """`answers` is there, from yesterday: what today's will hold, nobody knows yet."""
    file = str(tmp_path / "x.duckdb")
    with duckdb.connect(file) as con:
        con.execute("CREATE TABLE answers AS SELECT i, 'old' AS answer FROM range(100) t(i)")
        con.execute("CREATE VIEW known AS FROM answers")
    where = pointing_at(simulator.base_url)
    for source in ("answers", "known"):
        found = estimated(MAKES + ASKS + f"SELECT {ask('answer')} FROM {source}", where, "--database", file)
        assert to_send(found) == {2: 5}
        assert [each["statement"] for each in found["not_estimated"]] == [3]
        assert not found["estimate"]["complete"]


@pytest.mark.parametrize(
    "between",
    [
        "CREATE VIEW later AS FROM answers;",
        "CREATE TABLE later AS FROM answers;",
        "CREATE TABLE later (i INT, answer VARCHAR); INSERT INTO later FROM answers;",
        "CREATE TABLE later AS SELECT 1 AS i, '' AS answer; UPDATE later SET answer = a.answer FROM answers a;",
        f"CREATE VIEW later AS SELECT i, {ask('answer')} AS answer FROM answers;",
    ],
)
def test_what_comes_of_missing_answers_is_missing_too(simulator: Simulator, between: str) -> None:
    other = ask("body || '?'")
    independent = f"SELECT {other} FROM docs;"
    text = f"{MAKES}{ASKS}{between}\nSELECT {ask('answer')} FROM later;\n{independent}"
    found = estimated(text, pointing_at(simulator.base_url))
    sent = to_send(found)
    assert sent.pop(2) == 5
    assert list(sent.values()) == [5], "what does not depend on them is estimated all the same"
    last = found["not_estimated"][-1]
    assert "statement 2" in last["reason"]
    assert last["statement"] < max(each["number"] for each in found["statements"])


def test_what_is_answered_already_lets_the_rehearsal_go_on(simulator: Simulator, tmp_path: Path) -> None:
    where = pointing_at(simulator.base_url, DUCK_OR_CACHE=str(tmp_path / "answers.sqlite"))
    assert duck_or("run", "-", stdin=MAKES + ASKS, **where).exit_code == 0
    sent = simulator.stats().requests
    again = ask("'again ' || answer")
    text = MAKES + ASKS + f"SELECT {again} FROM answers"
    found = estimated(text, where)
    assert to_send(found) == {2: 0, 3: 5}
    assert (found["estimate"]["already_answered"], found["not_estimated"]) == (5, [])
    assert simulator.stats().requests == sent


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ATTACH 'new.duckdb' AS o", "rolled back"),
        ("ROLLBACK", "rolled back"),
        ("SET VARIABLE most = (SELECT max(i) FROM answers)", "may need it"),
        (f"ALTER TABLE docs ALTER body TYPE VARCHAR USING {ask('body')}", "may need it"),
    ],
)
def test_what_reaches_outside_ends_the_estimate(simulator: Simulator, statement: str, said: str) -> None:
    text = MAKES + ASKS + statement + f"; SELECT {ask('body')} FROM docs"
    found = estimated(text, pointing_at(simulator.base_url))
    assert to_send(found) == {2: 5}
    [left] = found["not_estimated"]
    assert left["statement"] == 3
    assert said in left["reason"]
    assert not Path("new.duckdb").exists()


def test_what_one_transaction_cannot_do_is_no_mistake_of_the_script(simulator: Simulator) -> None:
    text = (
        f"ATTACH ':memory:' AS o; {MAKES} CREATE TABLE o.copy AS FROM docs; SELECT {ask('body')} FROM o.copy"
    )
    found = estimated(text, pointing_at(simulator.base_url))
    [left] = found["not_estimated"]
    assert left["statement"] == 3
    assert "one transaction cannot do it" in left["reason"]
    assert duck_or("run", "-", stdin=text, **pointing_at(simulator.base_url)).exit_code == 0


def test_a_statement_that_nobody_can_tell_does_not_end_it(simulator: Simulator) -> None:
    text = f"SELECT {ask('random()::VARCHAR')}; SELECT {ask()}"
    found = estimated(text, pointing_at(simulator.base_url))
    assert to_send(found) == {2: 1}
    assert [each["statement"] for each in found["not_estimated"]] == [1]


def test_a_script_that_is_wrong_is_no_matter_of_missing_answers(simulator: Simulator) -> None:
    text = MAKES + f"SELECT {ask()} FROM nowhere"
    result = duck_or("run", "-", "--estimate", "--json", stdin=text, **pointing_at(simulator.base_url))
    found = json.loads(result.stdout)
    assert (result.exit_code, found["error"]["code"], found["error"]["statement"]) == (1, "duckdb", 2)


def test_a_whole_script_may_stand_in_transactions_and_end_with_odds_and_ends(simulator: Simulator) -> None:
    text = f"BEGIN; {MAKES} {ASKS} COMMIT; CHECKPOINT; ATTACH ':memory:' AS o; DETACH o"
    found = estimated(text, pointing_at(simulator.base_url))
    assert to_send(found) == {3: 5}
    assert found["estimate"]["complete"]


def test_a_script_that_asks_nothing() -> None:
    assert (
        duck_or("run", "-", "--estimate", stdin="SELECT 1; SELECT 2").stdout
        == "No statement asks anything.\n"
    )


# --- what is decided from a text -------------------------------------------------------------------------------------


def step(text: str) -> Step:
    with duckdb.connect() as con:
        return steps(con, text)[0]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("CREATE TABLE t (i INT)", Part.RUN),
        ("CREATE OR REPLACE PERSISTENT SECRET s (TYPE http)", Part.END),
        ("INSERT INTO t VALUES (1)", Part.RUN),
        ("COPY t FROM 'a.csv'", Part.RUN),
        ("COPY t (a, b) FROM 'a.csv'", Part.RUN),
        ("COPY t TO 'a.csv'", Part.PASS),
        ("COPY (SELECT 1 FROM t) TO 'a.csv'", Part.PASS),
        ("LOAD json", Part.RUN),
        ("INSTALL json", Part.PASS),
        ("FORCE INSTALL json", Part.PASS),
        ("ATTACH ':memory:' AS o", Part.RUN),
        ("ATTACH 'nowhere.duckdb' AS o (READ_ONLY)", Part.RUN),
        ("ATTACH 'nowhere.duckdb'", Part.END),
        ("USE o", Part.RUN),
        ("BEGIN", Part.PASS),
        ("COMMIT", Part.PASS),
        ("ROLLBACK", Part.END),
        ("CHECKPOINT", Part.PASS),
        ("CALL pragma_version()", Part.END),
        ("EXECUTE p", Part.END),
        ("EXPORT DATABASE 'd'", Part.END),
        ("DETACH o", Part.END),
        ("FROM t", Part.PASS),
        ("VACUUM", Part.PASS),
    ],
)
def test_the_part_that_a_statement_has_in_a_rehearsal(text: str, part: Part) -> None:
    assert part_of(step(text)) is part


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE TABLE t AS SELECT 1", ("TABLE", "t", "t")),
        ('CREATE OR REPLACE TEMP TABLE a.b."C d" AS SELECT 1', ("TABLE", 'a.b."C d"', "c d")),
        ("CREATE TABLE IF NOT EXISTS t AS SELECT 1", ("TABLE", "t", "t")),
        ("CREATE VIEW IF NOT EXISTS v AS SELECT 1", ("VIEW", "v", "v")),
        ("CREATE OR REPLACE TEMP VIEW v(a) AS SELECT 1", ("VIEW", "v", "v")),
        ("INSERT INTO s.t (a) VALUES (1)", ("TABLE", "s.t", "t")),
        ("INSERT OR IGNORE INTO T BY NAME SELECT 1 AS a", ("TABLE", "T", "t")),
        ("WITH a AS (SELECT 1) INSERT INTO t FROM a", ("TABLE", "t", "t")),
        ("UPDATE t SET a = 1", ("TABLE", "t", "t")),
        ("DELETE FROM t WHERE a = 1", ("TABLE", "t", "t")),
        ("MERGE INTO t USING (SELECT 1 AS a) s ON (s.a = t.a) WHEN MATCHED THEN DELETE", ("TABLE", "t", "t")),
    ],
)
def test_what_a_statement_writes_to(text: str, expected: tuple[str, str, str]) -> None:
    assert written(step(text)) == expected


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("FROM 'out/a''b.parquet'", True),
        ("FROM read_parquet(['x.parquet', 'out/*.parquet'])", True),
        ("FROM 'out/a''b.parquet/year=1/data.parquet'", True),
        ("COPY t FROM 'out/a''b.parquet'", True),
        ("FROM 'out/c.parquet'", False),
        ("SELECT 'out'", False),
    ],
)
def test_a_file_that_copy_would_write_is_found_in_what_reads_it(query: str, reads: bool) -> None:
    file = file_of(step("COPY (SELECT 'x') TO 'out/a''b.parquet' (FORMAT parquet)"))
    assert file == "out/a'b.parquet"
    assert reads_file(step(query), file) is reads


def test_where_a_script_is_rehearsed(tmp_path: Path) -> None:
    there = tmp_path / "there.duckdb"
    there.touch()
    for as_it_is in (":memory:", "md:mine", str(there)):
        with stage(as_it_is) as place:
            assert place == as_it_is
    with stage(str(tmp_path / "new.duckdb")) as place:
        assert Path(place).name == "new.duckdb", "its catalog has the same name"
        assert Path(place).parent.is_dir()
        assert Path(place).parent != tmp_path
    assert not Path(place).parent.exists()


def test_where_each_statement_stands() -> None:
    text = "-- one; two\nSELECT 1; /* a\nb */ SELECT 'é;'\n\n;\nCREATE VIEW v AS\nSELECT 2; SELECT 1;"
    with duckdb.connect() as con:
        found = steps(con, text)
    assert [(each.number, each.line, each.text) for each in found] == [
        (1, 2, "SELECT 1"),
        (2, 3, "SELECT 'é;'"),
        (3, 6, "CREATE VIEW v AS\nSELECT 2"),
        (4, 7, "SELECT 1"),
    ]


@pytest.mark.parametrize(
    ("text", "uncounted"),
    [
        (f"SELECT {call()}", False),
        (f"CREATE VIEW v AS SELECT {call()}", False),
        (f"EXPLAIN ANALYZE SELECT {call()}", True),
        (f"SUMMARIZE SELECT {call()}", True),
        ("EXPLAIN SELECT 1", False),
    ],
)
def test_calls_that_no_plan_counts(text: str, uncounted: bool) -> None:
    assert step(text).sends_uncounted is uncounted


SURVEYS = [
    (Surveyed(), False, True),
    (Surveyed(rows=3, requests=2, already_answered=2), False, True),
    (Surveyed(rows=3, rejected=1, first_rejection="messages is no list"), False, False),
    (Surveyed(rows=3, requests=1, already_answered=1, complete=False), True, False),
    (Surveyed(rows=3, live=("a part of it",)), True, False),
    (Surveyed(rows=3, live=("a part of it",), rejected=1, first_rejection="no list"), True, False),
]


@pytest.mark.parametrize(("surveyed", "sends", "silent"), SURVEYS)
def test_whether_a_statement_may_send(surveyed: Surveyed, sends: bool, silent: bool) -> None:
    estimate = estimate_of(surveyed, {}, {}, None, 256)
    assert (may_send(estimate), is_silent(estimate)) == (sends, silent)
    assert question(estimate) == "Run it, and send what it asks?"


def test_the_question_without_a_price() -> None:
    from duck_or.request import BodyTemplate

    template = BodyTemplate.from_options('{"model": "a/b"}', "http://127.0.0.1/v1", None)
    tally = Tally([template.request('[{"role": "user", "content": "hi"}]')])
    surveyed = Surveyed(rows=1, requests=1, to_send=tally, complete=False)
    estimate = estimate_of(surveyed, None, {}, None, 256)
    assert question(estimate) == "Send at least 1 request, at a price that is not known?"
    assert may_send(estimate)
    assert not is_silent(estimate)
