"""Responses without an error: whole, partial, legitimately empty, or no answer at all."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from duck_or.classify import classify
from duck_or.outcome import Action, Completion, Failure, Outcome, RawResponse

DRIP = b"\n         \n"
RECORDED = {
    "id": "gen-1779474928-8Ot5WcaCbQBcu9Wvs6Up",
    "object": "chat.completion",
    "created": 1779474928,
    "model": "anthropic/claude-4.5-sonnet-20250929",
    "provider": "Amazon Bedrock",
    "system_fingerprint": None,
    "choices": [
        {
            "index": 0,
            "logprobs": None,
            "finish_reason": "stop",
            "native_finish_reason": "end_turn",
            "message": {"role": "assistant", "content": "ok", "refusal": None, "reasoning": "…"},
        }
    ],
    "usage": {"prompt_tokens": 43, "completion_tokens": 53, "total_tokens": 96, "cost": 0.000924},
}
CALL = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def ask(body: bytes) -> Outcome:
    return classify(RawResponse(200, {}, body), wall_now=0.0)


def answer(finish: Any = "stop", tokens: Any = 0, **message: Any) -> bytes:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    return orjson.dumps({"choices": [choice], "usage": {"completion_tokens": tokens}, "provider": "P"})


@pytest.mark.parametrize("around", [b"", b" ", b"\r\n", DRIP * 60])
def test_a_recorded_answer_is_returned_byte_for_byte_without_the_keep_alive_spaces(around: bytes) -> None:
    body = orjson.dumps(RECORDED)
    assert ask(around + body + around) == Completion(body, storable=True)


def test_a_body_without_white_space_is_not_copied() -> None:
    body = orjson.dumps(RECORDED)
    outcome = ask(body)
    assert isinstance(outcome, Completion)
    assert outcome.body is body


@pytest.mark.parametrize("error", [None, {}, "", False])
def test_an_error_field_that_says_nothing_is_no_error(error: object) -> None:
    assert isinstance(ask(orjson.dumps({**RECORDED, "error": error})), Completion)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (DRIP * 60, "empty_body"),
        (DRIP * 60 + b".", "malformed_answer"),
        (orjson.dumps(RECORDED)[:-20], "malformed_answer"),
        (DRIP + orjson.dumps(RECORDED)[:40], "malformed_answer"),
        (b"<!DOCTYPE html><html><title>OpenRouter</title></html>", "malformed_answer"),
        (b'data: {"choices":[]}\n\ndata: [DONE]\n\n', "malformed_answer"),
        (b": OPENROUTER PROCESSING\n\n", "malformed_answer"),
        (b"\xff\xfe\x00", "malformed_answer"),
        (b"[1]", "malformed_answer"),
        (b"null", "malformed_answer"),
        (b'"text"', "malformed_answer"),
        (b"{}", "no_choices"),
        (b'{"choices":null}', "no_choices"),
        (b'{"choices":[]}', "no_choices"),
        (b'{"choices":{"0":1}}', "no_choices"),
        (b'{"choices":[null]}', "malformed_answer"),
        (b'{"choices":[{"finish_reason":"stop"}]}', "malformed_answer"),
        (b'{"choices":[{"finish_reason":"stop","message":null}]}', "malformed_answer"),
    ],
)
def test_a_200_that_is_no_answer_is_tried_again(body: bytes, code: str) -> None:
    failure = ask(body)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.action, failure.retryable, failure.http_status) == (
        code,
        Action.RETRY,
        True,
        200,
    )
    assert not failure.slow_down


CONTENT: list[dict[str, Any]] = [
    {"content": "ok"},
    {"content": " "},  # what a model means by white space is the reader's business
    {"content": None, "tool_calls": CALL},
    {"content": "", "tool_calls": CALL},
    {"content": None, "function_call": {"name": "f", "arguments": ""}},
    {"content": None, "refusal": "I will not."},
    {"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:…"}}]},
    {"content": None, "audio": {"data": "…"}},
    {"content": [{"type": "text", "text": "ok"}]},
    {"content": [{"type": "text", "text": ""}, {"type": "image_url", "image_url": {"url": "data:…"}}]},
]
NOTHING: list[dict[str, Any]] = [
    {},
    {"content": None},
    {"content": ""},
    {"content": []},
    {"content": [{"type": "text", "text": ""}]},
    {"content": None, "tool_calls": [], "refusal": "", "images": [], "audio": None},
    {"content": 5},
    {"content": None, "tool_calls": 1, "refusal": [1], "images": "x", "audio": "x", "function_call": True},
]


@pytest.mark.parametrize("message", CONTENT)
@pytest.mark.parametrize(
    ("finish", "storable"),
    [
        ("stop", True),
        ("tool_calls", True),
        ("eos", True),
        ("length", False),
        ("max_tokens", False),
        ("content_filter", False),
        (None, False),
        ("a word nobody defined", False),
        (["stop"], False),
    ],
)
def test_content_is_an_answer_and_only_a_whole_one_is_stored(
    message: dict[str, Any], finish: object, storable: bool
) -> None:
    body = answer(finish, **message)
    assert ask(body) == Completion(body, storable=storable)


@pytest.mark.parametrize("message", NOTHING)
@pytest.mark.parametrize(
    ("finish", "code", "action"),
    [
        ("stop", "empty_answer", Action.RETRY),
        ("tool_calls", "empty_answer", Action.RETRY),
        (None, "empty_answer", Action.RETRY),
        ("length", "cut_off_empty", Action.ROW),
        ("content_filter", "content_filter", Action.ROW),
    ],
)
def test_an_answer_without_content_fails(
    message: dict[str, Any], finish: object, code: str, action: Action
) -> None:
    failure = ask(answer(finish, **message))
    assert isinstance(failure, Failure)
    assert (failure.code, failure.action, failure.provider) == (code, action, "P")


def test_what_reasoning_ate_names_the_remedy() -> None:
    failure = ask(answer("length", 4096, content="", reasoning="Let me think"))
    assert isinstance(failure, Failure)
    assert "max_tokens" in failure.message


@pytest.mark.parametrize("content", [None, "", []])
@pytest.mark.parametrize(
    ("finish", "tokens", "extra", "meant"),
    [
        ("stop", 3, {}, True),
        ("end_turn", 3, {}, True),
        ("stop", "3", {}, True),
        ("stop", 0, {"reasoning": "They want silence."}, True),
        ("stop", 0, {"reasoning_content": "They want silence."}, True),
        ("stop", None, {}, False),
        ("stop", True, {}, False),
        ("tool_calls", 3, {}, False),
        (None, 3, {"reasoning": "hm"}, False),
    ],
)
def test_an_empty_answer_that_the_model_meant_is_an_answer(
    content: object, finish: object, tokens: object, extra: dict[str, Any], meant: bool
) -> None:
    body = answer(finish, tokens, content=content, **extra)
    outcome = ask(body)
    assert outcome == Completion(body, storable=True) if meant else isinstance(outcome, Failure)


@pytest.mark.parametrize(
    ("choice", "code", "action", "status"),
    [
        (
            {"finish_reason": "error", "error": {"message": "m", "code": 429}},
            "rate_limited",
            Action.RETRY,
            429,
        ),
        ({"finish_reason": None, "error": {"message": "m"}}, "provider_error", Action.RETRY, 200),
        ({"finish_reason": "error"}, "provider_error", Action.RETRY, 200),
        (
            {
                "finish_reason": "error",
                "error": {"message": "m", "metadata": {"error_type": "invalid_prompt"}},
            },
            "bad_request",
            Action.ROW,
            200,
        ),
    ],
)
def test_an_error_inside_the_choice_beats_its_partial_content(
    choice: dict[str, Any], code: str, action: Action, status: int
) -> None:
    failure = ask(orjson.dumps({"choices": [{**choice, "message": {"content": "partial"}}], "provider": "P"}))
    assert isinstance(failure, Failure)
    assert (failure.code, failure.action, failure.http_status) == (code, action, status)
    assert failure.provider == "P"


def test_the_providers_own_reason_for_breaking_off_is_told() -> None:
    choice = {
        "finish_reason": "error",
        "native_finish_reason": "MALFORMED_FUNCTION_CALL",
        "message": {"content": None},
    }
    failure = ask(orjson.dumps({"choices": [choice], "usage": {"prompt_tokens": None}}))
    assert isinstance(failure, Failure)
    assert "MALFORMED_FUNCTION_CALL" in failure.message


def test_half_a_surrogate_pair_is_repaired_because_duckdb_could_not_read_it() -> None:
    body = answer("length", 9, content="caf\u00e9 \\ud83d HALF").replace(b"HALF", rb"\ud83d")
    outcome = ask(DRIP + body)
    assert isinstance(outcome, Completion)
    assert outcome.parsed["choices"][0]["message"]["content"] == "caf\u00e9 \\ud83d \ufffd"
    assert not outcome.storable


def test_what_a_repair_cannot_mend_is_malformed() -> None:
    for body in (
        rb'{"a":"\ud83d"',
        rb'{"a":"\ud83d","b":NaN}',
        rb'{"a":"\ud83d","b":1e999}',
        rb'{"a":"\ud83d\xff"}',
    ):
        outcome = ask(body)
        assert isinstance(outcome, Failure)
        assert outcome.code == "malformed_answer"
