"""The progress line in a real kernel: one display for a statement, updated in place, with true last words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duck_or.simulator import Scenario, Simulator
from support.kernel import Kernel, kernel_in
from support.scripts import environment

LATENCY = 0.5  # seconds: a statement shows nothing before it has taken one

# 8,192 rows are four chunks, each of which asks about 20 or 21 texts and waits for them.
CHUNKED = "SELECT prompt('{which}' || (i // 100)) AS a FROM range(8192) t(i)"
DISTINCT = 82
CREATE = f"CREATE OR REPLACE TABLE answers AS {CHUNKED}"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("home")
    with (
        Simulator(Scenario(latency=LATENCY)) as simulator,
        kernel_in(home, environment(home, simulator.base_url, DUCK_OR_CACHE="none")) as kernel,
    ):
        begun = "import duckdb, duck_or\ncon = duckdb.connect()\nsession = duck_or.register(con, max_in_flight=30)"
        assert not kernel.run(f"%load_ext duck_or\n{begun}\n%chat_sql con SELECT prompt('warm')").of("error")
        yield kernel


@pytest.mark.parametrize(
    ("which", "cell", "last"),
    [
        ("plain", 'con.sql("{sql}").fetchall()[0]', f"answered {DISTINCT} · "),
        ("worker", 'con.execute("{create}").fetchall()', f"answered {DISTINCT} · "),
        ("whole", "%%chat_sql con\n{sql}", f"answered {DISTINCT} of {DISTINCT} · "),
        ("effect", "%%chat_sql con\n{create}", f"answered {DISTINCT} of {DISTINCT} · "),
        # Two ways to ask, whose failures mean different things, are sent one after the other.
        (
            "both",
            "%%chat_sql con\nSELECT prompt('m' || i), try_prompt('n' || i) FROM range(40) t(i)",
            "answered 80 of 80 · ",
        ),
        # An answer asked about once more takes two rounds.
        (
            "rounds",
            "%%chat_sql con\nSELECT prompt('r' || prompt('s' || i)) FROM range(40) t(i)",
            "answered 80 of 80 · ",
        ),
    ],
)
def test_one_line_for_a_statement(kernel: Kernel, which: str, cell: str, last: str) -> None:
    sql, create = CHUNKED.format(which=which), CREATE.format(which=which)
    ran = kernel.run(cell.replace("{sql}", sql).replace("{create}", create))
    assert not ran.of("error"), ran.error
    shown = [content["data"]["text/plain"] for content in ran.of("display_data")]
    assert len(shown) == 1, f"one line, which is updated: {shown}"
    [(identity, lines)] = ran.lines.items()
    assert identity
    assert len(lines) > 2
    assert lines[-1].startswith(last)
    assert "in flight" not in lines[-1]
    answered = [int(line.split()[1]) for line in lines]
    assert answered == sorted(answered), "it never runs backwards"
    assert not ran.of("comm_open"), "DuckDB shows no bar of its own"


def test_a_line_is_drawn_as_html_and_as_text(kernel: Kernel) -> None:
    ran = kernel.run("%chat_sql con SELECT prompt('h' || i) FROM range(90) t(i)")
    first, *_, final = [
        content["data"]["text/html"] for content in ran.of("display_data", "update_display_data")
    ]
    assert "<progress value=" in first
    assert "<progress" not in final


def test_nothing_is_shown_where_progress_is_off(kernel: Kernel) -> None:
    kernel.run("quiet = duck_or.connect(max_in_flight=30, progress='off')")
    ran = kernel.run("%chat_sql quiet SELECT prompt('o' || i) FROM range(70) t(i)")
    assert [kind for kind, _ in ran.messages] == ["stream", "execute_result"]
