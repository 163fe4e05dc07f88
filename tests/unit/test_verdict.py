"""DuckDB's messages about marked text, in the words of the text that the user wrote."""

from __future__ import annotations

import pytest

from duck_or.statements.verdict import unmarked_message

NAME = "duck_or.main.__duck_or_planned_chat_completions"
EXPLAINED = "LINE 1: EXPLAIN (FORMAT json) INSERT INTO a\n        ^"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Binder Error: no such column", "Binder Error: no such column"),
        (f"Macro {NAME}(mark, messages) wants more", "Macro chat_completions(messages) wants more"),
        (f"Error: bad\n\nLINE 1: SELECT {NAME}(1001, x)\n    ^", "Error: bad"),
        (f"Error: bad\n\n{EXPLAINED}", "Error: bad"),
        ("Error: bad\n\nLINE 1: SELECT x\n    ^", "Error: bad\n\nLINE 1: SELECT x\n    ^"),
    ],
    ids=["plain", "signature", "excerpt", "of EXPLAIN", "the user's own excerpt"],
)
def test_unmarked_message(message: str, expected: str) -> None:
    assert unmarked_message(message) == expected
