"""JSON values: read exactly, written canonically, shown shortened in an error message.

Decides which bytes stand for a value. Must not know what a request, an argument or a cache is.

Canonical JSON here is RFC 8785 (sorted keys, no white space, ECMAScript's numbers) with two differences, both
pinned by the golden vectors: integers beyond 2^53 keep every digit (a `seed` can be one), and keys sort by
code point instead of UTF-16 unit (different only for keys outside the Basic Multilingual Plane).
"""

from __future__ import annotations

import json
import math
from collections.abc import Container
from decimal import Decimal
from typing import Any, TypeAlias

import orjson

JsonObject: TypeAlias = dict[str, Any]

_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1  # what orjson writes; anything longer is written here
_EXACT_FLOAT = 2.0**53
_TYPE_NAMES = {str: "text", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
_SHOWN_CHARACTERS = 60


def read_json(text: str) -> Any:
    """The value of a JSON text, integers of any size exact.

    Raises ValueError: not JSON, NaN, a lone surrogate, nested too deeply.
    """
    orjson.loads(text)  # refuses NaN, infinities and lone surrogates, which the standard library lets through
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def canonical_json(value: Any) -> bytes:
    """The one way to write `value`: equal values give equal bytes.

    Takes None, bool, int, float, str, list and dict with str keys. Raises ValueError for anything else, for
    NaN, infinities and lone surrogates, and beyond about 250 levels.
    """
    try:
        return orjson.dumps(_canonical(value), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"it cannot be written as JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def schema_in_order(schema: Any) -> Any:
    """The schemas in `schema` for `canonical_json`, with the members of each `properties` in their own order.

    To JSON their order says nothing, to a model it does: it writes them in that order, so that a member for its reasoning
    has to come before the one for its answer.
    """
    if isinstance(schema, dict):
        return {
            name: _properties(member)
            if name == "properties" and isinstance(member, dict)
            else schema_in_order(member)
            for name, member in schema.items()
        }
    return [schema_in_order(each) for each in schema] if isinstance(schema, list) else schema


def _properties(members: JsonObject) -> orjson.Fragment:
    written = (
        canonical_json(name) + b":" + canonical_json(schema_in_order(each)) for name, each in members.items()
    )
    return orjson.Fragment(b"{" + b",".join(written) + b"}")


def _canonical(value: Any) -> Any:
    kind = type(value)  # exact types, most frequent first: this runs for every row
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        return {name: _canonical(member) for name, member in value.items()}
    if kind is list:
        return [_canonical(element) for element in value]
    if kind is int:
        return value if _INT64_MIN <= value <= _UINT64_MAX else orjson.Fragment(str(value))
    if kind is float:
        return _canonical_float(value)
    if kind is orjson.Fragment:  # written already
        return value
    raise ValueError(f"it cannot be written as JSON: {kind.__name__}")


def _canonical_float(value: float) -> Any:
    if not math.isfinite(value):
        raise ValueError("it holds NaN or an infinity, which JSON cannot hold")
    if value.is_integer() and abs(value) < _EXACT_FLOAT:
        return int(value)
    return orjson.Fragment(
        _ecmascript_number(value)
    )  # orjson's own notation has changed between its versions


def _ecmascript_number(value: float) -> str:
    """Number::toString of ECMAScript, which RFC 8785 prescribes: the shortest digits that read back."""
    parts = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, parts.digits))
    sign = "-" if parts.sign else ""
    point = len(digits) + int(parts.exponent)  # where the decimal point stands, counted from the first digit
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if 0 < point < len(digits):
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if 0 < point <= 21:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def without_nulls(value: Any, keep: Container[str] = ()) -> Any:
    """`value` without the null members of its objects, at every depth.

    A list of SQL structs has one type, so DuckDB fills the members that one of them lacks with NULL. Members
    named in `keep` stay exactly as they are; null elements of arrays stay too. Raises RecursionError on
    absurd depth.
    """
    if isinstance(value, dict):
        return {
            name: member if name in keep else without_nulls(member, keep)
            for name, member in value.items()
            if member is not None or name in keep
        }
    if isinstance(value, list):
        return [without_nulls(element, keep) for element in value]
    return value


def shown(value: Any) -> str:
    """The JSON type and the shortened value, for error messages: `array [1, 2…`, `text 'abc'`, `null`."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"text {_shortened(repr(value[: _SHOWN_CHARACTERS * 2]))}"
    return f"{_TYPE_NAMES[type(value)]} {_shortened(json.dumps(value, ensure_ascii=False))}"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
