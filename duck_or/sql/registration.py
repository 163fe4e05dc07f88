"""Puts the functions and macros where every connection of a database instance finds them, and finds them again.

functions   system catalog      every connection; by position only
macros      main                of an in-memory database: every connection, all names
            temp                of a file database: the given connection; nothing is written to the user's file
            duck_or.            an attached in-memory catalog: every connection, as duck_or.chat_completions(...)
"""

from __future__ import annotations

import logging
import threading
from functools import cache
from importlib.resources import files
from typing import Literal

import duckdb

from duck_or.errors import DuckOrError
from duck_or.session import SessionCore
from duck_or.sql.family import asking_scripts
from duck_or.sql.functions import Slot, functions
from duck_or.sql.interrupt import stop_on_ctrl_c
from duck_or.sql.ownership import yield_to_theirs
from duck_or.sql.plans import PLANNED

log = logging.getLogger("duck_or")

CATALOG = "duck_or"
SCRIPTS = ("attachments.sql", "responses.sql", "named.sql", "key.sql", "tables.sql")

_guard = threading.Lock()
_slots: dict[int, Slot] = {}


def install(con: duckdb.DuckDBPyConnection, session: SessionCore) -> Slot:
    """Make `chat_completions(...)` and its kin callable on `con` and on every cursor of its database, by `session`.

    The session that was installed there before is closed; what was cached on disk stays.
    """
    with _guard:
        cursor = con.cursor()  # a private one: open results and open transactions of `con` stay as they are
        try:
            slot = _slot(cursor)
            previous = slot.enter(session)
            _create_macros(con, cursor, slot)
        finally:
            cursor.close()
    if previous is not None and previous is not session:
        previous.close()
    stop_on_ctrl_c()
    return slot


def name_on(con: duckdb.DuckDBPyConnection, slot: Slot) -> None:
    """Let one more connection of the slot's database use all names, bare and with named arguments."""
    with _guard:
        if not _in_memory(con):
            _run_bare_macros(con, "CREATE OR REPLACE TEMP MACRO", slot)


def session_on(con: duckdb.DuckDBPyConnection) -> SessionCore | None:
    """The session that answers on a connection's database; None where none was registered."""
    with con.cursor() as cursor:  # an open result of `con` stays as it is
        slot = _slot_of(cursor)
    return None if slot is None else slot.session


def _slot_of(cursor: duckdb.DuckDBPyConnection) -> Slot | None:
    known = cursor.execute(
        "SELECT count(*) FROM duckdb_functions() WHERE function_name = '__duck_or_slot'"
    ).fetchall()
    return _slots[cursor.execute("SELECT __duck_or_slot()").fetchall()[0][0]] if known[0][0] else None


def _slot(cursor: duckdb.DuckDBPyConnection) -> Slot:
    """The instance's slot; the functions are created the first time."""
    if known := _slot_of(cursor):
        return known
    slot = Slot()
    for function in functions(slot):
        function.create(cursor)
    _slots[slot.number] = slot
    return slot


def _create_macros(con: duckdb.DuckDBPyConnection, cursor: duckdb.DuckDBPyConnection, slot: Slot) -> None:
    attached, before = _attach_catalog(cursor), slot.prefix
    slot.prefix = "" if attached == "theirs" else f"{CATALOG}.main."
    if slot.prefix and (attached == "new" or not before):
        _run_macros(cursor, "CREATE OR REPLACE MACRO", slot.prefix)
    if _in_memory(cursor):
        _run_bare_macros(cursor, "CREATE OR REPLACE MACRO", slot)
        return
    try:
        _run_bare_macros(con, "CREATE OR REPLACE TEMP MACRO", slot)
    except duckdb.Error as error:
        raise DuckOrError(
            f"the macros could not be created on this connection: {error}. Read or close its open result first."
        ) from error


def _run_bare_macros(con: duckdb.DuckDBPyConnection, create: str, slot: Slot) -> None:
    before, slot.theirs = slot.theirs, yield_to_theirs(con)
    # Planned calls are qualified where they can be.
    planned = {name for name in asking_scripts() if name.startswith(PLANNED)} if slot.prefix else set()
    _run_macros(con, create, "", without=slot.theirs | planned)
    for name in sorted(slot.theirs - before):
        cure = f"ours is {CATALOG}.{name}(...)" if slot.prefix else "rename it to have ours"
        log.warning("%s(...) is a function of your own and stays so; %s", name, cure)


def _run_macros(
    con: duckdb.DuckDBPyConnection, create: str, schema: str, without: frozenset[str] = frozenset()
) -> None:
    asking = [script for name, script in asking_scripts().items() if name not in without]
    for script in [*asking, *map(_script, SCRIPTS)]:
        con.execute(script.replace("{create}", create).replace("{schema}", schema)).fetchall()


@cache
def _script(name: str) -> str:
    return files("duck_or.sql").joinpath(name).read_text("utf-8")


def _in_memory(cursor: duckdb.DuckDBPyConnection) -> bool:
    rows = cursor.execute(
        "SELECT path IS NULL FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    return bool(rows and rows[0][0])


def _attach_catalog(cursor: duckdb.DuckDBPyConnection) -> Literal["new", "ours", "theirs"]:
    """Attach the in-memory catalog `duck_or`, unless it is there already or the user's own database has that name."""
    rows = cursor.execute(
        "SELECT path IS NULL FROM duckdb_databases() WHERE database_name = ?", [CATALOG]
    ).fetchall()
    if not rows:
        cursor.execute(
            f"ATTACH ':memory:' AS {CATALOG} (READ_WRITE)"
        ).fetchall()  # also beside a read-only file
        return "new"
    if rows[0][0]:
        return "ours"
    log.info("a database is called %s: %s.chat_completions(...) is not available", CATALOG, CATALOG)
    return "theirs"
