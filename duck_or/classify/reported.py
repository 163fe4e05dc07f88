"""From an error the service reported, in whatever shape, to a Failure: gathers the facts and reads the tables.

What each fact means stands in `rules`; here is only where the facts are found and in which order tables are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from duck_or.call_summary import summary
from duck_or.classify import rules
from duck_or.classify.codes import CODES
from duck_or.classify.rules import Rule
from duck_or.classify.waits import wait_hint
from duck_or.classify.wording import UPSTREAM_LIMIT, sentences, text_of_body, tidy
from duck_or.lenient import mapping_of, number_of, text_of
from duck_or.outcome import Action, Failure, RawResponse

_TRANSIENT = 502  # an error that comes with HTTP 200 and no code of its own: the model had started, the provider failed


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the tables may ask about. `status` is the error's own code if it has one, else HTTP's."""

    status: int
    message: str
    types: tuple[str, ...]
    availability: Mapping[str, Any]
    metadata: Mapping[str, Any]
    wait: float | None


def failure_of_error(
    response: RawResponse, error: object, body: Mapping[str, Any], *, wall_now: float, fallback: str = ""
) -> Failure:
    """The Failure for an `error` value found in a body, or for an error status whose body holds none.

    error: the value under "error" of the body or of its first choice (object, text or anything), or the body itself
    where it is the error (older vLLM); body: the JSON object, {} if there is none; fallback: what to say if the error
    says nothing.
    """
    details = error if isinstance(error, dict) else {}
    said = text_of(error) or _message(details) or fallback
    facts = _facts(response, details, tidy(said), wall_now)
    rule = decide(facts)
    return Failure(
        code=rule.code,
        message=_wording(rule, facts),
        retryable=rule.action is Action.RETRY or rule.later,
        http_status=_told_status(response.status, details),
        provider=text_of(facts.metadata.get("provider_name")) or text_of(body.get("provider")),
        action=rule.action,
        wait=facts.wait if rule.action is Action.RETRY or rule.later else None,
        slow_down=rule.action is Action.RETRY
        and (rule.slow_down or facts.status in rules.SLOW_DOWN_STATUSES),
        summary=summary(body) if "usage" in body else None,
    )


def failure_of_status(response: RawResponse, body: Mapping[str, Any], *, wall_now: float) -> Failure:
    """The Failure for an error status without an error object: HTML, plain text, nothing, or JSON of another form."""
    said = f"HTTP {response.status}: {text_of_body(response.body.lstrip()) or 'no body'}"
    return failure_of_error(response, body, body, wall_now=wall_now, fallback=said)


def plain_failure(
    rule: Rule, message: str, response: RawResponse, body: Mapping[str, Any] | None = None
) -> Failure:
    """The Failure for a response without an error object; a wait or a cause cannot be known."""
    return Failure(
        code=rule.code,
        message=sentences(tidy(message), CODES[rule.code].remedy),
        retryable=rule.action is Action.RETRY,
        http_status=response.status,
        provider=text_of(mapping_of(body).get("provider")),
        action=rule.action,
        slow_down=rule.slow_down,
        summary=None if body is None else summary(body),
    )


def decide(facts: Facts) -> Rule:
    """The first rule that matches; `availability.retryable` then has the last word on whether to retry."""
    rule = next(rule for table in DECISION_ORDER if (rule := table(facts)) is not None)
    retryable = facts.availability.get("retryable")
    if retryable is True and rule.action is not Action.RETRY:
        return Rule(rule.code, Action.RETRY)
    if retryable is False and rule.action is Action.RETRY:
        return Rule(rule.code, Action.ROW)
    return rule


def _by_metadata_key(facts: Facts) -> Rule | None:
    matches = (
        rule
        for key, status, rule in rules.METADATA_KEYS
        if facts.status == status and facts.metadata.get(key)
    )
    return next(matches, None)


def _by_type(table: Mapping[str, Rule]) -> Callable[[Facts], Rule | None]:
    return lambda facts: next((table[word] for word in facts.types if word in table), None)


def _by_message(facts: Facts) -> Rule | None:
    for pattern in rules.MESSAGES:
        if (not pattern.statuses or facts.status in pattern.statuses) and pattern.text.search(facts.message):
            return pattern.rule
    return None


def _with_wait(facts: Facts) -> Rule | None:
    return None if facts.wait is None else rules.STATUSES_WITH_WAIT.get(facts.status)


def _by_status(facts: Facts) -> Rule:
    by_class = rules.STATUS_CLASSES.get(facts.status // 100, rules.UNKNOWN)
    return rules.STATUSES.get(facts.status, by_class)


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


DECISION_ORDER: tuple[Callable[[Facts], Rule | None], ...] = (
    lambda facts: rules.AVAILABILITY.get(_word(facts.availability.get("code"))),
    lambda facts: rules.LIMIT_REASONS.get(_word(facts.metadata.get("reason"))),
    lambda facts: rules.LIMIT_SOURCES.get(_word(facts.metadata.get("limit_source"))),
    _by_metadata_key,
    _by_type(rules.ERROR_TYPES),
    _by_message,
    _with_wait,
    _by_type(rules.GENERIC_TYPES),
    _by_status,  # always finds one
)


def _facts(response: RawResponse, details: Mapping[str, Any], message: str, wall_now: float) -> Facts:
    metadata = mapping_of(details.get("metadata"))
    words = (metadata.get("error_type"), details.get("error_type"), details.get("code"), details.get("type"))
    own = _own_status(details)
    status = own or (response.status if not 200 <= response.status < 300 else _TRANSIENT)
    return Facts(
        status=status,
        message=message,
        types=tuple(word for word in words if isinstance(word, str)),
        availability=mapping_of(details.get("availability")),
        metadata=metadata,
        wait=wait_hint(response.headers, details, status, wall_now=wall_now),
    )


def _own_status(details: Mapping[str, Any]) -> int | None:
    """The error's own HTTP status: `code`, else `http_status`; providers' private numbers (0, 1301) do not count."""
    for name in ("code", "http_status"):
        number = number_of(details.get(name))
        if number is not None and 300 <= number < 600:
            return int(number)
    return None


def _told_status(http: int, details: Mapping[str, Any]) -> int:
    """What the row is told: HTTP's status, or the error's own code where HTTP said all is well."""
    return (_own_status(details) or http) if 200 <= http < 300 else http


def _message(details: Mapping[str, Any]) -> str | None:
    """OpenRouter and OpenAI say `message`, FastAPI servers `detail`."""
    return text_of(details.get("message")) or text_of(details.get("detail"))


def _wording(rule: Rule, facts: Facts) -> str:
    said = facts.message or CODES[rule.code].meaning
    raw = _upstream(facts.metadata.get("raw"))
    remedy = tidy(text_of(facts.metadata.get("remedy_hint")) or "", UPSTREAM_LIMIT) or CODES[rule.code].remedy
    return sentences(said, f"Upstream said: {raw}" if raw and raw != said else "", remedy, _fallbacks(facts))


def _upstream(raw: object) -> str:
    """`metadata.raw` is the upstream body: text as a rule, sometimes JSON."""
    if not raw:
        return ""
    try:
        return tidy(raw if isinstance(raw, str) else orjson.dumps(raw).decode(), UPSTREAM_LIMIT)
    except orjson.JSONEncodeError:  # orjson reads deeper nesting than it writes
        return "nested too deeply to show"


def _fallbacks(facts: Facts) -> str:
    models = facts.availability.get("fallback_models")
    names = [name for name in models if isinstance(name, str)] if isinstance(models, list) else []
    return tidy(f"Models to use instead: {', '.join(names[:5])}") if names else ""
