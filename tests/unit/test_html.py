"""Tables for notebooks: whatever a text holds, a browser reads it as text, and nothing but our own elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.html import (
    CELL_CHARACTERS,
    Column,
    facts_table,
    faint,
    preformatted,
    rows_table,
    shortened,
    wrapped,
)
from duck_or.stats import Stats
from support.markup import Seen

ELEMENTS = {
    "b",
    "br",
    "caption",
    "details",
    "div",
    "i",
    "pre",
    "small",
    "summary",
    "table",
    "tbody",
    "td",
    "th",
} | {
    "thead",
    "tr",
}
ATTRIBUTES = {"style", "scope"}

HOSTILE = [
    "<script>alert(1)</script>",
    "</td></table><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' style='background:url(javascript:alert(1))'",
    "<!-- --><svg/onload=alert(1)>",
    "&lt;script&gt; &amp;#x3C;",
    "<details open ontoggle=alert(1)>",
    "</pre></details><iframe srcdoc='<script>alert(1)</script>'>",
    "\x00<\x00script>\u2028",
]
# No surrogates: DuckDB's text is UTF-8. HTML itself reads a carriage return as a line's end and drops NUL.
texts = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00"), max_size=60
) | st.sampled_from(HOSTILE).map(lambda text: text.replace("\x00", ""))


def assert_harmless(html: str) -> Seen:
    seen = Seen(html)
    assert set(seen.tags) <= ELEMENTS
    assert {name for name, _ in seen.attributes} <= ATTRIBUTES
    assert not any("url(" in (value or "") or "color" in (value or "") for _, value in seen.attributes)
    return seen


@given(texts, texts, texts, texts, texts)
def test_text_stays_text(name: str, kind: str, figure: str, value: str, below: str) -> None:
    columns = [Column(name, kind), Column(name, figures=True)]
    seen = assert_harmless(rows_table(columns, [[value, figure], [None, None]], below))
    assert seen.cells[:5] == [name + kind, name, value, figure, "NULL"]
    assert seen.text.endswith(f"NULL{below}")
    facts = assert_harmless(facts_table(name, [(kind, value)]))
    assert (facts.cells, facts.text) == ([kind, value], name + kind + value)
    assert assert_harmless(preformatted(value, name)).text == name + value
    assert assert_harmless(wrapped(value)).text == assert_harmless(faint(value)).text == value


@pytest.mark.parametrize("text", HOSTILE)
def test_no_way_out_of_a_cell(text: str) -> None:
    html = rows_table([Column(text, text)], [[text]], text) + facts_table(text, [(text, text)])
    assert_harmless(html)
    assert "<script" not in html
    assert "<img" not in html


def test_null_is_told_from_its_name() -> None:
    html = rows_table([Column("a")], [[None], ["NULL"]])
    assert html.count("<i ") == 1


def test_long_values_are_cut() -> None:
    html = rows_table([Column("a")], [["x" * (CELL_CHARACTERS + 1234)]])
    assert html.count("x") < CELL_CHARACTERS + 50
    assert "… 1,234 more characters" in html


@given(st.text(max_size=30), st.integers(0, 30))
def test_what_is_cut_is_said(text: str, limit: int) -> None:
    cut = shortened(text, limit)
    assert cut == text or cut == f"{text[:limit]} … {len(text) - limit} more characters"
    assert (cut == text) == (len(text) <= limit)


def test_stats_show_what_was_counted() -> None:
    html = Stats(requests=1_204, sent=1_204, cost_usd=0.25)._repr_html_()
    assert assert_harmless(html).cells == ["requests", "1,204", "sent", "1,204", "cost_usd", "0.25"]
    assert assert_harmless(Stats()._repr_html_()).text == "Stats: nothing was asked yet"
