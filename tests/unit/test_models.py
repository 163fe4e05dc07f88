from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.errors import RequestFailed, TransportError
from duck_or.models import (
    IMAGE_TOKENS,
    KEEP_SECONDS,
    MODELS_PATH,
    Model,
    ModelList,
    Volume,
    named_models,
    worst_case_usd,
)
from duck_or.outcome import RawResponse
from duck_or.request import BodyTemplate, Request

LISTED = {
    "id": "a/b",
    "name": "B",
    "created": 1700000000,
    "context_length": 8000,
    "architecture": {"modality": "text->text"},
    "pricing": {"prompt": "0.000001", "completion": "0.000002", "request": "0.01"},
    "top_provider": {"max_completion_tokens": 500},
    "supported_parameters": ["tools"],
}
KNOWN = Model("a/b", "B", 8000, 500, 1e-6, 2e-6, 0.01, "text->text", ["tools"], 1700000000.0)


class Service:
    """Answers with what stands in `next`; counts."""

    def __init__(self, *entries: Any) -> None:
        self.asked = 0
        self.now = 0.0
        self.next = RawResponse(200, {}, orjson.dumps({"data": entries}))

    def fetch(self, path: str) -> RawResponse:
        assert path == MODELS_PATH
        self.asked += 1
        return self.next

    def list(self) -> ModelList:
        return ModelList(self.fetch, lambda: self.now)


def test_a_model_is_what_the_list_says_of_it() -> None:
    assert Service(LISTED).list().models() == {"a/b": KNOWN}


@pytest.mark.parametrize(
    ("entry", "model"),
    [
        ({"id": "x"}, Model("x", None, None, None, None, None, None, None, [], None)),
        ({"id": "x", "pricing": None, "top_provider": [], "supported_parameters": "all"}, None),
        ({"id": "x", "pricing": {"prompt": "-1", "completion": "nan"}, "context_length": "no"}, None),
    ],
)
def test_what_is_not_listed_or_makes_no_sense_is_not_known(entry: Any, model: Model | None) -> None:
    expected = model or Model("x", None, None, None, None, None, None, None, [], None)
    assert Service(entry).list().models() == {"x": expected}


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        ({"context_length": 8000, "max_model_len": 4096}, 8000),
        ({"max_model_len": 4096}, 4096),  # vLLM
        ({"meta": {"n_ctx": 2048, "n_ctx_train": 8192}}, 2048),  # llama.cpp
        ({"context_length": 0, "meta": None}, None),
    ],
)
def test_servers_say_how_long_a_context_is_in_their_own_ways(
    said: dict[str, Any], tokens: int | None
) -> None:
    assert Service({"id": "x", **said}).list().models()["x"].context_length == tokens


def test_the_list_is_asked_for_once_an_hour() -> None:
    service = Service(LISTED)
    listed = service.list()
    for service.now in (0.0, KEEP_SECONDS, KEEP_SECONDS + 1, KEEP_SECONDS + 2):
        listed.models()
    assert service.asked == 2


@pytest.mark.parametrize(
    "response",
    [
        RawResponse(500, {}, b""),
        RawResponse(200, {}, b"<html>"),
        RawResponse(200, {}, b"[]"),
        RawResponse(200, {}, b'{"data": 1}'),
        RawResponse(200, {}, b'{"data": ["a"]}'),
        RawResponse(200, {}, b'{"data": [{}]}'),
    ],
)
def test_a_list_that_is_none_is_an_error_and_asked_for_again(response: RawResponse) -> None:
    service = Service(LISTED)
    listed, good = service.list(), service.next
    service.next = response
    with pytest.raises(RequestFailed, match="list of models"):
        listed.models()
    service.next = good
    assert listed.models() == {"a/b": KNOWN}


def test_what_the_transport_raises_comes_through() -> None:
    def broken(path: str) -> RawResponse:
        raise TransportError("no network")

    with pytest.raises(TransportError):
        ModelList(broken).models()


# --- what a request can cost ---------------------------------------------------------------------------------------

PRICES = {"a/b": KNOWN, "dear": Model("dear", None, None, 100, 1e-3, 1e-3, None, None, [], None)}


def asked(messages: str = '[{"role":"user","content":"hi"}]', **body: Any) -> Request:
    return BodyTemplate("http://x", body).request(messages)


def test_the_worst_case_is_every_byte_a_token_and_the_longest_answer() -> None:
    request = asked(model="a/b")
    assert worst_case_usd(request, PRICES) == pytest.approx(len(request.body) * 1e-6 + 500 * 2e-6 + 0.01)


def test_a_cap_bounds_the_answer() -> None:
    request = asked(model="a/b", max_tokens=7)
    assert worst_case_usd(request, PRICES) == pytest.approx(len(request.body) * 1e-6 + 7 * 2e-6 + 0.01)


@pytest.mark.parametrize("variant", ["a/b:nitro", "a/b:floor:online"])
def test_a_routing_variant_has_the_price_of_its_model(variant: str) -> None:
    assert worst_case_usd(asked(model=variant), PRICES) is not None


def test_of_fallbacks_the_dearest_counts() -> None:
    request = asked(model="a/b", models=["dear"], max_tokens=1)
    assert worst_case_usd(request, PRICES) == pytest.approx((len(request.body) + 1) * 1e-3)


@pytest.mark.parametrize(
    "body", [{}, {"model": "x"}, {"model": "a/b", "models": ["x"]}, {"model": "a/b:free"}]
)
def test_one_unknown_price_makes_the_whole_unknown(body: dict[str, Any]) -> None:
    assert worst_case_usd(asked(**body), PRICES) is None


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://x/y.png"}},
        {"type": "file", "file": {"file_data": "http://x/y.pdf", "filename": "y.pdf"}},
        {"type": "video_url", "video_url": {"url": "http://x/y.mp4"}},
    ],
)
def test_media_whose_size_does_not_show_count_as_large(part: dict[str, Any]) -> None:
    messages = orjson.dumps([{"role": "user", "content": [part, part]}]).decode()
    cost = worst_case_usd(asked(messages, model="dear", max_tokens=1), PRICES)
    assert cost is not None
    assert cost > 2 * IMAGE_TOKENS * 1e-3


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, ()),
        ({"model": "a/b"}, ("a/b",)),
        ({"models": ["x", "y"]}, ("x", "y")),
        ({"model": "a/b", "models": ["x", "a/b", None]}, ("a/b", "x")),
        ({"model": "a/b", "models": []}, ("a/b",)),
        ({"model": "a/b", "models": None}, ("a/b",)),
        ({"model": "a/b", "models": "x"}, ("a/b", "x")),
        ({"model": "a/b", "metadata": {"models": "x"}}, ("a/b",)),
    ],
)
def test_a_request_names_its_model_and_the_fallbacks(body: dict[str, Any], names: tuple[str, ...]) -> None:
    assert named_models(asked(**body)) == names


def test_a_text_that_talks_of_models_names_none() -> None:
    messages = orjson.dumps([{"role": "user", "content": 'say "models":["x"]'}]).decode()
    assert named_models(asked(messages, model="a/b")) == ("a/b",)


@given(
    st.lists(
        st.tuples(st.text(max_size=40), st.integers(0, 2), st.sampled_from([None, -5, 0, 1, 900])),
        max_size=20,
    )
)
def test_a_volume_costs_what_its_requests_cost_together(rows: list[tuple[str, int, int | None]]) -> None:
    volume, costs = Volume(), 0.0
    for text, images, cap in rows:
        part = {"type": "image_url", "image_url": {"url": "http://x/y.png"}}
        content = [{"type": "text", "text": text}, *([part] * images)]
        messages = orjson.dumps([{"role": "user", "content": content}]).decode()
        request = asked(messages, model="a/b", **({} if cap is None else {"max_tokens": cap}))
        volume.add(request)
        costs += worst_case_usd(request, PRICES) or 0.0
    assert volume.requests == len(rows)
    assert volume.worst_case_usd(KNOWN) == pytest.approx(costs)


def test_only_answers_without_a_cap_need_the_longest_to_be_known() -> None:
    boundless = Model("x", None, None, None, 1e-6, 1e-6, None, None, [], None)
    capped, uncapped = Volume(), Volume()
    capped.add(asked(model="x", max_tokens=7))
    uncapped.add(asked(model="x"))
    assert capped.longest_answers(boundless) == capped.longest_answers(None) == 7
    assert capped.worst_case_usd(boundless) is not None
    assert uncapped.longest_answers(boundless) is None
    assert uncapped.worst_case_usd(boundless) is None
