"""The functions that ask, called from everywhere that SQL allows: their types, NULLs, columns, names and places."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.bridge import Bridge
from support.family import family_bridge, last_error, raised

MADE_UP = "model := 'fake/model'"
ECHO = "model := 'fake/echo'"

CALLS = [  # a call about {t}, with a model for {m}; its type
    ("prompt({t}, model := {m})", "VARCHAR"),
    ("prompt_as({t}, 'HUGEINT', model := {m})", "HUGEINT"),
    ("prompt_as({t}, 'STRUCT(a DATE, b ENUM(''x'', ''y'')[])', model := {m})", "STRUCT(a DATE, b ENUM('x', 'y')[])"),
    ("prompt_as({t}, 'DECIMAL(9,2)[]', model := {m})", "DECIMAL(9,2)[]"),
    ("prompt_as({t}, 'JSON', model := {m})", "JSON"),
    ("classify({t}, ['a', 'b'], model := {m})", "VARCHAR"),
    ("classify({t}, ['a', 'b'], multi := true, model := {m})", "VARCHAR[]"),
    ("llm_extract({t}, {{'born': 'DATE', 'n': 'INTEGER'}}, model := {m})", "STRUCT(born DATE, n INTEGER)"),
    ("llm_filter({t}, 'Is it?', model := {m})", "BOOLEAN"),
    ("score({t}, 'Is it?', model := {m})", "DOUBLE"),
    ("llm_summarize({t}, model := {m})", "VARCHAR"),
    ("translate({t}, 'German', model := {m})", "VARCHAR"),
    ("embed({t}, model := {m})", "FLOAT[]"),
    ("embed({t}, model := {m}, dimensions := 3)", "FLOAT[3]"),
    ("rerank('what?', [{t}], model := {m})", 'STRUCT("index" INTEGER, score DOUBLE)[]'),
    ("rerank({t}, ['a', 'b'], model := {m})", 'STRUCT("index" INTEGER, score DOUBLE)[]'),
    ("llm_reduce([{t}], 'Count.', model := {m})", "VARCHAR"),
]  # fmt: skip
MODELS = {"embed": "fake/embedding", "rerank": "fake/rerank"}


def about(call: str, text: str) -> str:
    return call.format(t=text, m=f"'{MODELS.get(call.partition('(')[0], 'fake/model')}'")


@pytest.fixture(scope="module")
def family() -> Iterator[Bridge]:
    with family_bridge() as bridge:
        bridge.rows("""CREATE TABLE few AS SELECT i AS id, 'text ' || i AS x, 'Is it ' || i || '?' AS q,
            ['a', 'text', 'b' || i] AS labels, 'fake/' || ['echo', 'model'][i % 2 + 1] AS m FROM range(6) r(i)""")
        yield bridge


def asking(
    bridge: Bridge, sql: str, parameters: list[object] | None = None
) -> tuple[list[tuple[object, ...]], int]:
    """The rows, and how many requests they took."""
    before = bridge.sent
    return bridge.rows(sql, parameters), bridge.sent - before


# --- types -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "returns"), CALLS)
def test_the_type_is_the_same_whatever_comes_back(family: Bridge, call: str, returns: str) -> None:
    bound = family.rows(f"DESCRIBE SELECT {about(call, 'x')} FROM few")
    assert bound[0][1] == returns
    assert family.value(f"SELECT typeof({about(call, 'x')}) FROM few LIMIT 1") == returns
    if "[{t}]" not in call:
        assert family.rows(f"SELECT {about(call, 'NULL')}, typeof({about(call, 'NULL')})") == [
            (None, returns)
        ]
    failing = "try_" + call.format(t="'x'", m="'fake/err-400'")
    assert family.rows(f"SELECT {failing}, typeof({failing})") == [(None, returns)]
    # A constant is evaluated when the query is bound: even then it must not take the column's type away.
    family.rows(f"CREATE OR REPLACE TEMP TABLE failed AS SELECT {failing} AS r")
    assert family.rows("DESCRIBE failed")[0][1] == returns


@pytest.mark.parametrize(
    "expression",
    [
        "prompt_as('a 5', 'STRUCT(a INTEGER)').a",
        "prompt_as('b', 'INTEGER[]')[1]",
        "llm_extract('c 5', {'n': 'INTEGER'}).n",
        "rerank('d', ['e', 'f'], model := 'fake/rerank')[1].index",
        "classify('a', ['a', 'g'], multi := true)[1]",
    ],
)
def test_a_part_of_a_constant_answer_can_be_taken_in_a_planned_statement(
    family: Bridge, expression: str
) -> None:
    planned = family.session.sql(f"SELECT {expression} AS part").fetchall()
    found, sent = asking(family, f"SELECT {expression} AS part")
    assert (found, sent) == (planned, 0)
    assert found != [(None,)]


# --- NULL --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        *(about(call, "NULL") for call, _ in CALLS if "[{t}]" not in call),
        "prompt(NULL, images := 'https://x/y.png')",
        "prompt_as('a', NULL)",
        "classify('a', NULL)",
        "classify('a', NULL, multi := true)",
        "llm_extract('a', NULL)",
        "llm_filter('a', NULL)",
        "score('a', NULL)",
        "translate('a', NULL)",
        "translate('a', 'b', NULL)",  # DuckDB's own
        "rerank('a', NULL, model := 'fake/rerank')",
        "rerank(NULL, [], model := 'fake/rerank')",
        "llm_reduce(NULL, 'Count.')",
        "llm_reduce(['a'], NULL)",
        "llm_reduce([], 'Count.')",
        "llm_reduce([NULL, ' '], 'Count.')",
    ],
)
def test_null_in_null_out_and_nothing_sent(family: Bridge, call: str) -> None:
    assert asking(family, f"SELECT {call}") == ([(None,)], 0)


def test_an_option_that_is_null_is_not_given(family: Bridge) -> None:
    nothing = "model := NULL, model_kwargs := NULL, provider := NULL"
    found, sent = asking(
        family,
        f"""SELECT prompt('o') = prompt('o', system := NULL, images := NULL, {nothing}),
            prompt_as('o', 'INTEGER') = prompt_as('o', 'INTEGER', system := NULL, images := NULL, {nothing}),
            classify('o', ['o', 'p']) = classify('o', ['o', 'p'], multi := NULL, {nothing}),
            llm_reduce(['o'], 'p') = llm_reduce(['o'], 'p', context_length := NULL, {nothing}),
            rerank('o', ['o'], 'fake/rerank') = rerank('o', ['o'], 'fake/rerank', top_n := NULL, provider := NULL)""",
    )
    assert (found, sent) == ([(True,) * 5], 5)


# --- arguments ---------------------------------------------------------------------------------------------------------


def test_every_argument_can_be_a_column(family: Bridge) -> None:
    before = len(family.bodies())
    family.rows("""SELECT llm_filter(x, q), score(x, q), translate(x, q), prompt(x, system := q), llm_reduce([x], q),
        prompt_as(x, 'INTEGER', system := q, model_kwargs := {'seed': id}) FROM few WHERE id IN (2, 3)""")
    bodies = family.bodies()[before:]
    assert len(bodies) == 12
    for body in bodies:
        system, user = (message["content"] for message in body["messages"])
        number = "2" if "text 2" in user else "3"
        assert f"Is it {number}?" in system
        assert str(body.get("seed", number)) == number


def test_labels_models_and_places_can_be_columns(family: Bridge) -> None:
    found = family.rows("""SELECT classify(x, labels), classify('b' || id, labels), prompt(x, model := m) = x,
        len(rerank('text', labels, model := 'fake/rerank', top_n := id)) FROM few WHERE id > 0 ORDER BY id""")
    assert found == [("text", f"b{i}", i % 2 == 0, min(i, 3)) for i in range(1, 6)]


@pytest.mark.parametrize(
    ("call", "same"),
    [
        ("prompt('p', 'fake/echo', 'Be brief.')", "prompt(system := 'Be brief.', model := 'fake/echo', text := 'p')"),
        ("prompt_as('p 1', 'INTEGER')", "prompt_as(type := 'INTEGER', text := 'p 1')"),
        ("classify('p', ['p', 'q'], true)", "classify(labels := ['p', 'q'], multi := true, text := 'p')"),
        ("llm_extract('p 1', {'n': 'INTEGER'})", "llm_extract(fields := {'n': 'INTEGER'}, text := 'p 1')"),
        ("llm_filter('p', 'q?')", "llm_filter(question := 'q?', text := 'p')"),
        ("score('p', 'q?')", "score(question := 'q?', text := 'p')"),
        ("llm_summarize('p', 'fake/echo')", "\"summarize\"(text := 'p', model := 'fake/echo')"),
        ("translate('p', 'German')", "translate(language := 'German', text := 'p')"),
        ("embed('p', 'fake/embedding', 2)", "embed(dimensions := 2, model := 'fake/embedding', text := 'p')"),
        ("rerank('p', ['p'], 'fake/rerank', 1)", "rerank(documents := ['p'], query := 'p', top_n := 1, model := 'fake/rerank')"),
        ("llm_reduce(['p'], 'q')", "llm_reduce(instruction := 'q', texts := ['p'])"),
        ("duck_or.extract('p 1', {'n': 'INTEGER'})", "\"extract\"('p 1', {'n': 'INTEGER'})"),
        ("PROMPT('P', MODEL := 'fake/echo')", "main.prompt('P', 'fake/echo')"),
    ],
)  # fmt: skip
def test_arguments_by_position_are_the_same_by_name(family: Bridge, call: str, same: str) -> None:
    family.rows(f"SELECT {call}")
    assert asking(family, f"SELECT {call} IS NOT DISTINCT FROM {same}") == ([(True,)], 0)


@pytest.mark.parametrize("call", [call for call, _ in CALLS])
def test_a_misspelt_option_is_a_binder_error(family: Bridge, call: str) -> None:
    with pytest.raises(
        duckdb.BinderException, match=f"Macro {call.partition('(')[0]}\\(\\) does not support"
    ):
        family.rows(f"SELECT {about(call, 'x')[:-1]}, modle := 'm') FROM few")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("prompt('a', system := 7)", "prompt: system must be text; got number 7"),
        ("prompt('a', model := '')", "model must be the name of a model"),
        ("prompt_as('a', 'INTEGER', model_kwargs := {'response_format': 1})", "prompt_as writes response_format itself"),
        ("classify('a', 'b')", "classify: labels must be different texts"),
        ("classify('a', ['b', 'b'])", "classify: labels must be different texts"),
        ("classify('a', ['b', NULL])", "classify: labels must be different texts"),
        ("classify('a', ['b', ' '])", "classify: labels must be different texts"),
        ("llm_extract('a', {'n': {'m': 'DATE'}})", "must name the fields and their types"),
        ("llm_filter('a', ' ')", "llm_filter: question must be text"),
        ("embed('a')", "embed needs an embedding model"),
        ("embed(' ', model := 'fake/embedding')", "a text that says something"),
        ("rerank('a', ['b'])", "rerank needs a model made for it"),
        ("rerank('a', ['b', NULL], model := 'fake/rerank')", "documents[2] must be text; got null"),
        ("rerank('a', 'b', model := 'fake/rerank')", "documents must be a list of texts"),
        ("llm_reduce('a', 'b')", "must be a list of texts, list(column)"),
        ("llm_reduce(['a'], 'b', context_length := 0)", "context_length must be a number of tokens"),
        ("prompt('a', model_kwargs := {'messages': []})", "messages: they are the first argument"),
    ],
)  # fmt: skip
def test_an_argument_that_can_never_do_is_named(family: Bridge, call: str, says: str) -> None:
    before = family.sent
    message = raised(family, f"SELECT {call}")
    assert says in message.partition("ArgumentError: ")[2]
    assert "running the statement again" not in message
    assert family.sent == before
    assert family.value(f"SELECT try_{call}") is None
    assert says in last_error(family)[1]


def test_a_call_of_a_tool_is_no_text(family: Bridge) -> None:
    tools = "{'tools': [{'type': 'function', 'function': {'name': 'f', 'parameters': {'type': 'object'}}}]}"
    message = raised(family, f"SELECT prompt('tool', model_kwargs := {tools})")
    assert "the model gave no text but a call of a tool" in message
    assert family.value(f"SELECT try_prompt('tool', model_kwargs := {tools})") is None


# --- places ------------------------------------------------------------------------------------------------------------

E = "prompt(x, model := 'fake/echo', model_kwargs := {'seed': %d})"
YES = "llm_filter(x, 'text', model := 'fake/model', model_kwargs := {'seed': %d})"
ROWS = [(f"text {i}",) for i in range(6)]
PLACES = [  # a query with %d for a number of its own, its rows or how many they are, and how many requests it takes
    (f"SELECT {E} FROM few ORDER BY id LIMIT 2", ROWS[:2], 2),
    (f"SELECT {E} FROM few ORDER BY id DESC LIMIT 2 OFFSET 1", [ROWS[4], ROWS[3]], 2),
    (f"SELECT count(*) FROM few WHERE {YES} IS NOT NULL", [(6,)], 6),
    (f"SELECT CASE WHEN id = 4 THEN {E} END FROM few WHERE id > 3 ORDER BY id", [ROWS[4], (None,)], 1),
    (f"SELECT string_agg({E}, ',' ORDER BY id) FROM few WHERE id < 2", [("text 0,text 1",)], 2),
    (f"SELECT {E}, count(*) FROM few WHERE id < 1 GROUP BY ALL", [("text 0", 1)], 1),
    (f"SELECT count(*) FROM (SELECT x FROM few ORDER BY {E} LIMIT 3)", [(3,)], 6),
    (f"SELECT count(*) FROM few a JOIN (SELECT 1 AS one) ON {YES} IS NOT NULL AND id < 2", [(2,)], 2),
    (f"SELECT p FROM (FROM few WHERE id = 3), LATERAL (SELECT {E} AS p)", [ROWS[3]], 1),
    ("SELECT list_transform(['u', 'v'], lambda y: prompt(y, model := 'fake/echo', model_kwargs := {'seed': %d}))", [(["u", "v"],)], 2),
    ("SELECT [prompt_as(y, 'INTEGER', model_kwargs := {'seed': %d}) FOR y IN ['1', '2']]", [([1, 2],)], 2),
    (f"WITH RECURSIVE r AS (SELECT 0 AS i, 'a' AS x UNION ALL SELECT i + 1, {E} || 'b' FROM r WHERE i < 3) FROM r WHERE i = 3", [(3, "abbb")], 3),
    (f"SELECT max(upper({E})) FROM few WHERE id = 1", [("TEXT 1",)], 1),
    (f"SELECT * REPLACE ({E} AS x) FROM (SELECT x FROM few WHERE id = 5)", [ROWS[5]], 1),
    (f"FROM (SELECT {E} AS p FROM few) WHERE p LIKE '%%3'", [ROWS[3]], 6),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(PLACES)))
def test_it_stands_wherever_an_expression_may(family: Bridge, number: int) -> None:
    query, rows, sent = PLACES[number]
    query = query % (1000 + number)
    assert asking(family, query) == (rows, sent)
    assert asking(family, query) == (rows, 0)


def test_the_same_call_twice_is_asked_once(family: Bridge) -> None:
    twice = (
        f"{E % 1} AS a, {E % 1} || '!' AS b, classify(x, ['text', 'c']) AS c, classify(x, ['text', 'c']) AS d"
    )
    found, sent = asking(family, f"SELECT {twice} FROM few WHERE id < 2 ORDER BY id")
    assert (found, sent) == ([(f"text {i}", f"text {i}!", "text", "text") for i in range(2)], 4)


def test_statements_that_write(family: Bridge) -> None:
    family.rows(
        f"CREATE OR REPLACE TABLE kept AS SELECT id, {E % 2} AS p, prompt_as(x, 'STRUCT(n TINYINT)') AS s FROM few"
    )
    assert family.rows("DESCRIBE kept")[2][:2] == ("s", "STRUCT(n TINYINT)")
    assert family.rows("SELECT p, s.n FROM kept WHERE id = 3") == [("text 3", 3)]
    family.rows(
        f"INSERT INTO kept VALUES (9, prompt('new', {ECHO}), {{'n': prompt_as('nine 9', 'TINYINT')}})"
    )
    family.rows(f"UPDATE kept SET p = prompt(p || '!', {ECHO}) WHERE id = 9")
    assert family.rows("SELECT p, s.n FROM kept WHERE id = 9") == [("new!", 9)]
    assert asking(family, "DELETE FROM kept WHERE id = 9 AND llm_filter(p, 'new')") == ([(1,)], 1)


def test_views_and_macros_keep_their_types(family: Bridge) -> None:
    family.rows(
        "CREATE OR REPLACE VIEW judged AS SELECT id, prompt_as(q, 'INTEGER') AS n, classify(q, labels || ['is']) AS c FROM few"
    )
    family.rows("CREATE OR REPLACE MACRO mood(t, type) AS prompt_as(t, type)")
    family.rows(
        "CREATE OR REPLACE MACRO such(question) AS TABLE SELECT id FROM few WHERE llm_filter(x, question)"
    )
    assert [kind for _, kind, *_ in family.rows("DESCRIBE judged")] == ["BIGINT", "INTEGER", "VARCHAR"]
    assert asking(family, "FROM judged WHERE id = 2") == ([(2, 2, "is")], 2)
    assert family.value("SELECT typeof(mood('fine', 'ENUM(''fine'', ''bad'')'))") == "ENUM('fine', 'bad')"
    assert asking(family, "SELECT count(*) <= 6 FROM such('Is there any text?')") == ([(True,)], 6)


PARAMETERS = [
    (f"SELECT prompt($1, {ECHO})", ["given"], "given"),
    ("SELECT prompt_as($1, 'INTEGER')", ["given 7"], 7),
    ("SELECT prompt_as('given 8', $1)", ["INTEGER"], 8),
    ("SELECT classify('given', $1)", [["taken", "given"]], "given"),
    ("SELECT classify('given', ['taken', 'given'], multi := $1)", [True], ["given"]),
    ("SELECT llm_extract('given 9', $1)", [{"n": "INTEGER"}], {"n": 9}),
    ("SELECT llm_filter('given', $1)", ["given?"], True),
    ("SELECT len(embed('given', model := $1, dimensions := $2))", ["fake/embedding", 3], 3),
    ("SELECT rerank($1, $2, model := 'fake/rerank')[1].index", ["given", ["taken", "given"]], 2),
    (f"SELECT llm_reduce($1, $2, {ECHO})", [["given"], "Count."], "<text>\ngiven\n</text>"),
]


@pytest.mark.parametrize(("query", "parameters", "value"), PARAMETERS)
def test_any_argument_can_be_a_parameter(
    family: Bridge, query: str, parameters: list[object], value: object
) -> None:
    assert family.value(query, parameters) == value


def test_a_prepared_statement_asks_for_each_execution(family: Bridge) -> None:
    family.rows(f"PREPARE asked AS SELECT prompt($1, {ECHO})")
    assert [asking(family, f"EXECUTE asked('{text}')") for text in ("one", "two", "one")] == [
        ([("one",)], 1), ([("two",)], 1), ([("one",)], 0),
    ]  # fmt: skip


def test_try_makes_null_of_a_row_with_wrong_arguments(family: Bridge) -> None:
    failing = "TRY(classify(x, if(id = 1, [], ['text', 'd'])))"
    assert family.column(f"SELECT {failing} FROM few WHERE id < 3 ORDER BY id") == ["text", None, "text"]


def test_duckdbs_own_functions_are_left_alone(family: Bridge) -> None:
    own = "translate('abc', 'ab', 'xy'), extract(year FROM DATE '2020-01-01'), translate('abc', $1, $2)"
    assert asking(family, f"SELECT {own}", ["a", "z"]) == ([("xyc", 2020, "zbc")], 0)
    assert len(family.rows("SUMMARIZE few")) == 5


# --- connections -------------------------------------------------------------------------------------------------------


def test_from_every_cursor_of_a_database_in_memory(family: Bridge) -> None:
    with family.con.cursor() as cursor:
        assert cursor.execute(f"SELECT prompt('cursor', {ECHO}), prompt_as('5', 'INTEGER')").fetchall() == [
            ("cursor", 5)
        ]


@pytest.mark.parametrize("read_only", [False, True])
def test_in_a_file_the_names_are_temporary_and_every_cursor_has_the_schema(
    connect: Callable[..., Bridge], tmp_path: Path, read_only: bool
) -> None:
    path = tmp_path / "file.db"
    duckdb.connect(str(path)).execute("CREATE TABLE t AS SELECT 'text 5' AS x").close()
    bridge = connect(path, read_only=read_only, model="fake/model")
    plain, qualified = ([f"{schema}{about(call, 'x')}" for call, _ in CALLS] for schema in ("", "duck_or."))
    expected = bridge.rows(f"SELECT {', '.join(plain)} FROM t")
    with bridge.con.cursor() as cursor:
        assert cursor.execute(f"SELECT {', '.join(qualified)} FROM t").fetchall() == expected
        with pytest.raises(duckdb.CatalogException, match=r"duck_or\.prompt"):
            cursor.execute("SELECT prompt(x) FROM t")
    with duckdb.connect(str(path), read_only=read_only) as other:
        assert other.execute(
            "SELECT count(*) FROM duckdb_functions() WHERE function_name = 'prompt'"
        ).fetchall()
    assert all(None not in row for row in expected)


def test_threads_share_what_is_equal(family: Bridge) -> None:
    asked = "prompt_as(x || ' of all', 'INTEGER'), classify(x || ' of all', ['a', 'b']), embed(x || ' of all', 'fake/embedding', 2)"
    cursors = [family.con.cursor() for _ in range(4)]
    found: list[object] = []

    def ask(cursor: duckdb.DuckDBPyConnection) -> None:
        found.append(cursor.execute(f"SELECT {asked} FROM few ORDER BY id").fetchall())

    before, texts = family.sent, family.simulator.stats().texts_embedded
    threads = [threading.Thread(target=ask, args=(cursor,)) for cursor in cursors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [found[0]] * 4
    assert family.simulator.stats().texts_embedded - texts == 6
    assert 12 < family.sent - before <= 12 + 6


# --- any text ----------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=20))
def test_what_is_asked_is_the_text_itself(family: Bridge, texts: list[str]) -> None:
    sayable = [text for text in texts if "echo:" not in text]
    echoed = f"prompt(x, {ECHO}), prompt_as(json_object('value', x), 'VARCHAR', {ECHO})"
    rows = family.rows(f"SELECT {echoed} FROM (SELECT unnest($1::VARCHAR[]) AS x)", [sayable])
    assert rows == [(text, text) for text in sayable]


def test_a_row_is_no_line_in_the_programs_own_log(
    connect: Callable[..., Bridge], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    connect().rows("SELECT prompt('row ' || i) FROM range(5) AS t(i)")
    assert [record.getMessage() for record in caplog.records if "HTTP" in record.getMessage()] == []
