"""Whatever a model answers, what a shape reads out of it is a value of the type to DuckDB: no error, and NULL only where
the shape read null. The promise that every typed function stands on."""

from __future__ import annotations

import string
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import duckdb
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from duck_or.functions.shapes import Misfit, shape_of, struct_of
from duck_or.json_values import read_json


class Spec(NamedTuple):
    """A type in text, and answers that are often values of it."""

    text: str
    answers: st.SearchStrategy[Any]


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**130)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["", "null", "NaN", "1e999", "-0.0", "1,000", "infinity", "0x1F", "epoch", "today", "24:00:00"]
    )
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
DIGITS = st.text(string.digits, min_size=1, max_size=42)
NUMERALS = st.builds(
    "{}{}{}{}".format, st.sampled_from(["", "-", "+"]), DIGITS, st.sampled_from(["", ".", "e"]), DIGITS
)
NUMBERS = (
    st.integers(-300, 300)
    | st.floats(-1e6, 1e6)
    | st.integers(-(2**129), 2**129)
    | NUMERALS
    | st.decimals(-999, 999).map(str)
)
CLOCKS = st.times().map(str) | st.times().map(lambda when: f"{when:%H:%M}")
ZONES = st.sampled_from(["", "Z", "+00:00", "-05:30", "+14", "+23:59", " UTC"])
DAYS = st.dates().map(str) | st.builds(
    "{:04}-{}-{}".format, st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32)
)
MOMENTS = st.builds("{}{}{}{}".format, DAYS, st.sampled_from(["T", " "]), CLOCKS, ZONES) | DAYS
COUNTS = st.integers(-(10**6), 10**6) | st.integers(-(2**66), 2**66)
LENGTHS = (
    st.timedeltas().map(str)
    | st.builds(
        "{} {}".format, COUNTS, st.sampled_from(["years", "month", "days", "h", "minutes", "us", "moons"])
    )
    | st.builds("P{}Y{}M{}DT{}H{}S".format, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
    | st.builds("{} days {}".format, COUNTS, CLOCKS)
)
LABELS = st.sampled_from(["good", " Good", "it's", "BAD", "bad", "", "1", 1])
# No DECIMAL(n,n): to_json, which shows what arrived, writes .1 for it. They are among EXACT below.
SCALARS = [
    *(
        Spec(f"{sign}{name}", NUMBERS)
        for sign in ("", "U")
        for name in ("TINYINT", "INTEGER", "BIGINT", "HUGEINT")
    ),
    *(
        Spec(name, NUMBERS)
        for name in (
            "FLOAT",
            "DOUBLE",
            "DECIMAL(5,2)",
            "DECIMAL(38,10)",
            "DECIMAL(5,4)",
            "DECIMAL(3,0)",
            "DECIMAL(38,0)",
        )
    ),
    Spec("BOOLEAN", st.booleans() | st.sampled_from(["True", "no", "1"])),
    Spec("VARCHAR", st.text(max_size=8)),
    Spec("JSON", ANYTHING | ANYTHING.map(lambda value: orjson.dumps(str(value)).decode())),
    Spec("ENUM('good', 'it''s', 'bad', 'BAD', '', '1')", LABELS),
    Spec("UUID", st.uuids().map(str) | st.uuids().map(lambda found: found.hex)),
    Spec("DATE", DAYS),
    Spec("TIME", CLOCKS),
    *(Spec(f"TIMESTAMP{kind}", MOMENTS) for kind in ("", "_S", "_MS", "_NS", "TZ")),
    Spec("INTERVAL", LENGTHS),
]
KEYS = [
    spec
    for spec in SCALARS
    if spec.text in ("VARCHAR", "INTEGER", "UHUGEINT", "DATE", "UUID") or "ENUM" in spec.text
]
NAMES = ["a", "B", "a b", "size", "value", "é", 'q"t', "from", "x.y"]


def list_spec(inner: Spec) -> Spec:
    return Spec(f"{inner.text}[]", st.lists(inner.answers, max_size=3))


def array_spec(inner: Spec) -> Spec:
    return Spec(f"{inner.text}[2]", st.lists(inner.answers, min_size=2, max_size=2))


def struct_spec(fields: dict[str, Spec]) -> Spec:
    texts = ", ".join('"' + name.replace('"', '""') + f'" {spec.text}' for name, spec in fields.items())
    members = {name: spec.answers for name, spec in fields.items()}
    return Spec(
        f"STRUCT({texts})", st.fixed_dictionaries(members) | st.fixed_dictionaries({}, optional=members)
    )


def map_spec(key: Spec, value: Spec) -> Spec:
    entry = st.fixed_dictionaries({"key": key.answers, "value": value.answers})
    plain = st.dictionaries(key.answers.filter(lambda name: isinstance(name, str)), value.answers, max_size=3)
    return Spec(f"MAP({key.text}, {value.text})", st.lists(entry, max_size=3) | plain)


def nested(inner: st.SearchStrategy[Spec]) -> st.SearchStrategy[Spec]:
    fields = st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=3)
    maps = st.builds(map_spec, st.sampled_from(KEYS), inner)
    return inner.map(list_spec) | inner.map(array_spec) | fields.map(struct_spec) | maps


SPECS = st.sampled_from(SCALARS) | st.recursive(st.sampled_from(SCALARS), nested, max_leaves=3)
CASES = SPECS.flatmap(lambda spec: st.tuples(st.just(spec.text), spec.answers | spec.answers | ANYTHING))


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": "1"}) as made:
        made.execute("SET TimeZone = 'America/New_York'")  # no answer may depend on where it is read
        yield made


def sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def in_sql(con: duckdb.DuckDBPyConnection, type_text: str, found: Any, wanted: str = "value") -> Any:
    query = f"SELECT {wanted} FROM (SELECT from_json($1::VARCHAR, to_json({sql_text(type_text)})) AS value)"
    row = con.execute(query, [orjson.dumps(found).decode()]).fetchone()
    assert row is not None
    return row[0]


def nulls(value: Any) -> Any:
    """A value with everything but its structure and its nulls taken away."""
    if isinstance(value, dict):
        return {name: nulls(member) for name, member in value.items()}
    if isinstance(value, list):
        return [nulls(element) for element in value]
    return value is None


def agrees(con: duckdb.DuckDBPyConnection, type_text: str, found: Any) -> None:
    again = in_sql(con, type_text, found, "to_json(value)::VARCHAR")
    assert nulls(None if again is None else read_json(again)) == nulls(found)


@example(case=("MAP(INTEGER, VARCHAR)", {"1": "a", "01": "b"}), nullable=False)
@example(case=("DECIMAL(5,2)", 999.995), nullable=False)
@example(case=("TIMESTAMP_NS", "2262-04-12 00:00:00"), nullable=False)
@example(case=("TIMESTAMPTZ", "9999-12-31T23:59:59-01:00"), nullable=False)
@example(case=("INTERVAL", f"{2**63 - 1} us"), nullable=False)
@example(case=("INTERVAL", f"-{2**31 - 1} months -{2**31 - 1} days -{2**63 - 1} us"), nullable=False)
@example(case=("FLOAT", 3.4028235e38), nullable=False)
@example(case=("FLOAT", 3.41e38), nullable=False)
@example(case=("JSON", '"null"'), nullable=True)
@given(case=CASES, nullable=st.booleans())
def test_an_answer_is_refused_or_is_a_value_of_the_type(
    con: duckdb.DuckDBPyConnection, case: tuple[str, Any], nullable: bool
) -> None:
    type_text, answer = case
    try:
        found = shape_of(type_text, nullable=nullable).read(answer)
    except Misfit:
        return
    assert found is not None or nullable
    agrees(con, type_text, found)


@given(
    st.dictionaries(st.sampled_from(NAMES), SPECS, min_size=1, max_size=3).flatmap(
        lambda fields: st.tuples(st.just(fields), struct_spec(fields).answers)
    )
)
def test_a_struct_with_gaps_has_null_where_the_answer_has_none(
    con: duckdb.DuckDBPyConnection, case: tuple[dict[str, Spec], dict[str, Any]]
) -> None:
    fields, answer = case
    try:
        found = struct_of({name: spec.text for name, spec in fields.items()}).read(answer)
    except Misfit:
        return
    assert {name for name, value in found.items() if value is None} >= fields.keys() - answer.keys()
    agrees(con, struct_spec(fields).text, found)


def integers(bits: int, *, signed: bool) -> st.SearchStrategy[Any]:
    return st.integers(-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - 1) - 1 if signed else 2**bits - 1)


UTC_MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
DECIMALS = st.decimals(Decimal(-(10**28) + 1), Decimal(10**28 - 1), places=10)
EXACT = {
    "TINYINT": (integers(8, signed=True), int),
    "BIGINT": (integers(64, signed=True), int),
    "UBIGINT": (integers(64, signed=False), str),
    "HUGEINT": (integers(128, signed=True), int),
    "UHUGEINT": (integers(128, signed=False), str),
    "DOUBLE": (st.floats(allow_nan=False, allow_infinity=False), float),
    "FLOAT": (st.floats(allow_nan=False, allow_infinity=False, width=32), float),
    "DECIMAL(38,10)": (DECIMALS, str),
    "DECIMAL(15,3)": (st.decimals(-(10**12) + 1, 10**12 - 1, places=3), float),
    "DECIMAL(38,38)": (st.decimals(-1, 1, places=38).filter(lambda value: abs(value) < 1), str),
    "VARCHAR": (st.text(), str),
    "UUID": (st.uuids(), str),
    "DATE": (st.dates(), str),
    "TIME": (st.times(), str),
    "TIMESTAMP": (st.datetimes(), str),
    "TIMESTAMPTZ": (UTC_MOMENTS, datetime.isoformat),
    "INTERVAL": (
        st.timedeltas(timedelta(-(10**6)), timedelta(10**6)),
        lambda length: f"{length // timedelta(microseconds=1)} us",
    ),
}


@settings(max_examples=40)
@pytest.mark.parametrize("type_text", EXACT)
@given(data=st.data())
def test_every_value_arrives_as_it_was_meant(
    con: duckdb.DuckDBPyConnection, type_text: str, data: st.DataObject
) -> None:
    values, as_answered = EXACT[type_text]
    meant: int | float | str | Decimal | UUID | date | time | timedelta = data.draw(values)
    assert in_sql(con, type_text, shape_of(type_text).read(as_answered(meant))) == meant


@given(
    st.lists(st.tuples(st.text(max_size=5), st.integers(-5, 5)), unique_by=lambda pair: pair[0], max_size=4)
)
def test_a_map_arrives_with_every_key(con: duckdb.DuckDBPyConnection, pairs: list[tuple[str, int]]) -> None:
    found = shape_of("MAP(VARCHAR, TINYINT)").read([{"key": key, "value": value} for key, value in pairs])
    assert in_sql(con, "MAP(VARCHAR, TINYINT)", found) == dict(pairs)
