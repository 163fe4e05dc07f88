"""What a profile may say, what becomes of it, and that the key never shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from duck_or import SettingsError
from duck_or.integrations.dbt import created_view, settings_of
from support.bridge import KEY
from support.dbt_project import PATIENT, Project
from support.scripts import environment

pytestmark = PATIENT


@pytest.mark.parametrize(
    ("name", "said", "meant"),
    [
        ("budget_usd", "0.5", 0.5),  # as env_var() gives it
        ("budget_usd", "none", None),
        ("rate_limit", 0, None),
        ("on_error", None, "null"),  # YAML reads null, off and none in its own ways
        ("on_error", "null", "null"),
        ("prefetch", False, "off"),
        ("progress", "auto", "auto"),
        ("cache_path", "none", None),
        ("cache_path", "a.sqlite", Path("a.sqlite").absolute()),
        ("log_prompts", True, True),
        ("log_prompts", False, False),
    ],
)
def test_settings_as_yaml_and_env_var_write_them(name: str, said: Any, meant: Any) -> None:
    assert getattr(settings_of({name: said}, {}), name) == meant


def test_settings_of_duckdb_come_along_and_are_none_of_ours() -> None:
    """dbt-duckdb hands the profile's `settings` to every plugin."""
    of_duckdb = {"memory_limit": "1GB"}
    settings = settings_of({**of_duckdb, "model": "m"}, of_duckdb)
    assert (settings.model, settings.progress) == ("m", "off")
    with pytest.raises(SettingsError, match="modle"):
        settings_of({**of_duckdb, "modle": "m"}, of_duckdb)


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("budget_usd", "two", "budget_usd: 'two' in the profile: budget_usd must be a number of US dollars"),
        ("budget_usd", KEY, f"budget_usd: …{KEY[-4:]} in the profile: budget_usd must be a number"),
        ("timeout", "https://anna:geheim@host", "timeout: '…' in the profile: timeout must be a number"),
        ("budget", 2, "settings: there is no setting 'budget'; did you mean budget_usd?"),
    ],
)
def test_a_wrong_value_is_shown_unless_it_may_be_a_secret(name: str, said: Any, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of({name: said}, {})
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("query", "view"),
    [
        ('/* dbt */ create view "shop"."main"."Asks__dbt_tmp" as (\n select 1);', "asks__dbt_tmp"),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", "v"),
        ("create view if not exists main.v as select 1", "v"),
        ("set x = 1; create view v as select 1;", "v"),
        ("create view v as select 1; drop view v", None),
        ("create table v as select 'create view w as select 1'", None),
        ("alter view v rename to w", None),
        ("select 1 as view", None),
        ("view", None),
        ("create view", None),
        ("", None),
    ],
)
def test_which_view_is_created(query: str, view: str | None) -> None:
    assert created_view(query) == view


def test_a_key_in_the_profile_is_warned_about_unless_dbt_hides_it(project: Project) -> None:
    variable = "DBT_ENV_SECRET_OPENROUTER_API_KEY"
    project.configure({"api_key": f"{{{{ env_var('{variable}') }}}}"})
    project.model("answers", "SELECT prompt('hello', model := 'fake/echo') AS answer")
    for command in ("debug", "build"):
        ran = project.dbt(command, OPENROUTER_API_KEY="", **{variable: KEY})
        assert (ran.code, ran.errors) == (0, ""), ran.log
        assert KEY not in ran.log
        assert not ran.lines("duck_or adapter:", variable)
    assert project.simulator.stats().requests == 1
    project.configure({"api_key": "{{ env_var('MY_KEY') }}"})
    ran = project.dbt("build", MY_KEY=KEY)
    assert ran.code == 0
    assert ran.lines("duck_or adapter:", variable, "leave it out: OPENROUTER_API_KEY is read anyway")
    assert KEY not in ran.log
    files = [path for path in project.root.rglob("*") if path.is_file()]
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == [], (
        "logs and artifacts included"
    )


def test_a_misspelt_setting_is_named(project: Project) -> None:
    project.configure({"modle": "fake/echo"})
    project.model("answers", "SELECT 1 AS one")
    ran = project.dbt("build")
    assert ran.code == 2
    assert ran.lines("modle")
    assert not ran.lines("Traceback")


def test_without_dbt_the_extra_is_named(tmp_path: Path) -> None:
    script = "import sys; sys.modules['dbt'] = None; import duck_or.integrations.dbt"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path, ""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr.splitlines()[-1] == 'ImportError: this needs dbt-duckdb: pip install "duck_or[dbt]"'
