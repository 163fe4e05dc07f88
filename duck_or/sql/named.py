"""Prompts and models by name in SQL: Arrow vectors ↔ `named`.

Decides which of them is a SQL NULL and which types the functions take. What a placeholder or an alias is, it must not
know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from duck_or.named import Named
from duck_or.named_prompts import Prompt, Prompts, read_values
from duck_or.sql.callables import Function
from duck_or.sql.tables import TIMESTAMP, Table
from duck_or.sql.vectors import Vector, flat

PROMPTS = Table(
    "prompts",
    {
        "name": "VARCHAR",
        "version": "BIGINT",
        "text": "VARCHAR",
        "placeholders": "VARCHAR[]",
        "created": TIMESTAMP,
    },
    lambda session: session.named.prompts.rows(),
)
MODEL_ALIASES = Table(
    "model_aliases",
    {"alias": "VARCHAR", "model": "VARCHAR", "settings": "VARCHAR", "created": TIMESTAMP},
    lambda session: session.named.models.rows(),
)
NAMED_TABLES = (PROMPTS, MODEL_ALIASES)


def named_functions(named: Callable[[], Named]) -> list[Function]:
    """The functions behind named.sql; and under their public names, by position, for cursors that see no macro.

    named: what the session that answers now knows by name. A prompt that is filled is not volatile: DuckDB may then skip
    rows that ORDER BY ... LIMIT drops, and fold a call whose arguments are constants.
    """

    def set_prompt(names: Vector, texts: Vector) -> pa.Array:
        return pa.array(map(named().prompts.set, _values(names), _values(texts)), pa.int64())

    def set_model(aliases: Vector, settings: Vector) -> pa.Array:
        return pa.array(map(named().models.set, _values(aliases), _values(settings)), pa.string())

    def prompt(names: Vector, values: Vector, versions: Vector) -> pa.Array:
        return filled(named().prompts, _values(names), _values(values), _values(versions))

    def newest_prompt(names: Vector, values: Vector) -> pa.Array:
        return filled(named().prompts, _values(names), _values(values), [None] * len(names))

    setting_prompt = ("VARCHAR", "VARCHAR"), "BIGINT", True
    setting_model = ("VARCHAR", "JSON"), "VARCHAR", True
    return [
        Function("__duck_or_set_prompt", set_prompt, *setting_prompt),
        Function("openrouter_set_prompt", set_prompt, *setting_prompt),
        Function("__duck_or_set_model", set_model, *setting_model),
        Function("openrouter_set_model", set_model, *setting_model),
        Function("__duck_or_filled_prompt", prompt, ("VARCHAR", "JSON", "BIGINT"), "VARCHAR", False),
        Function("openrouter_prompt", newest_prompt, ("VARCHAR", "JSON"), "VARCHAR", False),
    ]


def filled(
    prompts: Prompts,
    names: Sequence[str | None],
    values: Sequence[str | None],
    versions: Sequence[int | None],
) -> pa.Array:
    """The text of each row's prompt; NULL where its name, its values or one of them is. Raises ArgumentError."""
    # One look-up for all rows of a chunk: a prompt that is set meanwhile does not change half of them.
    found: dict[tuple[str, int | None], Prompt] = {}
    texts: list[str | None] = []
    for name, given, version in zip(names, values, versions, strict=True):
        if name is None or given is None:
            texts.append(None)
            continue
        prompt = found.get((name, version))
        if prompt is None:
            prompt = found[name, version] = prompts.find(name, version)
        texts.append(prompt.fill(read_values(given)))
    return pa.array(texts, pa.string())


def _values(vector: Vector) -> list[Any]:
    values: list[Any] = flat(vector).to_pylist()
    return values
