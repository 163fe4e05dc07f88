"""The tables agree with each other and are complete over what the service documents."""

from __future__ import annotations

import pytest

from duck_or import errors
from duck_or.classify import CODES, failure_of_transport, rules
from duck_or.outcome import Action

# The service's 27 canonical error types; "unmapped" is left to the status on purpose.
CANONICAL_TYPES_TEXT = """
context_length_exceeded max_tokens_exceeded token_limit_exceeded string_too_long authentication
permission_denied payment_required rate_limit_exceeded provider_overloaded provider_unavailable invalid_request
invalid_prompt not_found precondition_failed payload_too_large unprocessable content_policy_violation refusal
invalid_image image_too_large image_too_small unsupported_image_format image_not_found image_download_failed server
timeout unmapped
"""
CANONICAL_TYPES = CANONICAL_TYPES_TEXT.split()
DOCUMENTED_STATUSES = {
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    410,
    412,
    413,
    422,
    429,
    499,
    500,
    502,
    503,
    504,
    529,
}
EDGE_STATUSES = set(range(520, 528))
AVAILABILITY_CODES_TEXT = """
model_not_found wrong_endpoint no_endpoints model_deprecated model_unavailable_upstream
capacity_exhausted temporarily_unavailable region_restricted privacy_restricted constraint_filtered
free_variant_ended
"""
AVAILABILITY_CODES = AVAILABILITY_CODES_TEXT.split()


def test_every_code_that_a_rule_emits_is_explained_and_every_explained_code_is_emitted() -> None:
    assert {rule.code for rule in rules.every_rule()} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_one_stable_word_with_a_meaning(code: str) -> None:
    assert code.isidentifier()
    assert code == code.lower()
    assert CODES[code].meaning


@pytest.mark.parametrize("rule", sorted(rules.every_rule(), key=repr), ids=lambda rule: f"{rule.code}")
def test_what_stops_a_statement_or_fails_a_row_for_good_names_a_cure(rule: rules.Rule) -> None:
    told_by_the_service_only = {"permission_denied", "precondition_failed"}
    if rule.action is not Action.RETRY and rule.code not in told_by_the_service_only:
        assert CODES[rule.code].remedy


def test_only_what_is_retried_slows_the_pool_down() -> None:
    assert all(rule.action is Action.RETRY for rule in rules.every_rule() if rule.slow_down)


def test_every_canonical_error_type_is_in_exactly_one_table() -> None:
    assert not set(rules.ERROR_TYPES) & set(rules.GENERIC_TYPES)
    assert set(CANONICAL_TYPES) - {"unmapped"} <= set(rules.ERROR_TYPES) | set(rules.GENERIC_TYPES)
    assert len(CANONICAL_TYPES) == 27


def test_every_documented_status_and_availability_code_has_a_rule_of_its_own() -> None:
    assert set(rules.STATUSES) >= DOCUMENTED_STATUSES | EDGE_STATUSES
    assert set(AVAILABILITY_CODES) == set(rules.AVAILABILITY)


def test_a_message_cannot_stop_a_statement_at_just_any_status() -> None:
    assert all(pattern.statuses for pattern in rules.MESSAGES if pattern.rule.action is Action.STOP)


def _transport_errors() -> list[type[errors.TransportError]]:
    found, todo = [], [errors.TransportError]
    while todo:
        found.append(todo.pop())
        todo.extend(found[-1].__subclasses__())
    return found


@pytest.mark.parametrize("kind", _transport_errors())
def test_every_transport_error_is_retried_under_its_own_code(kind: type[errors.TransportError]) -> None:
    assert kind.code in rules.NETWORK
    failure = failure_of_transport(kind("connection refused"), "http://127.0.0.1:1/v1")
    assert (failure.code, failure.action, failure.retryable) == (kind.code, Action.RETRY, True)
    assert (failure.slow_down, failure.http_status, failure.wait) == (False, None, None)
    assert "connection refused" in failure.message
    assert "http://127.0.0.1:1/v1" in failure.message
    assert CODES[kind.code].remedy in failure.message


def test_a_transport_error_shows_no_password_and_does_not_repeat_the_endpoint() -> None:
    said = failure_of_transport(errors.TransportError("http://h/v1 refused"), "http://h/v1").message
    assert said.count("http://h/v1") == 1
    hidden = failure_of_transport(errors.TransportError(""), "http://me:hunter2@h/v1").message
    assert "hunter2" not in hidden
    assert hidden.startswith(CODES["network"].meaning)
