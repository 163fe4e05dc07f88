"""A report's numbers: each against calls that were put there by hand, and all of them against one another."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duck_or.report.figures import MAX_BINS, Line, Saving, Share, Totals, Wanted, bin_of, figures
from duck_or.report.source import load_nothing
from support.report_calls import NOON, Row, failed, hits, of, refused, sent


def test_nothing_makes_empty_figures() -> None:
    found = of([])
    assert found.totals.empty
    assert (found.totals.first, found.totals.cost_usd, found.totals.latency_p50) == (None, 0.0, None)
    drawn = (
        found.models,
        found.spend,
        found.costs,
        found.latencies,
        found.savings,
        found.tokens,
        found.lines,
    )
    assert not any(drawn)


def test_totals() -> None:
    rows = [
        sent(cached_tokens=3, reasoning_tokens=2),
        sent(1, cost_usd=1.5, latency_s=3.0),
        sent(2, cost_usd=None, latency_s=2.0, prompt_tokens=None),
        failed("timeout", cost_usd=0.25),
        hits(7),
        refused(4),
    ]
    assert of(rows).totals == Totals(
        first=datetime(2026, 3, 14, 12), last=datetime(2026, 3, 14, 14), sent=4, answered=3, failed=1, hits=7, rejected=4,
        cost_usd=2.25, unpriced=1, saved_usd=7.0, unvalued_hits=0, prompt_tokens=20, completion_tokens=12, cached_tokens=3,
        reasoning_tokens=2, latency_p50=2.0, latency_p95=pytest.approx(2.9),
    )  # fmt: skip


def test_a_hit_saves_what_a_call_of_its_model_costs_on_average() -> None:
    rows = [
        sent(),
        sent(cost_usd=1.5),
        failed("timeout", cost_usd=9.0),
        hits(2),
        hits(3, "free"),
        hits(5, "unknown"),
    ]
    found = of([*rows, sent(model="free", cost_usd=0.0)])
    assert found.savings == [Saving("m", 2, 2.0), Saving("free", 3, 0.0), Saving("unknown", 5, None)]
    assert (found.totals.saved_usd, found.totals.unvalued_hits, found.totals.hits) == (2.0, 5, 10)


def test_calls_that_are_not_shown_still_tell_what_a_hit_saves() -> None:
    found = of([sent(-1000), hits(4)], Wanted(since=NOON.timestamp()))
    assert (found.totals.sent, found.totals.cost_usd, found.totals.saved_usd) == (0, 0.0, 2.0)


@pytest.mark.parametrize(
    ("wanted", "times"),
    [
        (Wanted(since=(NOON + timedelta(hours=1)).timestamp()), 2),
        (Wanted(models=["a"]), 1),
        (Wanted(models=["a", "b", "x"]), 3),
        (Wanted(since=(NOON + timedelta(hours=2)).timestamp(), models=["a"]), 0),
    ],
)
def test_what_is_wanted(wanted: Wanted, times: int) -> None:
    found = of([sent(0, "a"), sent(1, "b"), sent(2, "b")], wanted)
    assert found.totals.sent == times
    assert found.totals.empty == (times == 0)


def test_days_are_those_of_the_zone() -> None:
    rows = [sent(0), sent(24 * 5), sent(24 * 5 + 4)]
    utc, tokyo = of(rows, zone="UTC"), of(rows, zone="Asia/Tokyo")
    assert (utc.zone, tokyo.zone, utc.bin) == ("UTC", "Asia/Tokyo", "1 day")
    assert [(part.start.day, part.end.day, part.value) for part in utc.spend] == [
        (14, 15, 0.5),
        (19, 20, 1.0),
    ]
    assert [(part.start.day, part.value) for part in tokyo.spend] == [(14, 0.5), (19, 0.5), (20, 0.5)]


@pytest.mark.parametrize(
    ("days", "bin_"),
    [
        (0, "1 minute"),
        (0.1, "5 minutes"),
        (1, "1 hour"),
        (7, "1 day"),
        (60, "1 day"),
        (90, "1 week"),
        (2000, "1 month"),
    ],
)
def test_bins_are_as_long_as_the_time_asks_for(days: float, bin_: str) -> None:
    first = datetime(2026, 1, 1)
    assert bin_of(first, first + timedelta(days=days)) == bin_
    assert bin_of(None, None) == "1 minute"


def test_the_dearest_get_a_colour_and_all_others_are_one() -> None:
    rows = [sent(model=f"m{n}", provider=f"p{n}", cost_usd=float(n)) for n in range(20)]
    found = of(rows)
    assert found.models == ["m19", "m18", "m17", "m16", "m15", "m14", "others"]
    assert found.providers == ["p19", "p18", "p17", "p16", "p15", "p14", "others"]
    assert found.costs[0] == Share("m19", "p19", 19.0)
    assert found.costs[-1] == Share("others", "others", float(sum(range(8))))
    assert [line.model for line in found.lines][:2] == ["m19", "m18"]


def test_a_line_for_each_model_at_each_provider() -> None:
    rows = [
        sent(),
        sent(cost_usd=1.0, latency_s=3.0),
        failed("timeout"),
        sent(provider="Q"),
        sent(model=None, provider=None),
    ]
    assert of(rows).lines == [
        Line("m", "P", 2, 0, 20, 8, 1.5, 0.75, 2.0, pytest.approx(2.9)),
        Line("m", "Q", 1, 0, 10, 4, 0.5, 0.5, 1.0, 1.0),
        Line("not told", "not told", 1, 0, 10, 4, 0.5, 0.5, 1.0, 1.0),
        Line("m", "not told", 1, 1, 0, 0, 0.0, None, None, None),
    ]


def test_errors_by_code() -> None:
    rows = [failed("timeout"), failed("rate_limited"), failed("timeout"), refused(9)]
    assert of(rows).errors == [
        Share("bad_argument", "rejected", 9.0),
        Share("timeout", "failed", 2.0),
        Share("rate_limited", "failed", 1.0),
    ]


def test_a_latency_lies_in_its_bin() -> None:
    found = of([sent(latency_s=value) for value in (0.01, 0.99, 1.0, 1.01, 250.0)] + [failed("timeout")])
    assert [each.calls for each in found.latencies] == [1, 1, 2, 1]
    assert (found.latencies[2].low, found.latencies[2].high) == (1.0, pytest.approx(10 ** (1 / 8)))


COUNTS = st.one_of(st.none(), st.integers(0, 1000))
SENT = st.builds(
    sent,
    hours=st.floats(-10_000, 0),
    model=st.sampled_from([None, *"abcdefghij"]),
    provider=st.sampled_from([None, *"PQRSTUVWXYZ"]),
    cost_usd=st.one_of(st.none(), st.floats(0, 10)),
    latency_s=st.one_of(st.none(), st.floats(0.001, 1000)),
    prompt_tokens=COUNTS,
    completion_tokens=COUNTS,
    cached_tokens=COUNTS,
    reasoning_tokens=COUNTS,
    error_code=st.sampled_from([None, None, "timeout"]),
)
HITS = st.builds(hits, st.integers(1, 100), st.sampled_from("abcx"))


@settings(max_examples=40)
@given(st.lists(st.one_of(SENT, HITS), max_size=25))
def test_the_parts_make_up_the_whole(rows: list[Row]) -> None:
    found = of(rows)
    calls = [row for row in rows if not row["cache_hit"]]
    cost = math.fsum(row["cost_usd"] or 0.0 for row in calls)
    for parts in (found.spend, found.costs):
        assert math.isclose(math.fsum(part.value for part in parts), cost, abs_tol=1e-9)
    assert math.isclose(math.fsum(line.cost_usd for line in found.lines), cost, abs_tol=1e-9)
    assert sum(part.value for part in found.tokens) == found.totals.tokens
    assert sum(line.sent for line in found.lines) == found.totals.sent == len(calls)
    assert (
        sum(line.failed for line in found.lines)
        == found.totals.failed
        == sum(each.value for each in found.errors)
    )
    answered = [row for row in calls if row["error_code"] is None and row["latency_s"]]
    assert sum(each.calls for each in found.latencies) == len(answered)
    assert len({part.start for part in found.spend}) <= MAX_BINS + 1
    assert {part.series for part in found.spend} <= set(found.models)
    assert {share.series for share in found.costs} <= set(found.providers)


def test_many_rows_at_once() -> None:
    with duckdb.connect() as con:
        load_nothing(con)
        table = pa.table({"i": range(50_000)})
        con.register("numbers", table)
        con.execute("""
            INSERT INTO call BY NAME
            SELECT to_timestamp(1.7e9 + i) AS time, 1 AS requests, 'm' || i % 3 AS model, 1 AS attempts, 0.001 AS cost_usd,
                   false AS cache_hit, 0.1 + i % 10 AS latency_s
            FROM numbers
        """)
        found = figures(con)
    assert (found.totals.sent, found.bin, round(found.totals.cost_usd, 6)) == (50_000, "1 hour", 50.0)
