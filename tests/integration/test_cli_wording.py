"""What the command line makes of errors and figures."""

from __future__ import annotations

import click
import duckdb
import pytest

from duck_or.cache.contract import StoreError
from duck_or.cli.exits import DECLINED, MONEY_CODES, STOPPED, CommandFailed, ending, told
from duck_or.cli.wording import since, summary_line
from duck_or.errors import (
    ArgumentError,
    Cancelled,
    RequestFailed,
    SettingsError,
    StatementStopped,
    TransportError,
)
from duck_or.stats import Stats

WRAPPED = "Invalid Input Error: Python exception occurred while executing the UDF: "
STACK = "\n\nAt:\n  /somewhere/duck_or/engine/chunk.py(113): _request\n  <stdin>(1): <module>\n"


@pytest.mark.parametrize("stack", ["", STACK])
@pytest.mark.parametrize(
    ("text", "message", "exit_code", "code"),
    [
        ("SettingsError: no API key: set it", "no API key: set it", 3, "settings"),
        ("duck_or.errors.SettingsError: no API key", "no API key", 3, "settings"),
        ("StatementStopped: gone (code model_not_found, attempts 1, HTTP 400).", None, 3, "model_not_found"),
        ("StatementStopped: too dear (code budget_exhausted, attempts 0).", None, 5, "budget_exhausted"),
        (
            "RequestFailed: two\n\nparagraphs (code server_error, attempts 6, HTTP 500).",
            None,
            4,
            "server_error",
        ),
        ("RequestFailed: it said (code key_limit, attempts 9) (code x, attempts 6).", None, 4, "x"),
        ("ArgumentError: messages is no list", None, 4, "bad_argument"),
        ("Cancelled: the statement was cancelled", STOPPED, 130, "cancelled"),
        ("KeyboardInterrupt", STOPPED, 130, "cancelled"),
        ("ZeroDivisionError: division by zero", "division by zero", 1, "failed"),
    ],
)
def test_an_error_of_ours_is_taken_out_of_duckdbs(
    text: str, message: str | None, exit_code: int, code: str, stack: str
) -> None:
    expected = text.partition(": ")[2] if message is None else message
    assert told(duckdb.InvalidInputException(WRAPPED + text + stack)) == (expected, exit_code, code)


def test_an_error_of_duckdb_stays_as_it_is() -> None:
    assert told(duckdb.ParserException("Parser Error: LINE 1")) == ("Parser Error: LINE 1", 1, "duckdb")
    assert told(duckdb.InterruptException("INTERRUPT Error: Interrupted!")) == (STOPPED, 130, "cancelled")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SettingsError("no API key"), ("no API key", 3, "settings")),
        (StatementStopped("gone (code budget_exhausted, attempts 0)."), (None, 5, "budget_exhausted")),
        (RequestFailed("bad (code bad_request, attempts 1)."), (None, 4, "bad_request")),
        (ArgumentError("messages is no list"), (None, 4, "bad_argument")),
        (TransportError("nobody there"), (None, 1, "network")),
        (Cancelled("stopped"), (STOPPED, 130, "cancelled")),
        (KeyboardInterrupt(), (STOPPED, 130, "cancelled")),
        (click.Abort(), (STOPPED, 130, "cancelled")),
        (StoreError("locked"), (None, 1, "store")),
        (CommandFailed("declined", DECLINED, "declined"), (None, 6, "declined")),
    ],
)
def test_an_error_that_comes_as_it_is_reads_like_one_from_inside_duckdb(
    error: BaseException, expected: tuple[str | None, int, str]
) -> None:
    message, exit_code, code = expected
    assert ending(error) == (str(error) if message is None else message, exit_code, code)


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
