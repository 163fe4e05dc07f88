"""`duck-or demo`: simulated without a key, a price before money is spent with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from duck_or.cli.demo import CHEAP_MODELS
from duck_or.cli.demo_steps import Demo, statements
from duck_or.settings import Settings
from duck_or.simulator import Scenario, Simulator
from support.bridge import KEY
from support.command_line import duck_or, pointing_at, start


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def test_without_a_key_and_with_nothing_else(tmp_path: Path) -> None:
    """A new user's first minute: no key, an empty home, real texts, and nothing left behind."""
    home = {
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "DUCK_OR_CACHE": str(tmp_path / "mine"),
    }
    process = start("demo", "--rows", "40", **home)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    assert "SIMULATED" in stdout
    assert "chat_completions(" in stdout
    assert "Simulated answer" in stdout
    assert "40 requests: 0 from the cache, 40 sent, 0 failed" in stdout
    assert "40 requests: 40 from the cache, 0 sent, 0 failed; $0" in stdout
    assert list(tmp_path.iterdir()) == []


def test_the_result_can_be_kept(tmp_path: Path) -> None:
    file = tmp_path / "demo.duckdb"
    result = duck_or("demo", "--rows", "3", "--database", str(file))
    assert result.exit_code == 0, result.output
    with duckdb.connect(str(file)) as con:
        rows = con.execute("SELECT name, description, response->>'$.model' FROM duck_or_demo").fetchall()
        tables = con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert len(rows) == 3
    assert all(name and description and model == CHEAP_MODELS[0] for name, description, model in rows)
    assert tables == [("duck_or_demo",)]


def test_simulate_does_not_ask_the_service_that_is_configured(simulator: Simulator) -> None:
    result = duck_or("demo", "--rows", "2", "--simulate", **pointing_at(simulator.base_url))
    assert result.exit_code == 0
    assert "SIMULATED" in result.stdout
    stats = simulator.stats()
    assert (stats.requests, stats.other_requests) == (0, 0)


def test_there_are_a_few_hundred_real_texts() -> None:
    with duckdb.connect() as con:
        con.execute(statements(10_000)["texts"]).fetchall()
        [(count, distinct)] = con.execute(
            "SELECT count(*), count(DISTINCT description) FROM texts"
        ).fetchall()
    assert count == distinct
    assert count >= 300


def test_with_a_key_and_no_terminal_the_price_is_said_and_nothing_sent(simulator: Simulator) -> None:
    result = duck_or("demo", **pointing_at(simulator.base_url))
    assert result.exit_code == 2
    assert "about 5 rows" in result.stdout
    assert "at most $0.00" in result.stdout
    assert "--yes" in result.stderr
    assert simulator.stats().requests == 0


def test_with_a_key_and_yes(simulator: Simulator) -> None:
    result = duck_or("demo", "--yes", **pointing_at(simulator.base_url))
    assert result.exit_code == 0, result.output
    assert "SIMULATED" not in result.stdout
    assert "at most $0.00" in result.stdout
    assert "5 requests: 5 from the cache, 0 sent" in result.stdout
    assert simulator.stats().requests == 5
    assert KEY not in result.output


@pytest.mark.parametrize("model", ["openai/gpt-5-mini", CHEAP_MODELS[0]])
def test_the_price_that_is_said_is_never_exceeded(simulator: Simulator, model: str) -> None:
    settings = Settings(base_url=simulator.base_url, api_key=KEY, cache_path=None, rate_limit=None)
    with duckdb.connect() as con, Demo(con, settings, 20) as demo:
        worst = demo.worst_case_usd(model)
        demo.run(model, "")
        spent = simulator.stats().cost_usd
    assert worst is not None
    assert 0 < spent <= worst


def test_a_model_without_a_price(simulator: Simulator) -> None:
    simulator.scenario = Scenario(any_model=True)
    result = duck_or("demo", "--model", "some/model", **pointing_at(simulator.base_url))
    assert "an unknown amount" in result.stdout
    assert simulator.stats().requests == 0


def test_a_wrong_key_is_told_in_one_line(simulator: Simulator) -> None:
    environment = pointing_at(simulator.base_url, OPENROUTER_API_KEY="sk-or-invalid")
    result = duck_or("demo", "--yes", **environment)
    assert result.exit_code == 3
    assert "api_key" in result.stderr
    assert "Traceback" not in result.output


def test_a_service_that_is_not_there() -> None:
    with Simulator() as gone:
        base_url = gone.base_url
    result = duck_or("demo", "--yes", **pointing_at(base_url))
    assert result.exit_code == 1
    assert base_url in result.stderr
