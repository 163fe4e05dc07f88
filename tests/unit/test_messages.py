from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.errors import ArgumentError
from duck_or.json_values import canonical_json
from duck_or.messages import ROLES, canonical_messages, parse_messages

HELLO = {"role": "user", "content": "Hello"}
TEXT = {"type": "text", "text": "What is this?"}
IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

conversations = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(ROLES), "content": st.text()}), min_size=1, max_size=4
)


def refusal(messages: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        parse_messages(json.dumps(messages))
    return str(caught.value)


@given(conversations, st.booleans(), st.sampled_from([None, 1]))
def test_a_conversation_is_read_as_it_is(messages: list[Any], ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(messages, ensure_ascii=ascii_only, indent=indent)
    assert parse_messages(text) == messages
    assert parse_messages(json.dumps(text)) == messages  # text holding JSON, as a JSON string


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ({**HELLO, "name": None}, HELLO),
        ({**HELLO, "name": "Ann"}, {**HELLO, "name": "Ann"}),
        ({"role": "user", "content": [{**TEXT, "image_url": None}]}, {"role": "user", "content": [TEXT]}),
        (
            {
                "role": "user",
                "content": [{**IMAGE, "text": None, "image_url": {**IMAGE["image_url"], "detail": None}}],
            },
            {"role": "user", "content": [IMAGE]},
        ),
        ({"role": "assistant", "content": None, "tool_calls": [CALL]}, None),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "index": None}]},
            {"role": "assistant", "tool_calls": [CALL]},
        ),
        ({"role": "tool", "content": "4", "tool_call_id": "1"}, None),
        ({**HELLO, "reasoning_details": None}, HELLO),
        ({"role": "assistant", "content": "x", "reasoning_details": [{"signature": None}]}, None),
        ({**HELLO, "content": ""}, None),
    ],
)
def test_null_members_are_gaps_and_content_of_an_assistant_is_not(message: Any, sent: Any) -> None:
    assert parse_messages(json.dumps([message])) == [message if sent is None else sent]


def test_numbers_in_messages_stay_exact() -> None:
    part = {"type": "video_url", "fps": 2**70, "start": 1.5}
    assert parse_messages(json.dumps([{"role": "user", "content": [part]}]))[0]["content"] == [part]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (None, "non-empty list"),
        ([], "non-empty list"),
        (5, "got number 5"),
        ({"a": 1}, "got object"),
        (HELLO, "Put it in brackets"),
        ("What is the capital of France?", "Wrap it: [{'role': 'user'"),
        ('"[]"', "non-empty list"),
        ('[{"role": ', "not valid JSON"),
        (["x"], "messages[0] must be an object"),
        ([HELLO, None], "messages[1] must be an object"),
        (
            [{"content": "x"}],
            "messages[0].role must be one of user, system, assistant, tool, developer; got null",
        ),
        ([{**HELLO, "role": "bot"}], "got text 'bot'"),
        ([{**HELLO, "role": ["user"]}], "messages[0].role"),
        ([HELLO, {"role": "user", "content": None}], "messages[1].content is NULL"),
        ([{"role": "user"}], "IS NOT NULL"),
        ([{**HELLO, "content": 5}], "cast it"),
        ([{**HELLO, "content": TEXT}], "list of parts"),
        ([{**HELLO, "content": []}], "messages[0].content must be text"),
        ([{**HELLO, "content": [TEXT, "x"]}], "messages[0].content[1] must be an object"),
        ([{**HELLO, "content": [{"text": "x"}]}], "'type': 'text'"),
        (
            [{**HELLO, "content": [{"type": "text", "text": None}]}],
            "messages[0].content[0].text must be text; got null",
        ),
    ],
)
def test_a_refusal_names_the_place_and_the_cure(messages: Any, words: str) -> None:
    assert words in refusal(messages)


def test_text_that_is_not_json_is_shown_shortened() -> None:
    with pytest.raises(ArgumentError, match=r"got text 'Once upon .*…\. Wrap it") as caught:
        parse_messages("Once upon a time " * 1_000)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("depth", [300, 900, 1_020, 100_000])
def test_absurd_nesting_is_an_argument_error(depth: int) -> None:
    with pytest.raises(ArgumentError):
        parse_messages("[" * depth + "]" * depth)


near_messages = st.recursive(
    st.none() | st.floats() | st.text() | st.sampled_from(ROLES),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner)
    ),
    max_leaves=12,
)


@given(conversations | near_messages, st.booleans())
def test_messages_are_written_as_they_were_read(messages: Any, ascii_only: bool) -> None:
    text = json.dumps(messages, ensure_ascii=ascii_only)
    try:
        read = parse_messages(text)
    except ArgumentError:
        with pytest.raises(ArgumentError):
            canonical_messages(text)
        return
    assert canonical_messages(text) == canonical_messages(json.dumps(text)) == canonical_json(read)


@given(st.text() | near_messages.map(json.dumps))
def test_any_text_gives_messages_or_an_argument_error(text: str) -> None:
    try:
        messages = parse_messages(text)
    except ArgumentError:
        return
    assert messages
    assert all(message["role"] in ROLES for message in messages)
