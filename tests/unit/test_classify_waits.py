"""Every place and unit in which the service says when to come back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duck_or.classify.waits import wait_hint

NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


def hint(
    headers: dict[str, str] | None = None, error: dict[str, Any] | None = None, status: int = 429
) -> float | None:
    return wait_hint(headers or {}, error or {}, status, wall_now=NOW)


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({"retry-after-ms": "1500"}, {}, 1.5),
        ({"retry-after": "17"}, {}, 17.0),
        ({"retry-after": " 0.25 "}, {}, 0.25),
        ({"retry-after": "300"}, {}, 300.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, {}, 30.0),
        ({"retry-after": "Friday, 15-Jan-27 08:00:30 GMT"}, {}, 30.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30"}, {}, 30.0),
        ({"retry-after": "Fri, 15 Jan 2027 10:00:30 +0200"}, {}, 30.0),
        ({}, {"availability": {"retry_after": 7}}, 7.0),
        ({}, {"metadata": {"retry_after_seconds": 16.5}}, 16.5),
        ({}, {"metadata": {"headers": {"Retry-After": "12"}}}, 12.0),
        ({}, {"metadata": {"headers": {"RETRY-AFTER": 12}}}, 12.0),
        ({"x-ratelimit-reset": "1800000060000"}, {}, 60.0),
        ({"x-ratelimit-reset": "1800000060"}, {}, 60.0),
        ({"x-ratelimit-reset": "60"}, {}, 60.0),
        ({}, {"metadata": {"headers": {"X-RateLimit-Reset": "1800000060000"}}}, 60.0),
        ({}, {"metadata": {"headers": {"x-ratelimit-reset": 1800000060000}}}, 60.0),
    ],
)
def test_a_hint_is_read_in_its_unit(headers: dict[str, str], error: dict[str, Any], seconds: float) -> None:
    assert hint(headers, error) == seconds


def test_hints_are_trusted_in_their_order() -> None:
    headers = {"retry-after-ms": "1000", "retry-after": "2", "x-ratelimit-reset": "6"}
    error: dict[str, Any] = {
        "availability": {"retry_after": 3},
        "metadata": {"retry_after_seconds": 4, "headers": {"Retry-After": "5", "X-RateLimit-Reset": "7"}},
    }
    met = []
    for place, name in [
        (headers, "retry-after-ms"),
        (headers, "retry-after"),
        (error["availability"], "retry_after"),
        (error["metadata"], "retry_after_seconds"),
        (error["metadata"]["headers"], "Retry-After"),
        (headers, "x-ratelimit-reset"),
        (error["metadata"]["headers"], "X-RateLimit-Reset"),
    ]:
        met.append(hint(headers, error))
        del place[name]
    assert met == [1, 2, 3, 4, 5, 6, 7]
    assert hint(headers, error) is None


@pytest.mark.parametrize(
    "garbage",
    [
        "0",
        "-5",
        "0.0",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "",
        " ",
        "soon",
        "Fri, 15 Jan 2027 07:59:00 GMT",
        "Mon, 99 Foo 20",
        "٪",
    ],
)
def test_garbage_zero_and_the_past_are_passed_over(garbage: str) -> None:
    assert hint({"retry-after": garbage, "retry-after-ms": garbage, "x-ratelimit-reset": garbage}) is None
    assert hint({"retry-after": garbage}, {"metadata": {"retry_after_seconds": 4}}) == 4.0


@pytest.mark.parametrize("garbage", [None, True, [], {}, "x", -1, [17]])
def test_a_wrong_type_is_no_hint(garbage: Any) -> None:
    assert hint({}, {"availability": garbage, "metadata": garbage}) is None
    assert hint({}, {"availability": {"retry_after": garbage}, "metadata": {"headers": garbage}}) is None
    assert (
        hint({}, {"metadata": {"retry_after_seconds": garbage, "headers": {"Retry-After": garbage}}}) is None
    )


def test_the_end_of_a_window_is_a_hint_only_when_a_limit_refused() -> None:
    headers = {"x-ratelimit-reset": "60"}
    assert hint(headers, status=429) == 60.0
    assert hint(headers, status=402) is hint(headers, status=502) is None
    assert hint({"retry-after": "3"}, status=502) == 3.0


@settings(deadline=None)  # the first date imports its parser
@given(
    names=st.lists(st.sampled_from(["retry-after-ms", "retry-after", "x-ratelimit-reset"]), unique=True),
    text=st.one_of(
        st.text(max_size=40), st.floats().map(str), st.integers().map(str), st.datetimes().map(str)
    ),
    now=st.floats(0, 1e11),
)
def test_a_hint_is_none_or_finite_and_above_zero(names: list[str], text: str, now: float) -> None:
    seconds = wait_hint(
        dict.fromkeys(names, text), {"metadata": {"headers": {"Retry-After": text}}}, 429, wall_now=now
    )
    assert seconds is None or (math.isfinite(seconds) and seconds > 0)
