"""A report for the terminal. Decides what is left out where there is no room; the figures are made elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.table import Table

from duck_or.report import sentences
from duck_or.report.figures import Figures, Line
from duck_or.wording import rough_dollars, short_count

MAX_LINES = 20
"""Models at providers."""
MAX_BINS = 14
"""Bars of the spend over time: the newest."""
BAR = 30
"""Characters of the longest bar."""


def print_report(console: Console, figures: Figures, source: str, nothing: str = "") -> None:
    """source: where the calls come from; nothing: why there is nothing to show."""
    console.print(sentences.heading(figures.totals), style="bold", markup=False, highlight=False)
    console.print(source, style="dim", markup=False, highlight=False)
    if nothing:
        console.print(f"\n{nothing}", markup=False, highlight=False)
        return
    console.print(_totals(figures))
    for sentence in (sentences.spend, sentences.savings, sentences.latencies, sentences.errors):
        console.print(f"\n{sentence(figures)}", markup=False, highlight=False)
    if figures.totals.cost_usd:
        console.print(_spend(figures))
    if figures.lines:
        console.print(_lines(figures.lines))
    if figures.errors:
        console.print(_errors(figures))


def _totals(figures: Figures) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for tile in sentences.tiles(figures.totals):
        table.add_row(tile.name, f"[bold]{tile.figure}[/bold]", tile.beside, style=None)
    return table


def _spend(figures: Figures) -> Table:
    sums: dict[datetime, float] = defaultdict(float)
    for part in figures.spend:
        sums[part.start] += part.value
    shown = sorted(sums.items())[-MAX_BINS:]
    highest = max(value for _, value in shown)
    table = Table(
        title="Spend over time", title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0)
    )
    for start, value in shown:
        length = round(BAR * value / highest) if highest else 0
        table.add_row(sentences.when(start, figures.bin), rough_dollars(value), "█" * length)
    return table


def _lines(lines: Iterable[Line]) -> Table:
    every = list(lines)
    short = sentences.short_names(line.model for line in every)
    left = len(every) - MAX_LINES
    table = Table(title="By model and provider", title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold", ratio=3)
    table.add_column("provider", overflow="fold", ratio=2)
    for name in ("sent", "failed", "tokens", "cost", "median"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in every[:MAX_LINES]:
        table.add_row(
            _plain(short[line.model]), _plain(line.provider), f"{line.sent:,}", f"{line.failed:,}",
            short_count(line.prompt_tokens + line.completion_tokens), rough_dollars(line.cost_usd),
            sentences.seconds(line.latency_p50),
        )  # fmt: skip
    if left > 0:
        table.caption = f"and {left} more: see --html"
    return table


def _errors(figures: Figures) -> Table:
    table = Table(
        title="Errors by code", title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0)
    )
    for share in figures.errors:
        table.add_row(_plain(share.name), f"{share.value:,.0f}", share.series)
    return table


def _plain(text: str) -> str:
    """What a service sent is no markup, and moves no cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text).replace("[", r"\[")
