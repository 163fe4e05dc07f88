"""Typed answers in SQL: values of the type that was named, repaired once, and never a wrong type or a silent NULL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from duck_or.simulator import Scenario
from support.bridge import Bridge
from support.family import family_bridge, last_error, raised

ECHO = "model := 'fake/echo'"


@pytest.fixture(scope="module")
def family() -> Iterator[Bridge]:
    with family_bridge() as bridge:
        yield bridge


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- values ------------------------------------------------------------------------------------------------------------

VALUES = [  # the type, an answer, and the value as DuckDB shows it
    ("INTEGER", '{"value": 7}', "7"),
    ("UTINYINT", '{"value": "255"}', "255"),
    ("HUGEINT", '{"value": "-170141183460469231731687303715884105728"}', "-170141183460469231731687303715884105728"),
    ("DOUBLE", '{"value": 0.1}', "0.1"),
    ("DECIMAL(38,10)", '{"value": "1234567890123456789012345678.0123456789"}', "1234567890123456789012345678.0123456789"),
    ("BOOLEAN", '{"value": "yes"}', "true"),
    ("VARCHAR", '{"value": "it\'s \\"é\\" \\n"}', 'it\'s "é" \n'),
    ("JSON", '{"value": "{\\"a\\": [1, null]}"}', '{"a":[1,null]}'),
    ("UUID", '{"value": "5B9C44A4-6DB3-4CB8-9C1E-0A3D0F4B1E21"}', "5b9c44a4-6db3-4cb8-9c1e-0a3d0f4b1e21"),
    ("DATE", '{"value": "1815-12-10"}', "1815-12-10"),
    ("TIME", '{"value": "07:08"}', "07:08:00"),
    ("TIMESTAMP", '{"value": "2026-01-02T03:04:05"}', "2026-01-02 03:04:05"),
    ("TIMESTAMP_NS", '{"value": "2026-01-02 03:04:05.123456789"}', "2026-01-02 03:04:05.123456789"),
    ("INTERVAL", '{"value": "2 days 3 hours"}', "2 days 03:00:00"),
    ("ENUM('it''s', 'a, b', 'ü\"')", '{"value": "IT\'S"}', "it's"),
    ("ENUM('it''s', 'a, b', 'ü\"')", '{"value": "a, b"}', "a, b"),
    ("VARCHAR[]", '{"value": ["a", "b"]}', "[a, b]"),
    ("FLOAT[2]", '{"value": [1, 0.5]}', "[1.0, 0.5]"),
    ("MAP(VARCHAR, INTEGER)", '{"value": [{"key": "a", "value": 1}]}', "{a=1}"),
    ('STRUCT("a b" INTEGER, s STRUCT(d DATE)[])', '{"a b": 1, "s": [{"d": "2026-01-02"}]}', "{'a b': 1, 's': [{'d': 2026-01-02}]}"),
    ("STRUCT(n INTEGER)[]", '{"value": [{"n": 1}, {"n": 2}]}', "[{'n': 1}, {'n': 2}]"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "answer", "shown"), VALUES)
def test_a_value_of_the_type(family: Bridge, kind: str, answer: str, shown: str) -> None:
    call = f"prompt_as($1, {quoted(kind)}, {ECHO})"
    assert family.rows(f"SELECT {call}::VARCHAR, typeof({call})", [answer]) == [(shown, kind)]


@pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, *_ in VALUES))
def test_a_model_that_keeps_to_the_schema_is_asked_once(family: Bridge, kind: str) -> None:
    before = family.sent
    assert family.value(f"SELECT prompt_as($1, {quoted(kind)}) IS NOT NULL", [f"Some {kind} of 2026-05-06."])
    assert family.sent - before == 1


@pytest.mark.parametrize(
    "answer",
    [
        "7",
        '"7"',
        '{"value":7}',
        '{"value": 7, "why": "So it is."}',
        'Sure!\n```json\n{"value": 7}\n```\nAnything else?',
        'Certainly: {"value": 7}.',
        '<think>{"value": 8} it is, or not.</think>\n{"value": 7}',
    ],
)
def test_a_value_within_whatever_else_a_model_says(family: Bridge, answer: str) -> None:
    before = family.sent
    assert family.value(f"SELECT prompt_as($1, 'INTEGER', {ECHO})", [answer]) == 7
    assert family.sent - before == 1


# --- types that cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("'BLOB'", "cannot become a BLOB: use VARCHAR"),
        ("'STRUCT(a INTEGER, b BLOB)'", "cannot become a BLOB (at b)"),
        ("'MAP(DOUBLE, INTEGER)'", "keys of a MAP can be text"),
        ("'UNION(a INTEGER, b DATE)'", "use JSON, or a STRUCT with a field for each case"),
        ("'INTEGER NOT NULL'", "'INTEGER NOT NULL' is not a type"),
        ("'INTEGER, b DATE'", "is not a type"),
        ("'STRUCT(a INTEGER'", "STRUCT(a INTEGER"),
        ("'NOTATYPE'", "NOTATYPE"),
        ("''", "can not be converted to a DuckDB Type"),
        ("{'a': 'INTEGER'}", "type must be text"),
        ("t", "must be a constant"),
        ("upper(t)", "must be a constant"),
    ],
)
def test_a_type_that_cannot_be_is_an_error_before_anything_is_sent(
    family: Bridge, kind: str, says: str
) -> None:
    before = family.sent
    assert says in raised(family, f"SELECT prompt_as('x', {kind}) FROM (VALUES ('INTEGER')) v(t)")
    assert family.sent == before


@pytest.mark.parametrize(
    "call",
    ["classify('x', ['a'], multi := m)", "llm_extract('x', {'n': t})", "embed('x', 'fake/embedding', n)"],
)
def test_what_makes_the_type_must_be_a_constant(family: Bridge, call: str) -> None:
    with pytest.raises(duckdb.BinderException, match="constant"):
        family.rows(f"SELECT {call} FROM (VALUES (true, 'DATE', 2)) v(m, t, n)")


# --- wrong answers -----------------------------------------------------------------------------------------------------

WRONG = [
    ("prompt_as({}, 'INTEGER')", "seven", "'seven' is not a number"),
    ("prompt_as({}, 'STRUCT(a DATE)')", '{"a": "2026-13-01"}', "a: '2026-13-01' is not a date"),
    ("prompt_as({}, 'VARCHAR')", "no idea", "the answer is not JSON"),
    ("classify({}, ['good', 'bad'])", "ugly", "'ugly' is not one of 'good', 'bad'"),
    (
        "classify({}, ['good', 'bad'], multi := true)",
        '{"good": true, "bad": "perhaps"}',
        "does not say true or false to each of good, bad",
    ),
    ("llm_extract({}, {{'n': 'INTEGER'}})", '{"n": "many"}', "n: 'many' is not a number"),
    ("llm_filter({}, 'Is it?')", "maybe", "'maybe' is not true or false"),
    ("score({}, 'Is it?')", "1.5", "1.5 is not from 0 to 1"),
]


@pytest.mark.parametrize(("call", "answer", "complaint"), WRONG)
def test_a_wrong_answer_is_complained_of_once_and_is_then_a_row_error(
    family: Bridge, call: str, answer: str, complaint: str
) -> None:
    call = f"{call.format(quoted(answer))[:-1]}, {ECHO})"
    before = family.session.stats()
    message = raised(family, f"SELECT {call}")
    assert complaint in message
    assert "It said: That answer cannot be used" in message  # fake/echo says what it is told
    assert "try_ form" in message
    first, second = (body["messages"] for body in family.bodies()[-2:])
    assert second[:-2] == first
    assert second[-2] == {"role": "assistant", "content": answer}
    assert complaint in second[-1]["content"]
    after = family.session.stats()
    assert (after.sent - before.sent, after.attempts - before.attempts, after.failed - before.failed) == (
        1,
        2,
        1,
    )


@pytest.mark.parametrize("call", [call for call, *_ in WRONG])
def test_a_model_that_is_never_right_gives_null_under_try_and_its_words_in_the_errors(
    family: Bridge, call: str
) -> None:
    call = f"try_{call.format('x')[:-1]}, model := m)"
    rows = "(VALUES (1, 'one 1', 'fake/model'), (2, 'two 2', 'fake/never-valid'), (3, 'three 3', 'fake/model')) v(id, x, m)"
    query = f"SELECT id, {call} IS NOT NULL FROM {rows} ORDER BY id"
    before = family.sent
    assert family.rows(query) == [(1, True), (2, False), (3, True)]
    assert family.sent - before == 4
    code, message, attempts, model = last_error(family)
    assert (code, attempts, model) == ("invalid_answer", 2, "fake/never-valid")
    assert "is not what was asked for" in message
    assert "It said: " in message
    assert family.rows(query) == [(1, True), (2, False), (3, True)]
    assert family.sent - before == 4 + 2, "the valid ones are kept, the other is asked again"


RATE = 0.3
ROWS = 60
SOME_WRONG = [
    ("prompt_as(x, 'STRUCT(a INTEGER, b VARCHAR[])')", "r.a IS NOT NULL AND len(r.b) >= 0"),
    ("prompt_as(x, 'ENUM(''a'', ''b'')')", "r IN ('a', 'b')"),
    ("classify(x, ['a', 'b'])", "r IN ('a', 'b')"),
    ("classify(x, ['a', 'b'], multi := true)", "list_has_all(['a', 'b'], r)"),
    ("llm_extract(x, {'d': 'DATE', 'n': 'INTEGER'})", "r IS NOT NULL"),
    ("llm_filter(x, 'Is it a text?')", "r IS NOT NULL"),
    ("score(x, 'Is it a text?')", "r BETWEEN 0 AND 1"),
]


@pytest.mark.parametrize(("call", "valid"), SOME_WRONG)
def test_answers_that_are_wrong_at_first_are_right_in_the_end(family: Bridge, call: str, valid: str) -> None:
    family.simulator.scenario = Scenario(faults={"invalid-answer": RATE})
    query = f"SELECT count(*) FROM (SELECT {call} AS r FROM (SELECT 'text ' || i AS x FROM range({ROWS}) t(i))) WHERE {valid}"
    before, faults = family.session.stats(), family.simulator.stats().by_fault.get("invalid-answer", 0)
    assert family.value(query) == ROWS
    after = family.session.stats()
    wrong = family.simulator.stats().by_fault["invalid-answer"] - faults
    assert ROWS * RATE / 3 < wrong < ROWS * RATE * 3
    assert (after.sent - before.sent, after.answered - before.answered) == (ROWS, ROWS)
    assert (after.attempts - before.attempts, after.retries - before.retries) == (ROWS + wrong, wrong)
    assert family.value(query) == ROWS
    again = family.session.stats()
    assert again.sent == after.sent
    assert again.cache_hits - after.cache_hits >= ROWS
    family.simulator.scenario = Scenario()


def test_what_a_rejected_answer_cost_is_counted(family: Bridge) -> None:
    before, paid = family.session.stats().cost_usd, family.simulator.stats().cost_usd
    assert (
        family.value("SELECT prompt_as('Dear, that is.', 'INTEGER', model := 'fake/err-invalid-answer')")
        is not None
    )
    [(attempts, cost)] = family.rows(
        "SELECT attempts, cost_usd FROM openrouter_calls() "  # of the whole process
        "WHERE model = 'fake/err-invalid-answer' AND NOT cache_hit ORDER BY time DESC LIMIT 1"
    )
    assert attempts == 2
    assert cost == pytest.approx(family.simulator.stats().cost_usd - paid)
    assert family.session.stats().cost_usd - before == pytest.approx(cost)


@pytest.mark.parametrize("mode", ["null", "json"])
def test_a_typed_function_has_no_place_for_an_error_but_null(mode: str) -> None:
    with family_bridge(on_error=mode) as bridge:
        calls = "prompt_as('x', 'DATE', model := m), classify('x', ['a'], model := m), prompt('x', model := 'fake/err-400')"
        assert bridge.rows(f"SELECT {calls} FROM (VALUES ('fake/never-valid')) v(m)") == [(None,) * 3]
        with pytest.raises(duckdb.Error, match="nope/nope is not a valid model ID"):
            bridge.rows("SELECT classify('x', ['a'], model := 'nope/nope')")


@pytest.mark.parametrize(
    "call", ["prompt_as('x', 'DATE', {})", "classify('x', ['a'], {})", "prompt('x', {})"]
)
@pytest.mark.parametrize("model", ["nope/nope", "fake/err-401"])
def test_what_no_row_can_survive_stops_under_try_too(family: Bridge, call: str, model: str) -> None:
    named = call.format(f"model := '{model}'")
    assert "Nothing further was sent" in raised(family, f"SELECT try_{named}")


# --- classify and extract ----------------------------------------------------------------------------------------------

LABELS = ["it's", '"q"', "a, b", "ü😀", "\\n", "{c}", "null", "1", " edge "]


def test_labels_may_hold_anything(family: Bridge) -> None:
    listed = f"[{', '.join(map(quoted, LABELS))}]"
    for label in LABELS:
        one = f"SELECT classify($1, {listed}, {ECHO})"
        assert family.value(one, [json.dumps({"value": label})]) == label
        many = f"SELECT classify($1, {listed}, multi := true, {ECHO})"
        assert family.value(many, [json.dumps({each: each == label for each in LABELS})]) == [label]


@pytest.mark.parametrize("multi", ["true", "1", "'yes'"])
def test_several_labels_are_a_list_however_it_is_said(family: Bridge, multi: str) -> None:
    query = f"SELECT classify('Both good and bad.', ['good', 'bad', 'ugly'], multi := {multi})"
    assert family.value(query) == ["good", "bad"]


@settings(max_examples=15, deadline=None)
@example(["a", "A"], True)
@example(["\0", "a\0b"], False)
@given(
    st.lists(st.text(min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=5, unique=True),
    st.booleans(),
)
def test_the_answer_is_one_of_the_labels(family: Bridge, labels: list[str], multi: bool) -> None:
    found: Any = family.value("SELECT classify('Which?', $1::VARCHAR[], multi := $2)", [labels, multi])
    assert set(found if multi else [found]) <= set(labels)


@pytest.mark.parametrize(
    "labels",
    [
        "{'bug': 'it broke', 'praise': NULL}",
        "MAP {'bug': 'it broke', 'praise': ''}",
        "[{'label': 'bug', 'description': 'it broke'}, {'label': 'praise', 'description': NULL}]",
        '\'{"bug": "it broke", "praise": ""}\'::JSON',
    ],
)
def test_labels_with_descriptions(family: Bridge, labels: str) -> None:
    assert family.value(f"SELECT classify('Much praise.', {labels})") == "praise"
    assert family.bodies()[-1]["messages"][0]["content"].endswith("\n- bug: it broke\n- praise")


def test_what_the_text_does_not_say_is_null(family: Bridge) -> None:
    fields = "{'name': 'VARCHAR', 'born': 'DATE', 'works': 'STRUCT(title VARCHAR, year INTEGER)[]', 'at': 'STRUCT(city VARCHAR)'}"
    query = f"SELECT llm_extract($1, {fields}, {ECHO})"
    nothing = {"name": None, "born": None, "works": None, "at": None}
    assert family.value(query, ["{}"]) == nothing
    assert family.value(query, ['{"name": "Ada", "works": [{"title": "Notes"}], "at": {"city": null}}']) == {
        **nothing,
        "name": "Ada",
        "works": [{"title": "Notes", "year": None}],
        "at": {"city": None},
    }
    assert family.rows(
        "SELECT e.name, e.born::VARCHAR FROM (SELECT llm_extract('Grace was born on 1906-12-09.', "
        "{'name': 'VARCHAR', 'born': 'DATE'}) AS e)"
    ) == [("Grace", "1906-12-09")]
