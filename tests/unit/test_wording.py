from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.wording import dollars, duration, rough_dollars, rough_time, short_count, size, span


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0"),
        (1e-9, "less than $0.000001"),
        (0.002609, "$0.002609"),
        (0.25, "$0.25"),
        (0.5, "$0.50"),
        (0.9999999, "$1.00"),
        (1234.5, "$1,234.50"),
    ],
)
def test_dollars_are_never_rounded_to_nothing(usd: float, text: str) -> None:
    assert dollars(usd) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0"),
        (1e-9, "less than $0.000001"),
        (0.002639, "$0.0026"),
        (0.4268, "$0.43"),
        (0.999, "$1.00"),
        (12.345, "$12.35"),
    ],
)
def test_rough_dollars_have_two_figures_below_a_dollar(usd: float, text: str) -> None:
    assert rough_dollars(usd) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (32_768, "32.8 kB"), (10**9, "1.0 GB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10k"),
        (812_345, "812k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (1_249_999, "1.2M"),
        (9_960_000, "10M"),
        (34 * 10**6, "34M"),
        (5_600_000_000, "5.6G"),
        (10**13, "10,000G"),
    ],
)
def test_short_counts(count: int, text: str) -> None:
    assert short_count(count) == text


@given(st.integers(0, 10**12))
def test_a_short_count_is_short_and_within_a_twentieth(count: int) -> None:
    text = short_count(count)
    factor = {"k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1], 1)
    assert len(text) <= 6
    assert float(text.rstrip("kMG").replace(",", "")) * factor == pytest.approx(count, rel=0.05)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0:00"),
        (7.4, "0:07"),
        (59.6, "1:00"),
        (92, "1:32"),
        (3600, "1:00:00"),
        (99_999, "27:46:39"),
        (1_036_800, "12 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "under a second"),
        (1, "1 second"),
        (40.4, "40 seconds"),
        (99.9, "100 seconds"),
        (390, "6.5 minutes"),
        (27 * 3600, "27 hours"),
        (302_400, "3.5 days"),
        (10**8, "1,200 days"),
    ],
)
def test_rough_times(seconds: float, text: str) -> None:
    assert rough_time(seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        ("$2", "$2", "$2"),
        ("$2", "$3", "$2 to $3"),
        ("2 hours", "3 hours", "2 to 3 hours"),
        ("40 seconds", "3 hours", "40 seconds to 3 hours"),
        ("under a second", "2 seconds", "under a second to 2 seconds"),
    ],
)
def test_a_span_says_nothing_twice(low: str, high: str, text: str) -> None:
    assert span(low, high) == text
