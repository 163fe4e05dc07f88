"""Ask a language model about every row, from plain DuckDB SQL: `SELECT chat_completions(...)`.

`register(con)` makes the SQL functions callable on a DuckDB connection.
"""

from duck_or.connect import connect, register
from duck_or.errors import (
    ArgumentError,
    Cancelled,
    DuckOrError,
    RequestFailed,
    SessionClosed,
    SettingsError,
    StatementStopped,
)
from duck_or.settings import Settings
from duck_or.statements.session import Session
from duck_or.stats import Stats
from duck_or.version import __version__

__all__ = [
    "ArgumentError",
    "Cancelled",
    "DuckOrError",
    "RequestFailed",
    "Session",
    "SessionClosed",
    "Settings",
    "SettingsError",
    "StatementStopped",
    "Stats",
    "__version__",
    "connect",
    "register",
]


def load_ipython_extension(shell: object) -> None:
    """What `%load_ext duck_or` calls: the magics, Ctrl-C in every cell, the functions on the notebook's connection."""
    from duck_or.integrations.notebook import load

    load(shell)
