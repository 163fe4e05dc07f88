"""Which functions of a database are ours, and which only have the name of one of ours.

`score`, `embed`, `prompt` are common names: a function that the user has stays what it is, and ours of that name is then
called as duck_or.score(...). What a query does with the names, this module must not know.
"""

from __future__ import annotations

import duckdb

from duck_or.sql.family import ASKING

INTERNAL = "__duck_or_"
"""What the definition of every macro of ours holds, in one of its overloads at least."""

BY_POSITION = frozenset({"chat_completions", "try_chat_completions"})
"""Ours although they are no macros: for cursors that see none."""

PASSED_ON = frozenset({"translate"})
"""DuckDB's own functions whose calls the macro of that name hands on."""

CALLED = ("scalar", "aggregate", "macro")
"""The types of functions that are called alike."""

_FUNCTIONS = f"""
    SELECT lower(function_name) AS name, database_name, schema_name,
        coalesce(bool_or(contains(macro_definition, '{INTERNAL}')), false) AS ours
    FROM duckdb_functions()
    WHERE lower(function_name) IN ({", ".join(f"'{name}'" for name in sorted(ASKING))})
        AND function_type IN {CALLED} AND database_name IN (current_database(), 'temp', 'system')
    GROUP BY ALL
"""


def yield_to_theirs(con: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The names of ours that somebody else's functions have, as this connection sees them.

    A macro of ours that hides such a function (it was there first) is dropped.
    """
    functions = con.execute(_FUNCTIONS).fetchall()
    theirs = frozenset(
        name for name, database, _, ours in functions if not (ours or _is_known(name, database))
    )
    for name, database, schema, ours in functions:
        if ours and name in theirs:
            con.execute(f'DROP MACRO "{database}"."{schema}"."{name}"').fetchall()
    return theirs


def _is_known(name: str, database: str) -> bool:
    return database == "system" and name in BY_POSITION | PASSED_ON
