"""`duck-or report`: what was sent, what it cost and how long it took, at the terminal or as one HTML page."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from duck_or.cli.exits import CommandFailed
from duck_or.cli.options import settings_option
from duck_or.cli.wording import size

if TYPE_CHECKING:
    import duckdb

    from duck_or.report.figures import Figures, Wanted
    from duck_or.settings import Settings

LENGTHS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"(\d{1,6})([mhdw])")

MISSING_LIBRARY = (
    'the page needs Altair: pip install "duck_or[report]". Without --html the report needs nothing more'
)


def moment_of(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """`7d`, or a date and time in ISO 8601 (local unless it says otherwise) → seconds since the epoch."""
    if text is None:
        return None
    age = _AGE.fullmatch(text.strip())
    if age is not None:
        return time.time() - int(age[1]) * LENGTHS[age[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise click.BadParameter(
            f"{text!r} is neither an age, such as 30m, 12h, 7d or 4w, nor a date, such as 2026-01-31"
        ) from error


@click.command(short_help="Say what was asked and what it cost.")
@click.argument("calls", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with charts to this file instead.",
)
@click.option(
    "--since", callback=moment_of, metavar="WHEN", help="Only calls since then: 12h, 7d, 4w, or a date."
)
@click.option("--model", "models", multiple=True, help="Only calls of this model. May be repeated.")
@settings_option
def report(
    calls: Path | None,
    html: Path | None,
    since: float | None,
    models: tuple[str, ...],
    overrides: dict[str, object],
) -> None:
    """Spend over time, cost by model and provider, latency, what the cache saved, errors and tokens.

    CALLS is a file of calls; without it, the one that the settings name (calls_path, DUCK_OR_CALLS). It may also be what
    COPY (FROM openrouter_calls()) TO 'calls.parquet' wrote, as .parquet, .csv or .json.
    """
    from duck_or.cli.connection import connected
    from duck_or.report.figures import Wanted, figures
    from duck_or.settings import Settings

    settings = Settings.load(overrides)
    path = calls or settings.calls_file
    wanted = Wanted(since, models)
    with connected(":memory:", quiet=True) as con:
        _load(con, path, needed=calls is not None)
        found = figures(con, wanted)
        nothing = _why_nothing(con, path, settings, wanted) if found.totals.empty else ""
    source = f"From {path}" if path else "From nowhere: calls are kept in memory only"
    if html is None:
        _print(found, source, nothing)
    else:
        _write(html, found, source, nothing)


def _load(con: duckdb.DuckDBPyConnection, path: Path | None, needed: bool) -> None:
    """needed: the file was named, so that its absence is an error."""
    from duck_or.report.source import NotCalls, load, load_nothing

    try:
        if path is None or not (needed or path.exists()):
            load_nothing(con)
        else:
            load(con, path)
    except NotCalls as error:
        raise CommandFailed(str(error)) from error


def _why_nothing(
    con: duckdb.DuckDBPyConnection, path: Path | None, settings: Settings, wanted: Wanted
) -> str:
    if path is None:
        cause = (
            "calls_path is none"
            if settings.calls_path is None
            else "there is no cache file to keep them beside"
        )
        return (
            f"Calls are kept in memory only, since {cause}: set DUCK_OR_CALLS to a file, or name a file that "
            "COPY (FROM openrouter_calls()) TO 'calls.parquet' wrote."
        )
    if not path.exists():
        return (
            f"There is no file {path} yet: the first request makes it. A session with a cache_path of its own keeps its "
            "calls beside that, in calls.sqlite: name it here to see them."
        )
    [(rows, newest)] = con.execute(
        "SELECT count(*), strftime(max(time), '%Y-%m-%d %H:%M') FROM call"
    ).fetchall()
    if rows and (lacking := " and ".join(_filters(wanted))):
        newest = f"; the newest is of {newest}" if wanted.since is not None else ""
        return f"None of the calls in {path} is {lacking}{newest}."
    return f"There are no calls in {path} yet."


def _filters(wanted: Wanted) -> Iterator[str]:
    """What the options ask of a call."""
    if wanted.since is not None:
        yield "so new"
    if wanted.models:
        yield f"of the model {' or '.join(wanted.models)}"


def _print(found: Figures, source: str, nothing: str) -> None:
    from rich.console import Console

    from duck_or.report.text import print_report

    print_report(Console(), found, source, nothing)


def _write(html: Path, found: Figures, source: str, nothing: str) -> None:
    try:
        from duck_or.report.page import page
    except ImportError as error:
        raise CommandFailed(MISSING_LIBRARY) from error

    text = page(found, source, datetime.now().strftime("%Y-%m-%d %H:%M"), nothing)
    try:
        html.write_text(text, "utf-8")
    except OSError as error:
        raise CommandFailed(f"cannot write {html}: {error.strerror}") from error
    click.echo(f"{html} written, {size(len(text))}.")
