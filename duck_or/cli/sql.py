"""`duck-or sql`: statements with the functions registered, each planned as a whole, and the last one's result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from duck_or.cli.exits import EXIT_CODES
from duck_or.cli.options import rows_option, settings_option, statement_text
from duck_or.cli.wording import summary_line

if TYPE_CHECKING:
    from duck_or.statements.session import Session

FORMATS = ("table", "csv", "json", "parquet")


@click.command(epilog=EXIT_CODES, short_help="Run a statement with the functions registered.")
@click.argument("statement")
@click.argument("database", default=":memory:")
@settings_option
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How the rows of a SELECT are printed; a table, if neither this nor --output says otherwise.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the rows of a SELECT to this file instead: .csv, .json, .parquet, or as --format says.",
)
@rows_option
def sql(
    statement: str,
    database: str,
    overrides: dict[str, object],
    form: str | None,
    output: Path | None,
    rows: int,
) -> None:
    """Run STATEMENT ('-' reads it from standard input) on DATABASE, a file; without one, in memory.

    chat_completions(...) and its kin are registered. The last statement's result goes to standard output, one line about
    the requests to standard error. Nothing is asked before money is spent: `duck-or estimate` says what a statement
    costs, --set budget_usd=… how much it may cost, and `duck-or run` asks.
    """
    form = format_of(form, output, sys.stdout.isatty())
    from duck_or.cli.connection import connected
    from duck_or.cli.result import show
    from duck_or.cli.script import perform, steps
    from duck_or.connect import register
    from duck_or.settings import Settings

    text = statement_text(statement)
    settings = Settings.load(overrides)
    with connected(database) as con, register(con, settings) as session:
        script = steps(con, text)
        if output is not None and not (script and script[-1].is_query):
            raise click.UsageError(f"the last statement is no SELECT: there are no rows to write to {output}")
        try:
            for step in script[:-1]:
                perform(con, session, step)
            for step in script[-1:]:
                show(con, session, step, rows, form, output)
        finally:
            _sum_up(session)


def format_of(form: str | None, output: Path | None, terminal: bool) -> str:
    """What --format and --output mean together. terminal: standard output is one. Raises click.UsageError."""
    if output is None:
        if form == "parquet" and terminal:
            raise click.UsageError(
                "parquet is nothing to read on a terminal: redirect it, or say --output FILE"
            )
        return form or "table"
    chosen = form or output.suffix.lower().removeprefix(".")
    if chosen == "table" or chosen not in FORMATS:
        raise click.UsageError(f"{output}: say --format csv, json or parquet, or name a file that ends so")
    return chosen


def _sum_up(session: Session) -> None:
    """Also after a failure: what was answered until then was paid for."""
    stats = session.stats()
    if stats.requests or stats.rejected or stats.withdrawn:
        click.echo(summary_line(stats), err=True)
