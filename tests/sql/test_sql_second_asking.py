"""Reasoning models that spend their tokens before they answer: asked once more with more room, and paid for in the open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.bridge import Bridge
from support.family import family_bridge, raised

TIGHT = "model := 'fake/reasoner', model_kwargs := {'max_tokens': 100}"


@pytest.fixture(scope="module")
def family() -> Iterator[Bridge]:
    with family_bridge() as bridge:
        yield bridge


def calls(bridge: Bridge, model: str) -> list[Any]:
    columns = "attempts, completion_tokens, round(cost_usd, 9), error_code"
    return bridge.rows(
        f"SELECT {columns} FROM openrouter_calls() WHERE model = ? AND NOT cache_hit ORDER BY time", [model]
    )


def added(bridge: Bridge, sql: str) -> tuple[Any, dict[str, float], dict[str, float]]:
    """The value (the error's message where there is one), what the session counted, and what the service did."""
    before, there = bridge.session.stats().as_dict(), bridge.simulator.stats()
    value = raised(bridge, sql) if "overthinker" in sql and "try_" not in sql else bridge.value(sql)
    after, now = bridge.session.stats().as_dict(), bridge.simulator.stats()
    counted = {name: after[name] - before[name] for name in after}
    return (
        value,
        counted,
        {"requests": now.requests - there.requests, "cost_usd": now.cost_usd - there.cost_usd},
    )


@pytest.mark.parametrize(
    "call",
    [
        f"prompt('Why?', {TIGHT})",
        f"prompt_as('Why 7?', 'INTEGER', {TIGHT})",
        f"classify('Why?', ['a', 'b'], {TIGHT})",
        f"llm_filter('Why?', 'Is it?', {TIGHT})",
        f"llm_reduce(['Why?'], 'Count.', {TIGHT})",
        f"chat_completions([{{'role': 'user', 'content': 'Why not?'}}], {TIGHT})",
        "prompt('Why?', model := 'fake/reasoner-capped')",
    ],
)
def test_a_model_that_thought_too_long_is_given_more_room(family: Bridge, call: str) -> None:
    value, counted, there = added(family, f"SELECT {call}")
    assert value is not None
    assert (counted["sent"], counted["answered"], counted["attempts"], counted["retries"]) == (1, 1, 2, 1)
    assert there["requests"] == 2
    assert counted["cost_usd"] == pytest.approx(there["cost_usd"])
    first, second = family.bodies()[-2:]
    assert second["max_tokens"] >= 4 * first.get("max_tokens", 1024)
    assert first["messages"] == second["messages"]
    sent = family.sent
    assert family.value(f"SELECT {call}") == value
    assert family.sent == sent


def test_the_table_of_calls_shows_both_askings(family: Bridge) -> None:
    _, counted, there = added(family, f"SELECT prompt('Why now?', {TIGHT})")
    attempts, tokens, cost, error = calls(family, "fake/reasoner")[-1]
    assert (attempts, tokens, error) == (2, counted["completion_tokens"], None)
    assert tokens > 100 + 200, "the 100 that were not enough, and the answer's"
    assert cost == pytest.approx(there["cost_usd"])


def test_no_answer_even_then_is_an_error_that_says_so(family: Bridge) -> None:
    message, counted, there = added(family, "SELECT prompt('Why?', model := 'fake/overthinker')")
    for part in ("empty", "length", "max_tokens", "attempts 2"):
        assert part in message
    assert (counted["failed"], counted["attempts"], there["requests"]) == (1, 2, 2)
    assert counted["cost_usd"] == pytest.approx(there["cost_usd"])
    assert calls(family, "fake/overthinker")[-1] == (
        2,
        1024 + 4096,
        round(there["cost_usd"], 9),
        "cut_off_empty",
    )


def test_under_try_it_is_null(family: Bridge) -> None:
    value, counted, _ = added(family, "SELECT try_prompt_as('Why?', 'DATE', model := 'fake/overthinker')")
    assert (value, counted["failed"]) == (None, 1)


def test_a_budget_holds_for_both_askings(connect: Callable[..., Bridge]) -> None:
    bridge = connect(budget_usd=0.02, max_in_flight=1)
    tight = "model := 'fake/overthinker', model_kwargs := {'max_tokens': 100}"
    message = raised(bridge, f"SELECT count(try_prompt('Why ' || i, {tight})) FROM range(9) t(i)")
    assert "budget_usd" in message
    stats = bridge.session.stats()
    assert 0 < stats.cost_usd <= 0.02
    assert stats.cost_usd == pytest.approx(bridge.simulator.stats().cost_usd)
