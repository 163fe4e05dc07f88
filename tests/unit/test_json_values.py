from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.json_values import canonical_json, read_json, shown, without_nulls

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_reads_back_as_the_same_value(value: Any) -> None:
    # An integral double may be written without a point: 1e20 reads back as the integer 10^20.
    assert _same(value, json.loads(canonical_json(value)))


def _same(value: Any, read: Any) -> bool:
    if isinstance(value, float):
        return float(read) == value
    if isinstance(value, dict):
        return value.keys() == read.keys() and all(_same(value[name], read[name]) for name in value)
    if isinstance(value, list):
        return len(value) == len(read) and all(map(_same, value, read))
    return type(value) is type(read) and bool(value == read)


@given(json_values, st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(value: Any, random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            names = list(value)
            random.shuffle(names)
            return {name: shuffled(value[name]) for name in names}
        return [shuffled(element) for element in value] if isinstance(value, list) else value

    assert canonical_json(shuffled(value)) == canonical_json(value)


@given(json_values)
def test_canonical_json_is_its_own_canonical_form(value: Any) -> None:
    written = canonical_json(value)
    assert canonical_json(read_json(written.decode())) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        # RFC 8785, appendix B: the double's bits in hexadecimal, and how it is written.
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_floats_are_written_as_rfc_8785_says(value: str, written: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(value))
    assert canonical_json(number).decode() == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.0, b"1"),
        (-0.0, b"0"),
        (2**53 + 1, b"9007199254740993"),
        (2**63 + 1, b"9223372036854775809"),
        (-(2**63) - 1, b"-9223372036854775809"),
        (2**70, b"1180591620717411303424"),
        (True, b"true"),
        ({"b": 1, "a": None}, b'{"a":null,"b":1}'),
        ({"é": 1, "z": 2, "\U0001f986": 3, "\uffff": 4}, '{"z":2,"é":1,"\uffff":4,"\U0001f986":3}'.encode()),
        ('"\\/\b\f\n\r\t\x00\x1f\x7f\u2028', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\u2028"'.encode()),
    ],
)
def test_how_values_are_written(value: Any, written: bytes) -> None:
    assert canonical_json(value) == written


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        (1,),
        b"x",
        {"a": object()},
        nested(5_000),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="it "):
        canonical_json(value)


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "1e999", '"\\ud800"', "\ud800", "[1,]", "9" * 5_000, "[" * 9_999]
)
def test_what_is_not_json_is_not_read(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the message is the parser's
        read_json(text)


def test_nulls_are_dropped_at_every_depth_but_not_from_arrays_nor_from_kept_members() -> None:
    value = {"a": None, "b": [{"c": None, "d": [None]}], "keep": {"e": None}}
    assert without_nulls(value, keep={"keep"}) == {"b": [{"d": [None]}], "keep": {"e": None}}
    assert without_nulls(value) == {"b": [{"d": [None]}], "keep": {}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "boolean true"),
        (5, "number 5"),
        ("it's", 'text "it\'s"'),
        ([1, "é"], 'array [1, "é"]'),
        ({"a": 1}, 'object {"a": 1}'),
    ],
)
def test_how_a_value_is_shown(value: Any, expected: str) -> None:
    assert shown(value) == expected


@given(json_values)
def test_a_shown_value_is_short(value: Any) -> None:
    assert len(shown(value)) < 80
