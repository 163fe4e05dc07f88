"""From one HTTP response, or the lack of one, to an Outcome. Pure: no I/O, no clock.

The body is read first and the status second, because this service reports late failures under HTTP 200:

    classify ── JSON object with `error` ─────────────→ reported   (rules: the error tables)
             ├─ JSON object, HTTP 2xx ────────────────→ answers    (content, finish_reason; conformity: its schema)
             │                                           vectors    (embeddings and rerank)
             ├─ anything else, HTTP 2xx ──────────────→ empty_body, malformed_answer
             └─ anything else ────────────────────────→ reported   (the status table)

What a code means stands in `codes`. How often and when to try again is policy, and not decided here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import orjson

from duck_or.classify import rules
from duck_or.classify.answers import judge_answer
from duck_or.classify.codes import CODES, Meaning
from duck_or.classify.reported import failure_of_error, failure_of_status, plain_failure
from duck_or.classify.vectors import judge_embedding, judge_ranking
from duck_or.classify.wording import sentences, text_of_body, tidy
from duck_or.errors import TransportError
from duck_or.lenient import mapping_of
from duck_or.outcome import Completion, Failure, RawResponse
from duck_or.wanted import ANYTHING, Kind, Wanted

__all__ = ["CODES", "Meaning", "classify", "failure_of_transport"]

Judge = Callable[..., Completion | Failure]
JUDGES: Mapping[Kind, Judge] = {"chat": judge_answer, "embedding": judge_embedding, "rerank": judge_ranking}

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def classify(response: RawResponse, wanted: Wanted = ANYTHING, *, wall_now: float) -> Completion | Failure:
    """What one response means: the answer, whether it may be stored, or why there is none. Never raises.

    wanted: what kind of answer the request asked for. wall_now: seconds since the epoch, for hints that name a time of day. The
    Failure's `attempts` is left at 0: the caller counts.
    """
    body, parsed = _parse(response.body.strip())
    succeeded = 200 <= response.status < 300
    if isinstance(parsed, dict):
        error = parsed.get("error")
        if error:  # not `"error": null`, which some servers send with every answer
            return failure_of_error(response, error, parsed, wall_now=wall_now)
        if succeeded:
            return JUDGES[wanted.kind](response, body, parsed, wanted, wall_now=wall_now)
    if not succeeded:
        return failure_of_status(response, mapping_of(parsed), wall_now=wall_now)
    if not body:
        return plain_failure(rules.EMPTY_BODY, "the response has no body", response)
    said = f"the response is not a JSON object: {text_of_body(body)}"
    return plain_failure(rules.MALFORMED, said, response)


def failure_of_transport(error: TransportError, endpoint: str = "") -> Failure:
    """The Failure for an attempt without a response. endpoint: the URL that was asked, for the message."""
    rule = rules.NETWORK.get(error.code, rules.NETWORK["network"])
    said = tidy(f"{error}" or CODES[rule.code].meaning)
    where = tidy(f"Asked: {endpoint}") if endpoint and endpoint not in said else ""
    message = sentences(said, where, CODES[rule.code].remedy)
    return Failure(code=rule.code, message=message, retryable=True, action=rule.action)


def _parse(body: bytes) -> tuple[bytes, Any]:
    """The JSON bytes and their value; None if it is not JSON. The bytes differ from `body` only after a repair."""
    try:
        return body, orjson.loads(body)
    except orjson.JSONDecodeError:
        return _repaired(body) if _SURROGATE.search(body) else (body, None)


def _repaired(body: bytes) -> tuple[bytes, Any]:
    r"""An answer cut off inside an emoji ends in half a surrogate pair (`\ud83d`), which JavaScript writes and strict
    parsers, DuckDB's too, reject. It was paid for: the half becomes U+FFFD, all else stays."""
    try:
        text = json.dumps(json.loads(body, parse_constant=_reject), ensure_ascii=False, separators=(",", ":"))
        repaired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
        return repaired, orjson.loads(repaired)
    except (ValueError, RecursionError):  # not JSON either; orjson's and Unicode's errors are ValueErrors
        return body, None


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
