"""What a failure tells people: what was said, by whom, what to do, and never a credential."""

from __future__ import annotations

import orjson
import pytest

from duck_or.classify import classify
from duck_or.outcome import Failure, RawResponse


def failed(status: int, body: bytes) -> Failure:
    outcome = classify(RawResponse(status, {}, body), wall_now=0.0)
    assert isinstance(outcome, Failure)
    return outcome


def test_the_message_says_what_was_said_by_whom_and_what_to_do() -> None:
    metadata = {
        "raw": "m:free is temporarily rate-limited upstream. Please retry shortly",
        "provider_name": "Venice",
    }
    message = failed(
        429, orjson.dumps({"error": {"message": "Provider returned error", "metadata": metadata}})
    ).message
    assert message.startswith("Provider returned error. Upstream said: m:free is")
    assert message.endswith("allow more providers.")


def test_the_services_own_hint_takes_the_place_of_ours_and_fallback_models_are_named() -> None:
    details = {
        "message": "gone",
        "metadata": {"remedy_hint": "Use v2"},
        "availability": {"fallback_models": ["a/b", 1, "c/d"]},
    }
    message = failed(404, orjson.dumps({"error": details})).message
    assert message == "gone. Use v2. Models to use instead: a/b, c/d."


def test_upstream_json_of_any_depth_is_survived() -> None:
    body = b'{"error":{"message":"m","metadata":{"raw":' + b"[" * 500 + b"]" * 500 + b"}}}"
    assert failed(502, body).message.startswith("m. Upstream said: nested too deeply")


def test_upstream_text_is_shortened_and_upstream_json_shown() -> None:
    long = failed(
        502, orjson.dumps({"error": {"message": "m" * 9000, "metadata": {"raw": "r" * 9000}}})
    ).message
    assert "r" * 499 + "…" in long
    assert len(long) < 2000
    shown = failed(
        502, orjson.dumps({"error": {"message": "m", "metadata": {"raw": {"error": "inner"}}}})
    ).message
    assert '{"error":"inner"}' in shown


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b"<html><head><TITLE>522: Connection\n timed out</title>" + b"x" * 9999,
            "HTTP 522: 522: Connection timed out.",
        ),
        (b"", "HTTP 522: no body."),
        (b'{"detail":"upstream gone"}', "upstream gone."),
        (b'{"x":1}', 'HTTP 522: {"x":1}.'),
    ],
)
def test_a_body_without_an_error_object_is_quoted(body: bytes, expected: str) -> None:
    assert failed(522, body).message == expected


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: sk-or-v1-0123456789abcdef0123",
        "bad header Authorization: Bearer s3cr3t-0123456789abcdef",
        "bad header Authorization:\n Bearer   0123456789abcdef",
        "cannot reach http://user:0123456789abcdef@host/v1",
        "x " * 1990 + "sk-or-v1-0123456789abcdef",
    ],
)
@pytest.mark.parametrize("place", ["message", "raw", "remedy", "text", "200"])
def test_no_message_repeats_a_credential(said: str, place: str) -> None:
    bodies: dict[str, tuple[int, bytes]] = {
        "message": (401, orjson.dumps({"error": {"message": said}})),
        "raw": (401, orjson.dumps({"error": {"message": "m", "metadata": {"raw": said}}})),
        "remedy": (401, orjson.dumps({"error": {"message": "m", "metadata": {"remedy_hint": said}}})),
        "text": (401, said.encode()),
        "200": (200, said.encode()),
    }
    assert "0123456789abcdef" not in failed(*bodies[place]).message


@pytest.mark.parametrize(
    "said",
    [
        "This risk-assessment task-forces nobody",
        "Missing bearer authentication in header",
        "The basic plan allows 5 requests",
        "see https://openrouter.ai/settings/keys or mail me@example.org",
    ],
)
def test_words_that_only_look_like_a_key_stay(said: str) -> None:
    assert said in failed(400, orjson.dumps({"error": {"message": said}})).message
