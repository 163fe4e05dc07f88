"""The steps of the demo: real texts, one statement, its result and what it cost, the same statement again.

The SQL stands in demo.sql and demo_local.sql, where it can be read and copied. Who answers, this module must not know.
"""

from __future__ import annotations

import time
from importlib.resources import files
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import click
import orjson

from duck_or.cli.result import width
from duck_or.cli.wording import counted, dollars, since, summary_line
from duck_or.connect import register
from duck_or.models import worst_case_usd
from duck_or.request import BodyTemplate

if TYPE_CHECKING:
    import duckdb

    from duck_or.settings import Settings

SAMPLE = 8
MAX_TOKENS = 100
"""Five words need far fewer; it bounds the price that is said first."""


class Script(NamedTuple):
    """file: the statements, beside this module. text: what each row holds. source: where the texts are from."""

    file: str
    text: str
    source: str


DOCUMENTATION = Script("demo.sql", "description", "of DuckDB's own functions and settings")
REVIEWS = Script("demo_local.sql", "short review", "made up for this")


def statements(rows: int, script: Script = DOCUMENTATION) -> dict[str, str]:
    """The statements of a script by the names in their headings, all filled in but {model}."""
    parts = files("duck_or.cli").joinpath(script.file).read_text("utf-8").split("-- name: ")[1:]
    named = {name.strip(): text.strip() for name, _, text in (part.partition("\n") for part in parts)}
    given = {"rows": rows, "sample": SAMPLE, "max_tokens": MAX_TOKENS, "messages": named.get("messages")}
    return {name: filled(text, **given) for name, text in named.items()}


def filled(text: str, **parameters: object) -> str:
    """`text` with each `{name}` replaced. Not str.format: SQL has braces of its own."""
    for name, value in parameters.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


class Demo:
    """One demo on one connection: registers at once, gives everything back on exit. rows: texts asked about, at most."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        settings: Settings,
        rows: int,
        script: Script = DOCUMENTATION,
    ) -> None:
        self._con = con
        self._settings = settings
        self._script = script
        self._sql = statements(rows, script)
        con.execute(self._sql["texts"]).fetchall()
        [(self.rows,)] = con.execute("SELECT count(*) FROM texts").fetchall()
        self._session = register(con, settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def listed_models(self) -> frozenset[str]:
        return frozenset(model.id for model in self._session.models())

    def worst_case_usd(self, model: str) -> float | None:
        """The most that asking about every row can cost; None where the model has no listed price."""
        prices = {listed.id: listed for listed in self._session.models()}
        options = orjson.dumps({"model": model, "model_kwargs": {"max_tokens": MAX_TOKENS}}).decode()
        template = BodyTemplate.from_options(options, self._settings.base_url, None)
        costs = [worst_case_usd(template.request(text), prices) for text in self._prompts()]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def run(self, model: str, cost_note: str) -> None:
        """All steps, printed. Raises duckdb.Error."""
        statement = filled(self._sql["ask"], model=model.replace("'", "''"))
        click.echo(f"1. The texts: {counted(self.rows, self._script.text)} {self._script.source}.\n")
        self._code(self._sql["texts"])
        click.echo("\n2. One statement asks about every row.\n")
        self._code(statement)
        click.echo()
        self._execute(statement)
        click.echo("\n3. The answers.\n")
        self._show("answers")
        click.echo("\n4. What happened, and what it cost.\n")
        self._show("statistics")
        cost = dollars(self._session.stats().cost_usd)
        click.echo(f"   Cost: {cost} ({cost_note}).")
        click.echo("\n5. The same statement again: every answer is known, nothing is sent.\n")
        self._execute(statement)

    def _prompts(self) -> list[str]:
        return [text for (text,) in self._con.execute(self._sql["prompts"]).fetchall()]

    def _execute(self, statement: str) -> None:
        before, started = self._session.stats(), time.perf_counter()
        self._session.execute(statement).fetchall()
        seconds = time.perf_counter() - started
        click.echo(f"   {seconds:.2f} s. {summary_line(since(before, self._session.stats()))}")

    def _show(self, name: str) -> None:
        self._code(self._sql[name])
        click.echo()
        self._con.sql(self._sql[name]).show(max_width=width())

    def _code(self, statement: str) -> None:
        for line in statement.splitlines():
            click.echo(click.style(f"   {line}", bold=True))
