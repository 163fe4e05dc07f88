"""openrouter_stats(), _calls(), _errors(), _models(): the columns, and that the books balance with the simulator's."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from duck_or.simulator import MODELS, Scenario
from support.bridge import Bridge, ask, call

COLUMNS = {
    "stats": "requests cache_hits memory_hits store_hits joined sent answered failed under_way rejected withdrawn"
    " attempts retries slow_downs prompt_tokens completion_tokens cached_tokens cost_usd store_read_errors"
    " store_write_errors",
    "calls": "time model served_model provider generation_id finish_reason attempts latency_s prompt_tokens"
    " completion_tokens cached_tokens reasoning_tokens cost_usd cache_hit http_status error_code cache_key prompt",
    "errors": "time code message retryable attempts http_status provider model cache_key",
    "models": "id name context_length max_completion_tokens prompt_usd completion_usd request_usd modality"
    " supported_parameters created",
}
MODEL = "CASE WHEN i < 4 THEN 'fake/model' WHEN i < 6 THEN 'fake/err-400' ELSE 'fake/err-once-502' END"
ASKED = "SELECT " + call("'q' || i", model=MODEL, function="try_chat_completions") + " FROM range(8) t(i)"


@pytest.mark.parametrize(("table", "columns"), COLUMNS.items())
def test_the_columns(bridge: Bridge, table: str, columns: str) -> None:
    assert [row[0] for row in bridge.rows(f"DESCRIBE FROM openrouter_{table}()")] == columns.split()


@pytest.mark.parametrize("table", COLUMNS)
def test_every_column_can_be_fetched(bridge: Bridge, table: str) -> None:
    """Times with a zone become Python objects only where pytz is installed."""
    bridge.rows(ASKED)
    rows = bridge.rows(f"FROM openrouter_{table}() LIMIT 100")
    assert rows
    assert all(len(row) == len(COLUMNS[table].split()) for row in rows)


def test_the_counters_add_up_and_agree_with_the_simulator(
    connect: Callable[..., Bridge], tmp_path: Path
) -> None:
    bridge = connect(cache_path=tmp_path / "cache.sqlite")
    bridge.rows(ASKED)
    bridge.rows(ASKED)
    bridge.rows("SELECT try_chat_completions(CASE WHEN i = 0 THEN 'nonsense' END) FROM range(3) t(i)")
    (row,) = bridge.rows("FROM openrouter_stats()")
    stats = dict(zip(COLUMNS["stats"].split(), row, strict=True))
    assert stats == bridge.session.stats().as_dict()
    seen = bridge.simulator.stats()
    assert stats["requests"] == stats["cache_hits"] + stats["joined"] + stats["sent"] == 16
    assert stats["cache_hits"] == stats["memory_hits"] + stats["store_hits"] == 6
    assert stats["sent"] == stats["answered"] + stats["failed"] == 10
    assert stats["answered"] == seen.answered == 6
    assert stats["failed"] == 4
    assert stats["attempts"] == seen.requests == stats["sent"] + stats["retries"] == 12
    assert stats["rejected"] == 1
    assert stats["cost_usd"] == pytest.approx(seen.cost_usd)
    assert stats["cost_usd"] > 0
    assert [stats[name] for name in ("under_way", "withdrawn", "slow_downs", "store_write_errors")] == [0] * 4


def test_calls_are_one_row_for_each_request(bridge: Bridge) -> None:
    started = time.time()  # the log is the whole process's
    bridge.rows(ASKED)
    bridge.rows("SELECT " + ask("'q' || i", model="'fake/model'") + " FROM range(1) t(i)")
    bridge.rows(f"CREATE TABLE calls AS FROM openrouter_calls() WHERE epoch(time) >= {started}")
    assert bridge.rows("""
        SELECT model, cache_hit, attempts, error_code, http_status, count(*), count(DISTINCT cache_key),
               count(latency_s), count(generation_id), bool_and(cost_usd > 0)
        FROM calls GROUP BY ALL ORDER BY ALL
    """) == [
        ("fake/err-400", False, 1, "bad_request", 400, 2, 2, 2, 0, None),
        ("fake/err-once-502", False, 2, None, 200, 2, 2, 2, 2, True),
        ("fake/model", False, 1, None, 200, 4, 4, 4, 4, True),
        ("fake/model", True, 0, None, None, 1, 1, 0, 1, False),
    ]
    assert bridge.value("SELECT sum(cost_usd) FROM calls") == pytest.approx(bridge.session.stats().cost_usd)
    assert bridge.rows(
        "SELECT DISTINCT served_model, provider, finish_reason FROM calls WHERE model = 'fake/model'"
    ) == [("fake/model-20260101", "Simulator", "stop")]
    assert bridge.value("SELECT count(prompt) FROM calls") == 0, "prompts are not kept"
    assert bridge.value("SELECT bool_and(abs(epoch(now()) - epoch(time)) < 60) FROM calls")


def test_prompts_only_when_asked_for(connect: Callable[..., Bridge]) -> None:
    bridge = connect(log_prompts=True)
    bridge.rows(f"SELECT {ask('q')} FROM (VALUES ('a very private question')) t(q)")
    assert "a very private question" in bridge.column("SELECT prompt FROM openrouter_calls()")[-1]


def test_errors_are_one_row_for_each_failure(bridge: Bridge) -> None:
    started = time.time()
    bridge.rows(ASKED)
    bridge.rows("SELECT try_chat_completions('nonsense' || i) FROM range(1) t(i)")
    rows = bridge.rows(
        f"SELECT code, retryable, attempts, http_status, model, cache_key IS NULL FROM openrouter_errors()"
        f" WHERE epoch(time) >= {started}"
    )
    assert rows == [
        ("bad_request", False, 1, 400, "fake/err-400", False),
        ("bad_request", False, 1, 400, "fake/err-400", False),
        ("bad_argument", False, 0, None, None, True),
    ]


def test_the_model_list(bridge: Bridge) -> None:
    assert bridge.rows(
        "SELECT id, name, context_length, prompt_usd, completion_usd, modality FROM openrouter_models()"
        " WHERE id = 'openai/gpt-5-mini'"
    ) == [("openai/gpt-5-mini", "OpenAI: GPT-5 Mini", 400_000, 2.5e-07, 2e-06, "text+image+file->text")]
    assert bridge.value("SELECT count(*) FROM openrouter_models()") >= len(MODELS) - 5
    assert "tools" in bridge.value(
        "SELECT supported_parameters FROM openrouter_models() WHERE id = 'openai/gpt-5'"
    )
    created = bridge.value("SELECT created FROM openrouter_models() WHERE id = 'openai/gpt-5'")
    assert created == datetime.datetime.fromtimestamp(1754587413, datetime.UTC)
    assert bridge.simulator.stats().other_requests == 1, "asked once an hour"


def test_the_tables_join_with_anything(bridge: Bridge) -> None:
    bridge.rows("SELECT " + ask("q", model="'openai/gpt-5-nano'") + " FROM (VALUES ('joined')) t(q)")
    charged, computed = bridge.rows("""
        SELECT c.cost_usd, c.prompt_tokens * m.prompt_usd + c.completion_tokens * m.completion_usd
        FROM openrouter_calls() c JOIN openrouter_models() m ON m.id = c.model
        WHERE c.model = 'openai/gpt-5-nano' ORDER BY c.time DESC LIMIT 1
    """)[0]
    assert charged == pytest.approx(computed)


def test_a_row_is_as_old_as_its_reading(bridge: Bridge) -> None:
    """The same statement text read twice sees new counters: nothing is folded or cached."""
    sql = "SELECT sent FROM openrouter_stats()"
    bridge.rows("PREPARE read AS " + sql)
    for sent in (0, 1, 2):
        assert bridge.value(sql) == bridge.value("EXECUTE read") == sent
        bridge.rows(f"SELECT {ask('$1')}", [f"question {sent}"])


def test_the_budget_is_kept(connect: Callable[..., Bridge]) -> None:
    bridge = connect(budget_usd=0.002, model="fake/model", on_error="json", max_in_flight=2)
    bridge.simulator.scenario = Scenario()
    with pytest.raises(Exception, match="budget"):
        bridge.rows(
            "SELECT " + call("'q' || i", model_kwargs="{'max_tokens': 100}") + " FROM range(2000) t(i)"
        )
    assert 0 < bridge.simulator.stats().cost_usd <= 0.002
