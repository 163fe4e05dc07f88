"""A report as one HTML page: no network, no other file. Decides what stands where; the figures are made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import jinja2
import vl_convert
from markupsafe import Markup

from duck_or.report import charts, sentences
from duck_or.report.figures import Figures
from duck_or.version import __version__

TEMPLATE = "page.html"


class Entry(NamedTuple):
    """A line of a legend. colour: CSS."""

    name: str
    colour: str


class Section(NamedTuple):
    """One chart. spec: None where there is nothing to draw."""

    name: str
    title: str
    sentence: str
    legend: Sequence[Entry]
    spec: charts.Spec | None


class Plan(NamedTuple):
    """How a section is made. there: whether there is anything to draw."""

    title: str
    sentence: Callable[[Figures], str]
    draw: Callable[[Figures], charts.Spec]
    series: Callable[[Figures], Sequence[str]]
    there: Callable[[Figures], bool]


PLANS = {
    "spend": Plan(
        "Spend over time", sentences.spend, charts.spend, lambda f: f.models, lambda f: f.totals.cost_usd > 0
    ),
    "costs": Plan(
        "Cost by model and provider",
        sentences.costs,
        charts.costs,
        lambda f: f.providers,
        lambda f: bool(f.costs),
    ),
    "savings": Plan(
        "Cache savings",
        sentences.savings,
        charts.savings,
        lambda f: charts.SAVING_KINDS,
        lambda f: f.totals.saved_usd > 0,
    ),
    "latencies": Plan(
        "Latency", sentences.latencies, charts.latencies, lambda f: f.models, lambda f: bool(f.latencies)
    ),
    "errors": Plan(
        "Errors by code",
        sentences.errors,
        charts.errors,
        lambda f: charts.ERROR_KINDS,
        lambda f: bool(f.errors),
    ),
    "tokens": Plan(
        "Tokens over time",
        sentences.tokens,
        charts.tokens,
        lambda f: charts.TOKEN_KINDS,
        lambda f: bool(f.tokens),
    ),
}


def page(figures: Figures, source: str, made: str, nothing: str = "") -> str:
    """The page's HTML. source: where the calls come from; made: when it was made; nothing: why there is nothing to show."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "usd": sentences.dollars_or_dash,
        "seconds": sentences.seconds,
        "whole": lambda count: f"{count:,}",
    }
    template = environment.from_string(files(__package__).joinpath(TEMPLATE).read_text("utf-8"))
    sections = [] if figures.totals.empty else sections_of(figures)
    return template.render(
        heading=sentences.heading(figures.totals),
        tiles=sentences.tiles(figures.totals),
        sections=sections,
        specs={section.name: section.spec for section in sections if section.spec},
        lines=figures.lines,
        zone=figures.zone,
        nothing=nothing,
        source=source,
        made=made,
        version=__version__,
        script=_vega() if sections else "",
    )


@lru_cache(1)
def _vega() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one ES module without imports; making it takes a second."""
    return Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def sections_of(figures: Figures) -> list[Section]:
    return [_section(name, plan, figures) for name, plan in PLANS.items()]


def _section(name: str, plan: Plan, figures: Figures) -> Section:
    if not plan.there(figures):
        return Section(name, plan.title, plan.sentence(figures), (), None)
    series = plan.series(figures)
    legend = (
        [
            Entry(each, charts.colour(place))
            for each, place in zip(series, charts.places_of(series), strict=True)
        ]
        if len(series) > 1
        else []
    )
    return Section(name, plan.title, plan.sentence(figures), legend, plan.draw(figures))
