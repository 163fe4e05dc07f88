"""Rows that fail, money that runs out, and Ctrl-C, in real dbt runs: what was paid for is kept, the next run asks for the rest."""

from __future__ import annotations

import signal
import time

from duck_or.simulator import Scenario
from support.bridge import KEY
from support.dbt_project import PATIENT, START, Project
from support.scripts import wait_until

pytestmark = PATIENT
ANSWERS = "SELECT i, prompt('q' || i, model := 'fake/echo', model_kwargs := {'max_tokens': 100}) AS answer FROM range(40) t(i)"
SUMMARY = "duck_or adapter:"


def test_a_failing_row_fails_its_model_and_the_next_build_asks_for_the_rest(project: Project) -> None:
    project.configure({"max_in_flight": 4})
    project.simulator.scenario = Scenario(poison=0.1, poison_fault="400")
    project.model("answers", ANSWERS)
    ran = project.dbt("build")
    assert (ran.code, ran.errors) == (1, "")
    assert ran.lines("Answers that came back are kept: running the statement again asks only for the rest")
    answered = project.simulator.stats().answered
    assert 0 < answered < 40
    project.simulator.scenario = Scenario()
    again = project.dbt("build")
    assert again.code == 0, again.log
    stats = project.simulator.stats()
    assert (stats.answered, stats.answered_again) == (40, 0)
    assert again.lines(SUMMARY, f"40 requests: {answered} from the cache, {40 - answered} sent, 0 failed")


def test_a_budget_holds_for_all_models_of_a_run(project: Project) -> None:
    """A row costs $0.000007: there is enough for a hundred, but not after another model's thirty."""
    project.configure({"budget_usd": 0.0008}, threads=1)
    project.model("first", ANSWERS.replace("40", "30"))
    project.model(
        "second", ANSWERS.replace("40", "100").replace("'q'", "'r'") + "\n-- depends_on: {{ ref('first') }}"
    )
    ran = project.dbt("run")
    assert (ran.code, ran.errors) == (1, "")
    assert ran.lines("OK created", "main.first")
    assert ran.lines("ERROR creating", "main.second")
    assert ran.lines("100 requests would cost", "the session's budget_usd of $0.0008 has $0.00059 left")
    assert ran.lines(SUMMARY, "30 requests: 0 from the cache, 30 sent, 0 failed; $0.00021")
    assert project.simulator.stats().requests == 30


def test_ctrl_c(project: Project) -> None:
    """Planned and chunk by chunk, both on dbt's threads, with answers that would take two minutes to come."""
    project.configure({"max_in_flight": 20, "timeout": 300})
    project.simulator.scenario = Scenario(latency=120)
    project.model("planned", ANSWERS.replace("40", "4000"))
    project.model("live", ANSWERS.replace("40", "4000").replace("'q'", "'r'") + " WHERE random() >= 0")
    with project.running("run") as dbt:
        wait_until(lambda: project.simulator.stats().in_flight == 20)
        pressed = time.monotonic()
        dbt.send_signal(signal.SIGINT)
        log, errors = dbt.communicate(timeout=START)
        took = time.monotonic() - pressed
    assert dbt.returncode == 2
    assert took < 20, "a second or two, and not two minutes, on a machine that is not busy"
    assert "Exited because of keyboard interrupt" in log
    assert "Exception in thread" not in errors
    stats = project.simulator.stats()
    assert stats.requests <= 20
    assert KEY not in log + errors + (project.root / "logs" / "dbt.log").read_text("utf-8"), (
        "dbt writes down the connections that it gives up, and how they were configured"
    )
