"""The columns of the calls table that come from a response."""

from __future__ import annotations

from typing import Any

import pytest

from duck_or.call_summary import CallSummary, summary

RECORDED: dict[str, Any] = {
    "id": "gen-1779474928-8Ot5WcaCbQBcu9Wvs6Up",
    "model": "anthropic/claude-4.5-sonnet-20250929",
    "provider": "Amazon Bedrock",
    "choices": [{"finish_reason": "stop", "message": {"content": "ok"}}],
    "usage": {
        "prompt_tokens": 43,
        "completion_tokens": 53,
        "cost": 0.000924,
        "prompt_tokens_details": {"cached_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 48},
    },
}


def test_a_recorded_answer_is_summarised() -> None:
    assert summary(RECORDED) == CallSummary(
        model_served="anthropic/claude-4.5-sonnet-20250929",
        provider="Amazon Bedrock",
        generation_id="gen-1779474928-8Ot5WcaCbQBcu9Wvs6Up",
        finish_reason="stop",
        prompt_tokens=43,
        completion_tokens=53,
        cached_tokens=7,
        reasoning_tokens=48,
        cost_usd=0.000924,
    )


@pytest.mark.parametrize("nothing", [None, [], "x", 5, {}, [None], {"prompt_tokens_details": None}])
def test_what_is_absent_or_of_a_wrong_type_is_none(nothing: object) -> None:
    names = ("id", "model", "provider", "choices", "usage")
    told = summary(dict.fromkeys(names, None if isinstance(nothing, str) else nothing))
    assert told == CallSummary()
    assert summary({}) == CallSummary()


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        (0, 0.0),
        ("0.25", 0.25),
        (None, None),
        ("free", None),
        ("nan", None),
        (-1, None),
        (True, None),
        ([1], None),
    ],
)
def test_a_cost_is_a_number_of_dollars_or_unknown(cost: object, told: float | None) -> None:
    assert summary({"usage": {"cost": cost}}).cost_usd == told


@pytest.mark.parametrize(
    ("tokens", "told"), [(0, 0), (3.0, 3), ("12", 12), (None, None), (-1, None), (1e300, None), (False, None)]
)
def test_a_token_count_is_a_whole_number_or_unknown(tokens: object, told: int | None) -> None:
    assert summary({"usage": {"prompt_tokens": tokens}}).prompt_tokens == told
