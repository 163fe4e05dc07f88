"""A value that does not fit the type it was asked for, and where in the answer it stands.

Decides how a misfit reads: it goes to people, and back to the model that is asked again. Must not know any type.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

Place: TypeAlias = str | int  # a member's name, or an element's index from 0

_PLAIN_NAME = re.compile(r"\w+")
_KINDS = {dict: "an object", list: "a list", bool: "a boolean", float: "a number", int: "a number"}
_SHOWN_CHARACTERS = 60
_SHOWN_BITS = 200  # str() of an int is slow, and refused, beyond some thousands of digits


class Misfit(ValueError):
    """What is wrong with a model's value: `items[2].price: 'abc' is not a number`.

    reason: in words that need no path. path: from the outside in, empty for the whole value.
    """

    def __init__(self, reason: str, path: tuple[Place, ...] = ()) -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"{written(self.path)}: {self.reason}" if self.path else self.reason

    def within(self, place: Place) -> Misfit:
        """The same misfit, seen from the value that holds this one at `place`."""
        return Misfit(self.reason, (place, *self.path))


def written(path: tuple[Place, ...]) -> str:
    """A path as people write one: `items[2].price`, `["a b"].c`."""
    return "".join(map(_step, path)).removeprefix(".")


def _step(place: Place) -> str:
    if isinstance(place, int):
        return f"[{place}]"
    return f".{place}" if _PLAIN_NAME.fullmatch(place) else f'["{place}"]'


def named(value: Any) -> str:
    """A JSON value for a message, shortened: `'abc'`, `3.7`, `true`, `null`, `an object`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 1] + "…")
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= _SHOWN_BITS):
        return repr(value)
    return _KINDS[type(value)]
