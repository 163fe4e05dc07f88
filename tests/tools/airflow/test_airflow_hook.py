"""Airflow's hook: the page's DAG under Airflow itself, what the hook asks all at once, and where its settings come from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duck_or.errors import SettingsError
from duck_or.integrations.airflow import DuckOrHook
from duck_or.simulator import Simulator
from duck_or.stats import Stats
from support.asked import FEW, REVIEWS, SLOW, asked
from support.bridge import KEY
from support.how_to import HOW_TO, as_a_user, blocks, run_page

PAGES = ("airflow.md",)

pytestmark = pytest.mark.filterwarnings("ignore")  # Airflow's own

QUERY = f"SELECT id, prompt(review, model := 'fake/echo') AS reply FROM reviews WHERE {FEW}"


@contextmanager
def connections(**given: dict[str, Any]) -> Iterator[None]:
    """Airflow connections by their ids, until the end. Airflow looks into the environment first."""
    names = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in given.items()}
    os.environ.update(names)
    yield
    for name in names:
        del os.environ[name]


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    of_duckdb = {"conn_type": "duckdb", "host": str(tmp_path / "shop.duckdb")}
    with as_a_user(tmp_path, SLOW) as running, connections(duckdb_default=of_duckdb):
        with duckdb.connect("shop.duckdb") as con:
            con.execute(REVIEWS)
        yield running


def test_the_page(simulator: Simulator) -> None:
    found = run_page(HOW_TO / PAGES[0], {})
    assert callable(found["moods"])


@pytest.mark.timeout(300)
def test_the_pages_dag_under_airflow(simulator: Simulator, tmp_path: Path) -> None:
    dags = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    dags.mkdir(exist_ok=True)
    [dag] = [block.code for block in blocks(HOW_TO / PAGES[0]) if block.language == "python"]
    (dags / "moods.py").write_text(dag)
    with duckdb.connect("shop.duckdb") as con:
        con.execute("DELETE FROM reviews WHERE id >= 12")
    airflow("db", "migrate")
    airflow("dags", "test", "moods")
    with duckdb.connect("shop.duckdb") as con:
        [(rows, moods)] = con.execute("SELECT count(*), count(DISTINCT mood) FROM moods").fetchall()
    assert rows == simulator.stats().requests == 12
    assert moods <= 2


def airflow(*arguments: str) -> None:
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "act",
    [
        lambda hook: hook.get_records(QUERY),
        lambda hook: hook.run(f"CREATE TABLE replies AS {QUERY}"),
        lambda hook: hook.run(
            ["CREATE TABLE a (i INTEGER)", f"CREATE TABLE replies AS {QUERY}"], split_statements=True
        ),
        lambda hook: hook.run(QUERY, handler=lambda cursor: cursor.fetchall()),
        lambda hook: hook.get_records(QUERY + " AND id >= ?", parameters=[0]),
    ],
    ids=["get_records", "run", "several", "handler", "parameters"],
)
def test_all_at_once(simulator: Simulator, act: Callable[[DuckOrHook], Any]) -> None:
    hook = DuckOrHook()
    assert asked(simulator, lambda: act(hook)).at_once


def test_a_hook_counts_over_all_its_connections(simulator: Simulator) -> None:
    hook = DuckOrHook(openrouter={"model": "fake/echo"})
    assert hook.stats() == Stats()
    assert hook.get_first("SELECT prompt('one')") == ("one",)
    assert hook.get_first("SELECT prompt('two')") == ("two",)
    assert hook.get_first("SELECT prompt('one')") == ("one",)
    stats = hook.stats()
    assert (stats.requests, stats.sent, stats.cache_hits) == (3, 2, 1)


def test_an_estimate_by_the_connection(simulator: Simulator) -> None:
    with closing(DuckOrHook().get_conn()) as con:
        assert (
            con.session.estimate(QUERY).to_send
            == asked(simulator, lambda: con.execute(QUERY).fetchall()).requests
        )


def test_the_key_may_come_from_a_connection(simulator: Simulator) -> None:
    openrouter = {
        "conn_type": "generic",
        "host": simulator.base_url,
        "password": "sk-or-v1-of-the-connection",
        "extra": {"model": "fake/model", "max_in_flight": 3},
    }
    with connections(openrouter=openrouter):
        hook = DuckOrHook(openrouter_conn_id="openrouter", openrouter={"model": "fake/echo"})
        with closing(hook.get_conn()) as con:
            settings = con.session.settings
            assert con.execute("SELECT prompt('hello')").fetchall() == [("hello",)]
    assert (settings.api_key, settings.max_in_flight, settings.model) == (
        "sk-or-v1-of-the-connection",
        3,
        "fake/echo",
    )
    [request] = [request for request in simulator.requests if request.path.endswith("/chat/completions")]
    assert request.headers["authorization"] == "tion"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"host": "localhost:8080"},
            "base_url='localhost:8080' in the Airflow connection openrouter: base_url must be an http",
        ),
        ({"extra": {"attempts": 0}}, "attempts=0 in the Airflow connection openrouter: attempts must be"),
        ({"extra": {"modell": "fake/echo"}}, "there is no setting 'modell'; did you mean model?"),
        ({"password": "two words"}, "api_key=… in the Airflow connection openrouter: api_key must be"),
    ],
    ids=["host", "extra", "misspelt", "password"],
)
def test_a_wrong_connection_is_named(simulator: Simulator, given: dict[str, Any], said: str) -> None:
    with (
        connections(openrouter={"conn_type": "generic", **given}),
        pytest.raises(SettingsError) as raised,
    ):
        DuckOrHook(openrouter_conn_id="openrouter").get_conn()
    assert said in str(raised.value)


def test_a_misspelt_setting_is_an_error(simulator: Simulator) -> None:
    with pytest.raises(SettingsError, match="modell"):
        DuckOrHook(openrouter={"modell": "fake/echo"}).get_conn()
