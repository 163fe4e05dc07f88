"""What a schema's `description` says of its value, as keywords: a range, a form of date or time, a number in digits.

Strict structured outputs take few keywords, so schemas say the rest in words, and a model that reads them obeys. Two
keywords are not JSON Schema's: `usual` (low, high), where a value is best looked for in a wide range, and `decimals`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_RANGE = re.compile(rf"\b(?:from|between) {_NUMBER} (?:\([^)]*\) )?(?:to|and) {_NUMBER}")
_PLACES = re.compile(r"\bat most (\d+) digits? before and (\d+) after the point")
_FORMS = (  # the first whose words the description holds; the longer ones come first
    ("YYYY-MM-DDTHH:MM:SS", "date-time"),
    ("YYYY-MM-DD HH:MM:SS", "sql-timestamp"),
    ("YYYY-MM-DD", "date"),
    ("HH:MM:SS", "sql-time"),
    ("UUID", "uuid"),
    ("a length of time", "sql-interval"),
    ("a JSON value", "json"),
)
_EXACTLY = re.compile(r"\bexactly (\d+) elements?\b")
_SAID_ALREADY = frozenset(
    {
        *("format", "pattern", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("multipleOf", "minItems", "maxItems"),
    }
)
_USUAL = (0, 100)


def with_hints(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what its description says, where no keyword says otherwise."""
    said = schema.get("description")
    if not isinstance(said, str) or not _SAID_ALREADY.isdisjoint(schema):
        return schema
    kind = schema.get("type")
    return {**schema, **_hints(said, kind)} if isinstance(kind, str) else schema


@lru_cache(maxsize=1024)
def _hints(said: str, kind: str) -> Mapping[str, Any]:
    if kind == "array":
        found = _EXACTLY.search(said)
        return {"minItems": int(found[1]), "maxItems": int(found[1])} if found else {}
    return _text_hints(said) if kind == "string" else _range(said)


def _text_hints(said: str) -> Mapping[str, Any]:
    if "in digits" in said and (found := _range(said)):
        return {**found, "format": "digits"}
    form = next((form for words, form in _FORMS if words in said), None)
    return {"format": form} if form else {}


def _range(said: str) -> dict[str, Any]:
    if (found := _RANGE.search(said)) is not None:
        low, high = (_number(text) for text in found.groups())
        return _bounded(low, high) if low <= high else {}
    if (found := _PLACES.search(said)) is not None:
        before, after = map(int, found.groups())
        return {**_bounded(1 - 10**before, 10**before - 1), "decimals": after}
    return {}


def _bounded(low: float, high: float) -> dict[str, Any]:
    """A range as wide as a type is not meant to be used up: people have 3 children, not 3,000,000,000,000."""
    wide = low <= _USUAL[0] and _USUAL[1] <= high and high - low > 2 * _USUAL[1]
    return {"minimum": low, "maximum": high, **({"usual": _USUAL} if wide else {})}


def _number(text: str) -> float:
    return float(text) if re.search(r"[.eE]", text) else int(text)
