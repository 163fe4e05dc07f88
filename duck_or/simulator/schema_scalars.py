"""Plain values that conform to a JSON Schema: null, boolean, integer, number, string with its formats and stock patterns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from duck_or.simulator.draws import fraction, number

_SPAN = 100  # how far above its minimum an open range is taken to reach
# fmt: off
_WORDS = ("amber", "brisk", "calm", "delta", "ember", "fern", "grove", "harbour", "iris", "juniper", "lumen", "meadow")
_STOCK = (  # what patterns are tried on
    "abc", "ABC", "Abc", "a", "A", "1", "12", "123", "1234", "12345", "A1", "ABC-123", "abc_1", "2026-01-15", "12:30",
    "+441234567890", "#a1b2c3", "a@example.com", "10.0.0.1", "1.2.3", "https://example.com/a", "Amber Fern", "",
)
# fmt: on
_RANGE = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


class UnsatisfiableError(Exception):
    """No value was found; the text says for which part of the schema and why."""


def _null(schema: dict[str, Any], of: bytes, path: str) -> None:
    return None


def _boolean(schema: dict[str, Any], of: bytes, path: str) -> bool:
    return fraction(of, path) < 0.5


def _digits(schema: dict[str, Any], of: bytes, path: str) -> str:
    """A number as text, for those that a JSON number does not keep exactly."""
    places = schema.get("decimals", 0)
    return f"{_real(schema, of, path):.{places}f}" if places else str(_integer(schema, of, path))


def _integer(schema: dict[str, Any], of: bytes, path: str) -> int:
    # in lowest terms the smallest whole multiple of p/q is p
    step = Fraction(str(schema.get("multipleOf", 1))).numerator
    low, high = _bounds(schema)
    first, last = math.ceil(low / step), math.floor(high / step)
    # an excluded border that is itself a multiple is left out
    first += int(first * step == schema.get("exclusiveMinimum"))
    last -= int(last * step == schema.get("exclusiveMaximum"))
    if last < first:
        raise UnsatisfiableError(f"{path}: no integer between {low:g} and {high:g}")
    return (first + number(of, path, last - first + 1)) * step


def _real(schema: dict[str, Any], of: bytes, path: str) -> float:
    if "multipleOf" in schema:
        step = schema["multipleOf"]
        return float(
            _integer({name: schema[name] / step for name in _RANGE if name in schema}, of, path) * step
        )
    low, high = _bounds(schema)
    drawn = low + (high - low) * fraction(of, path)
    open_borders = (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
    for value in (round(drawn, min(2, schema.get("decimals", 2))), drawn, (low + high) / 2):
        if low <= value <= high and value not in open_borders:
            return value
    raise UnsatisfiableError(f"{path}: no number between {low:g} and {high:g}")


def _string(schema: dict[str, Any], of: bytes, path: str) -> str:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if shortest > longest:
        raise UnsatisfiableError(f"{path}: minLength is above maxLength")
    if "pattern" in schema:
        return _matching(schema["pattern"], shortest, longest, path)
    if schema.get("format") == "digits":
        return _digits(schema, of, path)
    form = _FORMATS.get(schema.get("format", ""))
    if form is not None:
        return form(number(of, path, 1 << 28))
    text = " ".join(_WORDS[number(of, f"{path} {index}", len(_WORDS))] for index in range(2))
    while len(text) < shortest:
        text += f" {text}"
    return text if len(text) <= longest else text[: max(shortest, int(longest))]


def _matching(pattern: str, shortest: int, longest: float, path: str) -> str:
    for text in _STOCK:
        if shortest <= len(text) <= longest and re.search(pattern, text):
            return text
    raise UnsatisfiableError(f"{path}: the simulator cannot make a string for the pattern {pattern!r}")


def _bounds(schema: dict[str, Any]) -> tuple[float, float]:
    if "usual" in schema:  # lies within the range, see schema_hints
        return schema["usual"][0], schema["usual"][1]
    lows = [schema[name] for name in ("minimum", "exclusiveMinimum") if name in schema]
    highs = [schema[name] for name in ("maximum", "exclusiveMaximum") if name in schema]
    if lows:
        return max(lows), min(highs) if highs else max(lows) + _SPAN
    return (min(0, min(highs) - _SPAN), min(highs)) if highs else (0, _SPAN)


SCALARS: dict[Any, Callable[[dict[str, Any], bytes, str], Any]] = {
    "null": _null,
    "boolean": _boolean,
    "integer": _integer,
    "number": _real,
    "string": _string,
}

_FORMATS: dict[str, Callable[[int], str]] = {
    "date": lambda drawn: f"20{drawn % 30:02}-{drawn % 12 + 1:02}-{drawn % 28 + 1:02}",
    "time": lambda drawn: f"{drawn % 24:02}:{drawn % 60:02}:00Z",
    "date-time": lambda drawn: (
        f"20{drawn % 30:02}-{drawn % 12 + 1:02}-{drawn % 28 + 1:02}T{drawn % 24:02}:00:00Z"
    ),
    "sql-timestamp": lambda drawn: (
        f"20{drawn % 30:02}-{drawn % 12 + 1:02}-{drawn % 28 + 1:02} {drawn % 24:02}:{drawn % 60:02}:00"
    ),
    "sql-time": lambda drawn: f"{drawn % 24:02}:{drawn % 60:02}:00",
    "sql-interval": lambda drawn: f"{drawn % 9 + 1} days {drawn % 23 + 1} hours",
    "json": lambda drawn: f'{{"{_WORDS[drawn % 12]}": {drawn % 1000}}}',
    "duration": lambda drawn: f"PT{drawn % 90 + 1}M",
    "email": lambda drawn: f"{_WORDS[drawn % 12]}{drawn % 1000}@example.com",
    "hostname": lambda drawn: f"{_WORDS[drawn % 12]}.example.com",
    "ipv4": lambda drawn: f"192.0.2.{drawn % 256}",
    "ipv6": lambda drawn: f"2001:db8::{drawn % 65536:x}",
    "uri": lambda drawn: f"https://example.com/{_WORDS[drawn % 12]}/{drawn % 1000}",
    "uuid": lambda drawn: f"{drawn:08x}-0000-4000-8000-{drawn:012x}",
}
