"""Options that several commands have, and where the text of a statement comes from."""

from __future__ import annotations

import sys

import click

from duck_or.setting_rules import RULES, parsed


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


settings_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    callback=overrides_of,
    help="A setting for this run, such as on_error=json or model=openai/gpt-5-mini. May be repeated.",
)

rows_option = click.option("--rows", default=40, show_default=True, help="Rows that a table shows at most.")


def statement_text(argument: str) -> str:
    """The argument itself; `-` stands for standard input."""
    return sys.stdin.read() if argument == "-" else argument
