"""`duck-or simulate`: a local OpenRouter in the foreground."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from duck_or.cli.exits import CommandFailed
from duck_or.errors import SettingsError

KEY = "sk-or-v1-simulated"
MODEL = "openai/gpt-5-mini"

# name of the knob in Scenario → (type, help). The defaults are the Scenario's: fast, patient, unlimited.
KNOBS: dict[str, tuple[type, str]] = {
    "latency": (float, "Mean seconds until an answer begins."),
    "latency_sigma": (float, "Spread: 0 constant, above it lognormal with this sigma."),
    "tokens_per_second": (float, "Adds the time that the answer takes to write."),
    "drip_after": (float, "A request slower than these seconds gets status 200 and white space first."),
    "rpm": (float, "Requests per minute; more earn a 429 with Retry-After."),
    "burst": (int, "Requests at once within --rpm."),
    "max_concurrency": (int, "More requests at the same time earn a 429."),
    "credits_usd": (float, "The account's balance; 402 when it is spent."),
    "key_limit_usd": (float, "The key's own limit; 403 when it is spent."),
    "in_flight_budget_usd": (
        float,
        "Money that requests in flight may hold; over it a 402 with Retry-After.",
    ),
    "poison": (float, "Fraction of requests that fail every time."),
    "seed": (int, "Answers, latencies and faults are a function of the seed and the request."),
}


def knob_options(command: click.decorators.FC) -> click.decorators.FC:
    for name, (kind, text) in reversed(KNOBS.items()):
        command = click.option(f"--{name.replace('_', '-')}", type=kind, help=text)(command)
    return command


def rates_of(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    """`("429=0.1",)` → `{"429": 0.1}`."""
    rates = {}
    for text in given:
        name, _, rate = text.rpartition("=")
        try:
            rates[name] = float(rate)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is not NAME=RATE, such as 429=0.1") from error
    return rates


def list_faults(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from duck_or.simulator import FAULTS

    longest = max(map(len, FAULTS))
    for fault in FAULTS.values():
        click.echo(f"{fault.name:<{longest}}  {fault.says}")
    context.exit()


@click.command(short_help="Run a local OpenRouter, to test without paying.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8484, show_default=True, help="0: any free one."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=RATE",
    callback=rates_of,
    help="Let this fraction of attempts fail so, e.g. 429=0.1. May be repeated.",
)
@click.option("--any-model", is_flag=True, help="Accept every author/slug as a model.")
@click.option(
    "--list-faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=list_faults,
    help="Name every fault and exit.",
)
@knob_options
def simulate(port: int, host: str, faults: dict[str, float], any_model: bool, **knobs: Any) -> None:
    """Run a simulated OpenRouter: test SQL without paying. Answers are made up; Ctrl-C stops it."""
    from duck_or.simulator import Scenario, serve

    given = {name: value for name, value in knobs.items() if value is not None}
    try:
        scenario = Scenario(faults=faults, any_model=any_model, **given)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    try:
        serve(scenario, host, port, _announce(click.echo))
    except OSError as error:
        raise CommandFailed(f"cannot listen on {host} port {port}: {error.strerror}. Try --port 0") from error


def announcement(base_url: str) -> str:
    """What to type to make duck_or ask this server."""
    return f"""\
A simulated OpenRouter listens at {base_url}
Its answers are made up and cost nothing. Ctrl-C stops it.

To ask it, in another terminal:

    export OPENROUTER_BASE_URL={base_url}
    export OPENROUTER_API_KEY={KEY}
    export OPENROUTER_MODEL={MODEL}
    export DUCK_OR_CACHE=none
"""


def _announce(echo: Callable[[str], None]) -> Callable[[str], None]:
    return lambda base_url: echo(announcement(base_url))
