"""What holds for every response there can be."""

from __future__ import annotations

import math
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from duck_or.call_summary import summary
from duck_or.classify import CODES, classify
from duck_or.classify.answers import FINISHES
from duck_or.outcome import Action, Completion, Failure, Outcome, RawResponse
from duck_or.wanted import Wanted

relaxed = settings(deadline=None)  # other processes share the processor; the suite has a timeout of its own
WORDS_TEXT = """
error choices message content code http_status error_type metadata availability retryable retry_after
retry_after_seconds headers Retry-After X-RateLimit-Reset limit_source reason raw provider_name provider remedy_hint
fallback_models finish_reason tool_calls usage completion_tokens cost refusal reasoning type detail
"""
WORDS = WORDS_TEXT.split()
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["stop", "error", "length", "429", "nan", "openrouter_credits", "capacity_exhausted", *WORDS]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6), inner, max_size=6),
    ),
    max_leaves=25,
)
statuses = st.one_of(
    st.sampled_from([200, 200, 400, 401, 402, 403, 404, 429, 500, 502, 503, 529]), st.integers(-1, 1200)
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset", "content-type"]),
    st.one_of(st.text(max_size=20), st.floats().map(str), st.integers().map(str)),
)
finishes = st.one_of(st.sampled_from([*FINISHES, "error", None]), scalars)
spaces = st.sampled_from([b"", b" ", b"\n         \n" * 3])


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Bodies close to a good answer, each part of which may be wrong."""
    fields = {"content": st.one_of(st.sampled_from([None, "", "ok"]), values)}
    fields |= dict.fromkeys(("tool_calls", "refusal", "reasoning", "images"), st.none() | values)
    choice = {
        "finish_reason": draw(finishes),
        "message": draw(st.fixed_dictionaries({}, optional=fields) | values),
    }
    usage = draw(values | st.fixed_dictionaries({"completion_tokens": st.integers(0, 3)}))
    extra = draw(st.fixed_dictionaries({}, optional={"error": values, "provider": values}))
    return {"choices": [choice], "usage": usage, **extra}


bodies = st.one_of(st.binary(max_size=60), values.map(orjson.dumps), answers().map(orjson.dumps))


def check(outcome: Outcome, status: int) -> None:
    if isinstance(outcome, Completion):
        assert 200 <= status < 300
        assert orjson.loads(outcome.body) == outcome.parsed
        assert outcome.body == outcome.body.strip()
        return
    told = orjson.loads(outcome.body)["error"]
    assert told == {name: getattr(outcome, name) for name in told}
    assert outcome.code in CODES
    assert outcome.message
    assert outcome.wait is None or (math.isfinite(outcome.wait) and outcome.wait > 0)
    assert outcome.retryable or outcome.action is not Action.RETRY
    assert not outcome.slow_down or outcome.action is Action.RETRY


@relaxed
@given(bodies, statuses, headers, spaces)
def test_every_response_has_an_outcome_that_keeps_its_promises(
    body: bytes, status: int, headers: dict[str, str], space: bytes
) -> None:
    check(classify(RawResponse(status, headers, space + body + space), wall_now=1.8e9), status)


@relaxed
@given(answers(), spaces)
def test_what_may_be_stored_is_whole_and_says_something(body: dict[str, Any], space: bytes) -> None:
    outcome = classify(RawResponse(200, {}, space + orjson.dumps(body)), wall_now=1.8e9)
    check(outcome, 200)
    if isinstance(outcome, Failure):
        return
    assert not body.get("error")
    choice = body["choices"][0]
    assert choice["finish_reason"] != "error"
    if not outcome.storable:
        return
    assert choice["finish_reason"] not in ("length", "content_filter", None)
    message = choice["message"]
    kinds: dict[str, Any] = {
        "content": str | list,
        "tool_calls": list,
        "refusal": str,
        "images": list,
        "audio": dict,
    }
    says_something = any(message.get(name) for name in kinds if isinstance(message.get(name), kinds[name]))
    if not says_something and not message.get("function_call"):
        assert (
            any(name.startswith("reasoning") for name in message)
            or float(body["usage"]["completion_tokens"]) > 0
        )


@relaxed
@given(values.filter(bool), answers(), statuses)
def test_a_top_level_error_is_never_an_answer(error: object, body: dict[str, Any], status: int) -> None:
    response = RawResponse(status, {}, orjson.dumps({**body, "error": error}))
    assert isinstance(classify(response, wall_now=0.0), Failure)


@relaxed
@given(
    answers(),
    st.dictionaries(st.sampled_from(["type", "$ref", "properties", "enum", "$schema", "pattern"]), values),
)
def test_a_schema_changes_nothing_but_whether_an_answer_is_stored(
    body: dict[str, Any], schema: dict[str, Any]
) -> None:
    response = RawResponse(200, {}, orjson.dumps(body))
    without, given_one = (
        classify(response, Wanted(schema=wanted), wall_now=0.0) for wanted in (None, schema)
    )
    if isinstance(without, Completion):
        assert isinstance(given_one, Completion)
        assert given_one.body == without.body
        assert without.storable or not given_one.storable
    else:
        assert given_one == without


@relaxed
@given(st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6), values, max_size=6) | answers())
def test_every_body_has_a_summary(body: dict[str, Any]) -> None:
    told = summary(body)
    for count in (told.prompt_tokens, told.completion_tokens, told.cached_tokens, told.reasoning_tokens):
        assert count is None or 0 <= count <= 2**53
    assert told.cost_usd is None or (math.isfinite(told.cost_usd) and told.cost_usd >= 0)
