"""JupySQL in a real kernel, on registered and on planned connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from duck_or.simulator import Scenario, Simulator
from support.how_to import HOW_TO, blocks
from support.kernel import Kernel, kernel_in
from support.scripts import environment

NAMED = "SELECT i, prompt('{0}' || i, model := 'fake/echo') AS a FROM range(3) t(i)"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Scenario(any_model=True)) as running:
        yield running


@pytest.fixture(scope="module")
def kernel(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("home")
    with kernel_in(home, environment(home, simulator.base_url, DUCK_OR_CACHE="none")) as kernel:
        assert not kernel.run("%load_ext sql\nimport duckdb, duck_or").of("error")
        yield kernel


@pytest.mark.parametrize(
    "connection", ["duckdb.connect()\nsession = duck_or.register(con)", "duck_or.connect()"]
)
def test_a_connection_by_alias(kernel: Kernel, simulator: Simulator, connection: str) -> None:
    kernel.run(f"con = {connection}\n%sql con --alias {'planned' if 'or.connect' in connection else 'plain'}")
    before = simulator.stats().requests
    assert "<td>n2</td>" in kernel.run("%sql " + NAMED.format("n")).html
    kernel.run("%%sql --save saved\n" + NAMED.format("n"))
    assert "<td>n2</td>" in kernel.run("%%sql --with saved\nSELECT max(a) AS a FROM saved").html
    assert simulator.stats().requests == before + 3


@pytest.mark.parametrize("planned", [False, True])
def test_in_a_file_the_schema_is_named(kernel: Kernel, tmp_path: Path, planned: bool) -> None:
    path = str(tmp_path / "a.duckdb")
    made = (
        f"duck_or.connect({path!r})" if planned else f"duckdb.connect({path!r})\nits = duck_or.register(file)"
    )
    kernel.run(f"file = {made}\n%sql file --alias file_{planned}")
    assert "<td>hi</td>" in kernel.run("%sql SELECT duck_or.prompt('hi', model := 'fake/echo') AS a").html


def test_the_page(kernel: Kernel) -> None:
    [cell] = [block.code for block in blocks(HOW_TO / "notebooks.md") if "%sql" in block.code]
    kernel.run("con = duckdb.connect(); session = duck_or.register(con)")
    assert "<th>hello</th>" in kernel.run(cell).html
