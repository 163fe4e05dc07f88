"""A stranger's first minutes: an empty home, the key in the environment, a script of five lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from duck_or.simulator import Simulator
from support.scripts import environment, finish, run, started

SCRIPT = """
    import duckdb, duck_or

    con = duckdb.connect()
    session = duck_or.register(con)
    asked = "chat_completions([{'role': 'user', 'content': 'q' || i}]) ->> '$.choices[0].message.content'"
    print(con.execute(f"SELECT {asked} FROM range(3) t(i) ORDER BY i").fetchall())
    print(session.stats().sent)
"""


def test_the_first_and_the_second_run(tmp_path: Path) -> None:
    with Simulator() as simulator:
        env = environment(tmp_path, simulator.base_url)
        answers = "[('q0',), ('q1',), ('q2',)]"
        assert run(SCRIPT, env) == [answers, "3"]
        assert run(SCRIPT, env) == [answers, "0"]
    [cache] = tmp_path.rglob("answers.sqlite")
    assert cache.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"OPENROUTER_API_KEY": "sk-or-invalid-123456789"}, "Check api_key (OPENROUTER_API_KEY)"),
        ({"OPENROUTER_API_KEY": "", "OPENROUTER_BASE_URL": ""}, "no API key: set the environment variable"),
        ({"OPENROUTER_BASE_URL": "http://127.0.0.1:9/api/v1", "DUCK_OR_ATTEMPTS": "1"}, "Check base_url"),
        ({"OPENROUTER_BASE_URL": "127.0.0.1:9"}, "OPENROUTER_BASE_URL"),
        ({"OPENROUTER_MODEL": "gpt-5"}, "FROM openrouter_models()"),
        ({"OPENROUTER_MODEL": ""}, "no model: say model :="),
        ({"DUCK_OR_TIMEOUT": "soon"}, "DUCK_OR_TIMEOUT"),
    ],
    ids=["wrong key", "no key", "no network", "no scheme", "wrong model", "no model", "wrong setting"],
)
def test_what_goes_wrong_is_said_with_its_cure(tmp_path: Path, change: dict[str, str], said: str) -> None:
    with Simulator() as simulator:
        env = {**environment(tmp_path, simulator.base_url), **change}
        with started(SCRIPT, env) as process:
            lines, err = finish(process)
    assert (process.returncode, lines) == (1, [])
    assert said in err
    assert env["OPENROUTER_API_KEY"] not in err or not env["OPENROUTER_API_KEY"]


def test_the_environment_of_the_openai_client_is_not_sent(tmp_path: Path) -> None:
    leaky = {
        "OPENAI_ORG_ID": "org-secret",
        "OPENAI_PROJECT_ID": "proj-secret",
        "OPENAI_API_KEY": "sk-openai-secret",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/",
        "OPENAI_CUSTOM_HEADERS": "X-Secret: custom-secret",
    }
    with Simulator(record=True) as simulator:
        run(SCRIPT, environment(tmp_path, simulator.base_url, **leaky))
        headers = [request.headers for request in simulator.requests]
    assert len(headers) == 3
    assert "secret" not in str(headers)
