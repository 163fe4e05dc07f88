"""A DuckDB connection for one command: opened, told where its progress bar may go, closed; its errors in our words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from duck_or.cli.exits import CommandFailed, told


@contextmanager
def connected(database: str | Path, *, quiet: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the file, or to `:memory:`. A duckdb.Error inside becomes CommandFailed, Ctrl-C KeyboardInterrupt.

    quiet: without DuckDB's progress bar even on a terminal.
    """
    try:
        con = duckdb.connect(str(database))
        try:
            # DuckDB draws it on standard output, into whatever reads the result there.
            bar = sys.stdout.isatty() and not quiet
            con.execute(f"SET enable_progress_bar = {bar}").fetchall()
            yield con
        finally:
            con.close()
    except duckdb.Error as error:
        raise CommandFailed(*told(error)) from error
    except RuntimeError as error:
        if "interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from error  # what DuckDB makes of Ctrl-C while other threads evaluate
