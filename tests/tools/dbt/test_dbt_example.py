"""how_to/dbt_project, built as its readers build it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from duck_or.simulator import Scenario, Simulator
from support.dbt_project import PATIENT, Project
from support.how_to import HOW_TO, blocks

pytestmark = PATIENT


@pytest.fixture
def shop(tmp_path: Path, simulator: Simulator) -> Project:
    ours = shutil.ignore_patterns("target", "logs", "*.duckdb")
    return Project(shutil.copytree(HOW_TO / "dbt_project", tmp_path / "shop", ignore=ours), simulator)


def test_the_example_builds_and_asks_only_for_what_is_new(shop: Project) -> None:
    first = shop.dbt("build", OPENROUTER_MODEL="fake/model")
    assert (first.code, first.errors) == (0, ""), first.log
    assert first.lines("Done. PASS=9 WARN=0 ERROR=0")
    assert first.lines("duck_or adapter:", " 0 failed; $0.0")
    topics = shop.rows("SELECT count(*), count(topic), count(angry) FROM triage")
    assert topics == [(8, 8, 8)]
    assert shop.rows("SELECT sum(tickets), count(*) = count(digest) FROM digest") == [(8, True)]
    replies = dict(shop.rows("SELECT id, reply FROM replies"))
    assert set(replies) == {row[0] for row in shop.rows("SELECT id FROM triage WHERE topic <> 'praise'")}

    sent = shop.simulator.stats().requests
    tickets = (shop.root / "seeds" / "tickets.csv").read_text("utf-8")
    shop.write("seeds/tickets.csv", tickets + '9,2026-03-09,"Where is my parcel?"\n')
    second = shop.dbt("build", OPENROUTER_MODEL="fake/model")
    assert (second.code, second.errors) == (0, ""), second.log
    stats = shop.simulator.stats()
    assert stats.answered_again == 0
    new = stats.requests - sent
    assert 3 <= new <= 5, (
        "its topic, its mood, the topic's digest, and a reply and its test unless it is praise"
    )
    later = dict(shop.rows("SELECT id, reply FROM replies"))
    assert {ticket: later[ticket] for ticket in replies} == replies

    docs = shop.dbt("docs", "generate", OPENROUTER_MODEL="fake/model")
    assert docs.code == 0, docs.log
    catalog = json.loads((shop.root / "target" / "catalog.json").read_text("utf-8"))
    assert {"model.shop.triage", "model.shop.replies", "model.shop.digest"} <= set(catalog["nodes"])
    assert shop.simulator.stats().requests == stats.requests


def test_all_of_a_model_is_asked_at_once_within_the_budget(shop: Project) -> None:
    """Of one dollar: the most that each request can cost is held back until it is answered."""
    shop.simulator.scenario = Scenario(latency=1.0)
    built = shop.dbt("build", "--select", "+triage", OPENROUTER_MODEL="openai/gpt-5-mini")
    assert (built.code, built.errors) == (0, ""), built.log
    assert shop.simulator.stats().max_in_flight == 16, "the topics and the moods of eight tickets"


def test_what_the_page_shows_is_the_example() -> None:
    files = (path for path in (HOW_TO / "dbt_project").rglob("*") if path.suffix in (".sql", ".py", ".yml"))
    shown = [path.read_text("utf-8") for path in files]
    blocks_shown = [
        block for block in blocks(HOW_TO / "dbt.md") if block.language in ("sql", "python", "yaml")
    ]
    assert len(blocks_shown) == 5
    for block in blocks_shown:
        assert any(block.code in text for text in shown), f"dbt.md:{block.line} is in no file of the example"
