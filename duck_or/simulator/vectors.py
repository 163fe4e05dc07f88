"""Embeddings and rerank: deterministic, and near for texts that share words, so that similarity searches look sensible.

A text's vector is a hashed bag of its words: every word adds to a few coordinates. Relevance is the cosine of two such
vectors.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from duck_or.simulator.catalog import PROVIDERS, Model
from duck_or.simulator.reply import Reply, error_reply
from duck_or.simulator.usage import count_tokens

_WORD = re.compile(r"\w+")
_SPREAD = 8  # coordinates a word adds to
_DIMENSIONS, _RANK_DIMENSIONS, _MOST_DIMENSIONS = 1536, 256, 65_536
_SEARCH_USD = 0.002


def unit_vector(text: str, dimensions: int) -> list[float]:
    """Length 1; the same for the same words in any order."""
    vector = [0.0] * dimensions
    # a marker no word can be, so that a text without words has a direction too
    for word in ["", *_WORD.findall(text.lower())]:
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=_SPREAD * 4).digest()
        for (drawn,) in struct.iter_unpack(">I", digest):
            vector[(drawn >> 1) % dimensions] += 1.0 if drawn & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0:  # every coordinate cancelled out
        vector[0] = length = 1.0
    return [value / length for value in vector]


def embeddings(body: Any, model: Model) -> dict[str, Any] | Reply:
    """The response of `POST /embeddings`, without its id."""
    inputs = body.get("input")
    texts = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(texts, list) or not texts:
        return error_reply(400, "input: Invalid input: expected a string or an array")
    asked = body.get("dimensions")
    dimensions = _DIMENSIONS if asked is None else asked
    if not isinstance(dimensions, int) or not 1 <= dimensions <= _MOST_DIMENSIONS:
        return error_reply(400, f"dimensions: Invalid input: expected 1 to {_MOST_DIMENSIONS}")
    packed = body.get("encoding_format") == "base64"
    # arrays of token numbers are one text each, or one text altogether
    rows = [str(texts)] if all(isinstance(item, int) for item in texts) else [str(item) for item in texts]
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(unit_vector(row, dimensions), packed)}
        for index, row in enumerate(rows)
    ]
    tokens = sum(count_tokens(row) for row in rows)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "cost": tokens * float(model.prompt)}
    return {
        "object": "list",
        "data": data,
        "model": model.permaslug,
        "provider": PROVIDERS[model.providers[0]],
        "usage": usage,
    }


def _encoded(vector: list[float], packed: bool) -> list[float] | str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if packed else vector


def rerank(body: Mapping[str, Any], model: Model) -> dict[str, Any] | Reply:
    """The response of `POST /rerank`, without its id: most relevant first."""
    query, documents = body.get("query"), body.get("documents")
    if not isinstance(query, str) or not isinstance(documents, list) or not documents:
        return error_reply(400, "Invalid input: expected query (string) and documents (non-empty array)")
    asked = body.get("top_n")
    top = len(documents) if asked is None else asked
    if not isinstance(top, int) or top < 1:
        return error_reply(400, "top_n: Invalid input: expected a whole number of at least 1")
    texts = [str(item.get("text", "")) if isinstance(item, dict) else str(item) for item in documents]
    wanted = unit_vector(query, _RANK_DIMENSIONS)
    scores = [
        max(0.0, sum(map(float.__mul__, wanted, unit_vector(text, _RANK_DIMENSIONS)))) for text in texts
    ]
    ranked = sorted(range(len(texts)), key=lambda index: -scores[index])[:top]
    tokens = count_tokens(query) + sum(count_tokens(text) for text in texts)
    return {
        "model": model.permaslug,
        "provider": PROVIDERS[model.providers[0]],
        "results": [
            {"index": index, "relevance_score": round(scores[index], 6), "document": {"text": texts[index]}}
            for index in ranked
        ],
        "usage": {"search_units": 1, "total_tokens": tokens, "cost": _SEARCH_USD},
    }
