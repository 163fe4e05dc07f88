"""Which exit code and which words an error has on the command line.

DuckDB hands an exception of a Python function on as text, so here the text is taken apart again: the class's name, its
message, and behind that, in some versions, a stack that is of no use to the user.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FAILED = 1
CONFIGURATION = 3
ROW = 4
MONEY = 5
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

_FROM_FUNCTION = re.compile(
    r"Python exception occurred while executing the UDF: (?:\w+\.)*(?P<name>\w+)(?:: (?P<message>.*?))?(?:\s*\n\nAt:\n.*)?\Z",
    re.DOTALL,
)
_CODE = re.compile(r"\(code (\w+), attempts \d+")


class CommandFailed(Exception):
    """Ends the command with this message on standard error and this exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Told(NamedTuple):
    message: str
    exit_code: int


def told(error: Exception) -> Told:
    """What to say about an exception that DuckDB raised, and the exit code."""
    text = str(error)
    ours = _FROM_FUNCTION.search(text)
    if ours is None:
        exit_code = BY_CLASS.get(type(error).__name__, FAILED)
        return Told(STOPPED if exit_code == INTERRUPTED else text, exit_code)
    message = (ours["message"] or "").strip()
    exit_code = exit_code_of(ours["name"], message)
    return Told(STOPPED if exit_code == INTERRUPTED else message or ours["name"], exit_code)


def exit_code_of(class_name: str, message: str) -> int:
    """The exit code for one of this package's errors, by its class's name and the code in its message."""
    codes = _CODE.findall(message)
    # The last one: a service's message may quote anything, ours comes after it.
    if codes and codes[-1] in MONEY_CODES:
        return MONEY
    return BY_CLASS.get(class_name, FAILED)
