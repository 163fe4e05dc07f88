"""What DuckDB before 2.0 borrows from a function and gives back too early: coalesce() must show every row its own answer."""

from __future__ import annotations

import pytest

from support.bridge import Bridge, call

ROWS = 6000
LONG = "a text that is too long to be kept within the sixteen bytes of a string itself"


@pytest.fixture
def asked(bridge: Bridge) -> Bridge:
    """Rows of a question, the answer (fake/echo says it back), and a question that is NULL in every third row."""
    bridge.con.execute(
        f"CREATE TABLE asked AS SELECT '{LONG} ' || i % 500 AS q, CASE WHEN i % 3 > 0 THEN q END AS sparse "
        f"FROM range({ROWS}) rows(i)"
    )
    return bridge


@pytest.mark.parametrize(
    "expression",
    [
        "coalesce(prompt(sparse), 'none')",
        "ifnull(prompt(sparse), 'none')",
        "coalesce(prompt(sparse), prompt(q))",
        f"coalesce({call('q')}, NULL) ->> '$.choices[0].message.content'",
    ],
)
def test_every_row_has_its_own_answer(asked: Bridge, expression: str) -> None:
    wanted = "CASE WHEN sparse IS NULL THEN coalesce(nullif(answer, q), answer) ELSE q END"
    wrong = asked.value(
        f"SELECT count(*) FROM (SELECT *, {expression} AS answer FROM asked) WHERE "
        f"answer IS DISTINCT FROM {wanted} OR answer NOT IN ('none', q)"
    )
    assert wrong == 0
