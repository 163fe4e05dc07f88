"""The group of all commands, and the one place where an error becomes a message and an exit code.

Commands import what is slow (duckdb, the client, the simulator) when they run, not here.
"""

from __future__ import annotations

from typing import Any, NoReturn

import click

from duck_or.cli.cache import cache
from duck_or.cli.demo import demo
from duck_or.cli.doctor import doctor
from duck_or.cli.estimate import estimate
from duck_or.cli.exits import EXPECTED, Told, ending
from duck_or.cli.report import report
from duck_or.cli.run import run
from duck_or.cli.simulate import simulate
from duck_or.cli.sql import sql
from duck_or.version import __version__


class Commands(click.Group):
    """Says every expected error in one line on standard error; a traceback is a bug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            self._end(ctx, ending(error))

    def _end(self, ctx: click.Context, told: Told) -> NoReturn:
        click.echo(f"Error: {told.message}", err=True)
        ctx.exit(told.exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="duck-or")
def main() -> None:
    """Ask a language model about every row, from plain DuckDB SQL."""


for command in (demo, sql, run, estimate, report, doctor, cache, simulate):
    main.add_command(command)
