"""`duck-or demo`: the main job on real texts, with OpenRouter where there is a key and a simulated one where there is none.

What the demo asks and how it shows it is in `demo_steps`; here is decided who answers, and at what price.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from duck_or.cli.exits import EXIT_CODES, CommandFailed
from duck_or.cli.wording import counted, dollars

if TYPE_CHECKING:
    import duckdb

    from duck_or.settings import Settings

KEPT_AS = Path("duck_or_demo.duckdb")
SIMULATED_ROWS, PAID_ROWS = 300, 5
LATENCY = 0.3
"""Mean seconds until the simulator answers, lognormal: about what a small model needs for a few words."""

CHEAP_MODELS = (
    "google/gemini-2.5-flash-lite",
    "openai/gpt-4o-mini",
    "mistralai/mistral-small-3.2-24b-instruct",
)
"""Tried in this order: whichever the service lists. None of them spends tokens on reasoning unasked."""

SIMULATED = """\
{why}, so OpenRouter is not asked. A simulator on this machine answers instead:
THE ANSWERS BELOW ARE SIMULATED, made up without any model, and nothing is paid. All else is real.
"""


@click.command(epilog=EXIT_CODES, short_help="See it work, on real texts; simulated without a key.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    help=f"Texts to ask about; {SIMULATED_ROWS} simulated or {PAID_ROWS} paid ones if not said.",
)
@click.option("--model", help="The model to ask; by default a cheap one.")
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Put the table duck_or_demo into this DuckDB file; by default it is gone at the end.",
)
@click.option("--keep", is_flag=True, help=f"Short for --database {KEPT_AS}.")
@click.option("--simulate", is_flag=True, help="Do not ask OpenRouter even where there is a key.")
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
def demo(
    rows: int | None, model: str | None, database: Path | None, keep: bool, simulate: bool, yes: bool
) -> None:
    """Ask a model about DuckDB's own functions and settings, in SQL, twice: the second time is free.

    With OPENROUTER_API_KEY set it asks OpenRouter about a handful of rows and says the price first. Without a key a
    simulator answers.
    """
    from duck_or.cli.connection import connected
    from duck_or.settings import Settings

    settings = Settings.load()
    database = database or (KEPT_AS if keep else None)
    with connected(database or ":memory:") as con:
        if settings.api_key is None or simulate:
            why = "As you said --simulate" if simulate else "There is no API key (OPENROUTER_API_KEY)"
            click.echo(SIMULATED.format(why=why))
            _simulated(con, rows or SIMULATED_ROWS, model or CHEAP_MODELS[0])
        else:
            _paid(con, settings, rows or PAID_ROWS, model, yes)
    if database is not None:
        click.echo(f"\nThe table duck_or_demo is in {database}.")


def _simulated(con: duckdb.DuckDBPyConnection, rows: int, model: str) -> None:
    """The settings are made here and not loaded: simulated answers must not get near the user's cache."""
    from duck_or.cli.demo_steps import Demo
    from duck_or.settings import Settings
    from duck_or.simulator import Scenario, Simulator

    scenario = Scenario(latency=LATENCY, latency_sigma=0.5, any_model=True)
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator(scenario, record=False))
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="duck_or-demo-"))
        settings = Settings(
            api_key="sk-or-v1-simulated",
            base_url=simulator.base_url,
            cache_path=Path(directory) / "answers.sqlite",
            rate_limit=None,
        )
        demo = stack.enter_context(Demo(con, settings, rows))
        demo.run(model, "simulated, at the prices of a real model; nothing was paid")
    click.echo(
        "\nFor real answers set OPENROUTER_API_KEY and run this again. Your own query: duck-or sql --help"
    )


def _paid(
    con: duckdb.DuckDBPyConnection, settings: Settings, rows: int, model: str | None, yes: bool
) -> None:
    from duck_or.cli.demo_steps import Demo

    with Demo(con, settings, rows) as demo:
        model = model or _cheap(demo.listed_models())
        worst = demo.worst_case_usd(model)
        price = (
            "an unknown amount: the service lists no price" if worst is None else f"at most {dollars(worst)}"
        )
        click.echo(f"This asks {model} at {settings.base_url} about {counted(demo.rows, 'row')}.")
        click.echo(f"It costs {price}. Answers that are in your cache already cost nothing.\n")
        if not yes:
            _confirm()
        demo.run(model, "as billed by the service")
    click.echo("\nYour own query: duck-or sql --help")


def _cheap(listed: Collection[str]) -> str:
    for model in CHEAP_MODELS:
        if model in listed:
            return model
    raise CommandFailed("the service lists none of the cheap models this demo knows: name one with --model")


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(
            "there is no terminal to ask on, so nothing was sent; --yes goes on without asking"
        )
    if not click.confirm("Go on?"):
        click.echo("Nothing was sent.")
        raise click.exceptions.Exit(0)
