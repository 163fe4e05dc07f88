"""What each function makes of a row, and of the answer to it. Golden vectors pin the words: other words are other keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from duck_or.classify import classify
from duck_or.errors import ArgumentError
from duck_or.functions import FUNCTIONS, Template, Unreadable, template_of
from duck_or.functions.shapes import Misfit
from duck_or.outcome import Failure, RawResponse
from duck_or.request import cache_key

GOLDEN: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "golden_functions.json").read_text("utf-8")
)
BASE = "https://openrouter.ai/api/v1"


def template(function: str | None = None, **own: Any) -> Template:
    named = {} if function is None else {"function": function}
    return template_of(json.dumps({**named, "model": "m/x", **own}), BASE, None)


def body(function: str | None, row: object, **own: Any) -> dict[str, Any]:
    request = template(function, **own).request(json.dumps(row))
    parsed: dict[str, Any] = orjson.loads(request.body)
    return parsed


def answer(content: object, finish: str = "stop", **message: object) -> bytes:
    choice = {"finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    return orjson.dumps({"choices": [choice]})


def value(function: str, content: object, **own: Any) -> Any:
    read = template(function, **own).read
    assert read is not None
    return read(answer(content))


LABELS = ["bug", "praise"]


@pytest.mark.parametrize("vector", GOLDEN, ids=[vector["name"] for vector in GOLDEN])
def test_golden_vectors(vector: dict[str, Any]) -> None:
    request = template_of(json.dumps(vector["options"]), BASE, None).request(json.dumps(vector["row"]))
    assert orjson.loads(request.body) == vector["body"]
    assert request.key.hex() == vector["key"]
    assert request.key == cache_key(BASE + request.path, request.body)


def test_every_function_has_a_golden_vector() -> None:
    assert {vector["options"]["function"] for vector in GOLDEN} == set(FUNCTIONS)
    assert len({vector["key"] for vector in GOLDEN}) == len(GOLDEN)


def test_a_prompt_is_the_request_that_chat_completions_makes_of_the_same_words() -> None:
    one = template("prompt").request('"Crème \\u2028 \\/"')
    other = template().request('[{"role":"user","content":"Crème \\u2028 /"}]')
    assert (one.body, one.key) == (other.body, other.key)


@pytest.mark.parametrize(
    ("function", "own"),
    [
        ("prompt", {}),
        ("summarize", {}),
        ("translate", {"language": "de"}),
        ("llm_reduce", {"instruction": "Sum up."}),
    ],
)
def test_a_text_has_to_be_whole_unless_the_call_says_how_long_it_may_be(
    function: str, own: dict[str, Any]
) -> None:
    row = '["x"]' if function == "llm_reduce" else '"x"'
    assert template(function, **own).request(row).wanted.whole
    capped = template(function, **own, model_kwargs={"max_tokens": 50})
    assert not capped.request(row).wanted.whole


def test_a_system_message_comes_first() -> None:
    messages = body("prompt", "Hi", system="Be brief.")["messages"]
    assert messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def test_images_follow_the_text() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://x/cat.png"}}
    [message] = body("prompt", {"text": "What is it?", "images": [part]})["messages"]
    assert message["content"] == [{"type": "text", "text": "What is it?"}, part]


@pytest.mark.parametrize("function", ["prompt_as", "classify", "extract", "llm_filter", "score"])
def test_a_typed_function_demands_its_schema_of_providers_that_keep_to_it(function: str) -> None:
    own = {
        "prompt_as": {"type": "INTEGER"},
        "classify": {"labels": LABELS},
        "extract": {"fields": {"name": "VARCHAR"}},
    }.get(function, {"question": "Is it?"})
    asked = body(function, "text", **own, provider={"order": ["openai"]})
    assert asked["response_format"]["json_schema"]["strict"] is True
    assert asked["provider"] == {"require_parameters": True, "order": ["openai"]}
    lenient = body(function, "text", **own, provider={"require_parameters": False})
    assert lenient["provider"] == {"require_parameters": False}
    assert template(function, **own).request('"x"').wanted.demand is not None
    with pytest.raises(ArgumentError, match=f"{function} writes response_format itself"):
        template(function, **own, model_kwargs={"response_format": {"type": "json_object"}})


@pytest.mark.parametrize(
    ("function", "own", "content", "expected"),
    [
        ("prompt", {}, "Hello", "Hello"),
        ("prompt", {}, [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}], "Hello"),
        ("prompt", {}, "", ""),
        ("prompt_as", {"type": "INTEGER"}, '{"value": 7}', b"7"),
        ("prompt_as", {"type": "STRUCT(a INTEGER)"}, '```json\n{"a": "7"}\n```', b'{"a":7}'),
        ("classify", {"labels": LABELS}, '{"value": "Praise"}', b'"praise"'),
        ("classify", {"labels": LABELS, "multi": True}, '{"bug": true, "praise": true}', b'["bug","praise"]'),
        ("classify", {"labels": LABELS, "multi": True}, '{"bug": false, "praise": true}', b'["praise"]'),
        ("classify", {"labels": LABELS, "multi": True}, '["Praise", "praise"]', b'["praise"]'),
        ("classify", {"labels": {"it's": "…", "bug": ""}}, '{"value": "it\'s"}', b'"it\'s"'),
        ("extract", {"fields": {"born": "DATE"}}, '{"born": null}', b'{"born":null}'),
        ("llm_filter", {"question": "?"}, '{"value": true}', b"true"),
        ("score", {"question": "?"}, '{"value": 0.25}', b"0.25"),
        ("summarize", {}, "Short.", "Short."),
        ("translate", {"language": "de"}, "Hallo", "Hallo"),
    ],
)
def test_what_an_answer_is_read_as(
    function: str, own: dict[str, Any], content: object, expected: object
) -> None:
    assert value(function, content, **own) == expected


@pytest.mark.parametrize(
    ("function", "own", "content"),
    [
        ("classify", {"labels": LABELS}, '{"value": "neither"}'),
        ("classify", {"labels": LABELS, "multi": True}, '{"bug": true}'),
        ("classify", {"labels": LABELS, "multi": True}, '["bug", "neither"]'),
        ("score", {"question": "?"}, '{"value": 1.5}'),
        ("score", {"question": "?"}, '{"value": -0.1}'),
        ("llm_filter", {"question": "?"}, "Perhaps."),
        ("prompt_as", {"type": "TINYINT"}, '{"value": 300}'),
    ],
)
def test_an_answer_that_is_no_such_value_is_demanded_again(
    function: str, own: dict[str, Any], content: str
) -> None:
    demand = template(function, **own).request('"x"').wanted.demand
    assert demand is not None
    assert demand(content)
    with pytest.raises(Misfit):
        value(function, content, **own)


def test_a_refusal_is_no_text() -> None:
    read = template("prompt").read
    assert read is not None
    with pytest.raises(Unreadable, match="I cannot do that"):
        read(answer(None, refusal="I cannot do that"))
    with pytest.raises(Unreadable, match="tool"):
        read(answer(None, tool_calls=[{"id": "1"}]))


@pytest.mark.parametrize(
    ("function", "own", "message"),
    [
        ("prompt", {"system": 7}, "system must be text"),
        ("prompt_as", {}, "type must be text"),
        ("prompt_as", {"type": "BLOB"}, "BLOB"),
        ("classify", {}, "labels must be different texts"),
        ("classify", {"labels": []}, "labels must be different texts"),
        ("classify", {"labels": ["a", "a"]}, "labels must be different texts"),
        ("classify", {"labels": ["a", None]}, "labels must be different texts"),
        ("extract", {"fields": ["name"]}, "must name the fields and their types"),
        ("extract", {"fields": {"name": "NOTATYPE"}}, "NOTATYPE"),
        ("llm_filter", {"question": " "}, "question must be text"),
        ("translate", {"language": 3}, "language must be text"),
        ("rerank", {"model": None}, "rerank needs a model"),
        ("rerank", {"top_n": 0}, "top_n must be a whole number"),
        ("embed", {"model": None}, "embed needs an embedding model"),
        ("embed", {"dimensions": 0}, "dimensions must be a whole number"),
    ],
)
def test_bad_arguments_are_named(function: str, own: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        template(function, **own)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query": None, "documents": ["a"]}, "the query must be text"),
        ({"query": "q", "documents": "a"}, "documents must be a list"),
        ({"query": "q", "documents": ["a", None]}, r"documents\[2\] must be text; got null"),
    ],
)
def test_bad_rows_of_rerank_are_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        body("rerank", row)


def test_a_ranking_counts_from_one_and_is_in_order() -> None:
    read = template("rerank").read
    assert read is not None
    results = [{"index": 0, "relevance_score": 0.1}, {"index": 2, "relevance_score": 0.9}]
    ranked = orjson.loads(read(orjson.dumps({"results": results})))
    assert ranked == [{"index": 3, "score": 0.9}, {"index": 1, "score": 0.1}]
    as_text = [{"index": 0, "relevance_score": "0.9"}]  # some servers write numbers so
    assert orjson.loads(read(orjson.dumps({"results": as_text}))) == [{"index": 1, "score": 0.9}]


@pytest.mark.parametrize(
    ("places", "code"),
    [
        ([0, 1], None),
        ([1], None),
        ([0, 0], "invalid_answer"),
        ([0, 2], "invalid_answer"),
        ([-1], "malformed_answer"),
    ],
)
def test_a_ranking_names_each_document_once_and_only_those_that_were_sent(
    places: list[int], code: str | None
) -> None:
    wanted = template("rerank").request('{"query":"q","documents":["a","b"]}').wanted
    response = orjson.dumps({"results": [{"index": place, "relevance_score": 0.5} for place in places]})
    outcome = classify(RawResponse(200, {}, response), wanted, wall_now=0.0)
    assert (outcome.code if isinstance(outcome, Failure) else None) == code


def test_half_a_text_is_none_where_somebody_else_was_content_with_it() -> None:
    read, capped = template("prompt").read, template("prompt", model_kwargs={"max_tokens": 5}).read
    half = answer("half an ans", finish="length")
    assert read is not None
    assert capped is not None
    assert capped(half) == "half an ans"
    with pytest.raises(Unreadable, match="cut off"):
        read(half)
