"""rerank: which documents answer a query best, by a model that does nothing else.

Places count from 1, as SQL's lists do.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson

from duck_or.errors import ArgumentError
from duck_or.functions.template import Call, Template
from duck_or.json_values import JsonObject, canonical_json, shown
from duck_or.lenient import number_of
from duck_or.request import Request, cache_key
from duck_or.wanted import Wanted

RERANK_PATH = "/rerank"


def rerank(call: Call) -> Template:
    if call.options.get("model") is None:
        raise ArgumentError("rerank needs a model made for it: model := 'cohere/rerank-v3.5'")
    body = call.body()
    top = call.own.get("top_n")
    if top is not None:
        if type(top) is not int or top < 1:
            raise ArgumentError(f"rerank: top_n must be a whole number of at least 1; got {shown(top)}")
        body["top_n"] = top
    return Template(body["model"], partial(_request, body, call.base_url), _ranking)


def _request(body: JsonObject, base_url: str, row: str) -> Request:
    try:
        value = orjson.loads(row)
    except orjson.JSONDecodeError as error:
        raise ArgumentError(
            f"rerank: documents must be texts, for JSON has no NaN or infinity: {error}"
        ) from error
    query, documents = value.get("query"), value.get("documents")
    if not isinstance(query, str) or not query.strip():
        raise ArgumentError(f"rerank: the query must be text; got {shown(query)}")
    if not isinstance(documents, list):
        raise ArgumentError(f"rerank: documents must be a list of texts; got {shown(documents)}")
    for place, document in enumerate(documents, 1):
        if not isinstance(document, str):
            raise ArgumentError(f"rerank: documents[{place}] must be text; got {shown(document)}")
    written = canonical_json({**body, "query": query, "documents": documents})
    key = cache_key(base_url + RERANK_PATH, written)
    wanted = Wanted("rerank", size=len(documents))
    return Request(RERANK_PATH, written, key, body["model"], max_tokens=0, wanted=wanted)


def _ranking(body: bytes) -> bytes:
    results: list[dict[str, Any]] = orjson.loads(body)["results"]
    scores = [(number_of(each["relevance_score"]) or 0.0, each["index"] + 1) for each in results]
    ranked = sorted(scores, key=lambda scored: -scored[0])
    return orjson.dumps([{"index": place, "score": score} for score, place in ranked])
