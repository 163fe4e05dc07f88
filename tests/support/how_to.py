"""Runs the code of how-to pages: fenced blocks, in order, one namespace for a page, as a reader would type them in.

```python and ```sql blocks run; all others (```sh, ```yaml, ```text, …) are there to be read. What truly cannot be run says so:
```python no-run. A test module that runs pages names them in `PAGES`, relative to how_to/: `test_how_to` misses whoever is
in none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from duck_or.simulator import Scenario, Simulator
from support.bridge import KEY

HOW_TO = Path(__file__).parents[2] / "how_to"
RUNNABLE = ("python", "sql")
NO_RUN = "no-run"

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")

Namespace = dict[str, Any]


@dataclass(frozen=True)
class Block:
    """line: of its first line of code, from 1. runs: it is Python or SQL, and not marked no-run."""

    language: str
    code: str
    line: int
    runs: bool


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order. Raises ValueError for an unknown mark and for a fence that stays open."""
    found: list[Block] = []
    opening: re.Match[str] | None = None
    code: list[str] = []
    start = 0
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opening is None and fence is not None:
            opening, start, code = fence, number + 1, []
        elif opening is not None and fence is not None and _closes(fence, opening):
            found.append(_block(page, opening["info"], code, start))
            opening = None
        elif opening is not None:
            code.append(line.removeprefix(opening["indent"]))
    if opening is not None:
        raise ValueError(f"{page.name}:{start - 1}: this block is never closed")
    return found


def run_page(page: Path, namespace: Namespace, sql: Callable[[str], object] | None = None) -> Namespace:
    """Run a page's blocks in `namespace`, and return it: whatever a block assigned can be looked at.

    sql: what runs a block of SQL; else each of its statements runs, to its last row, on the namespace's `con`. Tracebacks show
    the page's own lines.
    """
    namespace.setdefault("__name__", "__main__")
    for block in blocks(page):
        if not block.runs:
            continue
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)
        elif sql is not None:
            sql(block.code)
        else:
            _on_connection(namespace, block.code)
    return namespace


@contextmanager
def as_a_user(directory: Path, scenario: Scenario | None = None, **environment: str) -> Iterator[Simulator]:
    """A simulator, and the environment that leads there: what a page shows needs neither address nor key.

    directory: where the page's files end up. The default model is `fake/model`, there is no rate limit and no progress line
    unless `environment` says so.
    """
    with ExitStack() as ends:
        simulator = ends.enter_context(Simulator(scenario, record=True))
        ends.enter_context(chdir(directory))
        ends.callback(_restore, dict(os.environ))
        given = {"BASE_URL": simulator.base_url, "API_KEY": KEY, "MODEL": "fake/model", "RATE_LIMIT": "0"}
        os.environ.update({f"OPENROUTER_{name}": value for name, value in given.items()})
        os.environ.update({"DUCK_OR_PROGRESS": "off", **environment})
        yield simulator


def _restore(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    return not fence["info"].strip() and len(fence["ticks"]) >= len(opening["ticks"])


def _block(page: Path, info: str, code: list[str], line: int) -> Block:
    language, *marks = info.split() or [""]
    if unknown := set(marks) - {NO_RUN}:
        raise ValueError(f"{page.name}:{line - 1}: {', '.join(sorted(unknown))}? A block's mark is {NO_RUN}")
    return Block(language, "\n".join(code) + "\n", line, language in RUNNABLE and not marks)


def _on_connection(namespace: Namespace, code: str) -> None:
    con = namespace["con"]
    for statement in duckdb.extract_statements(code):
        con.execute(statement.query).fetchall()
