"""Is a JSON object that came without an error an embedding, or a ranking?

Both are whole or nothing: there is no finish_reason. What they are used for, this module must not know.
"""

from __future__ import annotations

from typing import Any

from duck_or.answer_values import FLOAT_BYTES, vector_bytes
from duck_or.call_summary import summary
from duck_or.classify import rules
from duck_or.classify.reported import plain_failure
from duck_or.lenient import mapping_of, number_of
from duck_or.outcome import Completion, Failure, RawResponse
from duck_or.wanted import Wanted


def judge_embedding(
    response: RawResponse, body: bytes, parsed: dict[str, Any], wanted: Wanted, *, wall_now: float
) -> Completion | Failure:
    """The answer to a request about one text: exactly one vector, as numbers or as base64 of 32-bit floats."""
    data = parsed.get("data")
    entry = data[0] if isinstance(data, list) and len(data) == 1 else None
    try:
        found = len(vector_bytes(mapping_of(entry).get("embedding"))) // FLOAT_BYTES
    except ValueError as error:
        return plain_failure(rules.MALFORMED, f"the response holds no embedding: {error}", response, parsed)
    if wanted.size not in (None, found):
        said = (
            f"the vector has {found} dimensions, not the {wanted.size} asked for: the model may not support the option; "
            "leave dimensions away, or name a model that does"
        )
        return plain_failure(rules.INVALID_ANSWER, said, response, parsed)
    return Completion(body, summary=summary(parsed))


def judge_ranking(
    response: RawResponse, body: bytes, parsed: dict[str, Any], wanted: Wanted, *, wall_now: float
) -> Completion | Failure:
    """A list of documents by their places, each with its score."""
    results = parsed.get("results")
    if not isinstance(results, list) or not all(map(_is_ranked, results)):
        return plain_failure(rules.MALFORMED, "the response holds no ranking", response, parsed)
    places = {each["index"] for each in results}
    if len(places) < len(results) or max(places, default=0) >= (wanted.size or len(results)):
        said = "the ranking names a document twice, or one that was not sent"
        return plain_failure(rules.INVALID_ANSWER, said, response, parsed)
    return Completion(body, summary=summary(parsed))


def _is_ranked(value: object) -> bool:
    fields = mapping_of(value)
    index = fields.get("index")
    return type(index) is int and index >= 0 and number_of(fields.get("relevance_score")) is not None
