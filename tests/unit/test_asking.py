"""Whether a query may ask, told without looking at the catalog more often than needed."""

from __future__ import annotations

import duckdb
import pytest

from duck_or.statements.asking import REMEMBERED_S, Asking, Changes


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_names_are_remembered_for_a_moment_and_forgotten_after_changes() -> None:
    clock, changes = Clock(), Changes()
    with duckdb.connect() as con:
        con.execute("CREATE MACRO chat_completions(x) AS x || '__duck_or_'")
        asking = Asking(con, changes, clock)
        assert asking.may("SELECT Chat_Completions(1)")
        assert not asking.may("FROM answered")
        con.execute("CREATE VIEW answered AS SELECT chat_completions(1) AS a")
        assert not asking.may("FROM answered"), "remembered"
        asking.ran("SELECT 1")
        assert not asking.may("FROM answered"), "nothing has changed"
        changes.count += 1
        assert asking.may("FROM Answered"), "another connection changed something"
        con.execute("DROP VIEW answered")
        assert asking.may("FROM answered")
        clock.now += REMEMBERED_S
        assert not asking.may("FROM answered"), "a moment is over"


@pytest.mark.parametrize(
    ("query", "changed"),
    [
        ("SELECT 1", False),
        ("  insert INTO t VALUES (1)", False),
        ("CREATE VIEW v AS SELECT 1", True),
        ("SELECT 1; DROP VIEW v", True),
        ("USE other", True),
        ("COMMIT", True),
        ("", True),
    ],
)
def test_what_may_have_changed_the_catalog(query: str, changed: bool) -> None:
    changes = Changes()
    with duckdb.connect() as con:
        Asking(con, changes).ran(query)
    assert changes.count == changed


def test_in_a_failed_transaction_nothing_asks() -> None:
    with duckdb.connect() as con:
        con.execute("BEGIN")
        with pytest.raises(duckdb.ConversionException):
            con.execute("SELECT CAST('x' AS INT)")
        assert not Asking(con, Changes()).may("ROLLBACK")
