"""Answers to requests with a `response_format`: kept for ever only if they keep to it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import orjson
import pytest

from duck_or.classify import classify
from duck_or.outcome import Completion, Outcome, RawResponse
from duck_or.wanted import Wanted

CALL = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def ask(body: bytes, schema: dict[str, Any]) -> Outcome:
    return classify(RawResponse(200, {}, body), Wanted(schema=schema), wall_now=0.0)


def answer(finish: str, tokens: int, **message: Any) -> bytes:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    return orjson.dumps({"choices": [choice], "usage": {"completion_tokens": tokens}})


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "message", "storable"),
    [
        (PERSON, {"content": '{"name":"Ada","age":36}'}, True),
        (PERSON, {"content": ' {"name":"Ada","age":36.0}\n'}, True),
        (
            PERSON,
            {"content": [{"type": "text", "text": '{"name":"Ada",'}, {"type": "text", "text": '"age":36}'}]},
            True,
        ),
        (PERSON, {"content": '{"name":"Ada"}'}, False),
        (PERSON, {"content": '{"name":"Ada","age":"36"}'}, False),
        (PERSON, {"content": '```json\n{"name":"Ada","age":36}\n```'}, False),
        (PERSON, {"content": "Ada is 36."}, False),
        (PERSON, {"content": None, "refusal": "No."}, False),
        (PERSON, {"content": None, "tool_calls": CALL}, True),
        ({"type": "object"}, {"content": "{}"}, True),
        ({"type": "object"}, {"content": "[]"}, False),
        ({}, {"content": "5"}, True),
        ({}, {"content": "five"}, False),
        ({"$ref": "#/$defs/p", "$defs": {"p": PERSON}}, {"content": "{}"}, False),
    ],
)
def test_an_answer_that_breaks_its_schema_is_returned_but_not_stored(
    schema: dict[str, Any], message: dict[str, Any], storable: bool
) -> None:
    body = answer("stop", 5, **message)
    assert ask(body, schema) == Completion(body, storable=storable)


def test_an_empty_answer_breaks_any_schema() -> None:
    body = answer("stop", 5, content="")
    assert ask(body, PERSON) == Completion(body, storable=False)


UNCHECKABLE: list[dict[str, Any]] = [
    {"type": "no such type"},
    {"type": 5},
    {"$schema": 5},
    {"$ref": "#"},
    {"$ref": "#/nowhere"},
    {"$ref": "https://example.invalid/schema.json"},  # must not be fetched
    {"$id": "http://[", "$ref": "a"},
    {"pattern": "("},
    {"pattern": r"\p{Lu}"},  # legal in JavaScript
    {"pattern": "a{99999999999999}"},
    {"minimum": 1 << 70},
]


@pytest.mark.parametrize("schema", UNCHECKABLE, ids=repr)
def test_a_schema_that_cannot_be_checked_does_not_keep_an_answer_out(schema: dict[str, Any]) -> None:
    for content in ('"x"', '{"a":1}', "5"):
        body = answer("stop", 5, content=content)
        assert ask(body, schema) == Completion(body, storable=True)
    assert ask(answer("stop", 5, content="no JSON"), schema) == Completion(
        answer("stop", 5, content="no JSON"), storable=False
    )


def test_a_schema_fetches_nothing(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text('{"type": "integer"}')
    schema = {"$ref": (tmp_path / "elsewhere.json").as_uri()}
    body = answer("stop", 5, content='"not an integer"')
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # jsonschema's own warning that it is about to fetch would stop it here
        assert ask(body, schema) == Completion(body, storable=True)


def test_the_dialect_a_schema_names_is_obeyed() -> None:
    pair = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "items": [{"type": "string"}, {"type": "integer"}],
    }
    good, bad = answer("stop", 5, content='["a",1]'), answer("stop", 5, content='[1,"a"]')
    assert (ask(good, pair), ask(bad, pair)) == (
        Completion(good, storable=True),
        Completion(bad, storable=False),
    )
