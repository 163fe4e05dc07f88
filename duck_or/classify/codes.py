"""Every `code` a failed row can carry from here: what it means and what to do about it.

A table and nothing else. Codes are part of the public contract: users write `WHERE error_code = 'key_limit'`, so a code
is never renamed. A test proves that the rules emit exactly these.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """What happened, and what a person can do about it (empty where waiting is all there is to do)."""

    meaning: str
    remedy: str


CODES: dict[str, Meaning] = {
    # --- limits and money ---
    "rate_limited": Meaning(
        "the service or an upstream provider allows fewer requests",
        "Lower rate_limit or max_in_flight, or allow more providers.",
    ),
    "free_tier_daily_limit": Meaning(
        "the day's requests to free models are used up",
        "It resets at midnight UTC; use a paid model or buy credits to go on now.",
    ),
    "in_flight_budget": Meaning(
        "requests in flight hold all the credits that may be held at once",
        "Set a tight max_tokens, lower max_in_flight, or add credits.",
    ),
    "insufficient_credits": Meaning("the account has no credits left", "Add credits to the account."),
    "request_too_expensive": Meaning(
        "this one request could cost more than the account has left",
        "Set a lower max_tokens, or add credits.",
    ),
    "key_limit": Meaning(
        "the API key's own spending limit is reached", "Raise the key's limit in the service's key settings."
    ),
    # --- who may do what ---
    "authentication": Meaning("the API key is missing or wrong", "Check api_key (OPENROUTER_API_KEY)."),
    "permission_denied": Meaning("the service refuses this request to this key", ""),
    "moderation": Meaning(
        "the input was flagged by moderation", "Change the text, or use a model without moderation."
    ),
    "guardrail": Meaning(
        "a guardrail of the account blocked the request", "Change the text or the guardrail."
    ),
    "region_restricted": Meaning(
        "the model may not be used from this region", "Choose another model or provider."
    ),
    # --- model and routing ---
    "model_not_found": Meaning("there is no such model", "Check the model's name: FROM openrouter_models()."),
    "model_unavailable": Meaning("the model exists no longer, or not here", "Choose another model."),
    "no_endpoints": Meaning(
        "no provider of the model fulfils what the request demands",
        "Loosen `provider` or the account's data policy, or choose a model that supports the options.",
    ),
    "wrong_endpoint": Meaning(
        "the model, or the server, does not do what is asked of it (chat, embeddings, rerank)",
        "Choose a model that does.",
    ),
    "not_found": Meaning("the address does not exist", "Check base_url and the model's name."),
    "redirected": Meaning("the address answers with a redirect", "Check base_url: scheme, host and path."),
    # --- this request ---
    "bad_request": Meaning(
        "the service does not accept this request", "Check the messages and model_kwargs."
    ),
    "context_length": Meaning(
        "prompt and max_tokens are longer than the model allows",
        "Shorten the prompt, lower max_tokens, or use transforms := ['middle-out'].",
    ),
    "content_policy": Meaning("the provider's content policy forbids this input", "Change the text."),
    "bad_image": Meaning("an image cannot be fetched or used", "Check the image's address, type and size."),
    "payload_too_large": Meaning(
        "the request has too many bytes", "Send less: fewer or smaller attachments."
    ),
    "unprocessable": Meaning(
        "well-formed, but the service can make no sense of it", "Check the messages and options."
    ),
    "precondition_failed": Meaning("a condition of the request does not hold", ""),
    # --- the service's trouble ---
    "conflict": Meaning("the service was busy with something that collides", ""),
    "provider_error": Meaning(
        "the upstream provider failed", "If it stays, exclude the provider or allow fallbacks."
    ),
    "provider_overloaded": Meaning(
        "the service or the upstream provider is overloaded", "Lower max_in_flight, or allow more providers."
    ),
    "server_error": Meaning("the service failed", ""),
    "request_timeout": Meaning(
        "the service gave the request up after too long a time", "Ask for a shorter answer."
    ),
    "gateway_timeout": Meaning("the upstream provider did not answer in time", "Ask for a shorter answer."),
    "gateway_error": Meaning("the edge in front of the service could not reach it", ""),
    "unknown_error": Meaning("an HTTP status that no rule knows", "Check base_url."),
    # --- answers that are none ---
    "empty_body": Meaning("the response has no body, or white space only", ""),
    "malformed_answer": Meaning(
        "the response is not a chat completion: cut off, HTML, a stream, or something else",
        "If every row says so, check base_url.",
    ),
    "no_choices": Meaning("the response holds no choice", "If every row says so, check base_url."),
    "empty_answer": Meaning("the model produced nothing", ""),
    "cut_off_empty": Meaning(
        "the token limit was reached before the first visible token (reasoning counts), and with more room again",
        "Raise max_tokens, or lower the reasoning effort.",
    ),
    "cut_off": Meaning(
        "the token limit was reached in the middle of the answer, and with more room again",
        "Set max_tokens yourself to have such answers as far as they go, or ask for something shorter.",
    ),
    "invalid_answer": Meaning(
        "the model's answer is not of the type that was asked for, even after it was told why",
        "Use a stronger model, or one with structured outputs, or say more clearly what is wanted.",
    ),
    "content_filter": Meaning(
        "the provider's filter removed the whole answer", "Change the text or the model."
    ),
    # --- no response at all ---
    "network": Meaning(
        "no response came: connection refused, reset or cut off, or the name is unknown",
        "Check base_url, the network and any proxy.",
    ),
    "timeout": Meaning(
        "the attempt's wall-clock deadline passed",
        "Raise timeout, ask for a shorter answer, or choose a faster model.",
    ),
}
