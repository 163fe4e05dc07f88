"""`duck-or report`: after real requests, of written tables, as a page in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import duck_or as package
from duck_or.report.page import page
from duck_or.report.source import load
from duck_or.simulator import Scenario, Simulator
from support.bridge import KEY, ask
from support.browser import Seen, browser, look_at
from support.command_line import ROOT, duck_or
from support.report_calls import failed, hits, of, refused, sent

PHONE, DESK = 390, 1280
HOSTILE = "</script><img src=x onerror=alert(1)>" + "x" * 300
MANY = [
    *(
        sent(
            hour * 3.3, f"author/a-model-with-a-long-name-{hour % 11}", f"Provider number {hour % 9}",
            latency_s=0.05 * 1.02**hour, cost_usd=0.0001 * (hour % 13), cached_tokens=3, reasoning_tokens=1,
        )
        for hour in range(300)
    ),
    *(failed(f"error_code_number_{n}") for n in range(14)),
    *(hits(40 + n, f"author/a-model-with-a-long-name-{n}") for n in range(11)),
    refused(3),
]  # fmt: skip
PAGES = {
    "many": MANY,
    "one": [sent()],
    "minutes": [sent(n / 60, latency_s=0.01 + n) for n in range(7)],
    "hours": [
        sent(n * 2.1, f"author/{'a-model-with-a-very-long-name-' * 3}{n % 3}", latency_s=0.065)
        for n in range(14)
    ],
    "years": [sent(-n * 24 * 9, cost_usd=1000.0 * n) for n in range(200)],
    "hits": [hits(9)],
    "tiny": [sent(cost_usd=1e-7, latency_s=0.001, prompt_tokens=1, completion_tokens=0)],
    "hostile": [sent(model=HOSTILE, provider=HOSTILE), failed(HOSTILE, model=HOSTILE), hits(3, HOSTILE)],
    "nothing": [],
}
CHARTS = {
    "many": 6,
    "one": 4,
    "minutes": 4,
    "hours": 4,
    "years": 4,
    "hits": 0,
    "tiny": 4,
    "hostile": 6,
    "nothing": 0,
}
WIDTHS = {name: (PHONE, DESK) if name in ("many", "nothing") else (PHONE,) for name in PAGES}


def output(*arguments: str, **environment: str) -> str:
    """What a command that works says, as words with one space in between."""
    result = duck_or(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def after(word: str, text: str) -> str:
    return text[text.index(word) :]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calls file of 12 answers, 3 failures, 12 hits and 1 row that was refused."""
    directory = tmp_path_factory.mktemp("calls")
    with Simulator(Scenario(poison=0.2, seed=5)) as simulator:
        con = duckdb.connect()
        session = package.register(
            con, base_url=simulator.base_url, api_key=KEY, model="openai/gpt-5-mini", rate_limit=0,
            cache_path=directory / "answers.sqlite", progress="off", attempts=1, on_error="null",
        )  # fmt: skip
        for _ in range(2):
            con.execute(f"SELECT {ask('i::VARCHAR')} FROM range(15) t(i)").fetchall()
        con.execute(f"SELECT {ask('NULL', function='try_chat_completions')}").fetchall()
        session.close()
        con.close()
    return directory / "calls.sqlite"


def test_a_session_that_was_closed_is_in_the_report(calls: Path) -> None:
    with duckdb.connect() as con:
        load(con, calls)
        sums = "SELECT sum(requests) FILTER (attempts > 0), sum(requests) FILTER (cache_hit) FROM call"
        [(sent_, hits_)] = con.execute(sums).fetchall()
    found = output("report", DUCK_OR_CACHE=str(calls.with_name("answers.sqlite")))
    assert f"Requests {sent_ + hits_} {sent_} sent, {hits_} from the cache" in found
    assert sent_ >= 15
    assert "gpt-5-mini OpenAI" in found
    assert "provider_error" in found
    assert "bad_argument 1 rejected" in found


def test_no_key_and_no_prompt_is_in_the_file(calls: Path) -> None:
    written = calls.read_bytes()
    assert KEY.encode() not in written
    assert b"content" not in written


def test_a_written_table_may_be_named(calls: Path, tmp_path: Path) -> None:
    with duckdb.connect() as con:
        load(con, calls)
        con.execute(f"COPY call TO '{tmp_path / 'calls.parquet'}'")
    by_file, by_table = output("report", str(calls)), output("report", str(tmp_path / "calls.parquet"))
    assert after("Requests", by_file) == after("Requests", by_table)


def test_a_page_is_written(calls: Path, tmp_path: Path) -> None:
    result = duck_or("report", str(calls), "--html", str(tmp_path / "out.html"))
    assert result.output.startswith(f"{tmp_path / 'out.html'} written")
    assert "openai/gpt-5-mini" in (tmp_path / "out.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        ([], {"DUCK_OR_CACHE": "none"}, "calls are kept in memory only"),
        (
            [],
            {"DUCK_OR_CACHE": "none", "DUCK_OR_CALLS": "/nowhere/calls.sqlite"},
            "There is no file /nowhere/calls.sqlite yet",
        ),
        ([], {"DUCK_OR_CALLS": "none"}, "since calls_path is none"),
        (["--since", "2100-01-01"], {}, "is so new; the newest is of 2"),
        (["--model", "nobody/nothing"], {}, "is of the model nobody/nothing."),
        (
            ["--model", "a/b", "--model", "c/d", "--since", "2100-01-01"],
            {},
            "is so new and of the model a/b or c/d;",
        ),
    ],
)
def test_where_there_is_nothing_it_is_said_why(
    calls: Path, tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    named = [] if environment else [str(calls)]
    result = duck_or("report", *named, *arguments, **environment)
    assert result.exit_code == 0, result.output
    assert said in " ".join(result.output.split())
    as_page = duck_or("report", *named, *arguments, "--html", str(tmp_path / "o.html"), **environment)
    assert as_page.exit_code == 0, as_page.output
    assert "There is nothing to show" in (tmp_path / "o.html").read_text("utf-8")


def test_since_and_model_choose(calls: Path) -> None:
    every = output("report", str(calls))
    assert after("Requests", output("report", str(calls), "--since", "1h")) == after("Requests", every)
    one = output("report", str(calls), "--since", "2w", "--model", "openai/gpt-5-mini")
    assert "bad_argument" in every
    assert "bad_argument" not in one
    assert "gpt-5-mini OpenAI" in one


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--since", "last week"], 2, "is neither an age"),
        (["--html", "/nowhere/at/all.html"], 1, "cannot write /nowhere/at/all.html"),
        (["none.sqlite"], 2, "does not exist"),
        ([__file__], 1, "cannot read the calls file"),
        (["--set", "calls_path"], 2, "is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments: list[str], code: int, said: str) -> None:
    result = duck_or("report", *arguments)
    assert (result.exit_code, said in result.output) == (code, True), result.output
    assert "Traceback" not in result.output


def test_without_the_charts_library_the_terminal_still_works(calls: Path, tmp_path: Path) -> None:
    script = "import sys; sys.modules['altair'] = None; from duck_or.cli import main; main()"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, "report", str(calls), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    assert "By model and provider" in run().stdout
    refused_ = run("--html", str(tmp_path / "o.html"))
    assert (refused_.returncode, 'pip install "duck_or[report]"' in refused_.stderr) == (1, True)


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture
def looked_at(tmp_path: Path) -> dict[str, Seen]:
    if browser() is None:
        if "CI" in os.environ:
            pytest.fail("there is no Chromium, and here the pages must be looked at")
        pytest.skip("there is no Chromium on this machine")
    figures = {name: of(rows) for name, rows in PAGES.items()}
    pages = {
        name: page(found, f"From {name}", "2026-03-14 12:00", "Why not." if found.totals.empty else "")
        for name, found in figures.items()
    }
    return look_at(pages, WIDTHS, tmp_path)


def test_pages_are_whole_in_a_browser_at_every_width(looked_at: dict[str, Seen]) -> None:
    """One test, for one browser."""
    assert {name: seen.problems for name, seen in looked_at.items() if seen.problems} == {}
    assert {name: seen.drawn for name, seen in looked_at.items()} == {
        f"{name}/{width}": CHARTS[name] for name in PAGES for width in WIDTHS[name]
    }
