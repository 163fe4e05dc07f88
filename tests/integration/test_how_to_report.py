"""The how-to page about reports: its code runs, and what it says is found afterwards is there."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

from support.command_line import duck_or
from support.how_to import HOW_TO, as_a_user, run_page

PAGES = ["report.md"]


def test_the_page_runs_and_its_files_can_be_reported_on(tmp_path: Path) -> None:
    begun = time.time()
    with as_a_user(tmp_path, OPENROUTER_MODEL="fake/echo") as simulator:
        run_page(HOW_TO / PAGES[0], {})
        assert simulator.stats().requests == 25
        of_file, of_table = duck_or("report", "shop/calls.sqlite"), duck_or("report", "calls.parquet")
    assert "20 sent, 0 from the cache" in of_file.output
    assert of_table.exit_code == 0, of_table.output
    with duckdb.connect() as con:
        written = "SELECT count(*) FROM read_parquet(?) WHERE epoch(time) >= ?"
        assert con.execute(written, [str(tmp_path / "calls.parquet"), begun]).fetchall() == [(25,)]
