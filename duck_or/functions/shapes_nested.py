"""What structs, lists, arrays and maps take from a model, given what their parts take.

Decides which members and how many elements a value may have, and where in it a misfit stands. Must not know which SQL
types the parts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duck_or.functions.scalars import Part, Read
from duck_or.functions.shapes_misfit import Misfit, named
from duck_or.json_values import JsonObject

_NULL = {"type": "null"}
_ENTRY = frozenset({"key", "value"})


def or_null(part: Part) -> Part:
    """`part`, or null."""
    read = part.read
    schema = {"anyOf": [part.schema, _NULL]}
    return Part(schema, lambda value: None if value is None else read(value), part.exact, nullable=True)


def struct_part(fields: Mapping[str, Part]) -> Part:
    """STRUCT: an object with these members. Their names may differ in case, and nullable ones may be missing.

    A member of another name is dropped where every field has its own: nothing else can have been meant by it. Where a
    field is missing it is a Misfit, for a null in that field's place could be a misspelt name's.
    """
    readers = tuple((name, part.read) for name, part in fields.items())

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Misfit(f"{named(value)} is not an object with {_listed(fields)}")
        members = value if value.keys() == fields.keys() else _members(value, fields)
        found = {}
        for name, read_field in readers:
            try:
                found[name] = read_field(members[name])
            except Misfit as misfit:
                raise misfit.within(name) from None
        return found

    schemas = {name: part.schema for name, part in fields.items()}
    return Part(_object(schemas), read, any(part.exact for part in fields.values()))


def _members(value: Mapping[str, Any], fields: Mapping[str, Part]) -> dict[str, Any]:
    """One member for each field, null for a nullable one that is missing."""
    members = {name: value[name] for name in fields if name in value}
    missing = {name.strip().lower(): name for name in fields if name not in value}
    unknown = []
    for name, member in value.items():
        if name not in fields:
            meant = missing.pop(name.strip().lower(), None)
            if meant is None:
                unknown.append(name)
            else:
                members[meant] = member
    required = [name for name in missing.values() if not fields[name].nullable]
    if required:
        raise Misfit(f"{_listed(required)} is missing")
    if missing and unknown:
        raise Misfit(f"{_listed(unknown)} is none of {_listed(fields)}")
    return members | dict.fromkeys(missing.values())


def _listed(names: Mapping[str, Any] | list[str]) -> str:
    shown = [named(name) for name in names]
    return ", ".join([*shown[:10], "…"] if len(shown) > 10 else shown)


def _object(members: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def list_of(part: Part) -> Part:
    """A list: any number of elements, none of them null."""
    return Part({"type": "array", "items": part.schema}, _elements(part.read), part.exact)


def array_of(part: Part, size: int) -> Part:
    """An array: exactly `size` elements."""
    read_elements = _elements(part.read)
    said = f"exactly {size} element{'s' if size > 1 else ''}"

    def read(value: Any) -> list[Any]:
        elements: list[Any] = read_elements(value)
        if len(elements) != size:
            raise Misfit(f"it has {len(elements)} elements, not {said}")
        return elements

    return Part({"type": "array", "items": part.schema, "description": said}, read, part.exact)


def _elements(read_element: Read) -> Read:
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Misfit(f"{named(value)} is not a list")
        found: list[Any] = []
        try:
            for element in value:
                found.append(read_element(element))
        except Misfit as misfit:
            raise misfit.within(len(found)) from None
        return found

    return read


def map_of(key: Part, element: Part) -> Part:
    """MAP: a list of {key, value}, since strict mode knows no free member names; and the plain object that a model
    without strict mode would send. Two equal keys are a Misfit."""
    read_entries = list_of(struct_part({"key": key, "value": element})).read

    def read(value: Any) -> dict[str, Any]:
        entries = value
        if type(value) is dict:
            if value.keys() == _ENTRY:
                raise Misfit("it could be one entry, or an object with two: give a list of {key, value}")
            entries = [{"key": name, "value": member} for name, member in value.items()]
        found: dict[str, Any] = {}
        for entry in read_entries(entries):
            name = str(entry["key"])
            if name in found:
                raise Misfit(f"the key {named(name)} stands twice")
            found[name] = entry["value"]
        return found

    schema = {
        "type": "array",
        "items": _object({"key": key.schema, "value": element.schema}),
        "description": "entries, each key once",  # a list of such STRUCTs is asked for in other words
    }
    return Part(schema, read, key.exact or element.exact)
