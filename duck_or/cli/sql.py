"""`duck-or sql`: one statement with the functions registered, and its result."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from duck_or.cli.exits import EXIT_CODES
from duck_or.cli.wording import summary_line
from duck_or.setting_rules import RULES, parsed

if TYPE_CHECKING:
    from duck_or.statements.session import Session


def overrides_of(
    context: click.Context, option: click.Parameter, assignments: tuple[str, ...]
) -> dict[str, object]:
    """`("on_error=json",)` → `{"on_error": "json"}`, each value read as in the environment."""
    overrides: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in RULES:
            raise click.BadParameter(f"{name!r} is not NAME=VALUE with one of {', '.join(RULES)}")
        if name == "api_key":
            raise click.BadParameter(
                "a command line is no place for a key, other users see it: set OPENROUTER_API_KEY instead"
            )
        overrides[name] = parsed(name, text, assignment)
    return overrides


@click.command(epilog=EXIT_CODES, short_help="Run a statement with the functions registered.")
@click.argument("statement")
@click.argument("database", default=":memory:")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    callback=overrides_of,
    help="A setting for this run, such as on_error=json or model=openai/gpt-5-mini. May be repeated.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How the rows of a SELECT are printed.",
)
@click.option("--rows", default=40, show_default=True, help="Rows that a table shows at most.")
def sql(statement: str, database: str, overrides: dict[str, object], form: str, rows: int) -> None:
    """Run STATEMENT ('-' reads it from standard input) on DATABASE, a file; without one, in memory.

    chat_completions(...) and its kin are registered. The result goes to standard output, one line about the requests to
    standard error.
    """
    from duck_or.cli.connection import connected
    from duck_or.cli.result import show
    from duck_or.connect import register
    from duck_or.settings import Settings

    text = sys.stdin.read() if statement == "-" else statement
    settings = Settings.load(overrides)
    with connected(database) as con, register(con, settings) as session:
        try:
            show(con, text, form, rows)
        finally:
            _sum_up(session)


def _sum_up(session: Session) -> None:
    """Also after a failure: what was answered until then was paid for."""
    stats = session.stats()
    if stats.requests or stats.rejected or stats.withdrawn:
        click.echo(summary_line(stats), err=True)
