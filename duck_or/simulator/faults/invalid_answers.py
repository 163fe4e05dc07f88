"""Structured answers that break the schema they were asked for, under HTTP 200 and with finish_reason stop.

Which way an answer breaks it is drawn from the fingerprint: a value of another type, a value outside of its enum, a
member left out, prose. A way that would leave the answer valid gives way to the next one; prose never does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol

import orjson

from duck_or.simulator.draws import number
from duck_or.simulator.faults.fault import Fault, Situation, wants_schema, wants_schema_at_first
from duck_or.simulator.reply import Reply, json_reply

_PROSE = (
    "I am afraid that this is hard to say.",
    "Of course! Let me know if you would like it in another form.",
    "It depends on how you look at it.",
)


class _Validator(Protocol):
    def is_valid(self, instance: Any) -> bool: ...


def _invalid(situation: Situation) -> Reply:
    completion = situation.completion()
    message = completion["choices"][0]["message"]
    if message["content"] is not None:
        message["content"] = _broken(message["content"], situation.body, situation.of)
    return json_reply(completion)


def _broken(content: str, body: Mapping[str, Any], of: bytes) -> str:
    """`content` changed so that it does not conform to the request's schema."""
    prose = _PROSE[number(of, "prose", len(_PROSE))]
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return prose
    validator = _validator(orjson.dumps(body["response_format"]["json_schema"].get("schema", True)))
    start = number(of, "way to break", len(_WAYS) + 1)
    for way in (*_WAYS, None)[start:]:
        for candidate in way(value, validator) if way is not None else ():
            if not validator.is_valid(candidate):
                return orjson.dumps(candidate).decode()
    return prose


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> _Validator:
    from jsonschema import Draft202012Validator  # a tenth of a second to import

    made: _Validator = Draft202012Validator(orjson.loads(schema))
    return made


def _other_type(value: Any, validator: _Validator) -> Iterator[Any]:
    """One plain value becomes an object, which no plain type takes."""
    return _replaced(value, lambda leaf: {"value": leaf})


def _other_word(value: Any, validator: _Validator) -> Iterator[Any]:
    """One text becomes a text that no enum holds."""
    return _replaced(value, lambda leaf: "none of these" if isinstance(leaf, str) else leaf)


def _left_out(value: Any, validator: _Validator) -> Iterator[Any]:
    """One member of an object, at whatever depth, is missing, and is not one that may be null instead."""
    for place, inner in _places(value):
        for name in inner if isinstance(inner, dict) else ():
            if not validator.is_valid(_put(value, place, {**inner, name: None})):
                yield _put(value, place, {key: item for key, item in inner.items() if key != name})


_WAYS: tuple[Callable[[Any, _Validator], Iterator[Any]], ...] = (_other_word, _left_out, _other_type)


def _replaced(value: Any, change: Callable[[Any], Any]) -> Iterator[Any]:
    for place, inner in _places(value):
        if not isinstance(inner, dict | list):
            yield _put(value, place, change(inner))


def _places(value: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in `value` with the steps that lead to it."""
    yield (), value
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        for place, found in _places(inner):
            yield (step, *place), found


def _put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """A copy of `value` with `new` at that place."""
    if not place:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _put(copy[place[0]], place[1:], new)
    return copy


# fmt: off
INVALID_ANSWERS = (
    Fault("invalid-answer", "an answer that breaks its json_schema, until somebody complains of it", _invalid, billed=True, strikes=wants_schema_at_first),
    Fault("invalid-answer-always", "an answer that breaks its json_schema, complaints or not", _invalid, billed=True, strikes=wants_schema),
)
# fmt: on
