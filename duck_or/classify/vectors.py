"""Is a JSON object that came without an error an embedding, or a ranking?

Both are whole or nothing: there is no finish_reason. What they are used for, this module must not know.
"""

from __future__ import annotations

import binascii
from typing import Any

import pybase64

from duck_or.call_summary import summary
from duck_or.classify import rules
from duck_or.classify.reported import plain_failure
from duck_or.lenient import mapping_of, number_of
from duck_or.outcome import Completion, Failure, RawResponse
from duck_or.wanted import Wanted

FLOAT_BYTES = 4


def judge_embedding(
    response: RawResponse, body: bytes, parsed: dict[str, Any], wanted: Wanted, *, wall_now: float
) -> Completion | Failure:
    """The answer to a request about one text: exactly one vector, as numbers or as base64 of 32-bit floats."""
    data = parsed.get("data")
    if not isinstance(data, list) or len(data) != 1 or not _is_vector(mapping_of(data[0]).get("embedding")):
        return plain_failure(rules.MALFORMED, "the response holds no embedding", response, parsed)
    found = _dimensions(data[0]["embedding"])
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


def _is_vector(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(type(each) in (int, float) for each in value)
    if not isinstance(value, str) or not value:
        return False
    try:
        return len(pybase64.b64decode(value, validate=True)) % FLOAT_BYTES == 0
    except binascii.Error:
        return False


def _dimensions(vector: list[float] | str) -> int:
    if isinstance(vector, list):
        return len(vector)
    return (len(vector) // 4 * 3 - vector.count("=", -2)) // FLOAT_BYTES


def _is_ranked(value: object) -> bool:
    fields = mapping_of(value)
    index = fields.get("index")
    return type(index) is int and index >= 0 and number_of(fields.get("relevance_score")) is not None
