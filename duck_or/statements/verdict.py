"""What DuckDB has to say of a statement before anything is asked for it, in words that its user understands.

EXPLAIN binds and plans a statement and runs nothing, so that a misspelt table costs no request. How a statement is asked
for and run, this module must not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

import duckdb
import orjson

from duck_or.sql.plans import PLANNED
from duck_or.statements.planner import Parameters
from duck_or.statements.viewpoint import Viewpoint

_EXPLAIN = "EXPLAIN (FORMAT json) "
_NOTHING_TO_MAKE = "CREATE_TABLE"  # the table is there already; else it is CREATE_TABLE_AS, or a kind of it

_OUR_NAME = re.compile(rf"[\w.]*{PLANNED}(\w+\()(mark, )?")
_EXCERPT = re.compile(r"\n\nLINE \d+: .*\Z", re.DOTALL)


class Verdict(Enum):
    RUNS = auto()  # its calls are going to be evaluated
    IDLE = auto()  # it is going to end before it evaluates anything
    FAULTY = (
        auto()
    )  # DuckDB does not know what it names, or cannot read it: it evaluates nothing, not even constants


def verdict_on(con: Viewpoint, text: str, parameters: Parameters) -> Verdict:
    """text: the statement with its calls marked. Constants are evaluated already now, by whatever plan has the mark.

    Raises duckdb.Error where the statement is wrong for another reason than its names, or a transaction ended with it.
    """
    try:
        with in_users_words():
            [(_, shown)] = con.sql(_EXPLAIN + text, params=parameters).fetchall()
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as error:
        check_transaction(con, error)
        return Verdict.FAULTY
    return Verdict.IDLE if orjson.loads(shown)[0]["name"] == _NOTHING_TO_MAKE else Verdict.RUNS


def check_transaction(con: Viewpoint, error: Exception) -> None:
    """Raises the error again if it ended the user's transaction: then nothing else can be tried."""
    try:
        con.sql("SELECT 1").fetchall()
    except duckdb.TransactionException:
        raise error from None


@contextmanager
def in_users_words() -> Iterator[None]:
    """DuckDB's errors about marked text, as if they were about the user's own."""
    try:
        yield
    except duckdb.Error as error:
        said = str(error)
        if PLANNED not in said and _EXPLAIN not in said:
            raise
        raise type(error)(unmarked_message(said)) from error


def unmarked_message(message: str) -> str:
    """Without the names of the planned macros, and without the excerpt that shows the statement's text."""
    excerpt = _EXCERPT.search(message)
    if excerpt is not None and (PLANNED in excerpt[0] or _EXPLAIN in excerpt[0]):
        message = message[: excerpt.start()]
    return _OUR_NAME.sub(r"\1", message)
