"""Models, key, credits and generations; embeddings and rerank."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from simulator_clients import KEY, Account

from duck_or.simulator import MODELS
from duck_or.simulator.lookups import look_up
from duck_or.simulator.paths import EMBEDDINGS, RERANK
from duck_or.simulator.vectors import unit_vector


def test_embeddings_are_unit_vectors_near_for_shared_words() -> None:
    texts = ["a red duck", "a red duck swims", "quarterly tax report"]
    body = Account().answer(path=EMBEDDINGS, model="fake/embedding", input=texts, dimensions=256)
    red, swims, tax = (row["embedding"] for row in body["data"])
    assert sum(value * value for value in red) == pytest.approx(1)
    near, far = (sum(map(float.__mul__, red, other)) for other in (swims, tax))
    assert near > 0.7 > 0.4 > far
    assert unit_vector("", 4)


def test_rerank_puts_the_relevant_first() -> None:
    documents = ["taxes are due", {"text": "the duck swims"}, "nothing"]
    body = Account().answer(
        path=RERANK,
        model="cohere/rerank-v3.5",
        query="where does the duck swim",
        documents=documents,
        top_n=2,
    )
    assert body["results"][0]["index"] == 1
    assert len(body["results"]) == 2
    assert body["results"][0]["document"] == {"text": "the duck swims"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (EMBEDDINGS, {"model": "fake/embedding"}, 400),
        (EMBEDDINGS, {"model": "fake/embedding", "input": "x", "dimensions": 0}, 400),
        (EMBEDDINGS, {"model": "fake/model", "input": "x"}, 400),
        (EMBEDDINGS, {"input": "x"}, 400),
        (RERANK, {"model": "fake/rerank", "query": "x", "documents": []}, 400),
    ],
)
def test_embeddings_and_rerank_refuse_what_they_cannot_do(
    path: str, body: dict[str, Any], status: int
) -> None:
    assert Account().turn(path=path, **body).reply.status == status


def get(account: Account, path: str, authorization: str | None = KEY["Authorization"], **query: str) -> Any:
    reply = look_up(account.service, path, query, authorization, account.now)
    return reply.status, orjson.loads(reply.body)


def test_the_list_of_models_has_prices_as_strings() -> None:
    status, body = get(Account(), "/models", None)
    listed = {model["id"]: model for model in body["data"]}
    assert status == 200
    assert body["total_count"] == len(listed) >= 12
    assert listed["openai/gpt-5-mini"]["pricing"]["completion"] == "0.000002"
    assert "openai/text-embedding-3-small" not in listed
    assert len(get(Account(), "/models", None, output_modalities="all")[1]["data"]) == len(MODELS)


@pytest.mark.parametrize(
    ("path", "query", "listed"),
    [
        (
            "/embeddings/models",
            {},
            {"openai/text-embedding-3-small": "0.00000002", "fake/embedding": "0.00000001"},
        ),
        ("/models", {"output_modalities": "rerank"}, {"cohere/rerank-v3.5": "0", "fake/rerank": "0"}),
    ],
)
def test_models_of_other_kinds_are_listed_with_their_prices(
    path: str, query: dict[str, str], listed: dict[str, str]
) -> None:
    _, body = get(Account(), path, None, **query)
    assert {model["id"]: model["pricing"]["prompt"] for model in body["data"]} == listed


def test_a_search_costs_what_the_catalogue_says_per_request() -> None:
    _, body = get(Account(), "/models", None, output_modalities="rerank")
    price = float(body["data"][0]["pricing"]["request"])
    for documents, units in ((1, 1), (100, 1), (101, 2)):
        usage = Account().answer(path=RERANK, model="fake/rerank", query="q", documents=["d"] * documents)[
            "usage"
        ]
        assert (usage["search_units"], usage["cost"]) == (units, pytest.approx(units * price))


def test_a_model_and_its_endpoints_are_found() -> None:
    status, body = get(Account(), "/models/openai/gpt-5-mini/endpoints", None)
    assert (status, [endpoint["tag"] for endpoint in body["data"]["endpoints"]]) == (200, ["openai", "azure"])
    assert get(Account(), "/model/openai/gpt-5-mini", None)[1]["data"]["id"] == "openai/gpt-5-mini"
    assert get(Account(), "/models/no/such/endpoints", None)[0] == 404


@pytest.mark.parametrize("path", ["/key", "/auth/key"])
def test_the_key_tells_what_is_left(path: str) -> None:
    account = Account(key_limit_usd=1.0)
    account.status()
    status, body = get(account, path)
    assert status == 200
    assert 0 < body["data"]["usage"] == pytest.approx(1.0 - body["data"]["limit_remaining"])
    assert get(account, path, None)[0] == 401


def test_credits_are_for_management_keys() -> None:
    account = Account(credits_usd=5.0)
    assert get(account, "/credits")[0] == 403
    assert get(account, "/credits", "Bearer sk-or-management-1") == (
        200,
        {"data": {"total_credits": 5.0, "total_usage": 0.0}},
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_generation_is_known_half_a_second_later(stream: bool) -> None:
    account = Account()
    turn = account.turn(stream=stream)
    assert turn.completion is not None
    wanted = turn.completion["id"]
    assert get(account, "/generation", id=wanted)[0] == 404
    account.now += 0.6
    status, body = get(account, "/generation", id=wanted)
    assert (status, body["data"]["total_cost"]) == (200, turn.completion["usage"]["cost"])
    assert get(account, "/generation", id="gen-0-nope")[0] == 404
