"""Faults that are an HTTP status (reference §2.1, §2.2, §2.4): what is wrong, in OpenRouter's own words, and how long to wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from duck_or.simulator.faults.fault import Fault, Situation
from duck_or.simulator.reply import Reply, error_body, error_reply, json_reply

_DAY = 86_400
_KEYS = "https://openrouter.ai/settings/keys"
_CREDITS = "https://openrouter.ai/credits"
_RAW_429 = (
    "{model} is temporarily rate-limited upstream. Please retry shortly, or add your own key to accumulate "
    "your rate limits: https://openrouter.ai/settings/integrations"
)


def _refusal(
    name: str,
    says: str,
    status: int,
    message: str,
    metadata: Mapping[str, Any] | None = None,
    availability: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """A fault that is one JSON error; `{model}` in its texts becomes the model asked for."""

    def reply(situation: Situation) -> Reply:
        return error_reply(
            status,
            message.format(model=situation.model),
            metadata=_named(metadata, situation.model),
            availability=_named(availability, situation.model),
            headers=headers,
        )

    return Fault(name, says, reply, at_the_door=status < 500 and status != 408)


def _named(value: Mapping[str, Any] | None, model: str) -> dict[str, Any] | None:
    if value is None:
        return None
    texts = {key: item.replace("{model}", model) for key, item in value.items() if isinstance(item, str)}
    lists = {key: [model] for key, item in value.items() if item == ["{model}"]}
    return {**value, **texts, **lists}


def _available(code: str, retryable: bool = False, **more: Any) -> dict[str, Any]:
    url = "https://openrouter.ai/docs/api-reference/errors-and-debugging"
    return {"code": code, "retryable": retryable, "requested_models": ["{model}"], **more, "docs_url": url}


def _text(name: str, says: str, status: int, content_type: str, body: str) -> Fault:
    reply = Reply(status, body.encode(), content_type=content_type)
    return Fault(name, says, lambda situation: reply, at_the_door=status < 500)


def _page(status: int, title: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en-US"><head><title>openrouter.ai | {status}: {title}</title></head>'
        f"<body><h1>{title}</h1><p>Error code {status}</p><p>cloudflare</p></body></html>\n"
    )


def _wait_429(name: str, says: str, headers: Callable[[float], dict[str, str]]) -> Fault:
    """A 429 whose only wait hint is in the given headers (a function of now)."""

    def reply(situation: Situation) -> Reply:
        return error_reply(429, "Rate limit exceeded", headers=headers(situation.now))

    return Fault(name, says, reply, at_the_door=True)


def _retry_after(value: str) -> Callable[[float], dict[str, str]]:
    return lambda now: {"Retry-After": value}


def _free_daily(situation: Situation) -> Reply:
    return free_limit_reply("free-models-per-day", 50, (situation.now // _DAY + 1) * _DAY)


def free_limit_reply(which: str, limit: int, resets_at: float) -> Reply:
    """The platform's 429 for `:free` models: X-RateLimit-* in epoch milliseconds, no Retry-After (reference §2.4)."""
    reset = str(int(resets_at * 1000))
    headers = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    daily = which.startswith("free-models-per-day")
    advice = (
        ". Add 10 credits to unlock 1000 free model requests per day"
        if which == "free-models-per-day"
        else ""
    )
    source = "openrouter_free_tier_daily" if daily else "openrouter_free_tier_minute"
    metadata = {"headers": headers, "limit_source": source, "provider_name": None}
    return error_reply(429, f"Rate limit exceeded: {which}{advice}", metadata=metadata, headers=headers)


def _plain_docs_shape(situation: Situation) -> Reply:
    error = {
        "message": "All providers are busy",
        "error_type": "provider_overloaded",
        "http_status": 429,
        "availability": _named(_available("capacity_exhausted", True, retry_after=1), situation.model),
    }
    return json_reply({"error": error}, 429)


def _string_code(situation: Situation) -> Reply:
    return json_reply(error_body("Provider returned error", "502"), 502)


_PROVIDER = {"provider_name": "Simulator"}
_OVERLOADED = {"error_type": "provider_overloaded", **_PROVIDER}
_IN_FLIGHT = {
    "limit_source": "openrouter_in_flight_budget",
    "reason": "in_flight_budget_exhausted",
    "error_type": "payment_required",
    "remedy_hint": "Lower max_tokens, send fewer requests at once, or add credits.",
}
IN_FLIGHT_MESSAGE = (
    "This request would exceed your available credits given your current in-flight requests. "
    "Retry after in-flight requests settle, or add credits."
)
CREDITS_MESSAGE = f"Insufficient credits. Add more using {_CREDITS}"
CREDITS_METADATA = {"limit_source": "openrouter_credits", "error_type": "payment_required"}
KEY_LIMIT_MESSAGE = f"Key limit exceeded (total limit). Manage it using {_KEYS}"
KEY_LIMIT_METADATA = {"limit_source": "openrouter_key_limit"}
IN_FLIGHT_METADATA = _IN_FLIGHT
TOO_EXPENSIVE_METADATA = {
    **_IN_FLIGHT,
    "limit_source": "openrouter_credits",
    "reason": "weight_exceeds_budget",
}
_TOO_EXPENSIVE = (
    "This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, "
    "but can only afford 2666."
)

# fmt: off
_REFUSALS = (
    _refusal("400", "bad parameters", 400, "Invalid request parameters", {"error_type": "invalid_request"}),
    _refusal("400-context", "longer than the model's context", 400, "This endpoint's maximum context length is 131072 tokens. However, you requested about 190000 tokens. Please reduce the length of either one.", {"error_type": "context_length_exceeded", **_PROVIDER}),
    _refusal("400-content-policy", "the provider refuses the content", 400, "Provider returned error", {"error_type": "content_policy_violation", "raw": "The request was rejected by the safety system.", **_PROVIDER}),
    _refusal("400-model-not-found", "no such model", 400, "{model} is not a valid model ID", availability=_available("model_not_found")),
    _refusal("400-image", "an image that cannot be read", 400, "Provider returned error", {"error_type": "invalid_image", **_PROVIDER}),
    _refusal("401", "unknown key", 401, "User not found."),
    _refusal("401-missing", "no key", 401, "No auth credentials found"),
    _refusal("402-in-flight", "too much money in flight: transient", 402, IN_FLIGHT_MESSAGE, _IN_FLIGHT, headers={"Retry-After": "1"}),
    _refusal("402-credits", "no credits left", 402, CREDITS_MESSAGE, CREDITS_METADATA),
    _refusal("402-key-limit", "the key's limit is reached", 402, KEY_LIMIT_MESSAGE, KEY_LIMIT_METADATA),
    _refusal("402-too-expensive", "this request alone exceeds the budget", 402, _TOO_EXPENSIVE, TOO_EXPENSIVE_METADATA),
    _refusal("403-moderation", "flagged input", 403, '{model} requires moderation on Simulator. Your input was flagged for "violence". No credits were charged.', {"reasons": ["violence"], "flagged_input": "…", "model_slug": "{model}", **_PROVIDER}),
    _refusal("403-guardrail", "blocked by the account's guardrail", 403, "Request blocked by guardrail: sensitive content detected", {"patterns": ["credit_card"], "error_type": "permission_denied"}),
    _refusal("403-key-limit", "the key's limit is reached, said with 403", 403, f"Key limit exceeded (monthly limit). Manage it using {_KEYS}"),
    _refusal("403-region", "not served in this region", 403, "{model} is not available in your region", availability=_available("region_restricted")),
    _refusal("404-no-endpoints", "nobody serves the model", 404, "No endpoints found for {model}.", availability=_available("no_endpoints")),
    _refusal("404-data-policy", "nobody serves it under the data policy", 404, "No endpoints found matching your data policy (Paid model training). Configure: https://openrouter.ai/settings/privacy", availability=_available("privacy_restricted")),
    _refusal("404-tools", "nobody serves it with tools", 404, "No endpoints found that support tool use. To learn more about provider routing, visit: https://openrouter.ai/docs/provider-routing"),
    _refusal("408", "timed out", 408, "Request timed out", {"error_type": "timeout"}),
    _refusal("409", "conflict", 409, "Conflict"),
    _refusal("413", "too large", 413, "Request entity too large", {"error_type": "payload_too_large"}),
    _refusal("422", "cannot be processed", 422, "Unprocessable entity", {"error_type": "unprocessable"}),
    _refusal("429", "too many requests, wait one second", 429, "Rate limit exceeded", {"error_type": "rate_limit_exceeded"}, headers={"Retry-After": "1"}),
    _refusal("429-no-hint", "too many requests, no wait hint", 429, "Rate limit exceeded", {"error_type": "rate_limit_exceeded"}),
    _refusal("429-upstream", "the provider limits; hints in the body too", 429, "Provider returned error", {"raw": _RAW_429, "is_byok": False, "retry_after_seconds": 1, "retry_after_seconds_raw": 0.7, "headers": {"Retry-After": "1"}, **_PROVIDER}, headers={"Retry-After": "1"}),
    _refusal("429-body-hint", "the wait hint is in the body only", 429, "Provider returned error", {"raw": _RAW_429, "retry_after_seconds": 1, **_PROVIDER}),
    _refusal("429-capacity", "all providers busy", 429, "All providers are busy", availability=_available("capacity_exhausted", True, retry_after=1)),
    _refusal("500", "masked internal error", 500, "Internal Server Error", {"error_type": "server"}),
    _refusal("502", "the provider failed", 502, "Provider returned error", {"error_type": "provider_unavailable", "raw": "upstream connect error", **_PROVIDER}),
    _refusal("503", "no provider right now", 503, "No instances available", availability=_available("temporarily_unavailable", True)),
    _refusal("503-retry-after", "no provider right now, wait one second", 503, "No instances available", availability=_available("temporarily_unavailable", True, retry_after=1), headers={"Retry-After": "1"}),
    _refusal("504", "gateway timeout", 504, "The operation was aborted", {"error_type": "timeout"}),
    _refusal("524", "edge timeout", 524, "Provider returned error", {"error_type": "timeout"}),
    _refusal("529", "overloaded", 529, "Provider returned error", {**_OVERLOADED, "raw": '{"type":"overloaded_error"}'}),
)
_PAGES = (
    _text("1015-text", "Cloudflare's own limit, plain text", 429, "text/plain; charset=UTF-8", "error code: 1015"),
    _text("502-html", "Cloudflare's page for 502", 502, "text/html; charset=UTF-8", _page(502, "Bad gateway")),
    _text("520-html", "Cloudflare's page for 520", 520, "text/html; charset=UTF-8", _page(520, "Web server is returning an unknown error")),
    _text("522-html", "Cloudflare's page for 522", 522, "text/html; charset=UTF-8", _page(522, "Connection timed out")),
    _text("524-html", "Cloudflare's page for 524", 524, "text/html; charset=UTF-8", _page(524, "A timeout occurred")),
)
_WAITS = (
    _wait_429("429-retry-after-date", "wait two seconds, as an HTTP date", lambda now: {"Retry-After": formatdate(now + 2, usegmt=True)}),
    _wait_429("429-retry-after-ms", "wait 250 milliseconds", lambda now: {"retry-after-ms": "250"}),
    _wait_429("429-reset-ms", "X-RateLimit-Reset one second ahead, in milliseconds", lambda now: {"X-RateLimit-Reset": str(int((now + 1) * 1000))}),
    _wait_429("429-reset-seconds", "X-RateLimit-Reset one second ahead, wrongly in seconds", lambda now: {"X-RateLimit-Reset": str(int(now + 1))}),
    _wait_429("bad-retry-after", "Retry-After is not a time", _retry_after("soon")),
    _wait_429("retry-after-float", "Retry-After: 0.25", _retry_after("0.25")),
    _wait_429("retry-after-zero", "Retry-After: 0", _retry_after("0")),
    _wait_429("retry-after-negative", "Retry-After: -5", _retry_after("-5")),
    _wait_429("retry-after-300", "Retry-After: 300, longer than most clients will wait", _retry_after("300")),
    Fault("429-free-daily", "the daily cap of :free models", _free_daily, at_the_door=True),
    Fault("429-docs-shape", "the documented shape without `code`", _plain_docs_shape, at_the_door=True),
    Fault("string-code", "`code` is a string", _string_code),
)
# fmt: on
STATUS_FAULTS = (*_REFUSALS, *_PAGES, *_WAITS)
