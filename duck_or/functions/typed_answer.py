"""A typed answer: what the request demands of the model, and the SQL value in the text that comes back.

Decides where in the text the JSON value is, for models whose provider does not hold them to the schema: within a code
fence, amid prose, after thoughts, without the wrapper. Whether the value fits is the shape's to say. Must not know the
request around it, nor what is done about a misfit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from duck_or.functions.shapes import Misfit, Shape
from duck_or.functions.shapes_misfit import named
from duck_or.json_values import JsonObject, read_json

_WRAPPER = "value"
_FENCED = re.compile(r"```[\w-]*\s*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
_MOST_STARTS = 100  # brackets amid prose that are tried: each costs up to the whole text
_DECODER = json.JSONDecoder()

# Any text is a value of these: an answer without JSON could be an excuse as well.
_OPEN_KINDS = frozenset({"varchar", "json", ""})
_OBJECT_KINDS = frozenset({"struct", "map", "json", ""})  # whose values can be objects


@dataclass(frozen=True)
class TypedAnswer:
    """An answer of one shape. name: of the schema, 1 to 64 of A-Z, a-z, 0-9, _ and -."""

    shape: Shape
    name: str

    @property
    def wrapped(self) -> bool:
        """Whether the demanded object holds the value as its member `value`: strict mode's root is an object."""
        return self.shape.schema.get("type") != "object"

    @cached_property
    def response_format(self) -> JsonObject:
        """The request's `response_format`, the same object each time: treat it as read-only."""
        value = self.shape.schema
        root = {
            "type": "object",
            "properties": {_WRAPPER: value},
            "required": [_WRAPPER],
            "additionalProperties": False,
        }
        schema = root if self.wrapped else value
        return {"type": "json_schema", "json_schema": {"name": self.name, "strict": True, "schema": schema}}

    def read(self, text: str) -> bytes:
        """The model's whole text to the JSON bytes that DuckDB's `from_json` takes. Raises Misfit."""
        try:
            value = read_json(text) if self.shape.exact else orjson.loads(text)
        except ValueError:
            return self._found_amid(text)
        return self._written(value)

    def breach(self, text: str) -> str | None:
        """How `text` breaks what was demanded, in words a model can act on; None if it does not."""
        try:
            self.read(text)
        except Misfit as misfit:
            return str(misfit)
        return None

    def _written(self, value: Any) -> bytes:
        try:
            return orjson.dumps(self._fitted(value))
        except orjson.JSONEncodeError as error:  # a lone surrogate, or too deep in all
            raise Misfit(f"the answer cannot be written as JSON: {error}") from error

    def _fitted(self, value: Any) -> Any:
        if not (self.wrapped and self._is_wrapper(value)):
            return self.shape.read(value)
        try:
            return self.shape.read(value[_WRAPPER])
        except Misfit as misfit:
            raise misfit.within(_WRAPPER) from None

    def _is_wrapper(self, value: Any) -> bool:
        """Whether it holds the value as a member. Beside further members it does only if no value is an object."""
        if type(value) is not dict or _WRAPPER not in value:
            return False
        return len(value) == 1 or self.shape.kind not in _OBJECT_KINDS

    def _found_amid(self, text: str) -> bytes:
        """The first JSON value in `text` that fits, else the misfit that got furthest."""
        answer = text.rpartition("</think>")[2].strip()  # a draft within the thoughts is no answer
        misfits = []
        for value in self._candidates(answer):
            try:
                return self._written(value)
            except Misfit as misfit:
                misfits.append(misfit)
        if misfits:
            raise max(misfits, key=lambda misfit: len(misfit.path))
        return self._bare(answer)

    def _candidates(self, text: str) -> Iterator[Any]:
        """What the code fences hold, then every object or list amid the text that stands in no other one."""
        for fenced in _FENCED.finditer(text):
            try:
                yield read_json(fenced[1])
            except ValueError:  # prose or code: what is JSON in it is found below
                continue
        at = 0
        for _ in range(_MOST_STARTS):
            start = _OPENING.search(text, at)
            if start is None:
                return
            at = start.end()
            try:
                _, at = _DECODER.raw_decode(text, start.start())
                yield read_json(text[start.start() : at])
            except (ValueError, RecursionError):
                continue

    def _bare(self, text: str) -> bytes:
        """A label, date or number that the model wrote as it is."""
        if self.shape.kind in _OPEN_KINDS or not text:
            raise Misfit(f"the answer is not JSON: {named(text)}")
        try:
            return self._written(text)
        except Misfit as misfit:
            raise Misfit(f"the answer is not JSON: {misfit}") from misfit
