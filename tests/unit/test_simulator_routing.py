"""What is refused as malformed, and which model and provider serve the rest."""

from __future__ import annotations

from typing import Any

import pytest
from simulator_clients import Account

from duck_or.simulator.catalog import find_model


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"messages": []}, "Input required"),
        ({"messages": None}, "Input required"),
        ({"messages": "hello"}, "Input required"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content"),
        ({"model": 5}, "model"),
        ({"models": ["a", 1]}, "models"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"provider": []}, "provider"),
        ({"provider": {"onlyy": []}}, 'Unrecognized key: "onlyy"'),
        ({"provider": {"only": "openai"}}, "provider.only"),
        ({"provider": {"max_price": {"prompt": "cheap"}}}, "max_price"),
        ({"response_format": {"type": "yaml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "json_schema.name"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objekt"}}}}, "objekt"),
        ({"tools": [{"type": "function"}]}, "tools.0"),
        ({"tools": {"type": "function"}}, "tools"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": "f"}}, "tool_choice"),
    ],
)  # fmt: skip
def test_a_body_that_breaks_the_schema_is_a_400_that_says_where(body: dict[str, Any], says: str) -> None:
    error = Account().error(**body)
    assert error["code"] == 400
    assert says in error["message"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"messages": NaN}', b"\xff"])
def test_a_body_that_is_no_object_is_a_400(raw: bytes) -> None:
    assert Account().turn(raw=raw).reply.status == 400


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("openai/gpt-5-mini", "openai/gpt-5-mini-2025-08-07"),
        ("openai/gpt-5-mini:nitro", "openai/gpt-5-mini-2025-08-07"),
        ("openai/gpt-5-mini:online:floor", "openai/gpt-5-mini-2025-08-07"),
        ("openai/gpt-5-mini@preset/terse", "openai/gpt-5-mini-2025-08-07"),
        ("@preset/terse", "openai/gpt-5-mini-2025-08-07"),
        ("~anthropic/claude-sonnet-latest", "anthropic/claude-4.5-sonnet-20250929"),
        ("openrouter/auto", "openai/gpt-5-mini-2025-08-07"),
        ("meta-llama/llama-3.3-70b-instruct:free", "meta-llama/llama-3.3-70b-instruct"),
        ("fake/err-once-429", "fake/err-once-429-20260101"),
    ],
)
def test_aliases_presets_and_variants_resolve(asked: str, served: str) -> None:
    model = find_model(asked)
    assert model is not None
    assert model.permaslug == served


@pytest.mark.parametrize(
    "asked", ["no/such", "openai/gpt-5-mini:free", "openai/gpt-5-mini:odd", "fake/err-nope", "plain"]
)
def test_an_unknown_model_is_a_400_that_stops(asked: str) -> None:
    error = Account().error(model=asked)
    assert (error["code"], error["message"]) == (400, f"{asked} is not a valid model ID")
    assert (error["availability"]["code"], error["availability"]["retryable"]) == ("model_not_found", False)


def test_any_model_accepts_any_slug() -> None:
    assert Account(any_model=True).answer(model="acme/rocket-1")["model"] == "acme/rocket-1"
    assert Account(any_model=True).status(model="rocket") == 400


def test_a_model_that_writes_no_text_does_not_chat() -> None:
    assert Account().status(model="openai/text-embedding-3-small") == 400


@pytest.mark.parametrize(
    ("model", "models", "served"),
    [
        ("no/such", ["fake/model"], "fake/model-20260101"),
        ("fake/err-503", ["fake/err-404-no-endpoints", "qwen/qwen3-32b"], "qwen/qwen3-32b-04-28"),
        (None, ["openai/gpt-5", "fake/model"], "openai/gpt-5-2025-08-07"),
    ],
)
def test_fallback_models_are_tried_in_order(model: str | None, models: list[str], served: str) -> None:
    assert Account().answer(model=model, models=models)["model"] == served


def test_when_every_fallback_fails_the_last_one_speaks() -> None:
    assert Account().error(model="fake/err-500", models=["fake/err-503"])["code"] == 503


@pytest.mark.parametrize(
    ("preferences", "provider"),
    [
        ({"order": ["azure"]}, "Azure"),
        ({"order": ["groq", "Azure"]}, "Azure"),
        ({"order": ["groq"]}, "OpenAI"),
        ({"only": ["azure/eu", "groq"]}, "Azure"),
        ({"ignore": ["openai"]}, "Azure"),
        ({"max_price": {"prompt": 1}}, "OpenAI"),
    ],
)
def test_provider_preferences_choose(preferences: dict[str, Any], provider: str) -> None:
    assert Account().answer(model="openai/gpt-5-mini", provider=preferences)["provider"] == provider


@pytest.mark.parametrize(
    "preferences",
    [
        {"only": ["groq"]},
        {"ignore": ["openai", "azure"]},
        {"order": ["groq"], "allow_fallbacks": False},
        {"max_price": {"completion": 0.01}},
    ],
)
def test_preferences_nobody_meets_are_a_404(preferences: dict[str, Any]) -> None:
    error = Account().error(model="openai/gpt-5-mini", provider=preferences)
    assert (error["code"], error["availability"]["code"]) == (404, "constraint_filtered")


def test_tools_need_a_model_that_knows_them() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert "tool use" in Account().error(model="fake/no-tools", tools=tools)["message"]


def test_a_form_of_answer_that_is_insisted_on_needs_a_model_that_knows_it() -> None:
    body: dict[str, Any] = {"model": "fake/no-tools", "response_format": {"type": "json_object"}}
    insisting = {"provider": {"require_parameters": True}}
    assert Account().status(**body) == 200
    assert "requested parameters" in Account().error(**body, **insisting)["message"]
    assert Account().status(**{**body, "model": "fake/model"}, **insisting) == 200
