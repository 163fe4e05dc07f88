"""What one distinct set of options makes of a row: the request to send, and the SQL value that its answer is.

The shape that every function of the family has; which functions there are, it must not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from duck_or.arguments import body_of
from duck_or.errors import ArgumentError
from duck_or.json_values import JsonObject, shown
from duck_or.request import BodyTemplate, Request
from duck_or.wanted import Wanted


class Unreadable(ValueError):
    """An answer holds no value of the kind that the function returns. The message says what it holds instead."""


@dataclass(frozen=True, slots=True)
class Template:
    """request: a row's text to its request; raises ArgumentError. read: the body of an answer to the value of the SQL
    function, raises Unreadable; None where the body itself is the value. Used by several threads at once."""

    model: str | None
    request: Callable[[str], Request]
    read: Callable[[bytes], Any] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One distinct set of options of one function. own: the function's own arguments. options: those that all functions
    have (model, model_kwargs, provider)."""

    function: str
    own: JsonObject
    options: JsonObject
    base_url: str
    default_model: str | None

    def body(self) -> JsonObject:
        """The request's body as far as the options say it. Raises ArgumentError."""
        return body_of(self.options, self.default_model)

    def chat(self, body: JsonObject, wanted: Wanted) -> BodyTemplate:
        return BodyTemplate(self.base_url, body, wanted=wanted)

    def text(self, name: str) -> str:
        """One of the function's own arguments, which has to be text."""
        value = self.own.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ArgumentError(f"{self.function}: {name} must be text; got {shown(value)}")
        return value
