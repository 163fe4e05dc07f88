"""`duck-or cache export` and `import`, and statements on the command line that a cassette answers."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import pytest

from duck_or.cache.sqlite_store import SqliteStore
from duck_or.simulator import Simulator
from support.command_line import duck_or, pointing_at

DAY = 86_400.0
MODELS = {1: "openai/gpt-5-mini-2025-08-07", 2: "openai/gpt-5-mini-2025-08-07", 3: "anthropic/claude"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three answers by two models, the first of them ten days old."""
    path, now = tmp_path / "answers.sqlite", time.time()
    store = SqliteStore(path)
    for number, model in MODELS.items():
        answer = {bytes([number]) * 32: b'{"model": "%s"}' % model.encode()}
        store.put_many(answer, now - (10 * DAY if number == 1 else 0))
    store.close()
    return path


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    return tmp_path / "calls.parquet"


def keys(cassette: Path) -> list[str]:
    with duckdb.connect() as con:
        return [row[0] for row in con.execute(f"SELECT key FROM '{cassette}' ORDER BY key").fetchall()]


def test_all_answers_are_exported(file: Path, cassette: Path) -> None:
    result = duck_or("cache", "export", str(cassette), "--path", str(file))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"3 answers in {cassette} (")
    assert keys(cassette) == ["01" * 32, "02" * 32, "03" * 32]


def test_the_store_of_the_settings_is_the_default(file: Path, cassette: Path) -> None:
    assert duck_or("cache", "export", str(cassette), DUCK_OR_CACHE=str(file)).exit_code == 0
    assert len(keys(cassette)) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--model", "openai/gpt-5-mini"], ["01", "02"]),
        (["--model", "anthropic/*"], ["03"]),
        (["--since", time.strftime("%Y-%m-%d", time.localtime(time.time() - 5 * DAY))], ["02", "03"]),
    ],
)
def test_a_choice_is_exported(file: Path, cassette: Path, options: list[str], expected: list[str]) -> None:
    assert duck_or("cache", "export", str(cassette), "--path", str(file), *options).exit_code == 0
    assert keys(cassette) == [number * 32 for number in expected]


def test_a_choice_of_nothing_is_an_error_and_makes_no_file(file: Path, cassette: Path) -> None:
    result = duck_or("cache", "export", str(cassette), "--path", str(file), "--model", "nobody")
    assert result.exit_code == 1
    assert result.stderr == f"Error: no answer was chosen, so {cassette} was not written\n"
    assert not cassette.exists()


def test_a_directory_that_is_not_there_is_named(file: Path) -> None:
    result = duck_or("cache", "export", "nodir/calls.parquet", "--path", str(file))
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: the cassette nodir/calls.parquet cannot be written: there is no directory nodir\n"
    )


def test_an_import_into_a_new_store_and_again(file: Path, cassette: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    duck_or("cache", "export", str(cassette), "--path", str(file))
    assert duck_or("cache", "import", str(cassette), "--path", str(other)).stdout == (
        "3 answers new, 0 there already.\n"
    )
    assert duck_or("cache", "import", str(cassette), "--path", str(other)).stdout == (
        "0 answers new, 3 there already.\n"
    )
    ages = "oldest", "newest"
    said = [duck_or("cache", "info", "--path", str(path)).stdout.splitlines() for path in (file, other)]
    first, second = ([line for line in lines if line.startswith(ages)] for lines in said)
    assert first == second


def test_an_import_without_a_store_fails(file: Path, cassette: Path) -> None:
    duck_or("cache", "export", str(cassette), "--path", str(file))
    result = duck_or("cache", "import", str(cassette))
    assert result.exit_code == 1
    assert "memory only" in result.stdout


def test_what_is_no_cassette_is_refused_in_one_line(tmp_path: Path, file: Path) -> None:
    notes = tmp_path / "notes.parquet"
    notes.write_text("no Parquet")
    result = duck_or("cache", "import", str(notes), "--path", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {notes} cannot be read as a cassette")
    assert result.stderr.count("\n") == 1


def test_a_statement_is_answered_by_the_cassette_alone(
    simulator: Simulator, cassette: Path, tmp_path: Path
) -> None:
    store = str(tmp_path / "answers.sqlite")
    query = "SELECT prompt('number ' || i) AS said FROM range(5) AS t(i)"
    live = duck_or("sql", query, "--format", "csv", **pointing_at(simulator.base_url, DUCK_OR_CACHE=store))
    assert live.exit_code == 0, live.output
    assert duck_or("cache", "export", str(cassette), DUCK_OR_CACHE=store).exit_code == 0
    simulator.reset()
    without_key = {"OPENROUTER_BASE_URL": simulator.base_url, "OPENROUTER_MODEL": "fake/echo"}
    played = duck_or(
        "sql", query, "--format", "csv", "--set", f"cassette={cassette}", **without_key, OPENROUTER_API_KEY=""
    )
    assert played.stdout == live.stdout
    assert "5 from the cache, 0 sent" in played.stderr
    unknown = duck_or("sql", "SELECT prompt('more')", **without_key, DUCK_OR_CASSETTE=str(cassette))
    assert unknown.exit_code == 4
    assert "not on the cassette" in unknown.stderr
    assert simulator.stats().requests == 0
