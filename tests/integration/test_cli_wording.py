"""What the command line makes of errors and figures."""

from __future__ import annotations

import duckdb
import pytest

from duck_or.cli.exits import MONEY_CODES, STOPPED, told
from duck_or.cli.wording import since, summary_line
from duck_or.stats import Stats

WRAPPED = "Invalid Input Error: Python exception occurred while executing the UDF: "
STACK = "\n\nAt:\n  /somewhere/duck_or/engine/chunk.py(113): _request\n  <stdin>(1): <module>\n"


@pytest.mark.parametrize("stack", ["", STACK])
@pytest.mark.parametrize(
    ("text", "message", "exit_code"),
    [
        ("SettingsError: no API key: set it", "no API key: set it", 3),
        ("duck_or.errors.SettingsError: no API key", "no API key", 3),
        ("StatementStopped: gone (code model_not_found, attempts 1, HTTP 400).", None, 3),
        ("StatementStopped: too dear (code budget_exhausted, attempts 0).", None, 5),
        ("RequestFailed: two\n\nparagraphs (code server_error, attempts 6, HTTP 500).", None, 4),
        ("RequestFailed: it said (code key_limit, attempts 9) (code server_error, attempts 6).", None, 4),
        ("Cancelled: the statement was cancelled", STOPPED, 130),
        ("KeyboardInterrupt", STOPPED, 130),
        ("ZeroDivisionError: division by zero", "division by zero", 1),
    ],
)
def test_an_error_of_ours_is_taken_out_of_duckdbs(
    text: str, message: str | None, exit_code: int, stack: str
) -> None:
    expected = text.partition(": ")[2] if message is None else message
    assert told(duckdb.InvalidInputException(WRAPPED + text + stack)) == (expected, exit_code)


def test_an_error_of_duckdb_stays_as_it_is() -> None:
    assert told(duckdb.ParserException("Parser Error: LINE 1")) == ("Parser Error: LINE 1", 1)
    assert told(duckdb.InterruptException("INTERRUPT Error: Interrupted!")).exit_code == 130


def test_the_codes_of_money_are_codes() -> None:
    from duck_or.classify import CODES

    own = {code for code in MONEY_CODES if code.startswith("budget_")}
    assert MONEY_CODES - own <= CODES.keys()


def test_the_summary_names_what_happened_and_leaves_out_what_did_not() -> None:
    stats = Stats(requests=1204, cache_hits=4, joined=200, sent=1000, failed=1, retries=3, cost_usd=0.5)
    assert summary_line(stats) == (
        "1,204 requests: 4 from the cache, 200 shared with an equal one, 1,000 sent, 3 retried, 1 failed; $0.50"
    )
    assert summary_line(Stats()) == "0 requests: 0 from the cache, 0 sent, 0 failed; $0"


def test_what_happened_since() -> None:
    assert since(Stats(requests=3, sent=3), Stats(requests=7, sent=3, cache_hits=4)) == Stats(
        requests=4, cache_hits=4
    )
