"""The page of a report as text: what stands in it, that it needs nothing else, and that no name becomes markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest
import vl_convert

from duck_or.report import charts
from duck_or.report.figures import Figures
from duck_or.report.page import PLANS, page
from support.report_calls import failed, hits, of, refused, sent

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&{{ 7 * 7 }}\n\u2028"
RICH = [
    *(
        sent(
            hour,
            f"author/model-{hour % 9}",
            f"P{hour % 8}",
            latency_s=0.1 + hour % 7,
            cached_tokens=3,
            reasoning_tokens=1,
        )
        for hour in range(200)
    ),
    failed("timeout"),
    refused(3),
    hits(40, "author/model-1"),
]


def made(figures: Figures, nothing: str = "") -> str:
    return page(figures, "From calls.sqlite", "2026-03-14 12:00", nothing)


def specs_of(html: str) -> dict[str, Any]:
    [text] = re.findall(r"^const specs = (.*);$", html, re.MULTILINE)
    found: dict[str, Any] = orjson.loads(text)
    return found


def values_of(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    [values] = spec["datasets"].values()
    return list(values)


def words_of(spec: Mapping[str, Any]) -> list[str]:
    """The words in a drawn chart of a phone's width, those that are hidden included."""
    svg = vl_convert.vegalite_to_svg({**spec, "width": 330})
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


class Tags(HTMLParser):
    """Every tag with its attributes, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._code = False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._code = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._code = False

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.text.append(data)


def test_a_page_has_every_chart_with_its_sentence() -> None:
    html = made(of(RICH))
    assert set(specs_of(html)) == set(PLANS)
    text = " ".join(" ".join(Tags(html).text).split())
    for plan in PLANS.values():
        assert f"{plan.title} {plan.sentence(of(RICH))}" in text
    assert "From calls.sqlite. Made 2026-03-14 12:00" in text


def test_a_page_refers_to_nothing_outside() -> None:
    tags = Tags(made(of(RICH))).tags
    assert [tag for tag, attributes in tags if {"src", "href", "action", "srcset"} & set(attributes)] == []
    policies = [each["content"] for _, each in tags if each.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none';")
    assert "unsafe-eval" not in str(policies[0])


def test_a_name_is_never_markup() -> None:
    rows = [sent(model=HOSTILE, provider=HOSTILE), failed(HOSTILE, model=HOSTILE), hits(3, HOSTILE)]
    html = page(of(rows), HOSTILE, HOSTILE)
    plain = Tags(made(of([sent(), failed("x"), hits(3)])))
    hostile = Tags(html)
    assert [tag for tag, _ in hostile.tags if tag == "img"] == []
    assert (
        sum(tag == "script" for tag, _ in hostile.tags) == sum(tag == "script" for tag, _ in plain.tags) == 1
    )
    assert "49" not in "".join(hostile.text).replace("0.49", "")
    assert values_of(specs_of(html)["spend"])[0]["series"] == HOSTILE


def test_what_has_nothing_to_draw_is_a_sentence() -> None:
    html = made(of([sent(cost_usd=None, latency_s=None, prompt_tokens=None, completion_tokens=None)]))
    assert specs_of(html) == {}
    assert "Nothing was spent, or no answer said what it cost." in html


def test_an_empty_page_says_why() -> None:
    html = made(of([]), "There is no file.")
    assert "There is no file." in Tags(html).text
    assert [tag for tag, _ in Tags(html).tags if tag == "script"] == []


@pytest.mark.parametrize("name", PLANS)
def test_colours_are_the_pages_own_so_that_light_and_dark_are_one_chart(name: str) -> None:
    spec = PLANS[name].draw(of(RICH))
    said = re.findall(
        r'"(?:color|labelColor|tickColor|domainColor|gridColor)":"([^"]+)"', orjson.dumps(spec).decode()
    )
    scales = re.findall(r'"range":\[([^\]]+)\]', orjson.dumps(spec).decode())
    assert scales
    assert {each.partition("(")[0] for each in said} <= {"var"}
    assert all(each.startswith('"var(--series-') for each in scales)


def test_pieces_stand_on_one_another() -> None:
    rows = [sent(0, "a", cost_usd=2.0), sent(0, "b", cost_usd=1.0), sent(1, "b", cost_usd=4.0)]
    pieces = [(each["series"], each["from"], each["to"]) for each in values_of(charts.spend(of(rows)))]
    assert pieces == [("b", 0.0, 1.0), ("a", 1.0, 3.0), ("b", 0.0, 4.0)]


@pytest.mark.parametrize(
    ("hours", "shape"),
    [
        ([0], r"\d\d:\d\d"),
        ([0, 0.5], r"\d\d:\d\d"),
        ([0, 3], r"\d\d:\d\d"),
        ([0, 14], r"\d+ Mar \d\d:\d\d"),
        ([0, 50], r"\d+ Mar \d\d:\d\d"),
        ([0, 24 * 5], r"\d+ Mar"),
    ],
)
def test_times_say_the_day_where_there_are_several_and_none_comes_twice(
    hours: list[float], shape: str
) -> None:
    words = words_of(charts.spend(of(sent(hour) for hour in hours)))
    times = [word for word in words if not word.startswith("$")]
    assert len(times) > 1
    assert [word for word in times if not re.fullmatch(shape, word)] == []
    assert len(set(times)) == len(times)


@pytest.mark.parametrize("latency_s", [0.0005, 0.07, 1.0, 900.0])
def test_a_scale_of_latencies_has_two_numbers_however_narrow_it_is(latency_s: float) -> None:
    words = words_of(charts.latencies(of([sent(latency_s=latency_s)])))
    numbers = [float(word) for word in words[: words.index("seconds")]]
    assert len(numbers) > 1
    assert min(numbers) <= latency_s * 1.01
    assert max(numbers) >= latency_s * 0.99


def test_a_bars_figure_comes_before_its_name_which_may_be_cut_off() -> None:
    model = "author/" + "a-model-with-a-long-name-" * 4
    rows = [sent(model=model, cost_usd=0.048), failed("an_error_code"), hits(3, model)]
    bars = {
        name: {each["name"] for each in values_of(PLANS[name].draw(of(rows)))}
        for name in ("costs", "savings", "errors")
    }
    short = model.removeprefix("author/")
    assert bars == {
        "costs": {f"$0.048  {short}"},
        "savings": {f"about $0.14  {short}"},
        "errors": {"1  an_error_code"},
    }


def test_the_table_stays_one_for_who_is_read_to_however_it_is_laid_out() -> None:
    """On a phone its rows are grids, which takes the meaning of a table away; the roles give it back."""
    html = made(of(RICH))
    tags = Tags(html).tags
    roles = {
        "table": "table",
        "thead": "rowgroup",
        "tbody": "rowgroup",
        "tr": "row",
        "td": "cell",
        "th": "columnheader",
    }
    assert {(tag, given.get("role")) for tag, given in tags if tag in roles} == set(roles.items())
    heads = [given.get("scope") for tag, given in tags if tag == "th"]
    rows = sum(tag == "tr" for tag, _ in tags) - 1
    assert heads == ["col"] * 10
    assert sum(tag == "td" for tag, _ in tags) == 10 * rows
    assert not re.search(r"thead \{[^}]*display: none", html)
