from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.history import ModelHistory
from duck_or.models import IMAGE_TOKENS, Model, worst_case_usd
from duck_or.request import BodyTemplate, Request
from duck_or.statements.estimate import UNMEASURED, Estimate, ModelEstimate, Surveyed, Tally, estimate_of

SMALL = Model("a/small", None, 8000, 500, 1e-6, 2e-6, None, None, [], None)
LARGE = Model("a/large", None, 64_000, None, 1e-5, 3e-5, 0.001, None, [], None)
BOUNDLESS = Model("a/boundless", None, None, None, 1e-6, 2e-6, None, None, [], None)
PRICES = {model.id: model for model in (SMALL, LARGE, BOUNDLESS)}
HEARD = ModelHistory(1204, 80.0, 120, 0.5, 3.0, 0.0002)
SILENT = ModelHistory(3, None, None, None, None, None)


def asked(text: str = "hi", /, **body: Any) -> Request:
    messages = json.dumps([{"role": "user", "content": text}])
    return BodyTemplate("http://x", body).request(messages)


def small(count: int, **more: Any) -> list[Request]:
    return [asked(f"row {n:04}", model="a/small", **more) for n in range(count)]


def estimate(
    requests: list[Request],
    /,
    history: dict[str, ModelHistory] | None = None,
    prices: dict[str, Model] | None = PRICES,
    rate_limit: float | None = None,
    max_in_flight: int = 256,
    **surveyed: Any,
) -> Estimate:
    """The estimate for these requests, all of them to be sent. surveyed: other fields of what was found."""
    found = Surveyed(len(requests), len(requests), to_send=Tally(requests))
    return estimate_of(replace(found, **surveyed), prices, history or {}, rate_limit, max_in_flight)


# --- tokens --------------------------------------------------------------------------------------------------------


def test_without_earlier_calls_four_bytes_are_a_token() -> None:
    requests = small(10)
    found = estimate(requests)
    assert found.prompt_tokens == round(sum(len(request.body) for request in requests) / 4)
    assert found.prompt_tokens_method == UNMEASURED == "UTF-8 bytes / 4"


def test_with_earlier_calls_a_byte_is_what_it_was() -> None:
    requests = small(10)
    found = estimate(requests, {"a/small": HEARD})
    assert found.prompt_tokens == sum(len(request.body) for request in requests) * 0.5
    assert found.prompt_tokens_method == "measured: 0.5 tokens per byte over 1,204 earlier calls of a/small"


def test_each_method_is_named_once() -> None:
    requests = [*small(2), asked(model="a/large"), asked(model="a/boundless")]
    found = estimate(requests, {"a/small": HEARD, "a/large": SILENT})
    assert found.prompt_tokens_method.split("; ")[1:] == [UNMEASURED]


@pytest.mark.parametrize(
    ("requests", "history", "tokens"),
    [
        (small(10), None, (10, 5000)),
        (small(10), SILENT, (10, 5000)),
        (small(10), HEARD, (800, 5000)),
        (small(10, max_tokens=100), HEARD, (800, 1000)),
        (small(10, max_tokens=50), HEARD, (500, 500)),  # no answer is longer than its cap
        ([*small(10, max_tokens=50), asked(model="a/small")], HEARD, (580, 1000)),
        (small(2, max_tokens=-1), None, (0, 0)),
        ([asked(model="a/boundless")], None, (1, None)),
        ([asked(model="a/boundless", max_tokens=9)], None, (1, 9)),
        ([asked(model="unlisted")], None, (1, None)),
        ([asked(model="unlisted", max_tokens=9)], None, (1, 9)),
        ([asked(model="a/small"), asked(model="unlisted")], None, (2, None)),
        ([asked(model="a/small", models=["a/large"])], None, (1, 64_000)),
        ([asked()], None, (1, None)),
    ],
)
def test_answers_lie_between_the_usual_and_the_longest(
    requests: list[Request], history: ModelHistory | None, tokens: tuple[int, int | None]
) -> None:
    assert estimate(requests, {"a/small": history} if history else {}).completion_tokens == tokens


# --- dollars -------------------------------------------------------------------------------------------------------


def test_the_low_end_is_these_tokens_and_the_high_end_what_a_budget_holds_back() -> None:
    requests = [*small(10), asked(model="a/large", max_tokens=9)]
    found = estimate(requests, {"a/small": HEARD})
    in_small, in_large = (model.prompt_tokens for model in found.models)
    low = in_small * 1e-6 + 800 * 2e-6 + in_large * 1e-5 + 1 * 3e-5 + 0.001
    assert found.cost_usd == pytest.approx(
        (low, sum(worst_case_usd(request, PRICES) or 0.0 for request in requests))
    )


def test_of_fallbacks_the_cheapest_and_the_dearest_bound_the_cost() -> None:
    request = asked(model="a/small", models=["a/large"])
    found = estimate([request])
    assert found.cost_usd is not None
    assert found.cost_usd[0] == pytest.approx(found.prompt_tokens * 1e-6 + 2e-6)
    assert found.cost_usd[1] == pytest.approx(worst_case_usd(request, PRICES))
    assert found.models[0].model == "a/small (or a/large)"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"model": "unlisted"}, "unlisted"),
        ({"model": "a/small", "models": ["unlisted"]}, "a/small (or unlisted)"),
        ({"model": "a/boundless"}, "a/boundless"),
        ({}, "the account's default"),
    ],
)
def test_a_price_that_is_not_known_makes_the_cost_unknown_and_is_named(
    body: dict[str, Any], name: str
) -> None:
    found = estimate([*small(3), asked(**body)])
    assert found.cost_usd is None
    assert found.unknown_prices == (name,)
    assert f"the service's list has no price for {name}" in found.notes
    assert found.models[0].cost_usd is not None


def test_without_a_list_nobody_knows_a_price() -> None:
    found = estimate(small(3), prices=None)
    assert (found.cost_usd, found.unknown_prices) == (None, ("a/small",))
    assert found.notes[0] == "the service's list of models could not be had, so no price is known"


def test_a_routing_variant_costs_what_its_model_costs() -> None:
    assert estimate([asked(model="a/small:nitro")]).cost_usd is not None


# --- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "rate_limit", "max_in_flight", "history", "minutes"),
    [
        (600, 60, 256, {"a/small": HEARD}, (10, 10 + 600 * 3 / 256 / 60)),
        (600, 60_000, 10, {"a/small": HEARD}, (3, 3.01)),
        (600, None, 10, {"a/small": HEARD}, (3, 3)),
        (5, None, 256, {"a/small": HEARD}, (0.05, 0.05)),  # one after the other never, but one answer's time
        (600, None, 100, {}, (600 * 0.5 / 100 / 60, 600 * 30 / 100 / 60)),
        (0, 60, 256, {}, (0, 0)),
    ],
)
def test_the_slower_of_limiter_and_slots_sets_the_pace(
    count: int,
    rate_limit: float | None,
    max_in_flight: int,
    history: dict[str, ModelHistory],
    minutes: tuple[float, float],
) -> None:
    found = estimate(small(count), history, rate_limit=rate_limit, max_in_flight=max_in_flight)
    assert found.minutes == pytest.approx(minutes)


# --- all of it -----------------------------------------------------------------------------------------------------

BODIES = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["a/small", "a/large", "a/boundless", "unlisted"]),
        "models": st.lists(st.sampled_from(["a/small", "a/large", "unlisted"]), max_size=2),
        "max_tokens": st.integers(-5, 2000),
    },
)
MAYBE = st.none() | st.floats(0, 1e5)
HISTORIES = st.builds(
    ModelHistory, st.integers(1, 999), MAYBE, st.none() | st.integers(0, 10**6), MAYBE, MAYBE, MAYBE
)


@given(
    st.lists(st.tuples(st.text(max_size=30), BODIES), max_size=20),
    st.dictionaries(st.sampled_from(sorted(PRICES)), HISTORIES),
    st.none() | st.floats(0.1, 1e6),
    st.integers(1, 1000),
)
def test_low_is_never_above_high_and_nothing_to_send_costs_nothing(
    rows: list[tuple[str, dict[str, Any]]],
    history: dict[str, ModelHistory],
    rate_limit: float | None,
    max_in_flight: int,
) -> None:
    requests = [asked(text, **body) for text, body in rows]
    found = estimate(requests, history, rate_limit=rate_limit, max_in_flight=max_in_flight)
    parts: list[Estimate | ModelEstimate] = [found, *found.models]
    for part in parts:
        low, high = part.completion_tokens
        assert high is None or 0 <= low <= high
        assert part.cost_usd is None or 0 <= part.cost_usd[0] <= part.cost_usd[1]
    assert 0 <= found.minutes[0] <= found.minutes[1] * (1 + 1e-9)
    assert found.to_send == len(requests) == sum(model.to_send for model in found.models)
    if not requests:
        assert (found.cost_usd, found.minutes, found.completion_tokens) == ((0, 0), (0, 0), (0, 0))
    costs = [worst_case_usd(request, PRICES) for request in requests]
    if found.cost_usd is not None:
        assert found.cost_usd[1] >= sum(cost or 0.0 for cost in costs) * (1 - 1e-9)
    assert (found.cost_usd is None) == (None in costs)
    assert json.loads(json.dumps(found.as_dict()))["to_send"] == len(requests)
    assert found._repr_html_().count("<tr>") == len(repr(found).splitlines()) - 1


# --- how it reads --------------------------------------------------------------------------------------------------


def test_an_estimate_reads_well() -> None:
    requests = [*small(3000), *(asked(f"row {n}", model="a/large", max_tokens=20) for n in range(1210))]
    found = estimate(
        requests, {"a/small": HEARD}, rate_limit=600, rows=5000, requests=4520, already_answered=310
    )
    assert repr(found) == (
        "Estimate\n"
        "  rows        5,000 reach the function\n"
        "  requests    4,520 distinct: 310 answered already, 4,210 to send\n"
        "  tokens in   about 129k (measured: 0.5 tokens per byte over 1,204 earlier calls of a/small; UTF-8 bytes / 4)\n"
        "  tokens out  241k to at most 1.5M\n"
        "  cost        $2.08 to $6.16\n"
        "  time        7 to 10 minutes at the configured limits\n"
        "  model       a/small: 3,000 to send, 104k tokens in, 240k to at most 1.5M out, cost $0.58 to $3.21\n"
        "  model       a/large: 1,210 to send, 25k tokens in, 1,210 to at most 24k out, cost $1.50 to $2.95\n"
        "  note        3,000 requests to a/small set no max_tokens: the estimate allows each the longest answer the model "
        "gives; 9 of 10 earlier ones had at most 120 tokens\n"
        "  note        how long answers take is a guess, for want of earlier calls of a/large"
    )


@pytest.mark.parametrize(
    ("surveyed", "first"),
    [
        (
            {"rows": 50, "requests": 40, "already_answered": 40},
            "Estimate: nothing to send, everything is answered already",
        ),
        ({"rows": 50}, "Estimate: nothing to send, no row asks anything"),
        ({"rows": 50, "live": ("an UPDATE",)}, "Estimate"),
        ({"rows": 50, "rejected": 50}, "Estimate"),
        ({"complete": False}, "Estimate, at least:"),
    ],
)
def test_nothing_to_send_is_said_first_unless_there_may_be_more(surveyed: dict[str, Any], first: str) -> None:
    lines = repr(estimate([], **surveyed)).splitlines()
    assert lines[0] == first
    assert any(line.split() == ["cost", "$0"] for line in lines)


def test_the_notes_name_what_was_not_counted_and_what_was_guessed() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}] * 2
    request = BodyTemplate("http://x", {"model": "a/small"}).request(
        json.dumps([{"role": "user", "content": parts}])
    )
    found = estimate(
        [request],
        live=("an UPDATE of t",),
        rejected=2,
        first_rejection="messages must be a list",
        complete=False,
    )
    assert found.notes == (
        "later calls depend on answers that are not known yet: every figure is 'at least'",
        "not counted, because it is asked chunk by chunk: an UPDATE of t",
        "2 rows cannot become a request: messages must be a list",
        "1 request to a/small set no max_tokens: the estimate allows each the longest answer the model gives",
        "2 images, files or videos: tokens in count only the bytes of the request, the high end of the cost allows for more",
        "how long answers take is a guess, for want of earlier calls of a/small",
    )
    assert found.cost_usd is not None
    assert found.cost_usd[1] > 2 * IMAGE_TOKENS * 1e-6


def test_of_many_models_the_busiest_have_lines() -> None:
    requests = [asked(f"{n}", model=f"m{n % 12}") for n in range(30)]
    lines = repr(estimate(requests)).splitlines()
    shown = [line.split("model", 1)[1].strip() for line in lines if line.startswith("  model ")]
    assert len(shown) == 9
    assert shown[0].startswith("m0: 3 to send")
    assert shown[-1] == "4 more models: 8 to send"
    assert any("no price for m0, m1, m2 and 9 more" in line for line in lines)


def test_a_notebook_shows_a_table_without_colours_of_its_own_and_believes_no_name() -> None:
    html = estimate([asked(model="<script>alert(1)</script>")])._repr_html_()
    assert html.startswith("<table>")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "color" not in html


def test_a_tally_takes_no_more_room_for_more_requests() -> None:
    tally = Tally(small(500))
    assert (len(tally), len(tally.volumes)) == (500, 1)
    tally.add(asked(model="a/small", models=["a/large"]))
    assert (len(tally), len(tally.volumes)) == (501, 2)
