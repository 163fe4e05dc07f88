"""Every file of sql_examples/ runs, and running it again sends nothing new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.bridge import Bridge

EXAMPLES = sorted((Path(__file__).parents[2] / "sql_examples").glob("*.sql"))
# Questions whose answer may not be kept: the example shows a request that the service refuses.
ASKED_AGAIN = {"07_errors": 0}
NOTHING_TO_ASK_TWICE: set[str] = set()


def test_there_are_at_least_eight() -> None:
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
@pytest.mark.parametrize("database", [":memory:", "my.duckdb"])
def test_an_example(connect: Callable[..., Bridge], tmp_path: Path, path: Path, database: str) -> None:
    bridge = connect(database if database == ":memory:" else tmp_path / database, model="openai/gpt-5-mini")
    script = path.read_text("utf-8")
    rows = []
    for statement in bridge.con.extract_statements(script):
        rows.append(bridge.con.execute(statement).fetchall())
    assert all(rows[-1:]), "an example shows something"
    sent = bridge.sent
    assert sent > 0
    stats = bridge.session.stats()
    assert stats.sent == stats.answered == sent
    bridge.con.execute(script)
    assert bridge.sent == sent + ASKED_AGAIN.get(path.stem, 0)
