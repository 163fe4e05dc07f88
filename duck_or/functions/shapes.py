"""The shape of an answer: a DuckDB type as a JSON Schema for the model, and as a reader of what the model sends back.

Decides which types a model can answer with, how each is described to it, and which of its values are values of the
type. A shape is compiled once from the type; reading a value looks at no type again. Must not know prompts, requests
or the answer's text.

    shape = shape_of("STRUCT(mood ENUM('good', 'bad'), score DOUBLE)")
    shape.read({"mood": "Good", "score": "0.5"})  # {'mood': 'good', 'score': 0.5}
    shape.read({"mood": "so-so", "score": 1})     # Misfit: mood: 'so-so' is not one of 'good', 'bad'

What `read` returns, written by orjson, is what `from_json(<that>, to_json(<the type's text>))` turns into exactly the
SQL value meant, without error; SQL's NULL stands where `read` has None and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from duck_or.errors import ArgumentError
from duck_or.functions.scalars import SCALARS, WHOLE, Part, Read, decimal, label
from duck_or.functions.scalars_time import TIMES
from duck_or.functions.shapes_misfit import Misfit, Place, written
from duck_or.functions.shapes_nested import array_of, list_of, map_of, or_null, struct_part
from duck_or.functions.types_text import SqlType, read_type
from duck_or.json_values import JsonObject

__all__ = ["Misfit", "Shape", "shape_of", "struct_of"]

_SIMPLE: Mapping[str, Part] = {**SCALARS, **TIMES}

_Nest: TypeAlias = Callable[[SqlType, Mapping[str, Part]], Part]
_NESTED: Mapping[str, _Nest] = {
    "struct": lambda found, inner: struct_part(inner),
    "list": lambda found, inner: list_of(inner["child"]),
    "array": lambda found, inner: array_of(inner["child"], *found.parameters),
    "map": lambda found, inner: map_of(inner["key"], inner["value"]),
}
_PARAMETRISED: Mapping[str, Callable[[SqlType], Part]] = {
    "decimal": lambda found: decimal(*found.parameters),
    "enum": lambda found: label(found.parameters),
}

# A key is text in JSON, and equal keys must be equal text: DuckDB makes NULL of a whole MAP with a repeated key.
_KEYS = frozenset({"varchar", "enum", "date", "uuid", *WHOLE})
_KEYS_WANTED = "a list of STRUCTs; the keys of a MAP can be text, labels, whole numbers, dates and UUIDs"

_INSTEAD = {
    "bignum": "HUGEINT, or VARCHAR for its digits",
    "bit": "BOOLEAN[] or VARCHAR",
    "blob": "VARCHAR",
    "geometry": "VARCHAR, for well-known text",
    "time with time zone": "TIMESTAMPTZ or TIME",
    "time_ns": "TIME",
    "union": "JSON, or a STRUCT with a field for each case",
    "variant": "JSON",
}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What an answer must look like. Shapes of one type are made once: compare them by identity.

    schema: the JSON Schema, only of what every provider's strict mode takes; treat it as read-only.
    read: the model's JSON value (of `orjson.loads`, or `read_json` where `exact`) to the JSON value that DuckDB's
        `from_json` takes. Raises Misfit.
    kind: DuckDB's name of the type without parameters, 'json' for JSON; '' for a shape of no type.
    nullable: whether null is an answer. exact: whether whole numbers of more than 64 bits must reach `read` whole.
    """

    schema: JsonObject
    read: Read
    kind: str = ""
    nullable: bool = False
    exact: bool = False


@lru_cache(maxsize=512)  # a statement has a few; a type that is a column has few values
def shape_of(type_text: str, *, nullable: bool = False) -> Shape:
    """The shape of a DuckDB type in text: `INTEGER`, `ENUM('a', 'b')`, `STRUCT(name VARCHAR, scores DOUBLE[])[]`.

    nullable: whether null stands for a value that is not known; inside the type nothing may be null. Raises
    ArgumentError: no such type, or one that JSON cannot carry to SQL, saying where and what to use instead.
    """
    return _shape(_type_of(type_text), nullable=nullable, gaps=False)


def struct_of(fields: Mapping[str, str]) -> Shape:
    """The shape of a STRUCT with these fields (name to type in text), where each may be null, and so may the fields
    of STRUCTs inside it. Raises ArgumentError as `shape_of` does, naming the field."""
    return _struct_of(tuple(fields.items()))


@lru_cache(maxsize=512)
def _struct_of(fields: tuple[tuple[str, str], ...]) -> Shape:
    names = {name.lower() for name, _ in fields}
    if not names or "" in names or len(names) < len(fields):
        raise ArgumentError("a STRUCT needs fields with names that differ in more than case")
    children = {}
    for name, type_text in fields:  # each by itself, so that no type's text can hold a further field
        try:
            children[name] = _type_of(type_text)
        except ArgumentError as error:
            raise ArgumentError(f"{name}: {error}") from error
    return _shape(SqlType("struct", "STRUCT", children), nullable=False, gaps=True)


def _type_of(text: str) -> SqlType:
    simple = text.lower()
    return SqlType(simple, text, {}) if simple in _SIMPLE else read_type(text)


def _shape(found: SqlType, *, nullable: bool, gaps: bool) -> Shape:
    part = _part(found, (), gaps=gaps)
    part = or_null(part) if nullable else part
    return Shape(part.schema, part.read, found.kind, nullable, part.exact)


def _part(found: SqlType, path: tuple[Place, ...], *, gaps: bool) -> Part:
    """What a type makes with all it holds. path: where it stands in the whole. gaps: may fields of STRUCTs be null?"""
    if found.kind in _SIMPLE:
        return _SIMPLE[found.kind]
    if found.kind in _PARAMETRISED:
        return _PARAMETRISED[found.kind](found)
    if found.kind not in _NESTED:
        raise _unanswerable(found, path, _INSTEAD.get(found.kind, "VARCHAR or JSON"))
    if found.kind == "map" and found.children["key"].kind not in _KEYS:
        raise _unanswerable(found, path, _KEYS_WANTED)
    inner = {}
    for name, child in found.children.items():
        part = _part(child, (*path, name) if found.kind == "struct" else path, gaps=gaps)
        inner[name] = or_null(part) if gaps and found.kind == "struct" else part
    return _NESTED[found.kind](found, inner)


def _unanswerable(found: SqlType, path: tuple[Place, ...], instead: str) -> ArgumentError:
    where = f" (at {written(path)})" if path else ""
    return ArgumentError(f"a model's answer cannot become a {found.text}{where}: use {instead}")
