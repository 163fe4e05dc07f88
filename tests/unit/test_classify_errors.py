"""Errors as the service reports them: bodies recorded from it, and the shapes of servers that speak its language."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
import pytest

from duck_or.classify import classify
from duck_or.outcome import Action, Failure, RawResponse

RETRY, ROW, STOP = Action.RETRY, Action.ROW, Action.STOP
NOW = 1_777_400_000.0  # a little before the daily reset in the recorded body
DRIP = b"\n         \n"


class Case(NamedTuple):
    name: str
    status: int
    error: Any
    code: str
    action: Action
    slow_down: bool = False
    wait: float | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed, and a NamedTuple field cannot be a factory


def error(message: str, code: int | str | None = None, **rest: Any) -> dict[str, Any]:
    return {"message": message} | ({} if code is None else {"code": code}) | rest


UPSTREAM_429 = error(
    "Provider returned error",
    429,
    metadata={
        "raw": "meta-llama/llama-3.3-70b-instruct:free is temporarily rate-limited upstream. Please retry shortly",
        "provider_name": "Venice",
        "is_byok": False,
        "retry_after_seconds": 17,
        "retry_after_seconds_raw": 16.007,
        "headers": {"Retry-After": "17"},
    },
)
FREE_DAILY = error(
    "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
    429,
    metadata={
        "headers": {
            "X-RateLimit-Limit": "50",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1777420800000",
        },
        "limit_source": "openrouter_free_tier_daily",
        "provider_name": None,
    },
)
IN_FLIGHT = error(
    "This request would exceed your available credits given your current in-flight requests.",
    402,
    metadata={"limit_source": "openrouter_in_flight_budget", "reason": "in_flight_budget_exhausted"},
)
OLD_402 = "This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can only afford 2666"
KEY_403 = "Key limit exceeded (monthly limit). Manage it using https://openrouter.ai/settings/keys"
MODERATION = 'm requires moderation on P. Your input was flagged for "violence". No credits were charged.'


def available(code: str, retryable: bool, **rest: Any) -> dict[str, Any]:
    """The form of the documentation's examples: no `code`, `http_status` beside the message."""
    return {"message": "not now", "availability": {"code": code, "retryable": retryable} | rest}


CASES = [
    # --- recorded or documented bodies ---
    Case("upstream limit", 429, UPSTREAM_429, "rate_limited", RETRY, True, 17.0),
    Case("free tier, day", 429, FREE_DAILY, "free_tier_daily_limit", STOP, False, 20800.0),
    Case("free tier, day, message only", 429, error("Rate limit exceeded: free-models-per-day-high-balance", 429), "free_tier_daily_limit", STOP),
    Case("free tier, minute", 429, error("Rate limit exceeded: free-models-per-min", 429), "rate_limited", RETRY, True),
    Case("in-flight budget", 402, IN_FLIGHT, "in_flight_budget", RETRY, True, 2.0, {"retry-after": "2"}),
    Case("in-flight budget, message only", 402, error("exceed your credits given your current in-flight requests", 402), "in_flight_budget", RETRY, True),
    Case("402 that says when to come back", 402, error("please wait", 402), "in_flight_budget", RETRY, True, 3.0, {"retry-after": "3"}),
    Case("no credits", 402, error("Insufficient credits. Add more using …", 402, metadata={"limit_source": "openrouter_credits"}), "insufficient_credits", STOP),
    Case("no credits although it names a time", 402, error("Insufficient credits", 402), "insufficient_credits", STOP, headers={"retry-after": "3"}),
    Case("one request too dear", 402, error("too dear", 402, metadata={"limit_source": "openrouter_credits", "reason": "weight_exceeds_budget"}), "request_too_expensive", ROW),
    Case("one request too dear, old text", 402, error(OLD_402, 402), "request_too_expensive", ROW),
    Case("402 without a word", 402, error("", 402), "insufficient_credits", STOP),
    Case("key limit as 402", 402, error("limit", 402, metadata={"limit_source": "openrouter_key_limit"}), "key_limit", STOP),
    Case("key limit as 403", 403, error(KEY_403, 403), "key_limit", STOP),
    Case("key limit, generic type", 403, error(KEY_403, 403, metadata={"error_type": "permission_denied"}), "key_limit", STOP),
    Case("no key", 401, error("No auth credentials found", 401), "authentication", STOP),
    Case("unknown user", 401, error("User not found.", 401), "authentication", STOP),
    Case("moderation", 403, error(MODERATION, 403, metadata={"reasons": ["violence"], "flagged_input": "…"}), "moderation", ROW),
    Case("moderation, message only", 403, error(MODERATION, 403), "moderation", ROW),
    Case("guardrail", 403, error("blocked", 403, metadata={"patterns": ["ssn"]}), "guardrail", ROW),
    Case("forbidden", 403, error("Only management keys can perform this operation", 403), "permission_denied", ROW),
    Case("no endpoints", 404, error("No endpoints found for google/gemini-2.5-flash:free.", 404), "no_endpoints", STOP),
    Case("no endpoints, generic type", 404, error("No endpoints found that support tool use", 404, metadata={"error_type": "not_found"}), "no_endpoints", STOP),
    Case("no providers", 404, error("No allowed providers are available for the selected model.", 404), "no_endpoints", STOP),
    Case("unknown model", 400, error("x/y is not a valid model ID", 400), "model_not_found", STOP),
    Case("context", 400, error("This endpoint's maximum context length is 8192 tokens. However, …", 400), "context_length", ROW),
    Case("context, typed", 400, error("too long", 400, metadata={"error_type": "context_length_exceeded"}), "context_length", ROW),
    Case("policy", 400, error("no", 400, metadata={"error_type": "content_policy_violation"}), "content_policy", ROW),
    Case("type without metadata", 400, error("no", None, error_type="invalid_image", http_status=400), "bad_image", ROW),
    Case("unmapped type", 500, error("Internal Server Error", 500, metadata={"error_type": "unmapped"}), "server_error", RETRY),
    Case("masked 500", 500, error("Internal Server Error", 500, metadata={"error_type": "server"}), "server_error", RETRY),
    Case("provider down", 502, error("Provider returned error", 502), "provider_error", RETRY),
    Case("503 with time", 503, error("busy", 503), "provider_overloaded", RETRY, True, 1.5, {"retry-after": "1.5"}),
    Case("edge timeout", 524, error("A timeout occurred", 524), "gateway_timeout", RETRY),
    Case("overloaded", 529, error("Provider is overloaded", 529), "provider_overloaded", RETRY, True),
    # --- availability: `retryable` has the last word ---
    Case("capacity", 429, available("capacity_exhausted", True, retry_after=7), "provider_overloaded", RETRY, True, 7.0),
    Case("temporarily away", 503, available("temporarily_unavailable", True), "provider_overloaded", RETRY, True),
    Case("free variant ended", 404, available("free_variant_ended", False), "model_unavailable", STOP),
    Case("region", 403, available("region_restricted", False), "region_restricted", STOP),
    Case("wrong endpoint", 400, available("wrong_endpoint", False), "wrong_endpoint", STOP),
    Case("stop code, but retryable", 404, available("no_endpoints", True), "no_endpoints", RETRY),
    Case("retry code, but not retryable", 429, available("capacity_exhausted", False, retry_after=7), "provider_overloaded", ROW),
    Case("new code, not retryable", 503, available("brand_new", False), "provider_overloaded", ROW),
    Case("new code, retryable", 400, available("brand_new", True), "bad_request", RETRY),
    Case("availability before limit_source", 402, {**IN_FLIGHT, "availability": {"retryable": False}}, "in_flight_budget", ROW),
    # --- errors under HTTP 200 ---
    Case("200, upstream 429", 200, error("Provider returned error", 429, metadata={"raw": "Too Many Requests", "provider_name": "Hyperbolic"}), "rate_limited", RETRY, True),
    Case("200, unavailable", 200, error("Upstream error from Nvidia: Service temporarily overloaded", 502, metadata={"error_type": "provider_unavailable"}), "provider_error", RETRY),
    Case("200, no code", 200, error("something"), "provider_error", RETRY),
    Case("200, text code", 200, error("slow", "429"), "rate_limited", RETRY, True),
    Case("200, http_status", 200, error("slow", None, http_status=503), "provider_overloaded", RETRY, True),
    Case("200, generic type only", 200, error("slow", None, metadata={"error_type": "rate_limit_exceeded"}), "rate_limited", RETRY, True),
    Case("200, generic type only, no money", 200, error("pay", None, error_type="payment_required"), "insufficient_credits", STOP),
    Case("the status slows down, whatever the type", 503, error("gone", 503, metadata={"error_type": "provider_unavailable"}), "provider_error", RETRY, True),
    Case("200, private code", 200, error("busy", 1301), "provider_error", RETRY),
    Case("200, error is text", 200, "model 'x' not found", "provider_error", RETRY),
    Case("200, error is a list", 200, [1], "provider_error", RETRY),
    # --- the words of compatible servers ---
    Case("OpenAI quota", 429, error("quota", "insufficient_quota", type="insufficient_quota"), "insufficient_credits", STOP),
    Case("OpenAI key", 401, error("Incorrect API key provided: sk-abc***1234.", "invalid_api_key"), "authentication", STOP),
    Case("vLLM model", 404, error("The model `m` does not exist.", 404, type="NotFoundError"), "model_not_found", STOP),
    Case("Ollama model", 404, error("model 'm' not found", None, type="not_found_error"), "model_not_found", STOP),
    Case("llama.cpp starting", 503, error("Loading model", 503, type="unavailable_error"), "provider_overloaded", RETRY, True),
    Case("llama.cpp, too long", 400, error("request (5032 tokens) exceeds …", 400, type="exceed_context_size_error"), "context_length", ROW),
    Case("llama.cpp without embeddings", 501, error("Start it with `--embeddings`", 501, type="not_supported_error"), "wrong_endpoint", STOP),
]  # fmt: skip


def failed(status: int, body: bytes, headers: dict[str, str] | None = None) -> Failure:
    outcome = classify(RawResponse(status, headers or {}, body), wall_now=NOW)
    assert isinstance(outcome, Failure)
    return outcome


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_error_object_becomes_the_failure_its_table_names(case: Case) -> None:
    failure = failed(case.status, orjson.dumps({"error": case.error, "user_id": "user_1"}), case.headers)
    assert (failure.code, failure.action, failure.slow_down) == (case.code, case.action, case.slow_down)
    assert failure.wait == case.wait
    assert failure.retryable == (case.action is RETRY or case.code == "free_tier_daily_limit")


STATUS_CASES = [
    *[(status, "gateway_error", RETRY) for status in (499, 520, 521, 522, 523, 525, 526, 527)],
    (300, "redirected", STOP),
    (307, "redirected", STOP),
    (400, "bad_request", ROW),
    (401, "authentication", STOP),
    (402, "insufficient_credits", STOP),
    (403, "permission_denied", ROW),
    (404, "not_found", STOP),
    (405, "not_found", STOP),
    (408, "request_timeout", RETRY),
    (409, "conflict", RETRY),
    (410, "model_unavailable", STOP),
    (412, "precondition_failed", ROW),
    (413, "payload_too_large", ROW),
    (418, "bad_request", ROW),
    (422, "unprocessable", ROW),
    (429, "rate_limited", RETRY),
    (500, "server_error", RETRY),
    (502, "provider_error", RETRY),
    (503, "provider_overloaded", RETRY),
    (504, "gateway_timeout", RETRY),
    (524, "gateway_timeout", RETRY),
    (529, "provider_overloaded", RETRY),
    (599, "server_error", RETRY),
    (102, "unknown_error", RETRY),
    (999, "unknown_error", RETRY),
]
BODIES = [
    b"",
    DRIP,
    b"<html><head><title>Oops</title></head></html>",
    b"plain words",
    b'{"detail":"no"}',
    b"[]",
    b"null",
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("status", "code", "action"), STATUS_CASES)
def test_without_an_error_object_the_status_decides(
    status: int, code: str, action: Action, body: bytes
) -> None:
    failure = failed(status, body)
    assert (failure.code, failure.action, failure.http_status) == (code, action, status)
    assert failure.slow_down == (status in (429, 503, 529))


def test_cloudflares_own_rate_limit_is_plain_text() -> None:
    failure = failed(403, b"error code: 1015")
    assert (failure.code, failure.action, failure.slow_down) == ("rate_limited", RETRY, True)


@pytest.mark.parametrize("prefix", [b"", DRIP * 60])
def test_the_error_that_comes_after_keep_alive_spaces_is_found(prefix: bytes) -> None:
    body = b'{"id":"gen-1789260019-x","error":{"message":"Upstream error from Nvidia","code":502}}'
    assert failed(200, prefix + body).code == "provider_error"


@pytest.mark.parametrize(
    ("http", "code", "told"),
    [
        (200, 429, 429),
        (200, "503", 503),
        (200, None, 200),
        (200, 1301, 200),
        (200, True, 200),
        (400, 429, 400),
    ],
)
def test_the_row_is_told_https_status_or_the_errors_own_where_http_said_200(
    http: int, code: object, told: int
) -> None:
    assert failed(http, orjson.dumps({"error": {"message": "m", "code": code}})).http_status == told


@pytest.mark.parametrize(
    ("body", "provider"),
    [
        ({"error": UPSTREAM_429}, "Venice"),
        ({"error": {"message": "m"}, "provider": "Nvidia"}, "Nvidia"),
        ({"error": {"message": "m", "metadata": {"provider_name": None}}, "provider": 5}, None),
    ],
)
def test_the_provider_is_kept(body: dict[str, Any], provider: str | None) -> None:
    assert failed(200, orjson.dumps(body)).provider == provider
