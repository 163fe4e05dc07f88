"""Reads JSON values whose types nobody guarantees: a wrong type is an absent value, never an exception."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_NOTHING: Mapping[str, Any] = {}


def number_of(value: object) -> float | None:
    """A finite number, also out of text such as "17" or "16.007"; None for everything else (true, "nan", "1e999")."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def text_of(value: object) -> str | None:
    """Text that is not empty."""
    return value if isinstance(value, str) and value else None


def mapping_of(value: object) -> Mapping[str, Any]:
    """The JSON object, or an empty one."""
    return value if isinstance(value, dict) else _NOTHING
