"""What a notebook shows of a relation."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

import duck_or
from duck_or.statements.display import SHOWN, is_number, mime_bundle
from support.bridge import KEY, Bridge, ask, call
from support.markup import Seen

ANSWER = ask("'q' || i")


def shown(relation: Any, **given: int) -> Seen:
    return Seen(mime_bundle(relation, **given)["text/html"])


def test_a_look_asks_for_no_more_than_it_shows(bridge: Bridge) -> None:
    seen = shown(bridge.con.sql(f"SELECT i, {ANSWER} AS answer FROM range(1000) t(i)"))
    assert seen.cells == [
        "iBIGINT",
        "answerVARCHAR",
        *(text for i in range(SHOWN) for text in (str(i), f"q{i}")),
    ]
    assert seen.text.endswith("… and more rows")
    assert bridge.sent == SHOWN + 1


def test_text_and_html_come_of_one_evaluation(bridge: Bridge) -> None:
    """An answer that was cut off is in no cache: a second evaluation would pay for it again."""
    cut = call("'one two three' || i", model_kwargs="{'max_tokens': 1}")
    bundle = mime_bundle(bridge.con.sql(f"SELECT {cut} AS r FROM range(1) t(i)"))
    assert "one" in Seen(bundle["text/html"]).text
    assert "one" in bundle["text/plain"]
    assert bridge.sent == 1


def test_a_failure_is_shown_as_what_it_says(bridge: Bridge) -> None:
    failing = bridge.con.sql("SELECT prompt('hello', model := 'fake/err-400') AS r")
    [(kind, said)] = mime_bundle(failing).items()
    assert kind == "text/plain"
    assert said.startswith("RequestFailed: ")
    assert "UDF" not in said


def test_so_is_a_connection_that_was_closed() -> None:
    con = duckdb.connect()
    relation = con.sql("SELECT 1")
    con.close()
    assert mime_bundle(relation)["text/plain"].startswith("ConnectionException: ")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Query interrupted"),
        duckdb.InterruptException("INTERRUPT Error: Interrupted!"),
        duckdb.InvalidInputException(
            "Invalid Input Error: Python exception occurred while executing the UDF: KeyboardInterrupt: "
        ),
        duckdb.Error("Traceback (most recent call last):\n  File 'a.py', line 1, in b\nKeyboardInterrupt: "),
        KeyboardInterrupt(),
    ],
    ids=["DuckDB is busy", "a thread is", "a function is", "the progress bar is", "Python is"],
)
def test_a_look_that_was_stopped_ends_the_cell(error: BaseException) -> None:
    """Shown as text, it would leave a loop of looks, and the cells behind, to go on."""

    class Stopped:
        def limit(self, rows: int) -> None:
            raise error

    with pytest.raises(KeyboardInterrupt) as caught:
        mime_bundle(Stopped())
    [said] = caught.value._render_traceback_()  # type: ignore[attr-defined]
    assert said.startswith("KeyboardInterrupt: stopped. What was answered until then is kept")


@pytest.mark.parametrize(
    ("rows", "known", "below"),
    [
        (0, None, "no rows"),
        (3, None, ""),
        (SHOWN, None, ""),
        (21, 21, "… 1 more row"),
        (90, 90, "… 70 more rows"),
    ],
)
def test_what_is_not_shown_is_counted_where_it_can_be(rows: int, known: int | None, below: str) -> None:
    with duckdb.connect() as con:
        bundle = mime_bundle(con.sql(f"SELECT 'x' AS a FROM range({rows})"), known)
    seen = Seen(bundle["text/html"])
    assert seen.tags.count("td") == min(rows, SHOWN)
    assert seen.text.endswith(below or "x")
    assert bundle["text/plain"].endswith(below or "┘")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("NULL::INTEGER", "INTEGER", "NULL"),
        ("1.50::DECIMAL(9,2)", "DECIMAL(9,2)", "1.50"),
        (
            "170141183460469231731687303715884105727::HUGEINT",
            "HUGEINT",
            "170141183460469231731687303715884105727",
        ),
        ("[1, NULL]", "INTEGER[]", "[1, NULL]"),
        ("{'a': 'it''s'}", "STRUCT(a VARCHAR)", "{'a': it's}"),
        ("'\\xAA'::BLOB", "BLOB", "\\xAA"),
        ("DATE '2025-01-31'", "DATE", "2025-01-31"),
        ("'{\"a\": 1}'::JSON", "JSON", '{"a": 1}'),
        ("'<b>'", "VARCHAR", "<b>"),
    ],
)
def test_values_read_as_duckdb_writes_them(value: str, kind: str, text: str) -> None:
    with duckdb.connect() as con:
        seen = shown(con.sql(f"SELECT {value} AS v"))
        written = con.sql(f"SELECT ({value})::VARCHAR").fetchall()[0][0]
    assert seen.cells == [f"v{kind}", "NULL" if written is None else written]
    if "'" not in text:
        assert seen.cells[1] == text


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("BIGINT", True),
        ("DECIMAL(18,3)", True),
        ("DOUBLE", True),
        ("INTEGER[]", False),
        ("DECIMAL(18,3)[]", False),
        ("FLOAT[3]", False),
        ("VARCHAR", False),
        ("INTERVAL", False),
    ],
)
def test_numbers_stand_right(kind: str, number: bool) -> None:
    assert is_number(kind) is number


def test_columns_of_one_name_are_all_shown() -> None:
    with duckdb.connect() as con:
        assert shown(con.sql("SELECT 1 AS a, 2 AS a")).cells[2:] == ["1", "2"]


def test_responses_are_readable(bridge: Bridge) -> None:
    failing = call("'b'", model="'fake/err-400'", function="try_chat_completions")
    seen = shown(bridge.con.sql(f"SELECT {call()} AS good, {failing} AS bad"))
    assert seen.cells[2].startswith("hifake/echo-20260101 · ")
    assert seen.cells[3].startswith("failed: ")


def test_a_planned_relation_is_displayed_by_it(bridge: Bridge) -> None:
    given = {"base_url": bridge.simulator.base_url, "api_key": KEY, "model": "fake/echo"}
    with duck_or.connect(cache_path=None, **given) as con:
        bundle = con.sql(f"SELECT {ANSWER} AS answer FROM range(100) t(i)")._repr_mimebundle_()
    assert bundle["text/html"].count("<tr>") == SHOWN + 1
    assert bridge.sent == SHOWN + 1


def test_plain_text_folds_long_values() -> None:
    with duckdb.connect() as con:
        plain = mime_bundle(con.sql("SELECT repeat('word ', 1000) AS long, 7 AS n"))["text/plain"]
    assert max(map(len, plain.splitlines())) <= 120
    assert "4,800 more" in " ".join(plain.split())
