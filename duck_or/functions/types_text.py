"""A DuckDB type in text, read by DuckDB's own parser into values that no longer need it.

Decides what a type is made of. Must not know what a model can answer, nor JSON.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb

from duck_or.errors import ArgumentError

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

_NESTED = frozenset({"struct", "list", "array", "map", "union"})
_PARAMETRISED = frozenset({"decimal", "enum"})
_ONE_AT_A_TIME = threading.Lock()  # a connection is for one thread at a time
_DEEPEST = 30  # levels: more than any provider takes, and far from the end of any stack


@dataclass(frozen=True, slots=True)
class SqlType:
    """kind: DuckDB's name without parameters ('struct', 'integer'), and 'json' for JSON. text: the whole type, as
    DuckDB writes it. children: the types inside, by field name, or as 'child', 'key' and 'value'. parameters: those of
    DECIMAL (precision, scale), ENUM (the labels) and an array (its size)."""

    kind: str
    text: str
    children: Mapping[str, SqlType]
    parameters: tuple[Any, ...] = ()


def read_type(text: str) -> SqlType:
    """The type that `text` names. Raises ArgumentError: not a type, or one of an extension or the user's own."""
    with _ONE_AT_A_TIME:
        try:
            return _taken_apart(_parser().sqltype(text))
        except duckdb.Error as error:
            raise ArgumentError(
                f"{text!r} is not a type that DuckDB knows here. Use a type in text such as 'INTEGER', "
                "'VARCHAR[]', 'STRUCT(name VARCHAR, score DOUBLE)' or 'ENUM(''a'', ''b'')'; write a type made "
                "with CREATE TYPE in full"
            ) from error


@lru_cache(maxsize=1)
def _parser() -> duckdb.DuckDBPyConnection:
    """A database of our own, kept since opening one takes 25 ms: this runs inside statements that hold the caller's.
    It may fetch nothing, or an unknown name would have DuckDB download an extension."""
    return duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "threads": "1",
        },
    )


def _taken_apart(found: DuckDBPyType, depth: int = 0) -> SqlType:
    if depth > _DEEPEST:
        raise ArgumentError(f"a type may be nested {_DEEPEST} levels deep; this one is deeper")
    kind, text = found.id, str(found)
    if kind == "varchar" and text == "JSON":  # JSON is a VARCHAR under another name
        return SqlType("json", text, {})
    if kind in _NESTED:
        parts: list[tuple[str, Any]] = found.children
        inner = {name: _taken_apart(part, depth + 1) for name, part in parts if not isinstance(part, int)}
        return SqlType(kind, text, inner, tuple(part for _, part in parts if isinstance(part, int)))
    parameters = [part for _, part in found.children] if kind in _PARAMETRISED else []
    return SqlType(kind, text, {}, tuple(parameters[0] if kind == "enum" else parameters))
