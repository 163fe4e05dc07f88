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
    """The type that `text` names. Raises ArgumentError: not one type, or one of an extension or the user's own."""
    with _ONE_AT_A_TIME:
        parser = _parser()
        try:
            found = parser.sqltype(text)
            # By itself `INTEGER, b VARCHAR` passes for INTEGER, as does `INTEGER NOT NULL`: not so within a STRUCT.
            fields = parser.sqltype(f"STRUCT(a {text}\n)").children
            if [str(field) for _, field in fields] == [str(found)]:
                return _taken_apart(found)
        except duckdb.Error as error:
            parser.close()  # after some errors DuckDB 1.4 refuses whatever the connection is asked next
            _parser.cache_clear()
            raise _unknown(text) from error
    raise _unknown(text)


def _unknown(text: str) -> ArgumentError:
    return ArgumentError(
        f"{text!r} is not a type that DuckDB knows here. Use a type in text such as 'INTEGER', 'VARCHAR[]', "
        "'STRUCT(name VARCHAR, score DOUBLE)' or 'ENUM(''a'', ''b'')'; write a type made with CREATE TYPE in full"
    )


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
    parts: list[tuple[str, Any]] = found.children if kind in _NESTED | _PARAMETRISED else []
    if kind == "enum":
        return SqlType(kind, text, {}, tuple(parts[0][1]))
    inner = {name: _taken_apart(part, depth + 1) for name, part in parts if not isinstance(part, int)}
    return SqlType(kind, text, inner, tuple(part for _, part in parts if isinstance(part, int)))
