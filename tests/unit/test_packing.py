from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.outcome import RawResponse
from duck_or.packing import Envelope, Inseparable, shares, split

ENVELOPE = Envelope(b'{"encoding_format":"base64","input":', b',"model":"m"}')


def response(body: object, status: int = 200) -> RawResponse:
    return RawResponse(status, {"x-id": "1"}, orjson.dumps(body))


def entry(index: int, vector: list[float]) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": vector}


def test_one_text_gives_the_single_form_and_several_a_list() -> None:
    assert orjson.loads(ENVELOPE.body([b'"a"'])) == {"encoding_format": "base64", "input": "a", "model": "m"}
    assert orjson.loads(ENVELOPE.body([b'"a"', b'"b"']))["input"] == ["a", "b"]


def test_envelopes_are_equal_where_requests_may_share_a_body() -> None:
    same, other = Envelope(ENVELOPE.before, ENVELOPE.after), Envelope(ENVELOPE.before, b',"model":"n"}')
    assert len({ENVELOPE, same, other}) == 2
    assert "model" not in repr(ENVELOPE)  # options may hold what is nobody's business


# --- there and back ----------------------------------------------------------------------------------------------------

counts = st.integers(0, 2**53)
costs = st.floats(0, 1e6, allow_subnormal=False)
usages = st.fixed_dictionaries(
    {"prompt_tokens": counts, "total_tokens": counts, "cost": costs},
    optional={
        "is_byok": st.booleans(),
        "cost_details": st.fixed_dictionaries({"upstream": costs}),
        "tier": st.none(),
    },
)


@st.composite
def packs(draw: st.DrawFn) -> tuple[list[str], list[int], dict[str, Any]]:
    """Texts, the order in which their vectors come back, and the response's other members."""
    asked = draw(st.lists(st.text(), min_size=1, max_size=20))
    order = draw(st.permutations(range(len(asked))))
    others = draw(st.dictionaries(st.sampled_from(["id", "provider", "model", "x"]), st.text()))
    usage = draw(st.none() | usages)
    return asked, list(order), others | ({} if usage is None else {"usage": usage})


@given(packs())
def test_each_text_gets_its_own_vector_and_its_share_of_the_bill(
    pack: tuple[list[str], list[int], dict[str, Any]],
) -> None:
    asked, order, others = pack
    inputs = [orjson.dumps(text) for text in asked]
    sent = orjson.loads(ENVELOPE.body(inputs))["input"]
    assert ([sent] if len(asked) == 1 else sent) == asked
    vectors = [[float(len(text)), place + 0.5] for place, text in enumerate(asked)]
    whole = {"object": "list", "data": [entry(n, vectors[n]) for n in order], **others}

    parts = split(response(whole), [len(each) for each in inputs])

    bodies = [orjson.loads(part.body) for part in parts]
    assert [body["data"] for body in bodies] == [[entry(0, vector)] for vector in vectors]
    for body, part in zip(bodies, parts, strict=True):
        assert body.keys() == whole.keys()
        assert {name: body[name] for name in body.keys() - {"data", "usage"}} == {
            name: whole[name] for name in whole.keys() - {"data", "usage"}
        }
        assert (part.status, part.headers) == (200, {"x-id": "1"})
    if "usage" in whole:
        assert_adds_up(whole["usage"], [body["usage"] for body in bodies])


def assert_adds_up(whole: Any, parts: list[Any]) -> None:
    if isinstance(whole, dict):
        for name, member in whole.items():
            assert_adds_up(member, [part[name] for part in parts])
    elif whole is None or isinstance(whole, bool):
        assert parts == [whole] * len(parts)
    else:
        assert sum(parts) == whole
        assert min(parts) >= 0


@given(st.integers(0, 10**9), st.lists(st.integers(1, 10**6), min_size=1, max_size=50))
def test_whole_numbers_are_shared_within_one_of_their_due(amount: int, sizes: list[int]) -> None:
    parts = shares(amount, sizes)
    assert sum(parts) == amount
    for part, size in zip(parts, sizes, strict=True):
        assert abs(part * sum(sizes) - amount * size) < sum(sizes)


@given(
    st.floats(min_value=1e-12, max_value=1e6),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=256),
    st.randoms(use_true_random=False),
)
def test_costs_add_up_in_any_order(cost: float, sizes: list[int], random: Any) -> None:
    parts = shares(cost, sizes)
    for part, size in zip(parts, sizes, strict=True):
        assert part == pytest.approx(cost * size / sum(sizes), rel=1e-6, abs=cost * 1e-15)
    random.shuffle(parts)
    assert sum(parts) == math.fsum(parts) == cost


def test_a_usage_that_is_none_is_left_as_it_is() -> None:
    body = {"data": [entry(0, [1.0]), entry(1, [2.0])], "usage": None}
    assert [orjson.loads(part.body)["usage"] for part in split(response(body), [1, 1])] == [None, None]


def test_without_places_the_order_counts() -> None:
    body = {"data": [{"embedding": "AAAA"}, {"embedding": "BBBB"}]}
    parts = split(response(body), [1, 1])
    assert [orjson.loads(part.body)["data"] for part in parts] == [
        [{"embedding": "AAAA", "index": 0}],
        [{"embedding": "BBBB", "index": 0}],
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"data": [entry(0, [1.0])]}, "2 texts holds 1 vectors"),
        ({"data": [entry(n, [1.0]) for n in range(3)]}, "holds 3 vectors"),
        ({"data": [entry(0, [1.0])] * 2}, "a vector for each"),
        ({"data": [entry(1, [1.0]), entry(2, [1.0])]}, "a vector for each"),
        ({"data": [entry(0, [1.0]), {"index": [1]}]}, "a vector for each"),
        ({"data": [entry(0, [1.0]), {"index": True}]}, "a vector for each"),
        ({"data": None}, "no vectors"),
        ({}, "no vectors"),
        ([], "no vectors"),
        ({"error": {"code": 400}, "data": []}, "an error"),
    ],
)
def test_what_is_not_one_vector_for_each_text_is_not_shared_out(body: object, reason: str) -> None:
    with pytest.raises(Inseparable, match=reason):
        split(response(body), [1, 1])


def test_no_status_but_success_and_nothing_but_json_is_shared_out() -> None:
    with pytest.raises(Inseparable, match="an error"):
        split(response({"data": [entry(0, [1.0])]}, status=500), [1])
    with pytest.raises(Inseparable, match="not JSON"):
        split(RawResponse(200, {}, b"<html>"), [1])


def test_an_entry_that_is_no_object_is_its_own_texts_trouble() -> None:
    parts = split(response({"data": [entry(0, [1.0]), 7]}), [1, 1])
    assert orjson.loads(parts[1].body)["data"] == [{"index": 0}]
