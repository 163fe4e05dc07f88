"""`duck-or demo`: the main job on real texts, with OpenRouter where there is a key and a simulated one where there is none;
or with a small model on this machine.

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

from duck_or.cli.exits import CONFIGURATION, EXIT_CODES, FAILED, CommandFailed
from duck_or.cli.wording import counted, dollars

if TYPE_CHECKING:
    import duckdb

    from duck_or.settings import Settings

KEPT_AS = Path("duck_or_demo.duckdb")
SIMULATED_ROWS, PAID_ROWS, LOCAL_ROWS = 300, 5, 4
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

LOCAL = """\
{model} answers, on this machine: no account, and nothing is paid.
THE ANSWERS BELOW ARE REAL, of a very small model that is often wrong. Their types are always right.
"""

INSTALLED = "installed"
"""What --local-model says without a file."""


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
@click.option(
    "--local-model",
    "local",
    is_flag=False,
    flag_value=INSTALLED,
    metavar="[PATH.gguf]",
    help="Ask a small model on this machine about four reviews: the installed one, or that of a file.",
)
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
def demo(
    rows: int | None,
    model: str | None,
    database: Path | None,
    keep: bool,
    simulate: bool,
    local: str | None,
    yes: bool,
) -> None:
    """Ask a model about DuckDB's own functions and settings, in SQL, twice: the second time is free.

    With OPENROUTER_API_KEY set it asks OpenRouter about a handful of rows and says the price first. Without a key a
    simulator answers. With --local-model a llama.cpp server is started, and stopped at the end.
    """
    from duck_or.cli.connection import connected
    from duck_or.settings import Settings

    if local is not None and (rows or model or simulate):
        raise click.UsageError("--local-model goes with none of --rows, --model and --simulate")
    settings = Settings.load()
    database = database or (KEPT_AS if keep else None)
    with connected(database or ":memory:") as con:
        if local is not None:
            _local(con, None if local == INSTALLED else Path(local))
        elif settings.api_key is None or simulate:
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


def _local(con: duckdb.DuckDBPyConnection, weights: Path | None) -> None:
    """The settings are made here and not loaded, as for the simulator."""
    from duck_or.cli.demo_steps import REVIEWS, Demo
    from duck_or.local_model import LocalModelError, LocalServer, ServerFailed, find
    from duck_or.settings import Settings

    try:
        with ExitStack() as stack:
            server = stack.enter_context(LocalServer(find(weights)))
            click.echo(LOCAL.format(model=server.model))
            settings = Settings(
                api_key=server.api_key,
                base_url=server.base_url,
                model=server.model,
                cache_path=None,
                rate_limit=None,
            )
            demo = stack.enter_context(Demo(con, settings, LOCAL_ROWS, REVIEWS))
            demo.run(server.model, "a model on this machine")
    except LocalModelError as error:
        code = FAILED if isinstance(error, ServerFailed) else CONFIGURATION
        raise CommandFailed(str(error), code, "local_model") from error
    click.echo("\nYour own queries: start llama-server (or vLLM, Ollama) and set OPENROUTER_BASE_URL")


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
