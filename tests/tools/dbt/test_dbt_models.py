"""Models of every kind in real dbt runs: what they ask, how, and what dbt's log says of it."""

from __future__ import annotations

import pytest

from duck_or.simulator import Scenario
from support.dbt_project import PATIENT, Project

pytestmark = PATIENT
SUMMARY = "duck_or adapter:"


def ask(what: str, model: str = "fake/echo") -> str:
    return f"prompt({what}, model := '{model}')"


def test_a_sparse_model_is_asked_all_at_once(project: Project) -> None:
    project.simulator.scenario = Scenario(latency=2)
    project.model("numbers", "SELECT range AS i FROM range(1000000)")  # nine row groups
    project.model(
        "sparse", f"SELECT i, {ask('i')} AS answer FROM {{{{ ref('numbers') }}}} WHERE i % 40000 = 7"
    )
    ran = project.dbt("run")
    assert ran.code == 0, ran.log
    stats = project.simulator.stats()
    assert (stats.requests, stats.max_in_flight) == (25, 25), "chunk by chunk, about two would be in flight"
    assert project.rows("SELECT count(*), bool_and(answer = i::VARCHAR) FROM sparse") == [(25, True)]
    assert ran.lines(SUMMARY, "25 requests: 0 from the cache, 25 sent, 0 failed; $")


def test_models_of_every_kind_share_their_answers_and_are_warned_about(project: Project) -> None:
    project.configure(threads=4)
    same = ask("'q' || i")
    project.model("numbers", "SELECT range AS i FROM range(10)")
    numbers = "{{ ref('numbers') }}"
    project.model("one", f"SELECT i, {same} AS answer FROM {numbers}")
    project.model("two", f"SELECT i, try_{same} AS answer FROM {numbers}")
    project.model("inside", f"SELECT i, {same} AS answer FROM {numbers}", materialized="ephemeral")
    project.model("outside", "SELECT answer FROM {{ ref('inside') }} WHERE i < 5")
    project.model("file", f"SELECT i, {same} AS answer FROM {numbers}", "external", location="file.parquet")
    project.model("live", f"SELECT {ask(chr(39) + 'live' + chr(39))} AS answer WHERE random() >= 0")
    project.model(
        "view_that_asks", f"SELECT i, {ask(chr(39) + 'never' + chr(39))} AS answer FROM {numbers}", "view"
    )
    project.model("view_of_a_view", "SELECT answer FROM {{ ref('view_that_asks') }}", "view")
    project.model("harmless", "SELECT 'prompt(' AS prompt, answer FROM {{ ref('one') }}", "view")
    project.model("contract", f"SELECT i, {same} AS answer FROM {numbers}", contract={"enforced": True})
    project.write(
        "models/models.yml",
        """{models: [{name: contract, columns: [{name: i, data_type: bigint}, {name: answer, data_type: varchar}]}]}""",
    )
    project.write(
        "models/python.py",
        "def model(dbt, con):\n"
        "    dbt.config(materialized='table')\n"
        "    numbers = dbt.ref('numbers')\n"
        f'    return con.sql("SELECT i, {same} AS answer FROM numbers")\n',
    )
    ran = project.dbt("build")
    assert ran.code == 0, ran.log
    assert ran.errors == ""
    stats = project.simulator.stats()
    assert (stats.requests, stats.answered_again) == (11, 0), (
        "ten questions and one, in whatever model and thread"
    )
    for table in ("one", "two", "contract", "python"):
        assert project.rows(f"SELECT count(*), bool_and(answer = 'q' || i) FROM {table}") == [(10, True)]
    assert project.rows("SELECT count(DISTINCT answer) FROM outside") == [(5,)]
    assert project.rows(f"SELECT count(*) FROM '{project.root / 'file.parquet'}'") == [(10,)]
    warned = sorted(line.split()[3] for line in ran.lines(SUMMARY, "Materialize it as a table"))
    assert warned == ["model.shop.view_of_a_view", "model.shop.view_that_asks"]
    assert ran.lines(SUMMARY, "this statement runs chunk by chunk: random()")


def test_a_run_that_asks_nothing_says_nothing(project: Project) -> None:
    project.model("numbers", "SELECT range AS i FROM range(10)")
    ran = project.dbt("build")
    assert (ran.code, ran.lines("duck_or"), ran.errors) == (0, [], "")


@pytest.mark.parametrize("place", [{"keep_open": False}, {"path": ":memory:"}])
def test_one_session_whatever_dbt_does_with_its_database(project: Project, place: dict[str, object]) -> None:
    """With `keep_open: false` dbt closes the file between models; what was asked is remembered in memory alone here."""
    project.configure({"cache_path": "none"}, threads=1, **place)
    project.model("one", f"SELECT {ask(chr(39) + 'hello' + chr(39))} AS answer")
    project.model(
        "two",
        f"SELECT {ask(chr(39) + 'hello' + chr(39))} AS answer, answer AS before FROM {{{{ ref('one') }}}}",
    )
    ran = project.dbt("run")
    assert (ran.code, ran.errors) == (0, ""), ran.log
    assert project.simulator.stats().requests == 1
    assert ran.lines(SUMMARY, "2 requests: 1 from the cache, 1 sent, 0 failed; $")
