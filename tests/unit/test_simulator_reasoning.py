"""Models that think before they answer, and what is left of an answer when thinking uses up the tokens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_clients import MOOD, Account, as_schema

from duck_or.simulator.catalog import MODELS
from duck_or.simulator.reasoning import thought_tokens

THINKERS = {"fake/reasoner": (200, 800), "fake/reasoner-capped": (1_100, 2_000)}


def outcome(completion: dict[str, Any]) -> tuple[str, int, int]:
    """finish_reason, tokens written, tokens thought."""
    usage = completion["usage"]
    thought = usage["completion_tokens_details"]["reasoning_tokens"]
    return completion["choices"][0]["finish_reason"], usage["completion_tokens"], thought


def body_of(question: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}], **more}


@pytest.mark.parametrize("model", THINKERS)
@given(question=st.text(max_size=20), limit=st.integers(1, 5000))
def test_the_limit_does_not_change_the_thought(model: str, question: str, limit: int) -> None:
    fewest, most = THINKERS[model]
    plain = thought_tokens(body_of(question), MODELS[model])
    assert fewest <= plain <= most
    assert plain == thought_tokens(body_of(question, max_tokens=limit), MODELS[model])
    assert plain == thought_tokens(body_of(question, max_completion_tokens=limit), MODELS[model])


def test_questions_are_thought_over_differently() -> None:
    assert len({thought_tokens(body_of(str(each)), MODELS["fake/reasoner"]) for each in range(50)}) > 30


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_too_little_room_is_an_empty_answer_that_costs(name: str) -> None:
    account = Account()
    completion = account.answer(model="fake/reasoner", **{name: 200})
    assert completion["choices"][0]["message"]["content"] == ""
    assert outcome(completion) == ("length", 200, 200)
    assert completion["usage"]["cost"] > 200 * 0.000002
    assert account.service.ledger.stats().cost_usd == completion["usage"]["cost"]


def test_asking_again_with_more_room_helps() -> None:
    account = Account()
    reason, tokens, thought = outcome(account.answer(model="fake/reasoner", max_tokens=1_000))
    assert reason == "stop"
    assert tokens > thought
    assert outcome(account.answer(model="fake/reasoner"))[0] == "stop"


def test_room_for_the_thought_alone_cuts_the_answer_short() -> None:
    account = Account()
    _, _, thought = outcome(account.answer(model="fake/reasoner"))
    completion = account.answer(model="fake/reasoner", max_tokens=thought + 2)
    assert outcome(completion) == ("length", thought + 2, thought)
    assert completion["choices"][0]["message"]["content"] == "Simulate"


def test_a_provider_may_have_a_limit_of_its_own() -> None:
    account = Account()
    assert outcome(account.answer(model="fake/reasoner-capped")) == ("length", 1_024, 1_024)
    assert outcome(account.answer(model="fake/reasoner-capped", max_tokens=4_096))[0] == "stop"


@pytest.mark.parametrize("limit", [None, 100, 100_000])
def test_the_overthinker_never_answers(limit: int | None) -> None:
    used = limit or 1_024
    assert outcome(Account().answer(model="fake/overthinker", max_tokens=limit)) == ("length", used, used)


@pytest.mark.parametrize(
    ("wish", "thought"),
    [
        ({"reasoning": {"enabled": False}}, 0),
        ({"reasoning": {"effort": "none"}}, 0),
        ({"reasoning_effort": "none"}, 0),
        ({"reasoning": {"max_tokens": 50}}, 50),
    ],
)
def test_reasoning_is_switched_off_or_bounded(wish: dict[str, Any], thought: int) -> None:
    reason, _, thought_over = outcome(Account().answer(model="fake/overthinker", **wish))
    assert (reason, thought_over) == ("stop", thought)


def test_a_structured_answer_comes_whole_or_not_at_all() -> None:
    account, wanted = Account(), as_schema(MOOD)
    assert (
        account.answer(model="fake/reasoner", max_tokens=50, response_format=wanted)["choices"][0]["message"][
            "content"
        ]
        == ""
    )
    assert outcome(account.answer(model="fake/reasoner", response_format=wanted))[0] == "stop"


def test_the_catalogue_tells_what_a_reasoner_takes_and_costs() -> None:
    for name in (*THINKERS, "fake/overthinker"):
        listing = MODELS[name].listing()
        assert "reasoning" in listing["supported_parameters"]
        assert listing["context_length"] == 131_072
        assert float(listing["pricing"]["completion"]) > 0
        assert "max_tokens" in listing["description"]


def test_a_prompt_beyond_the_context_is_refused() -> None:
    account = Account(check_context=True)
    long = [{"role": "user", "content": "x" * 4_100}]
    error = account.error(model="fake/short", messages=long)
    assert (error["code"], error["metadata"]["error_type"]) == (400, "context_length_exceeded")
    assert "1024 tokens" in error["message"]
    assert account.status(model="fake/model", messages=long) == 200
    assert account.status(model="fake/short", max_tokens=1_024) == 400
    assert Account().status(model="fake/short", messages=long) == 200
