from __future__ import annotations

import struct
from base64 import b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.classify import classify
from duck_or.errors import ArgumentError
from duck_or.functions.embeddings import embed, vector_of
from duck_or.functions.template import Call, Template, Unreadable
from duck_or.models import Model, worst_case_usd
from duck_or.outcome import Completion, Failure, RawResponse
from duck_or.packing import split
from duck_or.request import cache_key

URL = "https://example.test/api/v1"
NAME = "openai/text-embedding-3-small"


def template(own: dict[str, Any] | None = None, **options: Any) -> Template:
    given_options = {"model": NAME, "model_kwargs": None, "provider": None} | options
    return embed(Call("embed", own or {}, given_options, URL, "fake/chat"))


def answer(embedding: object) -> bytes:
    data = [{"object": "embedding", "index": 0, "embedding": embedding}]
    return orjson.dumps({"object": "list", "data": data, "model": NAME})


def packed(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


# --- the request -------------------------------------------------------------------------------------------------------


def test_a_row_is_a_request_for_one_vector_in_base64() -> None:
    request = template({"dimensions": 256}, provider={"order": ["openai"]}).request('"sp\\u00e4t"')
    assert request.path == "/embeddings"
    assert orjson.loads(request.body) == {
        "dimensions": 256,
        "encoding_format": "base64",
        "input": "spät",
        "model": NAME,
        "provider": {"order": ["openai"]},
    }
    assert request.key == cache_key(URL + "/embeddings", request.body)
    assert (request.model, request.wanted.kind) == (NAME, "embedding")


@given(st.text().filter(str.strip))
def test_the_envelope_and_the_text_make_the_canonical_body(text: str) -> None:
    request = template(model_kwargs={"user": "u", "input_type": "query"}).request(orjson.dumps(text).decode())
    assert request.envelope is not None
    assert request.envelope.body([request.input]) == request.body
    assert orjson.dumps(orjson.loads(request.body), option=orjson.OPT_SORT_KEYS) == request.body


def test_requests_share_a_body_where_their_options_are_equal() -> None:
    same = [template().request('"a"').envelope, template().request('"b"').envelope]
    assert same[0] == same[1]
    assert template({"dimensions": 8}).request('"a"').envelope != same[0]


@pytest.mark.parametrize("row", ['""', '" \\n"', "null", "7", '["a"]'])
def test_a_text_that_says_nothing_is_refused(row: str) -> None:
    with pytest.raises(ArgumentError, match="a text that says something"):
        template().request(row)


@pytest.mark.parametrize("dimensions", [0, -1, 1.5, True, "many", [3]])
def test_dimensions_are_a_positive_whole_number(dimensions: object) -> None:
    with pytest.raises(ArgumentError, match="dimensions must be a whole number"):
        template({"dimensions": dimensions})
    with pytest.raises(ArgumentError, match="dimensions must be a whole number"):
        template(model_kwargs={"dimensions": dimensions})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": None}, "embed needs an embedding model: model := 'openai/text-embedding-3-small'"),
        ({"model_kwargs": {"input": "x"}}, "must not hold input"),
        ({"model_kwargs": {"encoding_format": "hex"}}, "one of base64, float; got text 'hex'"),
        ({"model_kwargs": {"stream": True}}, "stream must be false"),
        ({"provider": "openai"}, "provider"),
    ],
)
def test_what_an_embedding_cannot_be_asked_with_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        template(**options)


def test_an_explicit_argument_wins() -> None:
    made = template({"dimensions": 2}, model_kwargs={"dimensions": 3, "encoding_format": "float"})
    body = orjson.loads(made.request('"a"').body)
    assert (body["dimensions"], body["encoding_format"]) == (2, "float")


def test_a_vector_has_no_tokens_that_could_cost_something() -> None:
    request = template().request('"abc"')
    price = Model(NAME, None, 8192, None, 2e-8, None, None, None, [], None)
    assert worst_case_usd(request, {NAME: price}) == pytest.approx(len(request.body) * 2e-8)


# --- the vector --------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_both_encodings_give_the_same_vector(numbers: list[float]) -> None:
    expected = packed(*numbers)
    assert vector_of(answer(numbers)) == expected
    assert vector_of(answer(b64encode(expected).decode())) == expected


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=6))
def test_what_was_asked_together_is_read_apart(numbers: list[float]) -> None:
    data = [{"index": n, "embedding": b64encode(packed(number)).decode()} for n, number in enumerate(numbers)]
    parts = split(RawResponse(200, {}, orjson.dumps({"data": data[::-1]})), [3] * len(numbers))
    wanted = template().request('"a"').wanted
    for part, number in zip(parts, numbers, strict=True):
        outcome = classify(part, wanted, wall_now=0.0)
        assert isinstance(outcome, Completion)
        assert vector_of(outcome.body) == packed(number)


@pytest.mark.parametrize("embedding", [None, {}, "", "A", "AAAA", "%%%%", [], [1, "2"], [1, None], [1e39], 7])
def test_what_is_no_vector_is_unreadable(embedding: object) -> None:
    with pytest.raises(Unreadable, match="the answer holds"):
        vector_of(answer(embedding))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":[]}', b'{"data":[{},{}]}'])
def test_a_body_without_one_vector_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="the answer holds no"):
        vector_of(body)


@pytest.mark.parametrize(
    ("asked", "vector", "code"),
    [(2, [1.0, 2.0], None), (2, [1.0, 2.0, 3.0], "invalid_answer"), (None, [1.0], None)],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_a_vector_of_another_length_than_asked_for_is_no_answer(
    asked: int | None, vector: list[float], code: str | None, encoded: bool
) -> None:
    wanted = template({"dimensions": asked} if asked else {}).request('"x"').wanted
    embedding = b64encode(packed(*vector)).decode() if encoded else vector
    body = orjson.dumps({"data": [{"index": 0, "embedding": embedding}]})
    outcome = classify(RawResponse(200, {}, body), wanted, wall_now=0.0)
    assert (outcome.code if isinstance(outcome, Failure) else None) == code
