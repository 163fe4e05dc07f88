"""A response as a notebook shows it: the text first, what it cost, the rest on demand; untrusted as it is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.html import Html
from duck_or.outcome import Failure
from duck_or.response_html import Response, response_html
from support.markup import Seen


def response(message: dict[str, Any], **more: object) -> str:
    choice = {"index": 0, "finish_reason": more.pop("finish_reason", "stop"), "message": message}
    usage = {"prompt_tokens": 12, "completion_tokens": 1_034, "cost": 0.00031}
    return orjson.dumps({"model": "a/b-20260101", "choices": [choice], "usage": usage, **more}).decode()


def seen(text: str) -> Seen:
    html = response_html(text)
    assert isinstance(html, Html)
    return Seen(html)


def test_the_text_comes_first_then_what_it_cost() -> None:
    text = seen(response({"role": "assistant", "content": "two\n\nlines"})).text
    assert text.startswith("two\n\nlinesa/b-20260101 · 12 tokens in, 1,034 out · $0.00031JSON{")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": None, "refusal": "I will not"}, "I will not"),
        (
            {"content": None, "tool_calls": [{"function": {"name": "look", "arguments": '{"at": 1}'}}]},
            '→ look({"at": 1})',
        ),
        ({"content": "", "tool_calls": [7, {"function": None}]}, "→ None(None)→ None(None)"),
        ({"content": 7, "tool_calls": "none"}, ""),
    ],
)
def test_what_a_message_says(message: dict[str, Any], said: str) -> None:
    assert seen(response(message)).text.startswith(f"{said}a/b-20260101")


def test_an_unusual_end_is_said() -> None:
    assert "finish_reason length" in seen(response({"content": "cut"}, finish_reason="length")).text


def test_a_failed_row() -> None:
    failure = Failure("rate_limited", "slow down", retryable=True, attempts=6, http_status=429)
    text = seen(failure.body.decode()).text
    assert text.startswith("failed: slow downrate_limited · attempts 6JSON")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain words",
        "{not json",
        '{"a": 1}',
        "[1, 2]",
        '{"choices": []}',
        '{"choices": [1]}',
        '{"choices": {"message": 1}}',
        '{"error": "of a model that talks like this"}',
        '{"error": {"code": 1}}',
        '{"error": null}',
    ],
)
def test_other_values_are_no_responses(text: str) -> None:
    assert response_html(text) is None
    assert Seen(Response(text)._repr_html_()).text == text
    assert repr(Response(text)) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "message",
                        "content",
                        "text",
                        "tool_calls",
                        "function",
                        "choices",
                        "usage",
                        "error",
                        "cost",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_in_it_is_shown_somehow(value: object) -> None:
    for body in (
        {"choices": value},
        {"choices": [{"message": value}], "usage": value, "model": value},
        {"error": value},
    ):
        Response(orjson.dumps(body).decode())._repr_html_()


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "</pre></details><img src=x onerror=alert(1)>"]
)
def test_an_answer_cannot_run_anything(text: str) -> None:
    hostile = response(
        {"content": text, "tool_calls": [{"function": {"name": text, "arguments": text}}]}, model=text
    )
    failed = Failure(text, text).body.decode()
    for html in (Response(hostile)._repr_html_(), Response(failed)._repr_html_(), response_html(hostile)):
        assert html is not None
        assert not {"script", "img"} & set(Seen(html).tags)
        assert text in Seen(html).text


def test_by_itself_a_response_is_shown_whole() -> None:
    long = "word " * 2_000
    shown = Response(response({"content": long}))
    assert long in Seen(shown._repr_html_()).text
    assert repr(shown) == long
    assert "more characters" in (response_html(shown.text) or "")
