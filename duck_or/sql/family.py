"""The family of functions that ask: their names, their scripts, and the macros that are made of these.

Each function has four macros: itself and its try_ form, and both once more for planned statements, where a mark is the
first argument. What stands in the places of a script:

{create} {schema} {name}   CREATE OR REPLACE [TEMP] MACRO, and where it goes
{mark}                     "mark, " in a planned statement
{call} {end}               around the arguments of the Python function behind it (see `BORROWED`)
{statement}                what tells the chunks of one statement from those of another. Usually it is epoch_us(now()): fixed
                           within a statement (and within an open transaction: what failed in it is asked again in the next
                           one) and, unlike current_query() and current_query_id(), not volatile (a volatile call would be
                           evaluated for every row under ORDER BY ... LIMIT). In a planned statement it is the mark.

The macros give the arguments their names and defaults and pack them into two JSON values, which DuckDB does in C++ and, for
constants, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import duckdb

from duck_or.sql.plans import PLANNED


class Asking(NamedTuple):
    """script: in duck_or/sql/asking. udf: the kind of Python function behind it (see `functions`). names: that it has."""

    script: str
    udf: str
    names: tuple[str, ...]


# DuckDB's grammar takes `extract(` and `summarize(` for something else unless they are quoted or qualified.
FAMILY: tuple[Asking, ...] = (
    Asking("chat_completions", "chat_completions", ("chat_completions",)),
    Asking("prompt", "ask", ("prompt",)),
    Asking("prompt_as", "ask", ("prompt_as",)),
    Asking("classify", "ask", ("classify",)),
    Asking("extract", "ask", ("extract", "llm_extract")),
    Asking("llm_filter", "ask", ("llm_filter",)),
    Asking("score", "ask", ("score",)),
    Asking("summarize", "ask", ("summarize", "llm_summarize")),
    Asking("translate", "ask", ("translate",)),
    Asking("embed", "embed", ("embed",)),
    Asking("rerank", "ask", ("rerank",)),
    Asking("llm_reduce", "reduce", ("llm_reduce",)),
)

TRY = "try_"

BORROWED = duckdb.__version__.startswith("1.")
"""Before DuckDB 2.0, coalesce(f(x), y) reads the texts of a Python function f after they were freed, and shows garbage.
A list holds copies, so the first element of a list of one is safe. Calls by position, which no macro surrounds, are not."""

OPENING, CLOSING = ("[", "][1]") if BORROWED else ("", "")

ASKING: frozenset[str] = frozenset(
    prefix + name for each in FAMILY for name in each.names for prefix in ("", TRY)
)
"""Every name under which something is asked."""


@cache
def asking_scripts() -> Mapping[str, str]:
    """By macro, the statement that creates it, with {create} and {schema} still to be filled in."""
    return dict(_scripts())


def _scripts() -> Iterator[tuple[str, str]]:
    for asking in FAMILY:
        template = files("duck_or.sql").joinpath("asking", f"{asking.script}.sql").read_text("utf-8")
        for name in asking.names:
            for prefix in ("", TRY):
                script = template.replace("{call}", f"{OPENING}__duck_or_{prefix}{asking.udf}(")
                script = script.replace("{end}", f"){CLOSING}")
                yield _filled(script, prefix + name, mark="", statement="epoch_us(now())")
                yield _filled(script, PLANNED + prefix + name, mark="mark, ", statement="mark")


def _filled(script: str, name: str, mark: str, statement: str) -> tuple[str, str]:
    return name, script.replace("{name}", name).replace("{mark}", mark).replace("{statement}", statement)
