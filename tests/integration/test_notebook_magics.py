"""%chat_sql in a real kernel: connections, names, options, results, errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from duck_or.simulator import Simulator
from support.kernel import Kernel, kernel_in
from support.markup import Seen
from support.scripts import environment

FRESH = """%reset -f
import duckdb, duck_or, pyarrow as pa
"""


@pytest.fixture(scope="module")
def started(shared: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("home")
    with kernel_in(home, environment(home, shared.base_url, DUCK_OR_CACHE="none")) as kernel:
        assert kernel.run("%load_ext duck_or").messages == [], "loading says nothing"
        yield kernel


@pytest.fixture
def kernel(started: Kernel, simulator: Simulator) -> Kernel:
    assert not started.run(FRESH).of("error", "stream")
    return started


# --- connections ---------------------------------------------------------------------------------------------------


def test_loading_registers_the_default_connection(kernel: Kernel, simulator: Simulator) -> None:
    ran = kernel.run("duckdb.sql(\"SELECT prompt('hello')\").fetchall()")
    assert ran.result["text/plain"] == "[('hello',)]"
    assert simulator.stats().requests == 1


def test_without_a_connection_the_default_one_is_meant(kernel: Kernel) -> None:
    kernel.run("duckdb.sql('CREATE OR REPLACE TABLE mine AS SELECT 7 AS i')")
    assert Seen(kernel.run("%chat_sql FROM mine").html).cells == ["iINTEGER", "7"]


def test_the_only_connection_is_meant_and_registered(kernel: Kernel) -> None:
    kernel.run("con = duckdb.connect(); same = con; con.execute('CREATE TABLE t AS SELECT 1 AS i')")
    assert Seen(kernel.run("%chat_sql SELECT prompt('n' || i) AS said FROM t").html).cells[1] == "n1"


def test_the_session_of_a_registered_connection_is_kept(kernel: Kernel) -> None:
    kernel.run("con = duckdb.connect(); session = duck_or.register(con, model='fake/model')")
    ran = kernel.run("%chat_sql SELECT chat_completions([{'role': 'user', 'content': 'a'}]) ->> 'model' AS m")
    assert Seen(ran.html).cells[1] == "fake/model-20260101"
    assert kernel.run("session.stats().sent").result["text/plain"] == "1"


def test_of_several_the_registered_one_is_meant(kernel: Kernel) -> None:
    kernel.run("first, con, closed = duckdb.connect(), duck_or.connect(), duckdb.connect(); closed.close()")
    kernel.run("con.execute('CREATE TABLE t AS SELECT 5 AS i')")
    assert Seen(kernel.run("%chat_sql FROM t").html).cells[1] == "5"


def test_of_several_one_has_to_be_named(kernel: Kernel) -> None:
    kernel.run(
        "one, two = duckdb.connect(), duckdb.connect(); two.execute('CREATE TABLE t AS SELECT 2 AS i')"
    )
    ran = kernel.run("%chat_sql FROM t")
    assert ran.said("stderr") == "UsageError: which connection? Say %%chat_sql and one of one, two\n"
    assert Seen(kernel.run("%chat_sql two FROM t").html).cells[1] == "2"


def test_a_cursor_of_a_file_knows_the_names(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run(
        f"con = duckdb.connect({str(tmp_path / 'a.duckdb')!r}); duck_or.register(con); cur = con.cursor()"
    )
    assert (
        Seen(kernel.run("%chat_sql cur SELECT prompt('hi', model := 'fake/echo') AS a").html).cells[1] == "hi"
    )


# --- names of the notebook -----------------------------------------------------------------------------------------


def test_data_frames_and_variables_are_read(kernel: Kernel) -> None:
    kernel.run("con = duckdb.connect(); reviews = pa.table({'id': [1, 2]}); word = 'no'")
    ran = kernel.run("%%chat_sql\nSELECT id, prompt($word || id) AS said FROM reviews ORDER BY id")
    assert Seen(ran.html).cells[2:] == ["1", "no1", "2", "no2"]
    assert ran.said() == "2 requests: 0 from the cache, 2 sent, 0 failed; $0.000014\n"


def test_the_names_of_a_function_are_read_in_it(kernel: Kernel) -> None:
    code = """
def asked(rows, word):
    return get_ipython().run_line_magic("chat_sql", "SELECT $word || i AS said FROM rows")

asked(pa.table({"i": [3]}), "three ")
"""
    assert Seen(kernel.run(code).html).cells[1] == "three 3"


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("SELECT $nowhere", "$nowhere wants a variable of the notebook, and there is none called 'nowhere'"),
        ("SELECT ?", "a cell has no values for ? and $1: write $ and the name of a variable"),
    ],
)
def test_a_value_that_is_not_there(kernel: Kernel, sql: str, complaint: str) -> None:
    assert kernel.run(f"%chat_sql {sql}").said("stderr") == f"UsageError: {complaint}\n"


def test_braces_dollars_and_quotes_are_sql(kernel: Kernel) -> None:
    ran = kernel.run("x = 1\n%chat_sql SELECT {'x': 5}.x AS a, '{x} $x \"q\"' AS b, $$it''s$$ AS c")
    assert Seen(ran.html).cells[3:] == ["5", '{x} $x "q"', "it''s"]


# --- options -------------------------------------------------------------------------------------------------------


def test_an_estimate_runs_nothing(kernel: Kernel, simulator: Simulator) -> None:
    kernel.run("con = duckdb.connect()")
    ran = kernel.run(
        "%%chat_sql con --estimate\nCREATE TABLE t AS SELECT prompt('p' || i) AS a FROM range(9) r(i)"
    )
    assert ran.said() == "Nothing was run or sent. Without --estimate, this cell runs:\n"
    assert "9 distinct: 0 answered already, 9 to send" in Seen(ran.html).text
    assert simulator.stats().requests == 0
    assert "t does not exist" in kernel.run("%chat_sql FROM t").error[1]


def test_a_budget_ends_the_cell_before_it_spends(kernel: Kernel, simulator: Simulator) -> None:
    ran = kernel.run("%%chat_sql --budget 0.0001\nSELECT prompt('p' || i) FROM range(1000) r(i)")
    name, shown = ran.error
    assert name == "StatementStopped"
    assert "the statement's own budget of $0.0001" in shown
    assert simulator.stats().requests == 0


@pytest.mark.parametrize(("mode", "said"), [("null", "NULL"), ("json", "failed: ")])
def test_on_error_holds_for_the_cell(kernel: Kernel, mode: str, said: str) -> None:
    kernel.run("con = duckdb.connect(); session = duck_or.register(con, attempts=1)")
    asked = "SELECT chat_completions([{'role': 'user', 'content': 'a'}], model := 'fake/err-502') AS a"
    ran = kernel.run(f"%%chat_sql --on-error {mode}\n{asked}")
    assert Seen(ran.html).cells[1].startswith(said)
    assert "1 failed" in ran.said()
    assert kernel.run("session.settings.on_error").result["text/plain"] == "'raise'"
    assert kernel.run(f"%chat_sql {asked}").error[0] == "RequestFailed"


@pytest.mark.parametrize("line", ["--output answers", "answers <<", "con answers <<", "con --output answers"])
def test_output_keeps_the_rows_and_shows_none(kernel: Kernel, simulator: Simulator, line: str) -> None:
    kernel.run("con = duckdb.connect()")
    ran = kernel.run(f"%%chat_sql {line}\nSELECT i, prompt('p' || i) AS a FROM range(3) r(i) ORDER BY i")
    assert ran.result == {}
    assert Seen(kernel.run("answers").html).cells[2:4] == ["0", "p0"]
    assert kernel.run("answers.fetchall()").result["text/plain"] == "[(0, 'p0'), (1, 'p1'), (2, 'p2')]"
    assert kernel.run("%chat_sql SELECT max(a) AS a FROM answers").result["text/html"].count("p2") == 1
    assert kernel.run("con.sql('SELECT max(a) FROM answers').fetchall()").result["text/plain"] == "[('p2',)]"
    assert simulator.stats().requests == 3


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("%%chat_sql nowhere\nSELECT 1", "'nowhere' is no connection here. The SQL begins on the next line."),
        ("%%chat_sql --budget much\nSELECT 1", "argument --budget: 'much' is no amount in US dollars"),
        ("%%chat_sql --budget -1\nSELECT 1", "argument --budget: '-1' is no amount in US dollars"),
        ("%%chat_sql --budget nan\nSELECT 1", "argument --budget: 'nan' is no amount in US dollars"),
        ("%%chat_sql --budget\nSELECT 1", "argument --budget: expected one argument"),
        ("%%chat_sql --verbose\nSELECT 1", "unrecognized arguments: --verbose"),
        ("%%chat_sql --output 1st\nSELECT 1", "'1st' is no name for a variable"),
        ("%%chat_sql --on-error ignore\nSELECT 1", "argument --on-error: invalid choice: 'ignore'"),
    ],
)
def test_a_wrong_line_is_a_usage_error(kernel: Kernel, cell: str, complaint: str) -> None:
    ran = kernel.run(cell)
    assert ran.said("stderr").startswith(f"UsageError: {complaint}")
    assert not ran.of("execute_result")


def test_help(kernel: Kernel) -> None:
    said = kernel.run("%chat_sql --help").said()
    assert "--estimate " in said
    assert kernel.run("print(get_ipython().find_cell_magic('chat_sql').__doc__)").said() == said


# --- results -------------------------------------------------------------------------------------------------------


def test_long_tables_are_cut(kernel: Kernel) -> None:
    html = kernel.run("%chat_sql SELECT i FROM range(50) r(i)").html
    assert (html.count("<tr>"), Seen(html).text[-14:]) == (21, "… 30 more rows")
    assert kernel.run("%chat_sql --rows 50 SELECT i FROM range(50) r(i)").html.count("<tr>") == 51
    plain = kernel.run("%chat_sql SELECT i FROM range(50) r(i)").result["text/plain"]
    assert plain.endswith("… 30 more rows")


def test_a_table_is_sent_once(kernel: Kernel) -> None:
    assert [kind for kind, _ in kernel.run("%chat_sql SELECT 1").messages] == ["execute_result"]


@pytest.mark.parametrize("sql", ["CREATE VIEW v AS SELECT 1", "SET threads = 2", "-- nothing"])
def test_what_returns_no_rows_shows_nothing(kernel: Kernel, sql: str) -> None:
    kernel.run("con = duckdb.connect()")
    assert kernel.run(f"%%chat_sql\n{sql}").result == {}


def test_an_answer_that_cannot_be_kept_is_asked_once(kernel: Kernel, simulator: Simulator) -> None:
    """A relation would evaluate its query at each look, and an answer that was cut off is in no cache."""
    kernel.run("con = duckdb.connect()")
    kernel.run(
        "%%chat_sql cut <<\nSELECT try_chat_completions([{'role': 'user', 'content': 'one two three'}], "
        "model_kwargs := {'max_tokens': 1}) AS r"
    )
    before = simulator.stats().requests
    kernel.run("cut")
    kernel.run("cut.fetchall()")
    assert simulator.stats().requests == before >= 1


CONNECTIONS = ("duck_or.connect()", "duckdb.connect(); session = duck_or.register(con)")


@pytest.mark.parametrize("con", CONNECTIONS)
def test_a_look_at_a_relation_asks_for_what_it_shows(kernel: Kernel, simulator: Simulator, con: str) -> None:
    kernel.run(f"con = {con}")
    ran = kernel.run("con.sql(\"SELECT i, prompt('p' || i) AS a FROM range(1000) r(i)\")")
    assert Seen(ran.html).cells[2:4] == ["0", "p0"]
    assert ran.html.endswith("… and more rows</div>")
    assert simulator.stats().requests == 21


@pytest.mark.parametrize("con", CONNECTIONS)
def test_a_look_that_fails_shows_why_and_asks_no_more(kernel: Kernel, simulator: Simulator, con: str) -> None:
    """IPython would fall back to DuckDB's own display, of 10,000 rows."""
    kernel.run(f"con = {con}; con.execute('SET threads = 1')")
    failing = "prompt('p' || i, model := CASE i WHEN 20 THEN 'fake/err-400' ELSE 'fake/echo' END)"
    ran = kernel.run(f'con.sql("SELECT {failing} AS a FROM range(5000) t(i)")')
    assert list(ran.result) == ["text/plain"]
    said = ran.result["text/plain"]
    assert said.startswith("RequestFailed: ")
    assert "\n" not in said
    assert simulator.stats().requests == 21


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "name", "said"),
    [
        ("SELECT nope", "BinderException", 'column "nope"'),
        ("SELEC 1", "ParserException", "syntax error"),
        ("SELECT prompt('a', model := 'fake/err-401')", "StatementStopped", "api_key"),
        ("SELECT chat_completions('{}')", "ArgumentError", "messages"),
    ],
)
def test_errors_are_short_and_keep_their_class(kernel: Kernel, sql: str, name: str, said: str) -> None:
    found, shown = kernel.run(f"%chat_sql {sql}").error
    assert found == name
    assert shown.startswith(f"{name}: ")
    assert said in shown
    assert "Traceback" not in shown
    assert "duck_or/" not in shown


def test_an_error_can_be_caught_as_what_it_is(kernel: Kernel) -> None:
    code = "try:\n    %chat_sql SELECT nope\nexcept duckdb.BinderException as error:\n    print('caught')"
    assert kernel.run(code).said() == "caught\n"


def test_after_an_error_in_a_transaction_one_can_roll_back(kernel: Kernel) -> None:
    kernel.run("con = duckdb.connect()")
    for sql in ("BEGIN", "SELECT error('x')", "ROLLBACK"):
        kernel.run(f"%chat_sql {sql}")
    assert Seen(kernel.run("%chat_sql SELECT 1 AS a").html).cells[1] == "1"
