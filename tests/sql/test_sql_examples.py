"""Every file of sql_examples/ runs, and running it again sends nothing new."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.bridge import Bridge

EXAMPLES = sorted((Path(__file__).parents[2] / "sql_examples").glob("*.sql"))


def test_there_are_at_least_eight() -> None:
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
@pytest.mark.parametrize("database", [":memory:", "my.duckdb"])
def test_an_example(connect: Callable[..., Bridge], tmp_path: Path, path: Path, database: str) -> None:
    bridge = connect(database if database == ":memory:" else tmp_path / database, model="openai/gpt-5-mini")
    script = path.read_text("utf-8")
    shown = [bridge.con.execute(one).fetchall() for one in bridge.con.extract_statements(script)]
    assert shown[-1], "an example shows something"
    sent = bridge.sent
    assert sent > 0
    stats = bridge.session.stats()
    assert stats.sent == stats.answered == sent + _shared(bridge)
    bridge.con.execute(script)
    assert bridge.sent == sent


def _shared(bridge: Bridge) -> int:
    """Texts that were asked about in another's HTTP request."""
    seen = bridge.simulator.stats()
    return seen.texts_asked - seen.by_path.get("/embeddings", 0)


def test_every_function_has_an_example(bridge: Bridge) -> None:
    functions = bridge.column(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE database_name = current_database() "
        "AND function_type LIKE '%macro' AND NOT internal AND function_name NOT LIKE '\\_\\_%' ESCAPE '\\'"
    )
    shown = set(re.findall(r"(\w+)\"?\(", "".join(path.read_text("utf-8") for path in EXAMPLES)))
    assert len(functions) > 30
    assert set(functions) <= shown


def test_a_case_keeps_the_call_from_rows_that_its_cheap_condition_throws_away(bridge: Bridge) -> None:
    [path] = [path for path in EXAMPLES if path.stem == "11_cheap_conditions_first"]
    bridge.con.execute(path.read_text("utf-8")).fetchall()
    assert bridge.sent == 143
