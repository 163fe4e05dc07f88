"""marimo, run as a script and exported: what its SQL cells see on registered and on planned connections."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.how_to import HOW_TO
from support.scripts import PATIENCE, environment

PAGE = HOW_TO / "notebooks" / "marimo_reviews.py"

SAID = """[(1, 'praise'), (2, 'complaint')]
[('complaint', 1, True), ('praise', 1, True)]
"""


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = environment(home, "")
    unset = {name: value for name, value in env.items() if not name.startswith("OPENROUTER_")}
    return subprocess.run(
        [sys.executable, *command], env=unset, cwd=home, capture_output=True, text=True, timeout=PATIENCE
    )


def test_the_notebook_runs_as_a_script(tmp_path: Path) -> None:
    done = run(tmp_path, str(PAGE))
    assert (done.returncode, done.stdout) == (0, SAID), done.stderr


def test_the_notebook_is_exported_with_tables(tmp_path: Path) -> None:
    copy = tmp_path / "reviews.py"  # marimo keeps files beside a notebook
    copy.write_text(PAGE.read_text("utf-8"), "utf-8")
    done = run(tmp_path, "-m", "marimo", "export", "html", str(copy), "-o", "out.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "and more rows" in page, "a look at a relation is cut to what is shown"
    assert "number 19" in page
    assert "number 25" not in page
    assert "prompt_tokens" in page


PLANNED_AND_FRAMES = """
import marimo

app = marimo.App()

@app.cell
def _():
    import duck_or, marimo as mo, polars as pl
    planned = duck_or.connect(api_key="sk-or-v1-none")
    mine = pl.DataFrame({"i": [1]})
    return duck_or, mine, mo, planned, pl

@app.cell
def _(mine, mo, planned):
    print(planned.sql("SELECT i FROM mine").fetchall())
    mo.sql("SELECT i FROM mine", engine=planned)
    return

app.run()
"""


def test_a_planned_connection_sees_no_frames_through_marimo(tmp_path: Path) -> None:
    """As the page says. Should this change, the page has a sentence to lose."""
    app = tmp_path / "app.py"
    app.write_text(PLANNED_AND_FRAMES, "utf-8")
    done = run(tmp_path, str(app))
    assert done.stdout == "[(1,)]\n"
    assert "Table with name mine does not exist" in done.stderr
