"""What a scalar type takes from a model: numbers, text, labels. Times are in `scalars_time`.

Decides, for each type, which JSON values mean a value of it beyond doubt, and as which JSON value DuckDB's `from_json`
turns into exactly that. Everything else is a Misfit: `from_json` would make NULL of it, or something near. Must not
know where in an answer the value stands.

Numbers beyond what JSON writers keep exactly (64 bits, or 15 digits) travel as text, which `from_json` casts exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, TypeAlias

import orjson

from duck_or.functions.shapes_misfit import Misfit, named
from duck_or.json_values import JsonObject, read_json

Read: TypeAlias = Callable[[Any], Any]

# fmt: off
WHOLE = {  # DuckDB's name for the type: bits, signed
    "tinyint": (8, True), "smallint": (16, True), "integer": (32, True), "bigint": (64, True), "hugeint": (128, True),
    "utinyint": (8, False), "usmallint": (16, False), "uinteger": (32, False), "ubigint": (64, False),
    "uhugeint": (128, False),
}
# fmt: on
_FLOAT_MAX, _DOUBLE_MAX = 3.4028234663852886e38, 1.7976931348623157e308
_EXACT_FLOAT = 2.0**53  # whole numbers up to here are exact in a JSON number with a point or an exponent
_EXACT_DIGITS = 15  # decimal digits that survive a double
_LONGEST_WHOLE = 40  # digits of the longest whole number of any type, and one more
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DECIMALS = Context(prec=100)
_UUID = re.compile(r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.I)
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Part:
    """One type within a shape: what the model is told of it, and how its value is read.

    schema: within every provider's strict mode. read: raises Misfit. exact: the answer's text must be parsed without
    losing digits of long whole numbers. nullable: null is a value, and stands for a member left away.
    """

    schema: JsonObject
    read: Read
    exact: bool = False
    nullable: bool = False


def whole(bits: int, *, signed: bool) -> Part:
    """TINYINT to UHUGEINT. Takes 3, 3.0 and "3"; beyond 64 bits the value is text."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    said = f"a whole number from {low} to {high}"

    def read(value: Any) -> Any:
        number = value if type(value) is int else _whole_of(value)
        if not low <= number <= high:
            raise Misfit(f"{named(number)} is not {said}")
        return number

    def read_long(value: Any) -> Any:
        return str(read(value))

    if bits <= 64:
        return Part({"type": "integer", "description": said}, read)
    return Part({"type": "string", "description": f"{said}, in digits"}, read_long, exact=True)


def _whole_of(value: Any) -> int:
    if type(value) is float and value.is_integer() and abs(value) <= _EXACT_FLOAT:
        return int(value)
    if type(value) is str:
        number = _decimal_of(value)
        if number.adjusted() < _LONGEST_WHOLE and number == number.to_integral_value():
            return int(number)
    raise Misfit(f"{named(value)} is not a whole number")


def _decimal_of(text: str) -> Decimal:
    """The number a text holds, exactly. A comma could be a decimal point or not: refused."""
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped) is None:
        raise Misfit(f"{named(text)} is not a number")
    return Decimal(stripped)


def floating(limit: float, **said: str) -> Part:
    """FLOAT and DOUBLE: any finite number that is not beyond `limit`, also as text. said: further members of its schema."""

    def read(value: Any) -> float:
        number = value if type(value) is float else _float_of(value)
        if -limit <= number <= limit:  # false for NaN and infinities
            return number
        raise Misfit(f"{named(value)} is not a number from {-limit:.7g} to {limit:.7g}")

    return Part({"type": "number", **said}, read)


def _float_of(value: Any) -> float:
    if type(value) is int:
        try:
            return float(value)
        except OverflowError as error:
            raise Misfit(f"{named(value)} is too large") from error
    if type(value) is str:
        return float(_decimal_of(value))
    raise Misfit(f"{named(value)} is not a number")


def decimal(precision: int, scale: int) -> Part:
    """DECIMAL(precision, scale): digits beyond the scale are rounded half away from zero, as DuckDB's cast rounds.

    A JSON number with a point counts only as far as a double is exact; more digits have to come as text.
    """
    step, bound = Decimal(1).scaleb(-scale), Decimal(1).scaleb(precision - scale)
    reach = 10.0 ** (_EXACT_DIGITS - scale)
    said = f"a number of at most {precision - scale} digits before and {scale} after the point"

    def number_of(value: Any) -> Decimal:
        if type(value) is int:
            return Decimal(value)
        if type(value) is str:
            return _decimal_of(value)
        if type(value) is not float:
            raise Misfit(f"{named(value)} is not a number")
        if not -reach < value < reach:
            raise Misfit(f"{named(value)} is not {said} that a JSON number keeps exactly; write it in quotes")
        return Decimal(repr(value))

    def read(value: Any) -> str:
        number = number_of(value)
        if number.adjusted() <= precision - scale:  # else rounding would be as slow as the number is long
            rounded = number.quantize(step, ROUND_HALF_UP, context=_DECIMALS)
            if abs(rounded) < bound:
                return f"{rounded:f}"
        raise Misfit(f"{named(value)} is not {said}")

    if precision <= _EXACT_DIGITS:
        return Part({"type": "number", "description": said}, read)
    return Part({"type": "string", "description": f"{said}, in digits"}, read, exact=True)


def label(labels: Sequence[str]) -> Part:
    """ENUM: exactly one of the labels; case and surrounding white space may differ where one label alone matches."""
    exact = frozenset(labels)
    loose: dict[str, str | None] = {}
    for known in labels:
        plain = known.strip().casefold()
        loose[plain] = None if plain in loose else known
    said = ", ".join(map(repr, labels[:10])) + (", …" if len(labels) > 10 else "")

    def read(value: Any) -> str:
        text = str(value) if type(value) is int and value.bit_length() <= 64 else value
        if type(text) is str:
            found = text if text in exact else loose.get(text.strip().casefold())
            if found is not None:
                return found
        raise Misfit(f"{named(value)} is not one of {said}")

    return Part({"type": "string", "enum": list(labels)}, read)


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if (
        type(value) is int and value.bit_length() <= 64
    ):  # a house number, say; a float's digits may have changed
        return str(value)
    raise Misfit(f"{named(value)} is not text")


def _boolean(value: Any) -> bool:
    found = _BOOLEANS.get(value.strip().lower()) if type(value) is str else value
    if type(found) is bool:
        return found
    raise Misfit(f"{named(value)} is not true or false")


def _uuid(value: Any) -> str:
    match = _UUID.fullmatch(value.strip()) if type(value) is str else None
    if match is None:
        raise Misfit(f"{named(value)} is not a UUID")
    return "-".join(match.groups()).lower()


def _json(value: Any) -> Any:
    """Text holds JSON, as the schema says; anything else is taken as it is. JSON's null is no value."""
    if type(value) is not str:
        found = value
    else:
        try:
            found = read_json(value)
        except ValueError as error:
            raise Misfit(f"{named(value)} is not JSON in text") from error
    if found is None:
        raise Misfit("null is not a value")
    try:
        orjson.dumps(found)
    except orjson.JSONEncodeError as error:
        raise Misfit(f"{named(value)} cannot be written as JSON: {error}") from error
    return found


SCALARS = {
    **{name: whole(bits, signed=signed) for name, (bits, signed) in WHOLE.items()},
    "boolean": Part({"type": "boolean"}, _boolean),
    "float": floating(_FLOAT_MAX, description="a number in single precision"),
    "double": floating(_DOUBLE_MAX),
    "varchar": Part({"type": "string"}, _text),
    "json": Part({"type": "string", "description": "a JSON value, written as text"}, _json, exact=True),
    "uuid": Part(
        {"type": "string", "format": "uuid", "description": "a UUID, 8-4-4-4-12 hexadecimal digits"}, _uuid
    ),
}
"""The scalar types without parameters, by DuckDB's name for them ('json' is this package's)."""
