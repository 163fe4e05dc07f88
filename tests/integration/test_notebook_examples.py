"""The how-to page's cells and the notebooks beside it run as they stand, and show what is committed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from duck_or.simulator import Simulator
from support.how_to import HOW_TO, blocks
from support.kernel import Kernel, kernel_in
from support.markup import Seen
from support.scripts import environment

NOTEBOOKS = sorted((HOW_TO / "notebooks").glob("*.ipynb"))

# What no two runs share: a response's identity and time.
VARIES = re.compile(r'(gen-[\w-]+|(?<="created": )\d+|(?<=&quot;created&quot;: )\d+)')


def shown(notebook: Any) -> list[list[str]]:
    """What each code cell shows, but for the progress line, which is there or not as the machine is slow or fast."""
    found = []
    for cell in notebook.cells:
        outputs = [output for output in cell.get("outputs", []) if output.output_type != "display_data"]
        found.append([VARIES.sub("…", str(_content(output))) for output in outputs])
    return found


def _content(output: Any) -> object:
    if output.output_type == "error":
        return output.ename, output.traceback
    return output.get("text") or dict(sorted(output.data.items()))


def home_of(tmp_path: Path) -> dict[str, str]:
    """A user without a key."""
    env = environment(tmp_path, "", IPYTHONDIR=str(tmp_path))
    return {name: value for name, value in env.items() if not name.startswith("OPENROUTER_")}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_is_committed(path: Path, tmp_path: Path) -> None:
    committed = nbformat.read(path, as_version=4)
    nbformat.validate(committed)
    again = nbformat.read(path, as_version=4)
    for cell in again.cells:
        cell.pop("outputs", None)
    client = NotebookClient(again, timeout=60, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=home_of(tmp_path))
    assert shown(again) == shown(committed)
    assert not any("Traceback" in text for texts in shown(committed) for text in texts)
    assert path.stat().st_size < 50_000, "small enough to read in a review"


def test_the_first_cell_says_who_answers() -> None:
    assert len(NOTEBOOKS) == 2
    for path in NOTEBOOKS:
        first = next(cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
        assert "OPENROUTER_API_KEY" in first.source
        assert "a simulator on this machine answers" in first.outputs[0].text


def test_importing_the_package_imports_no_ipython() -> None:
    program = "import sys, duck_or; print('IPython' in sys.modules, callable(duck_or.load_ipython_extension))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"


@pytest.fixture
def kernel(simulator: Simulator, tmp_path: Path) -> Iterator[Kernel]:
    env = environment(tmp_path, simulator.base_url, OPENROUTER_MODEL="fake/model", DUCK_OR_CACHE="none")
    with kernel_in(tmp_path, env) as kernel:
        yield kernel


def test_the_pages_cells_run(kernel: Kernel, simulator: Simulator) -> None:
    cells = [block.code for block in blocks(HOW_TO / "notebooks.md") if "%sql" not in block.code]
    assert len(cells) == 10
    ran = [kernel.run(cell) for cell in cells]
    assert not [each.error for each in ran if each.of("error")]
    assert [each.said("stderr") for each in ran] == [""] * len(ran)
    tables = [Seen(each.html).text for each in ran if each.result]
    assert len(tables) == 5
    assert "Boils quickly" in tables[0]
    assert "2 distinct: 2 answered already, 0 to send" in tables[1]
    assert simulator.stats().requests == 6
