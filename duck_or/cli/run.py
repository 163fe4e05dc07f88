"""`duck-or run`: a script of statements, each planned as a whole; asks before money is spent, and sums up at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

import click

from duck_or.cli.exits import EXIT_CODES, CommandFailed
from duck_or.cli.json_report import JSON_HELP, Report, counters, facts, reported
from duck_or.cli.options import rows_option, settings_option
from duck_or.cli.wording import counted, since, summary_line
from duck_or.wording import rough_time

if TYPE_CHECKING:
    import duckdb

    from duck_or.cli.script import Step
    from duck_or.statements.estimate import Estimate
    from duck_or.statements.session import Session


@click.command(epilog=f"{JSON_HELP}\n{EXIT_CODES}", short_help="Run a script; asks before money is spent.")
@click.argument("script", type=click.File("rb"))
@click.option("--database", default=":memory:", help="The DuckDB file to run it on; by default in memory.")
@settings_option
@click.option("--estimate", is_flag=True, help="Say what each statement would ask and cost. Nothing is sent.")
@click.option(
    "--budget",
    type=click.FloatRange(0),
    metavar="USD",
    help="What all statements together may cost: short for --set budget_usd=USD.",
)
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines, and no rows.")
@rows_option
def run(
    script: BinaryIO,
    database: str,
    overrides: dict[str, object],
    estimate: bool,
    budget: float | None,
    yes: bool,
    as_json: bool,
    rows: int,
) -> None:
    """Run SCRIPT, a file of SQL statements ('-': standard input), each planned as a whole, and print the last one's rows.

    On a terminal each statement that would send something is estimated first, and you are asked; with --yes, or where
    there is no terminal to ask on (cron, a build, a script from a pipe), it runs at once, within --budget if one is
    given. What a statement changed before a later one failed stays, as in any script; so do all answers.

    --estimate rehearses the script in a transaction that is rolled back: statements with nothing to send run there, so
    that later ones find their tables. Those with something to send do not, and what needs their answers is named and
    not estimated. COPY … TO is not run; what reaches outside the transaction otherwise (ATTACH of a new file, EXPORT,
    ROLLBACK) ends the estimate.
    """
    from duck_or.cli.estimate import estimated

    text = text_of(script)
    overrides = within(overrides, budget)
    with reported(as_json) as report:
        if estimate:
            estimated(text, database, overrides, report, quiet=as_json)
        else:
            _run(text, database, overrides, report, asking=not yes, quiet=as_json, rows=rows)


def text_of(script: BinaryIO) -> str:
    try:
        return script.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{script.name} is not UTF-8: {error.reason} at byte {error.start}") from error


def within(overrides: dict[str, object], budget: float | None) -> dict[str, object]:
    """The settings with --budget among them. Raises click.UsageError where both say it."""
    if budget is None:
        return overrides
    if "budget_usd" in overrides:
        raise click.UsageError("--budget and --set budget_usd=… say the same thing: leave one of them out")
    return {**overrides, "budget_usd": budget}


def _run(
    text: str,
    database: str,
    overrides: dict[str, object],
    report: Report,
    *,
    asking: bool,
    quiet: bool,
    rows: int,
) -> None:
    from duck_or.cli.connection import connected
    from duck_or.cli.consent import somebody_is_there
    from duck_or.cli.script import steps
    from duck_or.connect import register
    from duck_or.settings import Settings

    settings = Settings.load({"progress": "off", **overrides} if quiet else overrides)
    with connected(database, quiet=quiet) as con, register(con, settings) as session:
        script = steps(con, text)
        run = ScriptRun(con, session, report, asking and somebody_is_there(), None if quiet else rows)
        run.all(script)


class ScriptRun:
    """asking: whether somebody is there to be asked. rows: of the last table, shown at most; None: nothing is printed."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        session: Session,
        report: Report,
        asking: bool,
        rows: int | None,
    ) -> None:
        self._con = con
        self._session = session
        self._report = report
        self._asking = asking
        self._rows = rows

    def all(self, script: Sequence[Step]) -> None:
        """Run the statements in their order. Sums up also where one of them fails: what was answered was paid for."""
        started, done = time.monotonic(), 0
        try:
            for step in script:
                self._report.current = step.number
                self._one(step, step is script[-1])
                done += 1
        finally:
            self._sum_up(done, len(script), time.monotonic() - started)

    def _one(self, step: Step, is_last: bool) -> None:
        """Run one statement and write down what it did: a failure included."""
        from duck_or.cli.consent import ask

        estimate = ask(step, self._session.estimate) if self._asking else None
        before, started = self._session.stats(), time.monotonic()
        changed: int | None = None
        try:
            changed = self._perform(step, is_last)
        finally:
            stats = since(before, self._session.stats())
            self._write_down(step, changed, time.monotonic() - started, counters(stats), estimate)

    def _perform(self, step: Step, is_last: bool) -> int | None:
        from duck_or.cli.result import show
        from duck_or.cli.script import perform

        if is_last and self._rows is not None:
            show(self._con, self._session, step, self._rows)
            return None
        return perform(self._con, self._session, step)

    def _write_down(
        self,
        step: Step,
        changed: int | None,
        seconds: float,
        counted: dict[str, object],
        estimate: Estimate | None,
    ) -> None:
        told = {"rows": changed, "seconds": round(seconds, 3), **counted}
        found = {"estimate": estimate.as_dict() if estimate else None}
        self._report.statements.append({**facts(step), **told, **found})

    def _sum_up(self, done: int, of: int, seconds: float) -> None:
        stats = self._session.stats()
        self._report.totals = {"seconds": round(seconds, 3), **counters(stats)}
        what = counted(of, "statement") if done == of else f"{done:,} of {counted(of, 'statement')}"
        asked = f" {summary_line(stats)}" if stats.requests or stats.rejected or stats.withdrawn else ""
        click.echo(f"{what} in {rough_time(seconds)}.{asked}", err=True)
