"""Rerank: relevance is the cosine of two hashed bags of words, so documents that share words with the query come first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from duck_or.simulator.catalog import PROVIDERS, Model
from duck_or.simulator.reply import Reply, error_reply
from duck_or.simulator.usage import count_tokens
from duck_or.simulator.vectors import direction

_DIMENSIONS = 256
_PER_SEARCH = 100  # documents that one search unit pays for


@dataclass(frozen=True, slots=True)
class Ranking:
    """What `POST /rerank` asks: the query, the documents' texts, and how many of them to return."""

    query: str
    documents: tuple[str, ...]
    top: int

    @property
    def search_units(self) -> int:
        return -(-len(self.documents) // _PER_SEARCH)


def read_rerank(body: Mapping[str, Any]) -> Ranking | Reply:
    """The body as a value, or the 400 that says what it is not."""
    query, documents = body.get("query"), body.get("documents")
    if not isinstance(query, str) or not query or not isinstance(documents, list) or not documents:
        return error_reply(400, "Invalid input: expected query (string) and documents (non-empty array)")
    asked = body.get("top_n")
    top = len(documents) if asked is None else asked
    if not isinstance(top, int) or top < 1:
        return error_reply(400, "top_n: Invalid input: expected a whole number of at least 1")
    found = [item.get("text") if isinstance(item, dict) else item for item in documents]
    texts = [text for text in found if isinstance(text, str)]
    if len(texts) < len(found):
        return error_reply(400, "documents: Invalid input: expected strings or objects with a text")
    return Ranking(query, tuple(texts), top)


def documents_in(body: Any) -> int:
    """How many documents a request wants ranked; 0 where it is not well formed."""
    documents = body.get("documents")
    return len(documents) if isinstance(documents, list) else 0


def rerank(asked: Ranking, model: Model) -> dict[str, Any]:
    """The response of `POST /rerank`, without its id: most relevant first."""
    wanted = direction(asked.query, _DIMENSIONS)
    scores = [_cosine(wanted, direction(text, _DIMENSIONS)) for text in asked.documents]
    ranked = sorted(range(len(scores)), key=lambda index: -scores[index])[: asked.top]
    tokens = count_tokens(asked.query) + sum(map(count_tokens, asked.documents))
    units = asked.search_units
    return {
        "model": model.permaslug,
        "provider": PROVIDERS[model.providers[0]],
        "results": [
            {
                "index": index,
                "relevance_score": round(scores[index], 6),
                "document": {"text": asked.documents[index]},
            }
            for index in ranked
        ],
        "usage": {"search_units": units, "total_tokens": tokens, "cost": units * float(model.request)},
    }


def _cosine(left: Mapping[int, float], right: Mapping[int, float]) -> float:
    return max(0.0, sum(value * right.get(place, 0.0) for place, value in left.items()))
