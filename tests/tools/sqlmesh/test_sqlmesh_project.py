"""A SQLMesh project as the page shows it: models of several kinds, what they ask, and what running them again costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlmesh import Context
from sqlmesh.utils.errors import ConfigError

from duck_or.integrations.sqlmesh import DuckOrConnectionConfig
from duck_or.simulator import Simulator
from support.asked import FEW, IN_A_CHUNK, QUESTIONS, REVIEWS, SLOW, Asked, asked
from support.how_to import HOW_TO, as_a_user, blocks, run_page
from support.scripts import environment

PAGES = ("sqlmesh.md",)

pytestmark = pytest.mark.filterwarnings("ignore")  # SQLMesh's and sqlglot's own

TEXTS = ("Lovely.", "Broke after a day.", "It is a chair.")
MODELS = {
    "reviews": (
        "MODEL (name shop.reviews, kind FULL); SELECT id, review FROM (VALUES "
        + ", ".join(f"({number}, '{text}')" for number, text in enumerate(TEXTS))
        + ") AS t(id, review)"
    ),
    "many": "MODEL (name shop.many, kind FULL); " + REVIEWS.partition(" AS ")[2],
    "few": f"""
        MODEL (name shop.few, kind FULL);
        SELECT id, prompt(review, model_kwargs := {{'max_tokens': 100}}) AS reply FROM shop.many WHERE {FEW}
    """,
    "typed": """
        MODEL (name shop.typed, kind FULL, audits (not_null(columns := (days))));
        SELECT id, prompt_as(review, 'INTEGER', model := 'fake/model') AS days FROM shop.reviews
    """,
    "view": "MODEL (name shop.view, kind VIEW); SELECT id, prompt('In a view: ' || review) AS reply FROM shop.reviews",
}
PYTHON_MODEL = """
import typing as t

import pandas as pd
from sqlmesh import ExecutionContext, model


@model("shop.python", columns={"id": "int", "reply": "text"}, kind="full")
def execute(context: ExecutionContext, **kwargs: t.Any) -> pd.DataFrame:
    reviews = context.resolve_table("shop.reviews")
    return context.fetchdf(f"SELECT id, prompt('In Python: ' || review) AS reply FROM {reviews}")
"""
PLANNED = QUESTIONS + 4 * len(TEXTS)  # few; moods (two questions a row), typed, python


@dataclass
class Project:
    context: Context
    simulator: Simulator
    first: Asked

    def rows(self, query: str) -> list[Any]:
        return self.context.fetchdf(query).to_dict("records")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    where = tmp_path_factory.mktemp("project")
    config, model = (block.code for block in blocks(HOW_TO / PAGES[0]) if block.language in ("python", "sql"))
    (where / "models").mkdir()
    (where / "config.py").write_text(config)
    for name, sql in {**MODELS, "moods": model}.items():
        (where / "models" / f"{name}.sql").write_text(sql)
    (where / "models" / "python.py").write_text(PYTHON_MODEL)
    with as_a_user(where, SLOW) as simulator:
        context = Context(paths=str(where))
        first = asked(simulator, lambda: context.plan(auto_apply=True, no_prompts=True))
        yield Project(context, simulator, first)
        context.close()


def test_the_page(tmp_path: Path) -> None:
    with as_a_user(tmp_path):
        connection = run_page(HOW_TO / PAGES[0], {})["config"].gateways["local"].connection
    assert connection.openrouter["budget_usd"] == 2


def test_every_question_is_asked_once_and_a_models_all_at_once(project: Project) -> None:
    assert project.first == Asked(PLANNED, project.first.peak)
    assert project.first.peak > IN_A_CHUNK


def test_models_hold_the_answers(project: Project) -> None:
    assert {row["mood"] for row in project.rows("FROM shop.moods")} <= {"good", "bad", "neither"}
    assert project.rows("SELECT count(reply) AS n FROM shop.moods") == [{"n": len(TEXTS)}]
    assert project.rows("SELECT count(reply) AS n FROM shop.few") == [{"n": QUESTIONS}]
    assert project.rows("SELECT count(reply) AS n FROM shop.python") == [{"n": len(TEXTS)}]
    [described] = [row for row in project.rows("DESCRIBE shop.typed") if row["column_name"] == "days"]
    assert described["column_type"] == "INTEGER"


def test_the_named_arguments_arrived(project: Project) -> None:
    bodies = [
        request.body for request in project.simulator.requests if request.path.endswith("/chat/completions")
    ]
    replies = [body for body in bodies if body["model"] == "openai/gpt-5-nano"]
    assert len(replies) == len(TEXTS)
    assert all(
        body["messages"][0] == {"role": "system", "content": "Reply in one sentence."} for body in replies
    )


def test_doing_it_again_is_free(project: Project) -> None:
    restated = {"restate_models": ["shop.moods", "shop.few"], "auto_apply": True, "no_prompts": True}
    before = project.simulator.stats().requests
    project.context.plan(**restated)
    project.context.plan("dev", include_unmodified=True, auto_apply=True, no_prompts=True)
    assert project.simulator.stats().requests == before


def test_a_view_asks_when_it_is_read(project: Project) -> None:
    def read() -> None:
        assert len(project.rows("FROM shop.view")) == len(TEXTS)

    before = project.simulator.stats().requests
    read()
    assert project.simulator.stats().requests == before + len(TEXTS)


# --- settings that are wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("openrouter", "said"),
    [
        ({"budget": 2}, "duck_or: settings: there is no setting 'budget'; did you mean budget_usd?"),
        ({"budget_usd": "two"}, "duck_or: budget_usd='two': budget_usd must be a number of US dollars"),
    ],
)
def test_a_wrong_setting_is_told_when_the_connection_is_configured(
    openrouter: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        DuckOrConnectionConfig(openrouter=openrouter)
    assert str(raised.value).startswith(said)


def test_what_is_wrong_only_when_it_connects_is_an_error_of_sqlmeshs_too(tmp_path: Path) -> None:
    config = DuckOrConnectionConfig(
        openrouter={"cassette": str(tmp_path / "none.parquet"), "cache_path": None}
    )
    with pytest.raises(ConfigError, match="duck_or: cassette: there is no file"):
        config.create_engine_adapter().fetchall("SELECT 1")


def test_sqlmesh_shows_it_in_a_line(tmp_path: Path) -> None:
    [config] = [block.code for block in blocks(HOW_TO / PAGES[0]) if block.language == "python"]
    (tmp_path / "config.py").write_text(config.replace("budget_usd", "budget"))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("sqlmesh")), "--paths", str(tmp_path), "plan"],
        env=environment(tmp_path, "", SQLMESH__DISABLE_ANONYMIZED_ANALYTICS="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = (done.stdout + done.stderr).strip().splitlines()
    assert "duck_or: settings: there is no setting 'budget'; did you mean budget_usd?" in line
