"""How a report's figures read."""

from __future__ import annotations

from datetime import datetime

import pytest

from duck_or.report import sentences
from support.report_calls import failed, hits, of, refused, sent

CALLS = [
    sent(0, "a/m", "P", cost_usd=3.0, latency_s=0.5, cached_tokens=5, reasoning_tokens=1),
    sent(30, "b/n", "Q", cost_usd=1.0, latency_s=4.0),
    failed("timeout", hours=30),
    hits(7, "a/m"),
    refused(2),
]


def test_the_heading_is_the_span_of_time() -> None:
    assert sentences.heading(of([]).totals) == "No calls"
    assert sentences.heading(of([sent(0), sent(1)]).totals) == "14 March 2026, 12:00 to 13:00"
    assert sentences.heading(of([sent(0), sent(24 * 30)]).totals) == "14 March to 13 April 2026"
    assert sentences.heading(of([sent(-24 * 100), sent(0)]).totals) == "4 December 2025 to 14 March 2026"


def test_tiles() -> None:
    assert [tuple(tile) for tile in sentences.tiles(of(CALLS).totals)] == [
        ("Requests", "10", "3 sent, 7 from the cache"),
        ("Spent", "$4.00", "$2.00 an answer"),
        ("Saved by the cache", "about $21.00", "70 % of requests"),
        ("Errors", "3", "33 % of those sent, 2 rows refused"),
        ("Tokens", "28", "20 in, 8 out"),
        ("Median latency", "2.2 s", "95 % within 3.8 s"),
    ]


def test_each_chart_has_its_sentence() -> None:
    found = of(CALLS)
    assert sentences.spend(found) == (
        "$4.00 in all, 75 % of it for a/m; the dearest hour was 14 March, 12:00 with $3.00."
    )
    assert sentences.costs(found) == "2 models, colours are providers: P was paid 75 % ($3.00)."
    assert "within 2.2 s, 95 % within 3.8 s" in sentences.latencies(found)
    assert sentences.savings(found) == (
        "7 of 10 requests (70 %) were answered from the cache. By what a call of the same model costs on average, about "
        "$21.00 was saved."
    )
    assert sentences.errors(found) == (
        "1 of 3 sent requests (33 %) have no answer after all attempts, for timeout; 2 rows could not become "
        "a request, and nothing was sent."
    )
    assert sentences.tokens(found) == (
        "20 of prompts, 25 % of them read from a provider's cache at a lower price, and 8 of answers, 12 % of them reasoning."
    )


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (["timeout", "timeout"], "all of them for timeout."),
        ([*["rate_limited"] * 4, *["timeout"] * 3, *["moderation"] * 2], "4 of them for rate_limited."),
    ],
)
def test_the_commonest_failure_has_its_count(codes: list[str], said: str) -> None:
    assert sentences.errors(of([failed(code) for code in codes])).endswith(f"after all attempts, {said}")


def test_what_is_not_known_is_said() -> None:
    unknown = of([sent(cost_usd=None, prompt_tokens=None, completion_tokens=None), hits(3, "x")])
    assert sentences.spend(unknown) == "Nothing was spent, or no answer said what it cost."
    assert sentences.costs(unknown) == "No call cost anything, or none said so."
    assert sentences.tokens(unknown) == "No answer said how many tokens it took."
    assert sentences.errors(unknown) == "Every request that was sent was answered."
    assert sentences.savings(unknown).endswith(
        "about $0 was saved; not in it: 3 hits of models without a price."
    )
    assert sentences.tiles(unknown.totals)[1].beside == "1 answer did not say what it cost"
    only_hits = of([hits(3)])
    assert sentences.latencies(only_hits) == "No call was answered."
    assert sentences.savings(of([sent()])) == "No request was answered from the cache."


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "0 %"), (0, 9, "0 %"), (1, 10_000, "under 0.1 %"), (3, 1000, "0.3 %"), (14, 1000, "1.4 %"),
        (123, 1000, "12 %"), (9999, 10_000, "99.9 %"), (10_000, 10_000, "100 %"),
    ],
)  # fmt: skip
def test_percent(part: float, whole: float, text: str) -> None:
    assert sentences.percent(part, whole) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0456, "0.046 s"), (1.0, "1 s"), (12.34, "12 s"), (125.0, "2:05 min")]
)
def test_seconds(value: float | None, text: str) -> None:
    assert sentences.seconds(value) == text


@pytest.mark.parametrize(
    ("bin_", "text"),
    [
        ("5 minutes", "15:09"), ("1 minute", "15:09"), ("1 hour", "4 July, 15:09"), ("1 day", "4 July 2026"),
        ("1 week", "4 July 2026"), ("1 month", "July 2026"),
    ],
)  # fmt: skip
def test_when(bin_: str, text: str) -> None:
    assert sentences.when(datetime(2026, 7, 4, 15, 9), bin_) == text


def test_short_names_stay_different() -> None:
    assert sentences.short_names(["a/m", "b/m", "a/n", "o"]) == {
        "a/m": "a/m",
        "b/m": "b/m",
        "a/n": "n",
        "o": "o",
    }
