"""The error tables: which failure is what, and what to do about it. Data only; `reported` reads them.

Tables are consulted in the order in which they stand here, each from top to bottom; the first match wins. The more
specific a field is, the earlier its table: generic error types ("not_found") stand behind the message patterns, because
they name the HTTP status in words and nothing more.

Actions. RETRY: the same request may succeed later. ROW: this one will not, others may. STOP: every request of the
statement would fail alike, so sending more only costs time. Where it is not certain that *every* request fails, ROW.

Sources: OpenRouter's error documentation and OpenAPI, and bodies recorded in public issue threads. OpenAI's own words
are included where vLLM, llama.cpp, Ollama and others use them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from duck_or.outcome import Action

RETRY, ROW, STOP = Action.RETRY, Action.ROW, Action.STOP


@dataclass(frozen=True, slots=True)
class Rule:
    """What a failure is called and what follows from it.

    slow_down: the whole pool must slow down. later: retryable although the statement stops now.
    """

    code: str
    action: Action
    slow_down: bool = False
    later: bool = False


IN_FLIGHT = Rule("in_flight_budget", RETRY, slow_down=True)  # fewer in flight is exactly the cure
TOO_EXPENSIVE = Rule("request_too_expensive", ROW)  # a cheaper row may still pass
NO_CREDITS = Rule("insufficient_credits", STOP)
KEY_LIMIT = Rule("key_limit", STOP)
DAILY_LIMIT = Rule(
    "free_tier_daily_limit", STOP, later=True
)  # waits until midnight UTC: not within a statement
RATE_LIMITED = Rule("rate_limited", RETRY, slow_down=True)
OVERLOADED = Rule("provider_overloaded", RETRY, slow_down=True)
# Another try is routed to another provider, and one provider's trouble says nothing about the account's pace.
PROVIDER_ERROR = Rule("provider_error", RETRY)
SERVER_ERROR = Rule("server_error", RETRY)
GATEWAY_TIMEOUT = Rule("gateway_timeout", RETRY)
GATEWAY_ERROR = Rule("gateway_error", RETRY)
AUTHENTICATION = Rule("authentication", STOP)
FORBIDDEN = Rule("permission_denied", ROW)  # often about one prompt
MODERATION = Rule("moderation", ROW)
GUARDRAIL = Rule("guardrail", ROW)
REGION = Rule("region_restricted", STOP)
MODEL_NOT_FOUND = Rule("model_not_found", STOP)
MODEL_GONE = Rule("model_unavailable", STOP)
NO_ENDPOINTS = Rule("no_endpoints", STOP)
NOT_FOUND = Rule("not_found", STOP)
BAD_REQUEST = Rule("bad_request", ROW)
CONTEXT_LENGTH = Rule("context_length", ROW)
CONTENT_POLICY = Rule("content_policy", ROW)
BAD_IMAGE = Rule("bad_image", ROW)
TOO_LARGE = Rule("payload_too_large", ROW)
UNPROCESSABLE = Rule("unprocessable", ROW)
PRECONDITION = Rule("precondition_failed", ROW)

# 1. `error.availability.code`. Its `retryable`, where given, overrules every table's action ("always switch on it").
AVAILABILITY: dict[str, Rule] = {
    "model_not_found": MODEL_NOT_FOUND,
    "wrong_endpoint": Rule("wrong_endpoint", STOP),
    "no_endpoints": NO_ENDPOINTS,
    "model_deprecated": MODEL_GONE,
    "model_unavailable_upstream": MODEL_GONE,
    "free_variant_ended": MODEL_GONE,
    "capacity_exhausted": Rule("provider_overloaded", RETRY, slow_down=True),
    "temporarily_unavailable": OVERLOADED,
    "region_restricted": REGION,
    "privacy_restricted": NO_ENDPOINTS,
    "constraint_filtered": NO_ENDPOINTS,
}

# 2. `error.metadata.reason`: refines the limit's source, so it stands before it.
LIMIT_REASONS: dict[str, Rule] = {
    "in_flight_budget_exhausted": IN_FLIGHT,
    "weight_exceeds_budget": TOO_EXPENSIVE,  # comes with limit_source openrouter_credits
}

# 3. `error.metadata.limit_source`: three kinds of 402 and the daily cap among the 429s.
LIMIT_SOURCES: dict[str, Rule] = {
    "openrouter_in_flight_budget": IN_FLIGHT,
    "openrouter_credits": NO_CREDITS,
    "openrouter_key_limit": KEY_LIMIT,
    "openrouter_free_tier_daily": DAILY_LIMIT,
}

# 4. Keys of `error.metadata` that only one kind of 403 has.
METADATA_KEYS: tuple[tuple[str, int, Rule], ...] = (
    ("reasons", 403, MODERATION),
    ("flagged_input", 403, MODERATION),
    ("patterns", 403, GUARDRAIL),
)

# 5. Error types that say more than the HTTP status: `metadata.error_type`, `error_type`, a textual `code`, `type`.
ERROR_TYPES: dict[str, Rule] = {
    "context_length_exceeded": CONTEXT_LENGTH,
    "exceed_context_size_error": CONTEXT_LENGTH,  # llama.cpp
    "max_tokens_exceeded": CONTEXT_LENGTH,
    "token_limit_exceeded": CONTEXT_LENGTH,
    "string_too_long": CONTEXT_LENGTH,
    "authentication": AUTHENTICATION,
    "provider_overloaded": OVERLOADED,
    "provider_unavailable": PROVIDER_ERROR,
    "invalid_prompt": BAD_REQUEST,
    "precondition_failed": PRECONDITION,
    "payload_too_large": TOO_LARGE,
    "unprocessable": UNPROCESSABLE,
    "content_policy_violation": CONTENT_POLICY,
    "refusal": CONTENT_POLICY,
    "invalid_image": BAD_IMAGE,
    "image_too_large": BAD_IMAGE,
    "image_too_small": BAD_IMAGE,
    "unsupported_image_format": BAD_IMAGE,
    "image_not_found": BAD_IMAGE,
    # Nearly always an address that refuses robots or does not exist; asking again fetches it again in vain.
    "image_download_failed": BAD_IMAGE,
    "timeout": GATEWAY_TIMEOUT,
    # OpenAI's words, used by compatible servers.
    "insufficient_quota": NO_CREDITS,
    "invalid_api_key": AUTHENTICATION,
    "model_not_found": MODEL_NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A message that nothing else explains. statuses: only then; empty: at any status.

    A pattern that leads to STOP is tied to its statuses, so that a quoted prompt cannot stop a statement.
    """

    text: re.Pattern[str]
    statuses: frozenset[int]
    rule: Rule


def _says(text: str, *statuses: int) -> tuple[re.Pattern[str], frozenset[int]]:
    return re.compile(text, re.IGNORECASE), frozenset(statuses)


# 6. Messages, where no field tells.
MESSAGES: tuple[Pattern, ...] = (
    Pattern(*_says("free-models-per-day", 429), DAILY_LIMIT),  # also "…-per-day-high-balance"
    Pattern(*_says("in-flight requests", 402), IN_FLIGHT),
    Pattern(*_says("can only afford|fewer max_tokens", 402), TOO_EXPENSIVE),  # the 402 of before limit_source
    Pattern(*_says("insufficient credits", 402), NO_CREDITS),
    Pattern(*_says("key limit exceeded", 402, 403), KEY_LIMIT),  # seen as 403; documented as 402
    Pattern(*_says("requires moderation|input was flagged", 403), MODERATION),
    Pattern(*_says("guardrail", 403), GUARDRAIL),
    Pattern(*_says("is not a valid model id", 400, 404), MODEL_NOT_FOUND),
    Pattern(*_says("no endpoints found|no allowed providers", 404), NO_ENDPOINTS),
    Pattern(*_says("model .{0,200}(not found|does not exist)", 404), MODEL_NOT_FOUND),  # Ollama, vLLM
    Pattern(*_says("maximum context length", 400, 413, 422), CONTEXT_LENGTH),
    Pattern(*_says("error code: 1015"), RATE_LIMITED),  # Cloudflare's own limit, as plain text
)

# 7. Statuses that mean something else when the service says when to come back: money that is gone has no such time.
STATUSES_WITH_WAIT: dict[int, Rule] = {402: IN_FLIGHT}

# 8. Error types that are the HTTP status in words. The 27th type, "unmapped", says nothing: the status decides.
GENERIC_TYPES: dict[str, Rule] = {
    "permission_denied": FORBIDDEN,
    "payment_required": NO_CREDITS,
    "rate_limit_exceeded": RATE_LIMITED,
    "invalid_request": BAD_REQUEST,
    "not_found": NOT_FOUND,
    "server": SERVER_ERROR,
}

# 9. The HTTP status, or the error's own code where HTTP said 200.
STATUSES: dict[int, Rule] = {
    400: BAD_REQUEST,
    401: AUTHENTICATION,
    402: NO_CREDITS,
    403: FORBIDDEN,
    404: NOT_FOUND,
    405: NOT_FOUND,  # some other server's page: base_url is wrong for every row
    408: Rule("request_timeout", RETRY),
    409: Rule("conflict", RETRY),
    410: MODEL_GONE,
    412: PRECONDITION,
    413: TOO_LARGE,
    422: UNPROCESSABLE,
    425: Rule("conflict", RETRY),  # "too early"
    429: RATE_LIMITED,
    499: GATEWAY_ERROR,  # "client closed request": this client did not, so something in between did
    500: SERVER_ERROR,
    501: Rule("wrong_endpoint", STOP),  # a server that was started without embeddings, say
    502: PROVIDER_ERROR,
    503: OVERLOADED,
    504: GATEWAY_TIMEOUT,
    520: GATEWAY_ERROR,  # 520-523 and 525-527: the edge cannot reach its origin
    521: GATEWAY_ERROR,
    522: GATEWAY_ERROR,
    523: GATEWAY_ERROR,
    524: GATEWAY_TIMEOUT,
    525: GATEWAY_ERROR,
    526: GATEWAY_ERROR,
    527: GATEWAY_ERROR,
    529: OVERLOADED,
}

# 10. The rest, by its first digit.
STATUS_CLASSES: dict[int, Rule] = {
    3: Rule("redirected", STOP),  # the client follows redirects; one that is left is the address's fault
    4: BAD_REQUEST,
    5: SERVER_ERROR,
}
UNKNOWN = Rule("unknown_error", RETRY)

# Statuses with which a server asks everybody to slow down, whatever the error is called. Not 500, 502, 504, 52x: they tell
# of one request's or one provider's trouble, and slowing 255 healthy requests for it would cost more than it saves.
SLOW_DOWN_STATUSES: frozenset[int] = frozenset({429, 503, 529})

# 11. Responses and choices that carry no error object and no usable answer (`answers` finds them).
EMPTY_BODY = Rule("empty_body", RETRY)  # a slow answer whose provider failed ends after its keep-alive spaces
MALFORMED = Rule("malformed_answer", RETRY)
NO_CHOICES = Rule("no_choices", RETRY)  # asking again is usually routed elsewhere
EMPTY_ANSWER = Rule("empty_answer", RETRY)  # zero completion tokens are not billed
# These are asked again once, but not as they are (`Failure.again`): that would bring, and cost, the same.
CUT_OFF_EMPTY = Rule("cut_off_empty", ROW)  # reasoning ate max_tokens
CUT_OFF = Rule("cut_off", ROW)  # where half an answer is none
INVALID_ANSWER = Rule("invalid_answer", ROW)  # not of the type, or none of the labels, that was demanded
FILTERED = Rule("content_filter", ROW)

# 12. No response at all (`errors.TransportError.code`). Says nothing of the service's load, so nobody slows down.
NETWORK: dict[str, Rule] = {"network": Rule("network", RETRY), "timeout": Rule("timeout", RETRY)}


def every_rule() -> frozenset[Rule]:
    """Every rule of every table: what the tests compare with CODES."""
    tables = (AVAILABILITY, LIMIT_REASONS, LIMIT_SOURCES, ERROR_TYPES, GENERIC_TYPES, NETWORK)
    numbered = (STATUSES_WITH_WAIT, STATUSES, STATUS_CLASSES)
    rules = {rule for table in tables for rule in table.values()}
    rules |= {rule for table in numbered for rule in table.values()}
    rules |= {rule for _, _, rule in METADATA_KEYS} | {pattern.rule for pattern in MESSAGES}
    return frozenset(
        rules
        | {
            UNKNOWN,
            EMPTY_BODY,
            MALFORMED,
            NO_CHOICES,
            EMPTY_ANSWER,
            CUT_OFF_EMPTY,
            FILTERED,
            INVALID_ANSWER,
            CUT_OFF,
        }
    )
