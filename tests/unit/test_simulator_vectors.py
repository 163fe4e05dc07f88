"""Embeddings and rerank as model calls: limits, faults, latency and counters like a chat's; whole requests refused."""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_clients import KEY, NOW, Account

from duck_or.simulator.paths import CHAT, EMBEDDINGS, RERANK
from duck_or.simulator.vectors import unit_vector

TEXTS = {"model": "fake/embedding", "input": ["one", "two", "three"], "dimensions": 8}
QUERY = {"model": "fake/rerank", "query": "one", "documents": ["two", "one"]}
CALLS = [(EMBEDDINGS, TEXTS), (RERANK, QUERY)]


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=6), st.integers(1, 40))
def test_a_text_has_the_same_vector_alone_packed_with_others_and_in_base64(
    texts: list[str], dimensions: int
) -> None:
    account, asked = Account(), {"model": "fake/embedding", "dimensions": dimensions}
    together = account.answer(path=EMBEDDINGS, input=texts, **asked)["data"]
    packed = account.answer(path=EMBEDDINGS, input=texts, encoding_format="base64", **asked)["data"]
    assert [row["index"] for row in together] == list(range(len(texts)))
    for text, row, coded in zip(texts, together, packed, strict=True):
        assert row["embedding"] == pytest.approx(unit_vector(text, dimensions))
        floats = struct.unpack(f"<{dimensions}f", base64.b64decode(coded["embedding"]))
        assert floats == pytest.approx(row["embedding"], abs=1e-6)
        assert sum(value * value for value in row["embedding"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"input": ["a", "", "b"]}, r"'input[1]': input cannot be an empty string"),
        ({"input": ""}, r"'input[0]': input cannot be an empty string"),
        ({"input": ["a", "x" * 40_000]}, r"'input[1]': maximum input length is 8192 tokens"),
        ({"input": ["a"] * 5}, "array too long. Expected an array with maximum length 4"),
        ({"input": ["x" * 30_000] * 4}, "maximum request size is 20000 tokens"),
        ({"input": [[1, 2], []]}, r"'input[1]'"),
    ],
)
def test_what_a_provider_cannot_take_refuses_the_whole_request(given: dict[str, Any], says: str) -> None:
    account = Account(max_texts=4, max_texts_tokens=20_000)
    error = account.error(path=EMBEDDINGS, model="fake/embedding", **given)
    assert error["code"] == 400
    assert says in error["message"]
    stats = account.service.ledger.stats()
    assert (stats.refused, stats.texts_embedded, stats.cost_usd) == (1, 0, 0)


@pytest.mark.parametrize("given", [[1.5], [None], [["a"]], {}, [{"content": "x"}], []])
def test_inputs_of_another_shape_are_a_400(given: Any) -> None:
    assert Account().status(path=EMBEDDINGS, model="fake/embedding", input=given) == 400


@pytest.mark.parametrize(
    ("given", "texts"), [("one text", 1), ([1, 2, 3], 1), ([[1], [2]], 2), (["a", "b"], 2)]
)
def test_every_shape_of_input_is_counted_in_texts(given: Any, texts: int) -> None:
    account = Account()
    assert len(account.answer(path=EMBEDDINGS, model="fake/embedding", input=given)["data"]) == texts
    stats = account.service.ledger.stats()
    assert (stats.texts_asked, stats.texts_embedded, stats.max_texts) == (texts, texts, texts)


def test_the_ledger_tells_requests_from_texts_and_documents() -> None:
    account = Account()
    account.status(path=CHAT)
    account.status(path=EMBEDDINGS, **TEXTS)
    account.status(path=EMBEDDINGS, **{**TEXTS, "input": "alone"})
    account.status(path=EMBEDDINGS, **{**TEXTS, "input": ["a", "b", "c", "d", ""]})
    account.status(path=RERANK, **QUERY)
    stats = account.service.ledger.stats()
    assert stats.by_path == {"/chat/completions": 1, "/embeddings": 3, "/rerank": 1}
    assert (stats.texts_asked, stats.texts_embedded, stats.max_texts, stats.documents_ranked) == (9, 4, 5, 2)
    assert stats.requests == sum(stats.by_path.values()) == stats.answered + stats.refused


@pytest.mark.parametrize(("path", "body"), CALLS)
@pytest.mark.parametrize(
    ("fault", "status"), [("429", 429), ("500", 500), ("200-error", 200), ("truncated-json", 200)]
)
def test_faults_strike_by_rate_and_by_name(path: str, body: dict[str, Any], fault: str, status: int) -> None:
    by_rate, by_name = Account(faults={fault: 1.0}), Account()
    for turn in (by_rate.turn(path, **body), by_name.turn(path, **{**body, "model": f"fake/err-{fault}"})):
        assert (turn.reply.status, turn.answered) == (status, False)
    assert by_rate.service.ledger.stats().by_fault == {fault: 1}


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_a_fault_of_chats_passes_other_calls_by(path: str, body: dict[str, Any]) -> None:
    account = Account(faults={"choices-null": 1.0})
    assert account.turn(path, **body).answered
    assert account.turn(CHAT).fault is not None


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_scripts_rate_limits_and_credits_hold_for_every_call(path: str, body: dict[str, Any]) -> None:
    scripted = Account(fault_script=("503", None))
    assert [scripted.turn(path, **body).reply.status for _ in range(2)] == [503, 200]
    limited = Account(rpm=60, burst=1)
    assert [limited.turn(path, **body).reply.status for _ in range(2)] == [200, 429]
    crowded = Account(max_concurrency=1)
    first = crowded.service.open(path, KEY, orjson.dumps(body), NOW)
    assert crowded.turn(path, **body).reply.status == 429
    crowded.service.close(first, NOW, delivered=True)
    assert Account(credits_usd=0.0).turn(path, **body).reply.status == 402


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_a_call_holds_its_price_and_gives_it_back(path: str, body: dict[str, Any]) -> None:
    cost = Account().turn(path, **body).cost
    account = Account(in_flight_budget_usd=cost * 1.5, settle_after=0.0)
    raw = orjson.dumps(body)
    first, second = (account.service.open(path, KEY, raw, NOW) for _ in range(2))
    assert (first.reply.status, second.reply.status) == (200, 402)
    account.service.close(first, NOW, delivered=True)
    assert account.service.open(path, KEY, raw, NOW + 1).reply.status == 200


@pytest.mark.parametrize("texts", [1, 256])
def test_latency_is_per_request_not_per_text(texts: int) -> None:
    account = Account(latency=0.05, tokens_per_second=10)
    assert account.turn(EMBEDDINGS, **{**TEXTS, "input": ["word"] * texts}).delay == 0.05


@pytest.mark.parametrize(
    ("fault", "indexes"), [("embeddings-shuffled", [2, 1, 0]), ("embeddings-short", [0, 1])]
)
def test_vectors_come_shuffled_or_too_few(fault: str, indexes: list[int]) -> None:
    account = Account()
    struck = account.answer(path=EMBEDDINGS, **{**TEXTS, "model": f"fake/err-{fault}"})["data"]
    whole = account.answer(path=EMBEDDINGS, **TEXTS)["data"]
    assert struck == [whole[index] for index in indexes]


@pytest.mark.parametrize("path", [EMBEDDINGS, RERANK])
def test_any_model_goes_for_every_call(path: str) -> None:
    body = {**dict(CALLS)[path], "model": "some/model"}
    assert Account().turn(path, **body).reply.status == 400
    assert Account(any_model=True).turn(path, **body).reply.status == 200
