"""Answers: deterministic, obedient to the request, conforming to schemas."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from duck_or.simulator.answers import answer_to
from duck_or.simulator.catalog import MODELS
from duck_or.simulator.draws import fingerprint
from duck_or.simulator.schema_answers import conforming
from duck_or.simulator.schema_scalars import UnsatisfiableError
from duck_or.simulator.usage import prompt_tokens, usage_of

MODEL = MODELS["fake/model"]
OF = b"0123456789abcdef"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}


def ask(text: Any, of: bytes = OF, model: str = "fake/model", **body: Any) -> Any:
    return answer_to({"messages": [{"role": "user", "content": text}], **body}, MODELS[model], of)


def test_the_answer_quotes_the_question_and_depends_on_the_fingerprint() -> None:
    content = ask("What is a duck?").content
    assert '"What is a duck?"' in content
    assert content == ask("What is a duck?").content
    assert content != ask("What is a duck?", fingerprint(1, b"x")).content


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("echo: quack", "quack"),
        ("Say this.\necho: two\nlines", "two\nlines"),
        ([{"type": "text", "text": "echo: parts"}, {"type": "image_url", "image_url": {}}], "parts"),
        ("echo:", ""),
    ],
)
def test_echo_answers_exactly(question: Any, answer: str) -> None:
    assert ask(question).content == answer


def test_echo_counts_at_the_start_of_a_line_only() -> None:
    assert ask("please do not echo: me").content != "me"


def test_the_echo_model_repeats_the_question() -> None:
    assert ask("as it is", model="fake/echo").content == "as it is"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts(name: str) -> None:
    answer = ask("echo: " + "x" * 100, **{name: 5})
    assert (answer.content, answer.finish_reason, answer.tokens) == ("x" * 20, "length", 5)
    assert ask("echo: xx", **{name: 5}).finish_reason == "stop"


def test_json_object_is_an_object() -> None:
    assert isinstance(orjson.loads(ask("hi", response_format={"type": "json_object"}).content), dict)


@pytest.mark.parametrize(
    ("choice", "last_role", "called"),
    [
        ("auto", "user", ["weather"]),
        ("required", "user", ["weather"]),
        ("none", "user", []),
        ({"type": "function", "function": {"name": "clock"}}, "user", ["clock"]),
        ("auto", "tool", []),
        ("required", "tool", ["weather"]),
    ],
)
def test_tool_choice_decides_what_is_called(choice: Any, last_role: str, called: list[str]) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": last_role, "content": "hi"}]
    answer = answer_to({"messages": messages, "tools": [WEATHER, CLOCK], "tool_choice": choice}, MODEL, OF)
    assert [call["function"]["name"] for call in answer.tool_calls] == called
    assert answer.finish_reason == ("tool_calls" if called else "stop")
    assert (answer.content is None) == bool(called)


def test_tool_arguments_conform_to_the_parameters() -> None:
    (call,) = ask("hi", tools=[WEATHER]).tool_calls
    assert isinstance(orjson.loads(call["function"]["arguments"])["city"], str)


def test_tokens_count_text_parts_and_tools() -> None:
    text = {"messages": [{"role": "user", "content": "x" * 40}]}
    image = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 40}, {"type": "image_url"}]}]
    }
    assert prompt_tokens(text) == 14
    assert prompt_tokens(image) == 14 + 258
    assert prompt_tokens({**text, "tools": [WEATHER]}) > 14


def test_cost_is_tokens_times_price() -> None:
    usage = usage_of(MODELS["anthropic/claude-sonnet-4.5"], 1000, 100)
    assert usage["cost"] == pytest.approx(1000 * 3e-6 + 100 * 15e-6)
    assert usage["cost_details"]["upstream_inference_prompt_cost"] == pytest.approx(0.003)


# Schemas. A strategy for those that can be satisfied, one for each kind that structured outputs know.
def _numbers(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    def made(low: int, span: int, exclusive: bool) -> dict[str, Any]:
        if exclusive:
            return {"type": kind, "exclusiveMinimum": low, "exclusiveMaximum": low + span + 2}
        return {"type": kind, "minimum": low, "maximum": low + span}

    return st.builds(made, st.integers(-1000, 1000), st.integers(0, 50), st.booleans())


SCALARS = st.one_of(
    st.sampled_from(
        [
            *({"type": name} for name in ("null", "boolean", "integer", "number", "string")),
            *({"type": "string", "format": name} for name in ("date", "date-time", "email", "uuid", "ipv4", "ipv6")),
            *({"type": "string", "pattern": pattern} for pattern in ("^[A-Z]+$", r"^\d{4}-\d\d-\d\d$", "^.+@.+$")),
            {"const": {"a": [1, None]}},
            {"enum": ["red", 2, None]},
            {"type": ["string", "null"]},
            {"type": "integer", "multipleOf": 7, "minimum": 8, "maximum": 30},
            {"type": "integer", "multipleOf": 1.5},
            {"type": "number", "multipleOf": 0.25, "minimum": -1},
            {"type": "integer", "maximum": -200},
            {},
            True,
        ]
    ),
    _numbers("integer"),
    _numbers("number"),
    st.builds(lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, st.integers(0, 60), st.integers(0, 9)),
)  # fmt: skip


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def record(properties: dict[str, Any], required: int, closed: bool) -> dict[str, Any]:
        names = list(properties)[:required]
        return {
            "type": "object",
            "properties": properties,
            "required": names,
            "additionalProperties": not closed,
        }

    def sequence(items: Any, low: int, more: int) -> dict[str, Any]:
        return {"type": "array", "items": items, "minItems": low, "maxItems": low + more}

    return st.one_of(
        st.builds(record, st.dictionaries(st.text("abcd", min_size=1, max_size=3), inner, max_size=4), st.integers(0, 4), st.booleans()),
        st.builds(sequence, inner, st.integers(0, 3), st.integers(0, 3)),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        st.lists(inner, min_size=1, max_size=2).map(lambda items: {"type": "array", "prefixItems": items, "minItems": len(items)}),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.recursive(SCALARS, _containers, max_leaves=8), st.binary(min_size=16, max_size=16))
def test_what_is_made_conforms(schema: Any, of: bytes) -> None:
    value = conforming(schema, of)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)
    assert value == conforming(schema, of)


TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "right": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "left", "right"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
ODD = [
    TREE,
    {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["children"]},
    {"allOf": [{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True, "minItems": 3},
    {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 2},
    {"type": "object", "required": ["unlisted"]},
    {"$defs": {"a/b": {"type": "integer"}}, "properties": {"x": {"$ref": "#/$defs/a~1b"}}, "required": ["x"]},
    {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}]},
    {"anyOf": [False, {"type": "boolean"}]},
]  # fmt: skip


@pytest.mark.parametrize("schema", ODD)
@pytest.mark.parametrize("seed", range(5))
def test_references_merges_and_recursion_conform(schema: Any, seed: int) -> None:
    Draft202012Validator(schema).validate(conforming(schema, fingerprint(seed, b"")))


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (False, "accepts nothing"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "no integer"),
        ({"type": "string", "pattern": "^(q{7}z){9}$"}, "pattern"),
        ({"$ref": "#/$defs/missing"}, "leads nowhere"),
        ({"$ref": "https://example.com/schema"}, "outside the schema"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "circles"),
        ({"properties": {"again": {"$ref": "#"}}, "required": ["again"]}, "too deeply"),
        ({"type": "array", "items": {"const": 1}, "uniqueItems": True, "minItems": 2}, "different"),
        ({"type": "objekt"}, "objekt"),
        ({"type": "object", "properties": []}, "properties"),
    ],
)
def test_what_cannot_be_made_says_why(schema: Any, says: str) -> None:
    with pytest.raises(UnsatisfiableError, match=says):
        conforming(schema, OF)
