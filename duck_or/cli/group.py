"""The group of all commands, and the one place where an error becomes a message and an exit code.

Commands import what is slow (duckdb, the client, the simulator) when they run, not here.
"""

from __future__ import annotations

from typing import Any, NoReturn

import click

from duck_or.cache.contract import StoreError
from duck_or.cli.cache import cache
from duck_or.cli.demo import demo
from duck_or.cli.doctor import doctor
from duck_or.cli.exits import INTERRUPTED, STOPPED, CommandFailed, exit_code_of
from duck_or.cli.simulate import simulate
from duck_or.cli.sql import sql
from duck_or.errors import DuckOrError
from duck_or.version import __version__


class Commands(click.Group):
    """Says every expected error in one line on standard error; a traceback is a bug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):  # Abort: Ctrl-C at a prompt
            self._end(ctx, STOPPED, INTERRUPTED)
        except CommandFailed as error:
            self._end(ctx, str(error), error.exit_code)
        except (DuckOrError, StoreError) as error:
            self._end(ctx, str(error), exit_code_of(type(error).__name__, str(error)))

    def _end(self, ctx: click.Context, message: str, exit_code: int) -> NoReturn:
        click.echo(f"Error: {message}", err=True)
        ctx.exit(exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="duck-or")
def main() -> None:
    """Ask a language model about every row, from plain DuckDB SQL."""


for command in (demo, sql, doctor, cache, simulate):
    main.add_command(command)
