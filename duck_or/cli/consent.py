"""Asks before a statement spends: shows its estimate and waits for a yes. Only where somebody is there to say it.

What is shown goes to standard error, beside the result. How a statement is run, this module must not know.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable

import click

from duck_or.cli.exits import DECLINED, CommandFailed
from duck_or.cli.script import Step
from duck_or.cli.wording import counted
from duck_or.errors import DuckOrError
from duck_or.statements.estimate import Estimate
from duck_or.wording import rough_dollars, span

SLICE = 0.1
"""Seconds between two looks for Ctrl-C while an answer is awaited."""

Estimated = Callable[[str], Estimate]


def somebody_is_there() -> bool:
    """Whether a question would be seen and could be answered: never in a pipe, under cron, or in a build."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(step: Step, estimated: Estimated) -> Estimate | None:
    """Return the estimate once the statement may run; None where there is none. Sends nothing.

    Raises CommandFailed where the answer is no, and what `estimated` raises where the statement is wrong.
    """
    estimate, problem = _looked_at(step, estimated)
    if estimate is None and not problem:
        return None
    if estimate is not None and not may_send(estimate):
        return estimate
    click.echo(f"\n{str(step).capitalize()}\n{estimate or problem}", err=True)
    click.echo(f"{question(estimate)} [y/N] ", err=True, nl=False)
    # Not click.confirm: that writes a space to standard output, which belongs to the result.
    if _typed().strip().lower() in ("y", "yes"):
        return estimate
    message = f"declined: nothing was sent for {step}; neither it nor what follows was run"
    raise CommandFailed(message, DECLINED, "declined")


def _typed() -> str:
    """A line from the terminal; empty at its end."""
    # A Ctrl-C between Python's last look for signals and a blocking read would wait for the next line.
    while os.name == "posix" and not select.select([sys.stdin], [], [], SLICE)[0]:
        pass
    return sys.stdin.readline()


def _looked_at(step: Step, estimated: Estimated) -> tuple[Estimate | None, str]:
    """The estimate, or why there is none."""
    if step.sends_uncounted:
        return None, "What it asks cannot be told beforehand: DuckDB runs it as it is."
    if step.text is None or not step.planned:
        return None, ""
    try:
        return estimated(step.text), ""
    except DuckOrError as error:
        if (
            type(error) is not DuckOrError
        ):  # one of its kinds is a failure, and not the answer that nobody can tell
            raise
        return None, str(error)


def may_send(estimate: Estimate) -> bool:
    """Whether running the statement may send something. Where nothing is counted to send, one note may speak of rows that
    are rejected; any other says that there is more than was counted."""
    uncounted = len(estimate.notes) > bool(estimate.rejected)
    return bool(estimate.to_send) or not estimate.complete or uncounted


def question(estimate: Estimate | None) -> str:
    """`Send 120 requests, $0.0026 to $0.01?`"""
    if estimate is None or not estimate.to_send:
        return "Run it, and send what it asks?"
    least = "" if estimate.complete else "at least "
    cost = (
        span(*map(rough_dollars, estimate.cost_usd)) if estimate.cost_usd else "at a price that is not known"
    )
    return f"Send {least}{counted(estimate.to_send, 'request')}, {cost}?"
