"""Which exit code, which words and which code of its own an error has on the command line.

DuckDB hands an exception of a Python function on as text, and whole statements raise the exceptions themselves. Both must
read the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import click

from duck_or import errors
from duck_or.cache.contract import StoreError
from duck_or.statements.brief import from_function

FAILED = 1
CONFIGURATION = 3
ROW = 4
MONEY = 5
DECLINED = 6
INTERRUPTED = 130

STOPPED = "stopped; what was answered until then is kept"

EXIT_CODES = """\b
Exit codes:
  0    it worked
  1    the statement is wrong or could not be run
  2    the command line is wrong
  3    the configuration is wrong: no key, a wrong key, an unknown model, a setting
  4    a row failed and on_error is 'raise'
  5    no more money: budget_usd, the key's limit or the account's credits
  6    you were asked before something was sent, and said no
  130  Ctrl-C
"""

BY_CLASS = {
    "SettingsError": CONFIGURATION,
    "StatementStopped": CONFIGURATION,
    "ArgumentError": ROW,
    "RequestFailed": ROW,
    "Cancelled": INTERRUPTED,
    "KeyboardInterrupt": INTERRUPTED,
    "InterruptException": INTERRUPTED,
    "Abort": INTERRUPTED,  # click's, for Ctrl-C at a prompt
}
MONEY_CODES = frozenset(
    {
        "budget_exhausted",
        "budget_unknown_price",
        "free_tier_daily_limit",
        "insufficient_credits",
        "key_limit",
    }
)
OWN_CODES = {
    kind.__name__: kind.code
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.DuckOrError)
}

_CODE = re.compile(r"\(code (\w+), attempts \d+")


class CommandFailed(Exception):
    """Ends the command with this message on standard error and this exit code. code: one word, for machines."""

    def __init__(self, message: str, exit_code: int = FAILED, code: str = "failed") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code


class Told(NamedTuple):
    """code: the error's own (`duck_or.errors`, or that of the failure); 'duckdb' for what DuckDB itself refuses."""

    message: str
    exit_code: int
    code: str


EXPECTED = (KeyboardInterrupt, click.Abort, CommandFailed, errors.DuckOrError, StoreError)
"""What may end a command. DuckDB's errors have become CommandFailed by then; a traceback of anything else is a bug."""


def ending(error: BaseException) -> Told:
    """What to say about one of EXPECTED."""
    if isinstance(error, CommandFailed):
        return Told(str(error), error.exit_code, error.code)
    return _told(type(error).__name__, str(error), "store")


def told(error: Exception) -> Told:
    """What to say about an exception that DuckDB raised."""
    text = str(error)
    ours = from_function(text)
    if ours is None:
        return _told(type(error).__name__, text, "duckdb")
    name, message = ours
    return _told(name, message or name, "failed")


def _told(class_name: str, message: str, otherwise: str) -> Told:
    """By the class's name and the code in its message. otherwise: the code of a class that has none."""
    codes = _CODE.findall(message)
    # The last one: a service's message may quote anything, ours comes after it.
    code = codes[-1] if codes else OWN_CODES.get(class_name, otherwise)
    exit_code = MONEY if code in MONEY_CODES else BY_CLASS.get(class_name, FAILED)
    if exit_code == INTERRUPTED:
        return Told(STOPPED, INTERRUPTED, errors.Cancelled.code)
    return Told(message, exit_code, code)
