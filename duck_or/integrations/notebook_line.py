"""What a cell's first line says, and which connection and values its names mean. Pure: neither IPython nor SQL is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

import duckdb

from duck_or.statements.connection import Connection

Namespace: TypeAlias = Mapping[str, Any]
AnyConnection: TypeAlias = duckdb.DuckDBPyConnection | Connection

VALUED = frozenset({"--budget", "--on-error", "--output", "--rows"})

_OUTPUT = re.compile(r"([^\W\d]\w*)\s*<<")
_OPTION = re.compile(r"--[A-Za-z]")


def split(line: str, is_connection: Callable[[str], bool]) -> tuple[list[str], str]:
    """The options at the beginning of a line as a list of words, and the SQL behind them as it stands.

    `answers <<` is `--output answers`. The first word that is neither an option nor a connection begins the SQL.
    """
    words: list[str] = []
    rest, named = line.strip(), False
    while rest:
        word, after = _first(rest)
        if output := _OUTPUT.match(rest):
            words += ["--output", output[1]]
            after = rest[output.end() :]
        elif word in VALUED and after:
            value, after = _first(after)
            words += [word, value]
        elif _OPTION.match(word):
            words.append(word)
        elif not named and is_connection(word):
            words.append(word)
            named = True
        else:
            break
        rest = after.lstrip()
    return words, rest


def _first(text: str) -> tuple[str, str]:
    word, *after = text.split(maxsplit=1)
    return word, "".join(after)


def connections(names: Namespace) -> dict[str, AnyConnection]:
    """The DuckDB connections among a notebook's variables, each under its first name. Without `_` and its kin: IPython
    keeps what cells returned there."""
    found: dict[int, tuple[str, AnyConnection]] = {}
    for name, value in names.items():
        if isinstance(value, AnyConnection) and not name.startswith("_"):
            found.setdefault(id(plain(value)), (name, value))
    return dict(found.values())


def plain(con: AnyConnection) -> duckdb.DuckDBPyConnection:
    """DuckDB's own connection."""
    return con.con if isinstance(con, Connection) else con


def the_connection(
    found: Mapping[str, AnyConnection], is_registered: Callable[[AnyConnection], bool]
) -> AnyConnection | None:
    """Which one a cell means that names none: the only one, or the only registered one; DuckDB's default connection where
    there is none at all. None where that cannot be told."""
    if not found:
        return duckdb.default_connection()
    registered = [con for con in found.values() if is_registered(con)] if len(found) > 1 else []
    candidates = registered or list(found.values())
    return candidates[0] if len(candidates) == 1 else None


def parameters_of(wanted: Collection[str], names: Namespace) -> dict[str, Any] | None:
    """The values of `$name` by name; None where the statement has none. Raises LookupError, in words, for a name that is
    no variable."""
    for name in sorted(wanted):
        if name.isdigit():
            raise LookupError(f"a cell has no values for ? and ${name}: write $ and the name of a variable")
        if name not in names:
            raise LookupError(f"${name} wants a variable of the notebook, and there is none called {name!r}")
    return {name: names[name] for name in wanted} or None
