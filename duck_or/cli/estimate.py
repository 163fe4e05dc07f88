"""`duck-or estimate`: what statements would ask and cost. Sends nothing, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from duck_or.cli.exits import EXIT_CODES, CommandFailed
from duck_or.cli.json_report import JSON_HELP, Report, facts, reported, sum_of
from duck_or.cli.options import settings_option, statement_text
from duck_or.wording import counted, rough_dollars, rough_time, span

if TYPE_CHECKING:
    from duck_or.statements.estimate import Estimate


@click.command(
    epilog=f"{JSON_HELP}\n{EXIT_CODES}", short_help="Say what a statement would ask and cost; sends nothing."
)
@click.argument("statement")
@click.argument("database", default=":memory:")
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def estimate(statement: str, database: str, overrides: dict[str, object], as_json: bool) -> None:
    """Say what STATEMENT ('-' reads it from standard input) would ask on DATABASE, and what that would cost.

    Rows that reach the function, distinct requests, tokens, dollars, minutes. Nothing is sent, nothing is written.
    Several statements are rehearsed as `duck-or run --estimate` does it.
    """
    text = statement_text(statement)
    with reported(as_json) as report:
        estimated(text, database, overrides, report, quiet=as_json)


def estimated(text: str, database: str, overrides: dict[str, object], report: Report, *, quiet: bool) -> None:
    """Estimate a script's statements, print them unless `quiet`, and put them into the report."""
    from duck_or.cli.connection import connected
    from duck_or.cli.rehearsal import Rehearsal, stage
    from duck_or.cli.script import steps
    from duck_or.connect import register
    from duck_or.settings import Settings

    settings = Settings.load({**overrides, "budget_usd": 0.0})
    found: list[Estimate] = []
    say = (lambda _: None) if quiet else click.echo
    with stage(database) as place, connected(place, quiet=True) as con, register(con, settings) as session:
        script = steps(con, text)
        rehearsal = Rehearsal(con, session)
        try:
            for step, each in rehearsal.estimates(script):
                asking = asks(each) or len(script) == 1
                report.statements.append({**facts(step), "estimate": each.as_dict() if asking else None})
                if asking:
                    found.append(each)
                    say(f"{each}" if len(script) == 1 else f"{str(step).capitalize()}\n{each}\n")
        finally:
            report.current, report.left = rehearsal.current, rehearsal.left
    if len(script) == 1 and rehearsal.left:
        raise CommandFailed(rehearsal.left[0].reason)
    report.estimate = sum_of(found)
    report.estimate["complete"] &= not rehearsal.left
    if len(script) != 1:
        say(total(len(found), report.estimate))
    for left in rehearsal.left:
        say(f"{str(left.step).capitalize()} was not estimated: {left.reason}.")


def asks(estimate: Estimate) -> bool:
    return bool(estimate.rows or estimate.to_send or estimate.notes)


def total(asking: int, found: dict[str, Any]) -> str:
    """The line below several estimates. asking: how many there were."""
    if not asking:
        return "No statement asks anything."
    cost = (
        span(*map(rough_dollars, found["cost_usd"])) if found["cost_usd"] else "at a price that is not known"
    )
    low, high = found["minutes"]
    spent = span(rough_time(low * 60), rough_time(high * 60))
    least = "" if found["complete"] else "at least "
    sent = counted(found["to_send"], "request")
    return f"In all {least}{sent} to send by {counted(asking, 'statement')}: {cost}, {spent}."
