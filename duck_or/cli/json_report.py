"""What a run or an estimate of a script says for machines: one JSON object, also when it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
import orjson

from duck_or.cli.exits import EXPECTED, Told, ending
from duck_or.stats import Stats

if TYPE_CHECKING:
    from duck_or.cli.rehearsal import Left
    from duck_or.cli.script import Step
    from duck_or.statements.estimate import Estimate

COUNTED = ("requests", "cache_hits", "joined", "sent", "failed", "rejected", "retries")
SUMMED = ("rows", "requests", "already_answered", "to_send", "rejected", "prompt_tokens")

JSON_HELP = """\b
--json prints one object:
  statements     [{number, line, kind, rows, seconds, requests, cache_hits, joined, sent, failed, rejected, retries,
                 prompt_tokens, completion_tokens, cost_usd, estimate}] of those that were begun
  totals         the same counters for all of them; null where nothing was run
  estimate       with --estimate {rows, requests, already_answered, to_send, rejected, prompt_tokens,
                 completion_tokens, cost_usd, minutes, complete}, ranges as [low, high], else null
  not_estimated  [{statement, reason}] of those that need what an earlier one would write, or end the estimate
  error          {code, message, statement}, else null
  exit_code      as below
"""


@dataclass(slots=True)
class Report:
    """Filled in while things happen. current: the number of the statement that is at work."""

    statements: list[dict[str, Any]] = field(default_factory=list)
    totals: dict[str, Any] | None = None
    estimate: dict[str, Any] | None = None
    left: list[Left] = field(default_factory=list)
    current: int | None = None

    def as_json(self, error: Told | None) -> str:
        found = {
            "statements": self.statements,
            "totals": self.totals,
            "estimate": self.estimate,
            "not_estimated": [{"statement": left.step.number, "reason": left.reason} for left in self.left],
            "error": error and {"code": error.code, "message": error.message, "statement": self.current},
            "exit_code": error.exit_code if error else 0,
        }
        return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()


@contextmanager
def reported(as_json: bool) -> Iterator[Report]:
    """Print the report at the end of what is done inside, if it is wanted; an error goes on its way afterwards."""
    report = Report()
    try:
        yield report
    except EXPECTED as error:
        if as_json:
            click.echo(report.as_json(ending(error)))
        raise
    if as_json:
        click.echo(report.as_json(None))


def facts(step: Step) -> dict[str, Any]:
    return {"number": step.number, "line": step.line, "kind": step.kind}


def counters(stats: Stats) -> dict[str, Any]:
    """What a statement, or all of them, asked and paid."""
    names = (*COUNTED, "prompt_tokens", "completion_tokens", "cost_usd")
    return {name: getattr(stats, name) for name in names}


def sum_of(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Several statements' estimates as one. What two of them ask is counted for each: only running them could tell."""
    return {
        **{name: sum(getattr(each, name) for each in estimates) for name in SUMMED},
        "completion_tokens": _added([each.completion_tokens for each in estimates]),
        "cost_usd": _added([each.cost_usd for each in estimates]),
        "minutes": _added([each.minutes for each in estimates]),
        "complete": all(each.complete for each in estimates),
    }


def _added(ranges: Sequence[tuple[float, float | None] | None]) -> tuple[float, float | None] | None:
    """The ranges' sum: without a high end where one of them has none, None where one is not known."""
    if None in ranges:
        return None
    known = [each for each in ranges if each is not None]
    highs = [high for _, high in known if high is not None]
    return sum(low for low, _ in known), sum(highs) if len(highs) == len(known) else None
