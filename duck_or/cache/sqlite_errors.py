"""What a SQLite or file error means for an answer cache, in words: what happened, to which file, what to do. A table."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from duck_or.cache.contract import StoreError

ELSEWHERE = "set cache_path to another file"

# By primary result code: https://www.sqlite.org/rescode.html. (what is so, what to do)
MEANINGS: Mapping[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: ("another process holds its lock", f"wait until that one is done, or {ELSEWHERE}"),
    sqlite3.SQLITE_LOCKED: (
        "another connection holds its lock",
        f"wait until that one is done, or {ELSEWHERE}",
    ),
    sqlite3.SQLITE_READONLY: ("it may not be written", f"make it and its directory writable, or {ELSEWHERE}"),
    sqlite3.SQLITE_PERM: ("access is not permitted", f"make it and its directory writable, or {ELSEWHERE}"),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        f"see that it is a file in a directory you may write to, or {ELSEWHERE}",
    ),
    sqlite3.SQLITE_FULL: (
        "there is no room left",
        f"free space on its disk, run `duck-or cache prune`, or {ELSEWHERE}",
    ),
    sqlite3.SQLITE_IOERR: ("its disk could not be read or written", f"check the disk, or {ELSEWHERE}"),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", f"move it away, so that a new one is begun, or {ELSEWHERE}"),
    sqlite3.SQLITE_NOTADB: ("it is not a SQLite database", ELSEWHERE),
}
OTHERWISE = ("SQLite refused", f"move it away, so that a new one is begun, or {ELSEWHERE}")
NO_FILE = ("its directory or file cannot be made", f"make the directory writable, or {ELSEWHERE}")


def store_error(error: sqlite3.Error | OSError, path: Path, doing: str) -> StoreError:
    """doing: 'read', 'write' …, as in "cannot read the answer cache"."""
    if isinstance(error, OSError):
        what, cure = NO_FILE
    else:
        # An extended code has its primary code in the low byte; errors of the Python module itself have none.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        what, cure = MEANINGS.get(code, OTHERWISE)
    return StoreError(f"cannot {doing} the answer cache {path}: {what} ({error}). To mend it: {cure}")
