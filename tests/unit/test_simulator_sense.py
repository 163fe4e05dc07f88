"""Structured answers that make sense: values that the text holds, and values of the form that a description asks for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from duck_or.functions.shapes import shape_of, struct_of
from duck_or.simulator.draws import fingerprint
from duck_or.simulator.schema_answers import conforming

NULL = {"type": "null"}
LABELS = {"type": "string", "enum": ["bug", "praise", "feature request"]}
FILTER = "Answer this question about the user's text, by true or false: is the customer unhappy about the delivery?"


def value(schema: Any, text: str, system: str | None = None, of: bytes = b"f" * 16) -> Any:
    messages = [] if system is None else [{"role": "system", "content": system}]
    return conforming(schema, of, [*messages, {"role": "user", "content": text}])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("This is a BUG, I think.", "bug"),
        ("praise, praise, and one bug", "praise"),
        ("A Feature Request: dark mode", "feature request"),
        ("bug before praise", "bug"),
    ],
)
def test_a_label_is_the_one_that_the_text_names(text: str, label: str) -> None:
    assert value(LABELS, text) == label


def test_labels_that_are_only_listed_leave_it_to_chance() -> None:
    text = "One of bug, praise, feature request?"
    assert {value(LABELS, text, of=fingerprint(seed, b"")) for seed in range(50)} == set(LABELS["enum"])


@pytest.mark.parametrize(
    ("text", "labels"), [("praise, but also a bug", ["bug", "praise"]), ("nothing", []), ("debugging", [])]
)
def test_several_labels_are_all_that_the_text_names(text: str, labels: list[str]) -> None:
    assert value({"type": "array", "items": LABELS}, text) == labels


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("The delivery was late", True), ("Deliveries on time!", True), ("What a book", False)],
)
def test_yes_where_text_and_question_share_a_word(text: str, verdict: bool) -> None:
    assert value({"type": "boolean"}, text, FILTER) is verdict


def test_a_score_is_the_share_of_the_question_in_the_text() -> None:
    schema = {"type": "number", "description": "a number from 0 to 1"}
    assert value(schema, "late delivery", "How far: late delivery") == 1
    assert value(schema, "late breakfast", "How far: late delivery") == 0.5


FIELDS = {
    "name": "VARCHAR",
    "born": "DATE",
    "children": "INTEGER",
    "height": "DECIMAL(3, 2)",
    "met": "TIMESTAMP",
}


def test_extraction_finds_what_is_there_and_null_for_the_rest() -> None:
    schema = struct_of(FIELDS).schema
    assert value(schema, "Ada Lovelace, born 1815-12-10, had 3 of them.") == {
        "name": "Ada Lovelace",
        "born": "1815-12-10",
        "children": 3,
        "height": 3,
        "met": None,
    }
    assert value(schema, "nothing of interest, not even on 2026-02-30") == dict.fromkeys(FIELDS)


# fmt: off
TYPES = [
    "TINYINT", "UTINYINT", "SMALLINT", "INTEGER", "BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE",
    "DECIMAL(4,1)", "DECIMAL(18,3)", "DECIMAL(38,10)", "BOOLEAN", "VARCHAR", "UUID", "JSON", "DATE", "TIME", "TIMESTAMP",
    "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ", "INTERVAL", "ENUM('a','b')", "INTEGER[]", "FLOAT[3]",
    "ENUM('a','b')[2]", "MAP(VARCHAR, INTEGER)", "STRUCT(a INTEGER, b DATE, c STRUCT(d VARCHAR[], e UUID))",
    "STRUCT(a INTEGER, b TIMESTAMP)[]", "MAP(ENUM('a','b'), DOUBLE)", "DOUBLE[2][3]",
]
# fmt: on


@pytest.mark.parametrize("type_text", TYPES)
@pytest.mark.parametrize("text", ["", "Ada Lovelace has a 2.5 on 2026-01-31, then -7, 999999999 and b"])
@pytest.mark.parametrize("nullable", [False, True])
def test_every_type_that_can_be_asked_for_is_answered_with_a_value_of_it(
    type_text: str, text: str, nullable: bool
) -> None:
    shape = shape_of(type_text, nullable=nullable)
    for seed in range(20):
        made = value(shape.schema, text, "Tell me: what?", fingerprint(seed, b""))
        Draft202012Validator(shape.schema).validate(made)
        shape.read(made)


@given(
    st.integers(-(10**6), 10**6),
    st.integers(0, 10**6),
    st.text(max_size=30),
    st.binary(min_size=16, max_size=16),
)
def test_a_range_in_words_is_kept(low: int, span: int, text: str, of: bytes) -> None:
    for kind in ("integer", "number"):
        schema = {"type": kind, "description": f"stars, from {low} to {low + span}"}
        assert low <= value(schema, text, of=of) <= low + span
    digits = {"type": "string", "description": f"a whole number from {low} to {low + span}, in digits"}
    assert low <= int(value(digits, text, of=of)) <= low + span


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "description": "from -1000 to 1000", "minimum": 500, "maximum": 510},
        {"description": "from -1000 to 1000", "anyOf": [{"type": "integer", "minimum": 500, "maximum": 510}]},
        {"type": "string", "format": "email", "description": "not a YYYY-MM-DD"},
        {"type": "array", "items": {"type": "integer"}, "description": "exactly 3 elements", "maxItems": 1},
        {"type": "string", "description": "from 9 to 5"},
        {"type": ["integer", "null"], "description": "from 5 to 9"},
        {"anyOf": [{"type": "array", "items": {"type": "integer"}}, NULL]},
        {"type": "string", "maxLength": 3},
        {"type": "integer", "multipleOf": 5},
    ],
)
@pytest.mark.parametrize("text", ["", "Ada has 7 ducks"])
def test_words_never_overrule_keywords(schema: dict[str, Any], text: str) -> None:
    for seed in range(10):
        made = value(schema, text, of=fingerprint(seed, b""))
        checker = Draft202012Validator.FORMAT_CHECKER
        Draft202012Validator(schema, format_checker=checker).validate(made)
