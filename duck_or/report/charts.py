"""A report's charts, as Vega-Lite specifications made by Altair. Decides marks, axes and labels; says nothing in words.

Colours are the page's CSS variables, so that light and dark are the browser's business; widths are the page's. Legends are
HTML, since a chart's own do not wrap on a phone. Names stand above their bars, where there is room for them on a phone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import altair as alt

from duck_or.report.figures import BINS, Figures, Part, Totals
from duck_or.report.sentences import seconds, short_names, unit, when
from duck_or.wording import rough_dollars

OTHERS_PLACE = 7
"""The series beyond the ones that have a colour: grey."""
TOKEN_KINDS = ("prompt", "prompt, from the provider's cache", "answer", "reasoning")
ERROR_KINDS = ("failed", "rejected")
SAVING_KINDS = ("paid", "about saved")
KIND_PLACES = {"about saved": 2, "failed": 1, "rejected": OTHERS_PLACE}
"""Colours of kinds that mean something: green for saved, the warmest for failed."""
MAX_MODELS = 10
"""Models in the chart of savings."""

TIME_FORMATS = {
    "minute": "%H:%M",
    "5 minutes": "%H:%M",
    "hour": "%-d %b %H:%M",
    "day": "%-d %b",
    "week": "%-d %b",
    "month": "%b %Y",
}
"""Of d3: the page's heading has the date where bars are shorter than an hour."""

TIME_HEIGHT = 240
ROW_HEIGHT = 44
BAR_HEIGHT = 14
LABEL_WIDTH = 80
"""Of a time axis, at most: what is nearer to the axis's end than half of it is moved inwards, not cut off."""
INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--grid)"

Spec = Mapping[str, Any]

T = TypeVar("T")


def colour(place: int) -> str:
    """The CSS of the place-th series, from 0; all beyond the palette share one."""
    return f"var(--series-{min(place + 1, OTHERS_PLACE)})"


def places_of(series: Sequence[str]) -> Sequence[int]:
    """Which colour each series has, by its rank where its name means nothing."""
    return [KIND_PLACES.get(name, rank) for rank, name in enumerate(series)]


def spend(figures: Figures) -> Spec:
    return _over_time(figures.spend, figures.models, _money_format(_highest(figures.spend)), figures.bin)


def tokens(figures: Figures) -> Spec:
    return _over_time(figures.tokens, TOKEN_KINDS, "~s", figures.bin)


def costs(figures: Figures) -> Spec:
    short = short_names(each.name for each in figures.costs)
    rows = [(short[each.name], each.series, each.value) for each in figures.costs]
    return _bars(rows, figures.providers, rough_dollars)


def savings(figures: Figures) -> Spec:
    paid: dict[str, float] = defaultdict(float)
    for line in figures.lines:
        paid[line.model] += line.cost_usd
    shown = [each for each in figures.savings if each.saved_usd is not None][:MAX_MODELS]
    short = short_names(each.model for each in shown)
    rows = []
    for each in shown:
        saved = each.saved_usd or 0.0
        name = _label(f"about {rough_dollars(saved)}", short[each.model])
        rows += [(name, SAVING_KINDS[0], paid[each.model]), (name, SAVING_KINDS[1], saved)]
    return _bars(rows, SAVING_KINDS, rough_dollars, labelled=True)


def errors(figures: Figures) -> Spec:
    rows = [(each.name, each.series, each.value) for each in figures.errors]
    return _bars(rows, ERROR_KINDS, lambda count: f"{count:,.0f}")


def latencies(figures: Figures) -> Spec:
    pieces = _stacked(
        (each.low, each.high, each.series, each.calls, f"{seconds(each.low)} to {seconds(each.high)}")
        for each in figures.latencies
    )
    low, high = figures.latencies[0].low, max(each.high for each in figures.latencies)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    bars = _columns(
        pieces,
        alt.X("low:Q", scale=scale, title="seconds", axis=_axis(values=_log_ticks(low, high), format=".2~r")),
        alt.Y("from:Q", title="answers", axis=_axis(grid=True, format=",.0f", tickCount=5, tickMinStep=1)),
        figures.models,
        alt.Tooltip("value:Q", title="answers", format=","),
    )
    return _finished(alt.layer(bars, *_rules(figures.totals, scale)), TIME_HEIGHT)


def _rules(totals: Totals, scale: alt.Scale) -> list[alt.Chart]:
    """Upright lines with a word each: one's left of it, the other's right, so that they never meet."""
    return [
        *_rule("half", totals.latency_p50, scale, "right", -4),
        *_rule("95 %", totals.latency_p95, scale, "left", 4),
    ]


def _rule(
    word: str, at: float | None, scale: alt.Scale, align: Literal["left", "right"], dx: int
) -> Sequence[alt.Chart]:
    chart = alt.Chart(alt.InlineData(values=[{"at": at, "word": word}]))
    x = alt.X("at:Q", scale=scale)
    text = chart.mark_text(align=align, dx=dx, dy=-10, baseline="bottom", color=INK, fontSize=12)
    rule = chart.mark_rule(color=INK, strokeDash=[4, 3])
    return rule.encode(x=x), text.encode(x=x, y=alt.value(0), text="word:N")


def _over_time(parts: Sequence[Part], series: Sequence[str], number: str, bin_: str) -> Spec:
    pieces = _stacked(
        (part.start.isoformat(), part.end.isoformat(), part.series, part.value, when(part.start, bin_))
        for part in parts
    )
    columns = _columns(
        pieces,
        alt.X("low:T", title=None, axis=_axis(**_time_axis(bin_))),
        alt.Y("from:Q", title=None, axis=_axis(grid=True, format=number, tickCount=5)),
        series,
        alt.Tooltip("value:Q", title="  ", format=number),
    )
    return _finished(columns, TIME_HEIGHT)


def _stacked(parts: Iterable[tuple[T, T, str, float, str]]) -> list[dict[str, Any]]:
    """Pieces that stand on one another where they begin at the same place. Each part: begin, end, series, value, words."""
    tops: dict[T, float] = defaultdict(float)
    pieces = []
    for low, high, series, value, words in parts:
        bottom = tops[low]
        tops[low] += value
        place = {"low": low, "high": high, "from": bottom, "to": tops[low]}
        pieces.append({**place, "series": series, "value": value, "words": words})
    return pieces


def _columns(
    pieces: list[dict[str, Any]], x: alt.X, y: alt.Y, series: Sequence[str], value: alt.Tooltip
) -> alt.Chart:
    columns: alt.Chart = (
        alt.Chart(alt.InlineData(values=pieces))
        .mark_rect(x2Offset=-1)
        .encode(
            x=x,
            x2=alt.X2("high"),
            y=y,
            y2=alt.Y2("to"),
            color=_colours(series),
            tooltip=[_shown("words", " "), _shown("series", "   "), value],
        )
    )
    return columns


def _bars(
    rows: Sequence[tuple[str, str, float]],
    series: Sequence[str],
    number: Callable[[float], str],
    labelled: bool = False,
) -> Spec:
    """One lying bar for each name, in the order in which they come, with its sum before its name. labelled: the names
    say it themselves."""
    sums: dict[str, float] = defaultdict(float)
    for name, _, value in rows:
        sums[name] += value
    label = {name: name if labelled else _label(number(total), name) for name, total in sums.items()}
    values = [
        {"name": label[name], "series": whose, "value": value, "place": list(series).index(whose)}
        | {"share": number(value)}
        for name, whose, value in rows
    ]
    names = alt.Axis(
        title=None, domain=False, ticks=False, maxExtent=0, labelAlign="left", labelPadding=0, labelOffset=-9,
        labelLimit=alt.ExprRef("width"), labelColor=INK, labelFontSize=12,
    )  # fmt: skip
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar(size=BAR_HEIGHT, yOffset=8)
        .encode(
            y=alt.Y("name:N", sort=list(label.values()), axis=names),
            x=alt.X("value:Q", stack="zero", axis=None, title=None),
            color=_colours(series),
            order=alt.Order("place:Q"),
            tooltip=[_shown("name", " "), _shown("share", "  "), _shown("series", "   ")],
        )
    )
    return _finished(chart, ROW_HEIGHT * len(sums))


def _label(figure: str, name: str) -> str:
    """The figure comes first: where there is no room, the end is cut off, and a name is known by its beginning."""
    return f"{figure}  {name}"


def _finished(chart: alt.Chart | alt.LayerChart | alt.FacetChart, height: int) -> Spec:
    finished = chart.properties(
        width="container", height=height, background="transparent",
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"), padding={"left": 0, "right": 8, "top": 20, "bottom": 4},
    ).configure(font="system-ui, sans-serif").configure_view(stroke=None)  # fmt: skip
    spec: dict[str, Any] = finished.to_dict()
    return spec


def _axis(grid: bool = False, **more: Any) -> alt.Axis:
    return alt.Axis(
        grid=grid, gridColor=GRID, domain=not grid, domainColor=MUTED, ticks=not grid, tickColor=MUTED,
        labelColor=MUTED, titleColor=MUTED, titleFontWeight="normal", labelFontSize=12, titleFontSize=12,
        labelPadding=4 if grid else 6, **more,
    )  # fmt: skip


def _colours(series: Sequence[str]) -> alt.Color:
    scale = alt.Scale(domain=list(series), range=[colour(place) for place in places_of(series)])
    return alt.Color("series:N", scale=scale, legend=None)


def _shown(field: str, title: str | None = None) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:N", title=field if title is None else title)


def _highest(parts: Iterable[Part]) -> float:
    sums: dict[object, float] = defaultdict(float)
    for part in parts:
        sums[part.start] += part.value
    return max(sums.values(), default=0.0)


def _money_format(highest: float) -> str:
    """As many decimals as an axis up to there needs."""
    if highest >= 20:
        return "$,.0f"
    decimals = 2 if highest <= 0 else max(2, 1 - math.floor(math.log10(highest / 2)))
    return f"$,.{min(8, decimals)}f"


def _time_axis(bin_: str) -> Mapping[str, Any]:
    return {
        "format": TIME_FORMATS[unit(bin_)],
        "tickMinStep": dict(BINS)[bin_] * 1000
        + 1,  # with two ticks in one bar, both would bear the same label
        "labelOverlap": True,
        "labelSeparation": 10,
        "labelFlush": LABEL_WIDTH / 2,
    }


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten in between; both ends where that is no scale yet."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = (float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5))
    inside = [tick for tick in ticks if low <= tick <= high]
    return inside if len(inside) > 1 else [low, high]
