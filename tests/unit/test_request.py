from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from duck_or.errors import ArgumentError
from duck_or.request import CHAT_PATH, KEY_VERSION, BodyTemplate, Request, cache_key, canonical_json

GOLDEN: list[dict[str, str]] = json.loads((Path(__file__).parent / "golden_keys.json").read_text("utf-8"))
BASE = "https://openrouter.ai/api/v1"
HELLO = '[{"role":"user","content":"Hello"}]'

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(-1e6, 1e6, allow_nan=False)
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
# Names on both sides of `messages`, none with a meaning of its own.
bodies = st.dictionaries(st.sampled_from(["a", "max_tokens", "messaget", "model_x", "seed", "zebra"]), values)


def template(model_kwargs: Any = None, **arguments: Any) -> BodyTemplate:
    options = {"model": "openai/gpt-5-mini", "model_kwargs": model_kwargs, **arguments}
    return BodyTemplate.from_options(json.dumps(options), BASE, None)


@pytest.mark.parametrize("vector", GOLDEN, ids=[vector["name"] for vector in GOLDEN])
def test_golden_vectors(vector: dict[str, str]) -> None:
    base_url = vector["url"].removesuffix(CHAT_PATH)
    request = BodyTemplate.from_options(vector["options"], base_url, None).request(vector["messages"])
    assert request.body.decode() == vector["body"]
    assert request.key.hex() == vector["key"]


@pytest.mark.parametrize("vector", GOLDEN, ids=[vector["name"] for vector in GOLDEN])
def test_the_key_is_what_its_description_says(vector: dict[str, str]) -> None:
    head = f"duck_or {KEY_VERSION}\n{len(vector['url'])}\n{vector['url']}\n"
    assert hashlib.sha256((head + vector["body"]).encode()).hexdigest() == vector["key"]


def test_the_golden_vectors_differ() -> None:
    assert len(GOLDEN) >= 12
    assert len({vector["key"] for vector in GOLDEN}) == len(GOLDEN)


@given(bodies, st.text())
def test_a_row_is_written_as_the_whole_body_would_be(body: dict[str, Any], content: str) -> None:
    messages = [{"role": "user", "content": content}]
    request = BodyTemplate(BASE, body).request(json.dumps(messages))
    assert request.body == canonical_json({**body, "messages": messages})
    assert request.key == cache_key(BASE + CHAT_PATH, request.body)
    assert json.loads(request.body) == {**body, "messages": messages}


def test_the_properties_of_a_schema_keep_their_order() -> None:
    def asked(*names: str) -> BodyTemplate:
        properties = {name: {"type": "string", "description": "…"} for name in names}
        schema = {"type": "object", "properties": properties, "required": list(names)}
        return template({"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}})

    first, second = asked("reasoning", "answer").request(HELLO), asked("answer", "reasoning").request(HELLO)
    assert b'"properties":{"reasoning":{"description":"\xe2\x80\xa6","type":"string"},"answer":' in first.body
    assert first.key != second.key  # another order is another question to a model
    assert first.key == cache_key(BASE + CHAT_PATH, first.body)


@given(bodies, st.sampled_from([None, 0, 2]), st.booleans())
def test_the_key_ignores_white_space_and_the_order_of_members(
    kwargs: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    reordered = dict(reversed(kwargs.items()))
    text = json.dumps({"model_kwargs": reordered, "model": "m/x"}, indent=indent, ensure_ascii=ascii_only)
    plain = json.dumps({"model": "m/x", "model_kwargs": kwargs})
    one = BodyTemplate.from_options(plain, BASE, None).request(HELLO)
    other = BodyTemplate.from_options(text, BASE, None).request('[ {"content": "Hello",\n "role": "user"} ]')
    assert one.key == other.key
    assert one.body == other.body


@given(values, values, st.sampled_from(["a", "zebra"]))
def test_the_key_tells_every_change_of_a_value(one: Any, other: Any, name: str) -> None:
    # Python's == takes 1 for True; JSON does not. Floats are compared as numbers, as JSON has it.
    assume(json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    assume(not _same_numbers(one, other))
    assert _key({name: one}) != _key({name: other})


def _key(body: dict[str, Any]) -> bytes:
    return BodyTemplate(BASE, body).request(HELLO).key


def _same_numbers(one: Any, other: Any) -> bool:
    """Equal as JSON values: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_numbers(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same_numbers, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


@given(st.text(), st.text())
def test_the_key_tells_every_change_of_the_content(one: str, other: str) -> None:
    assume(one != other)
    keys = {template().request(json.dumps([{"role": "user", "content": text}])).key for text in (one, other)}
    assert len(keys) == 2


def test_the_key_tells_endpoints_apart_and_no_url_can_pose_as_a_body() -> None:
    body = b'{"a":1}'
    assert cache_key("https://a/v1", body) != cache_key("https://b/v1", body)
    assert cache_key("https://a\n7\nx", b"y") != cache_key("https://a", b"7\nx\ny")


def test_equal_numbers_share_a_key_and_absent_is_not_a_default() -> None:
    assert template({"temperature": 1}).request(HELLO) == template({"temperature": 1.0}).request(HELLO)
    assert template({"temperature": 1}).request(HELLO).key != template().request(HELLO).key
    assert template({"temperature": None}).request(HELLO).key == template().request(HELLO).key


def test_null_members_that_duckdb_filled_in_do_not_change_the_key() -> None:
    filled = '[{"role":"user","content":"Hello","name":null,"tool_calls":null}]'
    assert template().request(filled).key == template().request(HELLO).key


@pytest.mark.parametrize(
    ("kwargs", "cap"),
    [
        (None, None),
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 20}, 20),
        ({"max_tokens": 10, "max_completion_tokens": 20}, 20),
        ({"max_tokens": 10.0}, 10),
        ({"max_tokens": "10"}, None),
        ({"max_tokens": True}, None),
    ],
)
def test_a_request_knows_its_cap_on_tokens(kwargs: Any, cap: int | None) -> None:
    assert template(kwargs).request(HELLO).max_tokens == cap


@pytest.mark.parametrize(
    ("response_format", "schema"),
    [
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {"minimum": 1}}}, {"minimum": 1}),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, None),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "text"}, None),
        ("json", None),
    ],
)
def test_a_request_knows_the_schema_its_answer_has_to_obey(response_format: Any, schema: Any) -> None:
    assert template({"response_format": response_format}).request(HELLO).wanted.schema == schema


def test_requests_of_one_template_share_their_schema() -> None:
    shared = template({"response_format": {"type": "json_object"}})
    assert shared.request(HELLO).wanted is shared.request('[{"role":"user","content":"Bye"}]').wanted


def test_a_request_hides_its_prompt_when_printed() -> None:
    request = template().request('[{"role":"user","content":"a secret"}]')
    assert "secret" not in repr(request)
    assert request.path == CHAT_PATH
    assert request.model == "openai/gpt-5-mini"


def test_requests_are_values() -> None:
    request = template({"response_format": {"type": "json_object"}}).request(HELLO)
    assert request == copy.copy(request)
    assert len({request, copy.copy(request)}) == 1
    assert request != Request(request.path, request.body, b"other key", request.model)


@pytest.mark.parametrize("depth", [260, 600])
def test_a_body_too_deep_to_write_is_an_argument_error(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    with pytest.raises(ArgumentError):
        BodyTemplate.from_options(f'{{"model":"m/x","model_kwargs":{{"stop":{nested}}}}}', BASE, None)
    with pytest.raises(ArgumentError):
        template().request(f'[{{"role":"user","content":"x","extra":{nested}}}]')


@given(st.text())
def test_any_text_gives_a_request_or_an_argument_error(text: str) -> None:
    try:
        request = template().request(text)
    except ArgumentError:
        return
    assert len(request.key) == 32
