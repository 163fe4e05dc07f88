"""Does an answer keep to the JSON schema that was asked for?

Only a proven breach keeps an answer out of the store: what cannot be checked (an invalid schema, a reference to another
document, a pattern Python cannot compile) counts as conforming, because asking again would not make it checkable and
every rerun would pay again. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson


def conforms(content: str, schema: Mapping[str, Any]) -> bool:
    """Whether `content` is JSON and fulfils `schema`, as far as that can be checked."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    try:
        check = _compiled(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError:  # cannot have been sent either
        return True
    return check(value)


@lru_cache(maxsize=256)  # a statement has one schema as a rule; a column of schemas has few
def _compiled(schema: bytes) -> Callable[[Any], bool]:
    """A compiled check. jsonschema is slow to import (0.1 s), so only who asks for a schema pays for it."""
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    # Values: an $id that is no URI. Overflow: a pattern such as a{99999999999}. Recursion: a $ref to itself.
    uncheckable = (SchemaError, Unresolvable, re.error, ValueError, OverflowError, RecursionError)
    document = orjson.loads(schema)
    if not isinstance(document.get("$schema", ""), str):
        return lambda value: True
    kind = validator_for(document, default=Draft202012Validator)
    try:
        kind.check_schema(document)
        # An empty registry: by default jsonschema would fetch a remote $ref over the network.
        validator = kind(document, registry=Registry())
    except uncheckable:
        return lambda value: True

    def check(value: Any) -> bool:
        try:
            return validator.is_valid(value)
        except uncheckable:
            return True

    return check
