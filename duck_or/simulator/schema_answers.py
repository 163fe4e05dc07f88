"""Values that conform to a JSON Schema: the simulator's structured outputs and tool arguments.

Covers what structured outputs allow: type, enum, const, properties, required, additionalProperties, items, prefixItems,
sizes and ranges, multipleOf, uniqueItems, anyOf, oneOf, allOf, $ref (recursive ones too), and the common formats. `not`,
`if` and patterns that none of a few stock texts match are beyond it: the first two are ignored, the last is refused.
Where the conversation or a description suggests a value (`sense`, `schema_hints`), it is that one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from duck_or.simulator.draws import number
from duck_or.simulator.schema_hints import with_hints
from duck_or.simulator.schema_scalars import SCALARS, UnsatisfiableError
from duck_or.simulator.sense import Sense

_ROOMY, _DEEPEST = 3, 24  # from the first depth on only what is required; past the second we give up


def conforming(schema: Any, of: bytes, messages: Sequence[Mapping[str, Any]] = ()) -> Any:
    """A value that `schema` accepts, a pure function of the arguments. Raises UnsatisfiableError.

    messages: the conversation that the value is to make sense in.
    """
    if (problem := _problem_with(orjson.dumps(schema))) is not None:
        raise UnsatisfiableError(problem)
    return _Maker(schema, of, Sense(messages)).make(schema, "$", 0)


@lru_cache(maxsize=256)
def _problem_with(schema: bytes) -> str | None:
    """What keeps it from being a JSON Schema at all; a check of a millisecond, so each schema is checked once."""
    from jsonschema import Draft202012Validator, SchemaError  # a tenth of a second to import

    try:
        Draft202012Validator.check_schema(orjson.loads(schema))
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"
    return None


class _Maker:
    def __init__(self, root: Any, of: bytes, sense: Sense) -> None:
        self._root = root
        self._of = of
        self._sense = sense

    def make(self, schema: Any, path: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise UnsatisfiableError(f"{path}: nested too deeply")
        schema = {} if schema is True else schema
        if not isinstance(schema, dict):
            raise UnsatisfiableError(f"{path}: {schema!r} accepts nothing")
        flat = self._flatten(schema, path, depth)
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            named = self._sense.label(flat["enum"]) if self._sense.text else None
            return self._pick(flat["enum"], path) if named is None else named
        for several in ("anyOf", "oneOf"):
            if several in flat:
                return self._first_possible(flat, several, path, depth)
        return self._of_type(with_hints(flat), path, depth)

    def _flatten(self, schema: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        """The schema with `$ref` and `allOf` merged into it."""
        for _ in range(_DEEPEST):
            if "$ref" in schema:
                target = self._resolve(schema["$ref"], path)
                schema = _merged(_without(schema, "$ref"), target)
            elif "allOf" in schema:
                parts = schema["allOf"]
                schema = _without(schema, "allOf")
                for part in parts:
                    schema = _merged(schema, self._flatten(part, path, depth))
            else:
                return schema
        raise UnsatisfiableError(f"{path}: $ref goes round in circles")

    def _resolve(self, reference: Any, path: str) -> dict[str, Any]:
        value = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise UnsatisfiableError(f"{path}: $ref {reference!r} is outside the schema")
        for step in reference[1:].split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(value, dict) or step not in value:
                raise UnsatisfiableError(f"{path}: $ref {reference!r} leads nowhere")
            value = value[step]
        if not isinstance(value, dict):
            raise UnsatisfiableError(f"{path}: $ref {reference!r} is not an object schema")
        return value

    def _first_possible(self, schema: dict[str, Any], several: str, path: str, depth: int) -> Any:
        options = list(schema[several])
        if _NULL in options and self._sense.text:
            options = self._likely(options, path)
        start = number(self._of, path + several, len(options)) if options else 0
        ordered = options[start:] + options[:start]
        if depth >= _ROOMY:
            ordered.sort(key=_weight)
        rest, reason = _without(schema, several), "no alternative is left"
        for option in ordered:
            try:
                return self.make(_merged(rest, option), path, depth + 1)
            except UnsatisfiableError as problem:
                reason = str(problem)
        raise UnsatisfiableError(f"{path}: {reason}")

    def _likely(self, options: list[Any], path: str) -> list[Any]:
        """Of alternatives of which one is null, null alone where the text holds no value that could be looked for."""
        plain = [
            option for option in options if isinstance(option, dict) and option.get("type") in _LOOKED_FOR
        ]
        found = [
            option for option in plain if self._sense.value(with_hints(option), self._of, path) is not None
        ]
        nothing = plain and not found and len(plain) == len(options) - 1
        return [_NULL] if nothing else found or [option for option in options if option != _NULL] or options

    def _of_type(self, schema: dict[str, Any], path: str, depth: int) -> Any:
        types = _types(schema)
        kind = self._pick(types, path) if depth < _ROOMY else min(types, key=_TYPE_WEIGHT.__getitem__)
        if kind in SCALARS:
            sensible = (
                self._sense.value({**schema, "type": kind}, self._of, path) if self._sense.text else None
            )
            return SCALARS[kind](schema, self._of, path) if sensible is None else sensible
        if kind == "array":
            return self._array(schema, path, depth)
        return self._object(schema, path, depth)

    def _pick(self, options: list[Any], path: str) -> Any:
        if not options:
            raise UnsatisfiableError(f"{path}: nothing to choose from")
        return options[number(self._of, path, len(options))]

    def _array(self, schema: dict[str, Any], path: str, depth: int) -> list[Any]:
        fewest, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        prefix, inner = schema.get("prefixItems", []), schema.get("items", True)
        if self._sense.text and not prefix and isinstance(inner, dict) and "enum" in inner:
            chosen = self._sense.all_labels(inner["enum"])
            if fewest <= len(chosen) <= most:
                return chosen
        wanted = (
            fewest if depth >= _ROOMY else min(most, max(fewest, len(prefix), 1) + number(self._of, path, 3))
        )
        items: list[Any] = []
        for index in range(int(wanted)):
            item = prefix[index] if index < len(prefix) else inner
            places = [f"{path}[{index}.{again}]" for again in range(20 if schema.get("uniqueItems") else 1)]
            try:
                items.append(self._item(item, places, items, depth))
            except UnsatisfiableError:
                if len(items) < fewest:
                    raise
                break
        return items if fewest else _without_twins(items)

    def _item(self, schema: Any, places: list[str], earlier: list[Any], depth: int) -> Any:
        seen = {orjson.dumps(item) for item in earlier} if len(places) > 1 else set()
        for place in places:
            value = self.make(schema, place, depth + 1)
            if orjson.dumps(value) not in seen:
                return value
        raise UnsatisfiableError(f"{places[0]}: not enough different values")

    def _object(self, schema: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        properties: dict[str, Any] = schema.get("properties", {})
        required = schema.get("required", [])
        others = schema.get("additionalProperties", True)
        value: dict[str, Any] = {}
        for name in dict.fromkeys([*properties, *required]):
            if depth >= _ROOMY and name not in required:
                continue
            try:
                value[name] = self.make(properties.get(name, others), f"{path}.{name}", depth + 1)
            except UnsatisfiableError:
                if name in required:
                    raise
        extra = 1 if not properties and isinstance(others, dict) and depth < _ROOMY else 0
        for index in range(max(extra, schema.get("minProperties", 0) - len(value))):
            name = f"key_{index + 1}"
            value[name] = self.make(others, f"{path}.{name}", depth + 1)
        return value


_NULL = {"type": "null"}
_LOOKED_FOR = frozenset({"string", "integer", "number", "boolean"})
_TYPE_WEIGHT = {kind: weight for weight, kind in enumerate((*SCALARS, "array", "object"))}


def _without_twins(items: list[Any]) -> list[Any]:
    """Where the items are entries of a map, one for each key."""
    if not all(isinstance(item, dict) and item.keys() == {"key", "value"} for item in items):
        return items
    return list({orjson.dumps(item["key"]): item for item in items}.values())


def _without(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


def _merged(base: dict[str, Any], over: Any) -> dict[str, Any]:
    """Both schemas at once, as far as one schema can say it; where it cannot, the second wins."""
    if over is True:
        return base
    if not isinstance(over, dict):
        raise UnsatisfiableError(f"{over!r} accepts nothing")
    merged = {**base, **over}
    if "properties" in base and "properties" in over:
        merged["properties"] = {**base["properties"], **over["properties"]}
    if "required" in base and "required" in over:
        merged["required"] = [*base["required"], *over["required"]]
    for stricter, names in _STRICTER.items():
        merged |= {name: stricter(base[name], over[name]) for name in names if name in base and name in over}
    return merged


_STRICTER: dict[Callable[[Any, Any], Any], tuple[str, ...]] = {
    max: ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"),
    min: ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"),
}


def _implied_type(schema: dict[str, Any]) -> str:
    kinds = {
        "object": ("properties", "required", "additionalProperties", "minProperties"),
        "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
    return next((kind for kind, names in kinds.items() if any(name in schema for name in names)), "string")


def _weight(option: Any) -> int:
    """How far an alternative is likely to lead: plain values first, references last."""
    if not isinstance(option, dict):
        return 0
    if "$ref" in option:
        return 100
    return max(_TYPE_WEIGHT[kind] for kind in _types(option))


def _types(schema: dict[str, Any]) -> list[str]:
    """The types it declares, or the one that its keywords imply. Type names are known ones: the meta-schema checked."""
    declared = schema.get("type", _implied_type(schema))
    return declared if isinstance(declared, list) else [declared]
