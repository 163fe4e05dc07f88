"""Which types can be answered, how each is described to a model, and which answers are values of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.errors import ArgumentError
from duck_or.functions.shapes import Misfit, shape_of, struct_of

STRICT_MEMBERS = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "anyOf",
    "description",
    "format",
}
REVIEW = "STRUCT(mood ENUM('good', 'bad'), score DOUBLE)"

READ = [
    ("INTEGER", 3, 3),
    ("INTEGER", "3", 3),
    ("INTEGER", " -3 ", -3),
    ("INTEGER", 3.0, 3),
    ("INTEGER", "3.0", 3),
    ("INTEGER", "1e3", 1000),
    ("UTINYINT", 255, 255),
    ("HUGEINT", -(2**127), str(-(2**127))),
    ("UHUGEINT", str(2**128 - 1), str(2**128 - 1)),
    ("DOUBLE", 3, 3.0),
    ("DOUBLE", " 0.5 ", 0.5),
    ("FLOAT", 0.1, 0.1),
    ("DECIMAL(5,2)", 1.005, "1.01"),  # the number that was written, not its nearest double
    ("DECIMAL(5,2)", "-2.345", "-2.35"),  # half away from zero, as DuckDB casts
    ("DECIMAL(5,2)", 7, "7.00"),
    ("DECIMAL(38,10)", "1234567890123456789012345678.0123456789", "1234567890123456789012345678.0123456789"),
    ("BOOLEAN", True, True),
    ("BOOLEAN", "False", False),
    ("BOOLEAN", "yes", True),
    ("VARCHAR", " kept as it is ", " kept as it is "),
    ("VARCHAR", 12, "12"),
    ("ENUM('good', 'bad')", " Good ", "good"),
    ("ENUM('a', 'A')", "A", "A"),
    ("ENUM('', 'x')", "", ""),
    ("ENUM('1', '2')", 2, "2"),
    ("UUID", "{550E8400E29B41D4A716446655440000}", "550e8400-e29b-41d4-a716-446655440000"),
    ("JSON", '{"a": [1, null]}', {"a": [1, None]}),
    ("JSON", {"a": 1}, {"a": 1}),
    ("DATE", " 2024-2-29 ", "2024-02-29"),
    ("DATE", "2024-02-29T00:00:00Z", "2024-02-29"),
    ("TIME", "7:05", "07:05:00"),
    ("TIME", "07:05:00.120000000", "07:05:00.12"),
    ("TIMESTAMP", "2024-01-02T03:04:05.5Z", "2024-01-02 03:04:05.5"),
    ("TIMESTAMP", "2024-01-02", "2024-01-02 00:00:00"),
    ("TIMESTAMP_MS", "2024-01-02 03:04:05.123", "2024-01-02 03:04:05.123"),
    ("TIMESTAMP_NS", "2024-01-02 03:04:05.123456789", "2024-01-02 03:04:05.123456789"),
    ("TIMESTAMPTZ", "2024-01-02T00:30:00+02:00", "2024-01-01 22:30:00+00"),
    ("TIMESTAMPTZ", "2024-01-02 00:30 -0530", "2024-01-02 06:00:00+00"),
    ("INTERVAL", "1 year, 2 months and 3 days", "14 months 3 days 0 microseconds"),
    ("INTERVAL", "P1Y2M1W3DT4H5M6.5S", "14 months 10 days 14706500000 microseconds"),
    ("INTERVAL", "1 day -02:03:04", "0 months 1 days -7384000000 microseconds"),
    ("INTERVAL", "1.5 hours", "0 months 0 days 5400000000 microseconds"),
    ("INTEGER[]", [1, "2"], [1, 2]),
    ("FLOAT[2]", [1, 2], [1.0, 2.0]),
    ("MAP(VARCHAR, INTEGER)", [{"key": "a", "value": 1}], {"a": 1}),
    ("MAP(VARCHAR, INTEGER)", {"a": 1, "b": "2"}, {"a": 1, "b": 2}),
    ("MAP(INTEGER, VARCHAR)", {"7": "x"}, {"7": "x"}),
    (
        REVIEW,
        {"Mood": "good", "score": 1, "why": "dropped: no field is missing"},
        {"mood": "good", "score": 1.0},
    ),
    ("STRUCT(size INTEGER, child VARCHAR)[1]", [{"size": 1, "child": "x"}], [{"size": 1, "child": "x"}]),
]


@pytest.mark.parametrize(("type_text", "answer", "value"), READ)
def test_an_answer_is_read_where_its_meaning_is_beyond_doubt(type_text: str, answer: Any, value: Any) -> None:
    found = shape_of(type_text).read(answer)
    assert (found, type(found)) == (value, type(value))


# The answer, and what the refusal says of it.
REFUSED = [
    ("INTEGER", 3.5, "3.5 is not a whole number"),
    ("INTEGER", "three", "'three' is not a number"),
    ("INTEGER", "1,000", "'1,000' is not a number"),
    ("INTEGER", "٣", "is not a number"),
    ("INTEGER", True, "true is not a whole number"),
    ("INTEGER", None, "null is not a whole number"),
    ("INTEGER", 2**31, "2147483648 is not a whole number from -2147483648 to 2147483647"),
    ("INTEGER", "1e9999", "'1e9999' is not a whole number"),
    ("UTINYINT", -1, "-1 is not a whole number from 0 to 255"),
    ("BIGINT", 2.0**53 + 2, "is not a whole number"),  # the digits that were written may be lost
    ("UHUGEINT", 2**128, "is not a whole number from 0"),
    ("UHUGEINT", 10**4000, "a number is not a whole number from 0"),
    ("DOUBLE", float("nan"), "nan is not a number"),
    ("DOUBLE", "1e999", "'1e999' is not a number from"),
    ("DOUBLE", "inf", "'inf' is not a number"),
    ("DOUBLE", 10**400, "too large"),
    ("FLOAT", 3.41e38, "3.41e+38 is not a number from"),
    ("FLOAT", 1e39, "1e+39 is not a number from -3.402823e+38 to 3.402823e+38"),
    ("DECIMAL(5,2)", 1000, "1000 is not a number of at most 3 digits before and 2 after the point"),
    ("DECIMAL(5,2)", 999.995, "999.995 is not a number of at most 3 digits"),  # rounded it is 1000.00
    ("DECIMAL(38,30)", 0.1, "write it in quotes"),
    ("BOOLEAN", 1, "1 is not true or false"),
    ("VARCHAR", ["a"], "a list is not text"),
    ("VARCHAR", 1.5, "1.5 is not text"),
    ("ENUM('good', 'bad')", "so-so", "'so-so' is not one of 'good', 'bad'"),
    ("ENUM('a', 'A')", " a", "' a' is not one of 'a', 'A'"),  # which of the two?
    ("UUID", "550e8400", "is not a UUID"),
    ("JSON", "{a: 1}", "is not JSON in text"),
    ("JSON", "null", "null is not a value"),
    ("JSON", {"n": 2**70}, "cannot be written as JSON"),
    ("DATE", "2023-02-29", "'2023-02-29' is not a date, YYYY-MM-DD"),
    ("DATE", "29/02/2024", "is not a date"),
    ("DATE", "2024-02-29T00:00:01Z", "is not a date"),
    ("DATE", 2024, "2024 is not a date"),
    ("TIME", "24:00:00", "is not a time of day"),
    ("TIME", "10:00:00.0000001", "keeps 6 digits of a second's fraction"),
    ("TIMESTAMP", "2024-01-02T03:04:05+02:00", "it has no time zone, so leave the offset away"),
    ("TIMESTAMP_S", "2024-01-02 03:04:05.5", "keeps no digits"),
    ("TIMESTAMP_NS", "1600-01-01 00:00:00", "from 1678 to 2261"),
    ("TIMESTAMPTZ", "2024-01-02T03:04:05", "the time zone is missing"),
    ("TIMESTAMPTZ", "0001-01-01T00:00:00+02:00", "out of range"),
    ("TIMESTAMPTZ", "2024-01-02T03:04:05+02:99", "no such offset"),
    ("INTERVAL", "half an hour", "'half an hour' is no amount and unit"),
    ("INTERVAL", "0.5 days", "is not a length of time"),
    ("INTERVAL", "", "is not a length of time"),
    ("INTERVAL", "P1.2.3D", "is no amount and unit"),
    ("INTERVAL", f"{2**31} days", "too long"),
    ("INTERVAL", f"-{2**31} months", "too long"),
    ("INTERVAL", f"{2**63} us", "too long"),
    ("INTEGER[]", 3, "3 is not a list"),
    ("INTEGER[]", [1, None], "[1]: null is not a whole number"),
    ("FLOAT[2]", [1.0], "it has 1 elements, not exactly 2 elements"),
    ("MAP(INTEGER, INTEGER)", {"1": 1, "01": 2}, "the key '1' stands twice"),
    ("MAP(VARCHAR, VARCHAR)", {"key": "a", "value": "b"}, "give a list of {key, value}"),
    (REVIEW, {"mood": "good"}, "'score' is missing"),
    (REVIEW, {"mood": "good", "score": None}, "score: null is not a number"),
    (REVIEW, [], "a list is not an object with 'mood', 'score'"),
    (
        "STRUCT(items STRUCT(price DOUBLE)[])",
        {"items": [{"price": 1}, {"price": "abc"}]},
        "items[1].price: 'abc' is not a number",
    ),
    ('STRUCT("a b" STRUCT(c DATE))', {"a b": {"c": 1}}, '["a b"].c: 1 is not a date'),
    ("MAP(VARCHAR, DATE)", {"a": 1}, "[0].value: 1 is not a date"),
]


@pytest.mark.parametrize(("type_text", "answer", "reason"), REFUSED)
def test_an_answer_that_could_be_wrong_is_refused_with_its_place(
    type_text: str, answer: Any, reason: str
) -> None:
    with pytest.raises(Misfit) as caught:
        shape_of(type_text).read(answer)
    assert reason in str(caught.value)


def test_a_misfit_is_short_whatever_the_answer() -> None:
    with pytest.raises(Misfit) as caught:
        shape_of("INTEGER").read("x" * 10_000)
    assert len(str(caught.value)) < 120


def test_null_is_an_answer_only_where_the_shape_says_so() -> None:
    assert shape_of("DATE", nullable=True).read(None) is None
    with pytest.raises(Misfit):
        shape_of("DATE").read(None)
    with pytest.raises(Misfit, match="a: null"):
        shape_of("STRUCT(a DATE)", nullable=True).read({"a": None})


# What has to be known before a query is planned: which types cannot be answered, where, and what to use instead.
UNANSWERABLE = [
    ("BLOB", "a BLOB: use VARCHAR"),
    ("STRUCT(a STRUCT(b BIT[])[])", "a BIT (at a.b): use BOOLEAN[] or VARCHAR"),
    ("UNION(a INTEGER, b VARCHAR)", "use JSON, or a STRUCT"),
    ("MAP(VARCHAR, TIMETZ)", "a TIME WITH TIME ZONE: use TIMESTAMPTZ or TIME"),
    ("TIME_NS", "use TIME"),
    ("BIGNUM", "use HUGEINT"),
    ("MAP(DOUBLE, INTEGER)", "use a list of STRUCTs"),
    ('"NULL"', "use VARCHAR or JSON"),
    ("INTEGER" + "[]" * 40, "nested 30 levels deep"),
    ("MOOD", "'MOOD' is not a type that DuckDB knows here"),
    ("INET", "'INET' is not a type that DuckDB knows here"),  # an extension's: nothing is downloaded
    ("INTEGER; SELECT 1", "is not a type"),
    ("INTEGER, b VARCHAR", "is not a type"),
    ("INTEGER NOT NULL", "is not a type"),
    ("INTEGER), b STRUCT(c INTEGER", "is not a type"),
    ("INTEGER -- a comment", "is not a type"),
    ("", "is not a type"),
]


@pytest.mark.parametrize(("type_text", "reason"), UNANSWERABLE)
def test_a_type_that_cannot_be_answered_names_what_to_use_instead(type_text: str, reason: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        shape_of(type_text)
    assert reason in str(caught.value)
    assert shape_of.__wrapped__("INTEGER[]").kind == "list"  # the next type is read all the same


SCHEMAS: list[tuple[str, dict[str, Any]]] = [
    ("BOOLEAN", {"type": "boolean"}),
    ("DOUBLE", {"type": "number"}),
    ("text", {"type": "string"}),
    ("TINYINT", {"type": "integer", "description": "a whole number from -128 to 127"}),
    (
        "DECIMAL(5,2)",
        {"type": "number", "description": "a number of at most 3 digits before and 2 after the point"},
    ),
    ("DATE", {"type": "string", "description": "a date, YYYY-MM-DD", "format": "date"}),
    ("ENUM('a', 'it''s')", {"type": "string", "enum": ["a", "it's"]}),
    (
        "FLOAT[3]",
        {
            "type": "array",
            "items": {"type": "number", "description": "a number in single precision"},
            "description": "exactly 3 elements",
        },
    ),
    (
        "MAP(VARCHAR, DOUBLE)[]",
        {
            "type": "array",
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"key": {"type": "string"}, "value": {"type": "number"}},
                    "required": ["key", "value"],
                    "additionalProperties": False,
                },
                "description": "entries, each key once",
            },
        },
    ),
]


@pytest.mark.parametrize(("type_text", "schema"), SCHEMAS)
def test_a_type_is_described_in_what_strict_mode_takes(type_text: str, schema: dict[str, Any]) -> None:
    assert shape_of(type_text).schema == schema
    assert shape_of(type_text, nullable=True).schema == {"anyOf": [schema, {"type": "null"}]}


def test_long_numbers_are_asked_for_as_text() -> None:
    for type_text in ("HUGEINT", "UHUGEINT", "DECIMAL(18,3)"):
        assert shape_of(type_text).schema["type"] == "string"


def keywords(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(keywords, schema))
    if not isinstance(schema, dict):
        return set()
    inner = [
        *schema.get("properties", {}).values(),
        *(schema[name] for name in ("items", "anyOf") if name in schema),
    ]
    return set(schema).union(*map(keywords, inner))


@pytest.mark.parametrize("type_text", sorted({case[0] for case in READ}))
def test_no_schema_leaves_strict_mode(type_text: str) -> None:
    assert keywords(struct_of({"field": type_text}).schema) <= STRICT_MEMBERS


def test_types_that_take_other_values_are_asked_for_in_other_words() -> None:
    types = ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "FLOAT", "DOUBLE", "DATE", "VARCHAR"]
    assert len({str(shape_of(each).schema) for each in types}) == len(types)


def test_every_field_is_required_in_its_order() -> None:
    schema = shape_of("STRUCT(zebra INTEGER, ant VARCHAR)").schema
    assert list(schema["properties"]) == schema["required"] == ["zebra", "ant"]
    assert schema["additionalProperties"] is False


def test_extracted_fields_may_be_null_or_missing_at_every_depth() -> None:
    shape = struct_of({"name": "VARCHAR", "home": "STRUCT(street VARCHAR, number INTEGER)"})
    assert shape.read({}) == {"name": None, "home": None}
    assert shape.read({"Home": {"number": None}}) == {"name": None, "home": {"street": None, "number": None}}
    assert {"type": "null"} in shape.schema["properties"]["home"]["anyOf"]


def test_a_misspelt_field_never_becomes_null() -> None:
    with pytest.raises(Misfit, match="'nmae' is none of 'name', 'born'"):
        struct_of({"name": "VARCHAR", "born": "DATE"}).read({"nmae": "Ann", "born": "1990-01-01"})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ok": "INTEGER", "bad": "BLOB"}, "(at bad): use VARCHAR"),
        ({"a": "INTEGER, b VARCHAR"}, "a: 'INTEGER, b VARCHAR' is not a type"),
        ({"a": "INTEGER", "A": "INTEGER"}, "differ in more than case"),
        ({}, "needs fields"),
        ({"": "INTEGER"}, "needs fields"),
    ],
)
def test_fields_that_cannot_make_a_struct_are_refused(fields: dict[str, str], reason: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        struct_of(fields)
    assert reason in str(caught.value)


def test_a_shape_is_made_once() -> None:
    assert shape_of(REVIEW) is shape_of(REVIEW)
    assert struct_of({"a": "DATE"}) is struct_of({"a": "DATE"})
    assert shape_of(REVIEW) is not shape_of(REVIEW, nullable=True)


def test_types_are_read_by_many_threads_at_once() -> None:
    texts = [f"STRUCT(a{number} INTEGER[])" for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        fields = [shape.schema["required"] for shape in pool.map(shape_of, texts)]
    assert fields == [[f"a{number}"] for number in range(60)]


LABELS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4)


@given(st.lists(LABELS, min_size=1, max_size=6, unique=True))
def test_each_label_is_read_as_itself(labels: list[str]) -> None:
    shape = shape_of("ENUM(" + ", ".join("'" + label.replace("'", "''") + "'" for label in labels) + ")")
    assert shape.schema["enum"] == labels
    assert [shape.read(label) for label in labels] == labels
