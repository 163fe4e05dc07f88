from __future__ import annotations

import pytest

from duck_or.call_summary import CallSummary
from duck_or.calls import Call, CallLog
from duck_or.history import ModelHistory, history_of
from support.engine_world import NEVER, answer, error, world


def call(
    key: str,
    model: str | None = "m",
    *,
    tokens: tuple[int | None, int | None] = (None, None),
    latency: float | None = None,
    cost: float | None = None,
    body_bytes: int | None = None,
) -> Call:
    summary = CallSummary(prompt_tokens=tokens[0], completion_tokens=tokens[1], cost_usd=cost)
    return Call(0.0, model, key.encode(), False, 1, latency, None, 200, summary, body_bytes=body_bytes)


def test_means_and_the_ninetieth_percentile() -> None:
    calls = [call(f"k{n}", tokens=(10, n), latency=float(n), cost=n / 4, body_bytes=40) for n in range(1, 21)]
    assert history_of(calls) == {"m": ModelHistory(20, 10.5, 18, 0.25, 10.5, 2.625)}


@pytest.mark.parametrize(("count", "p90"), [(1, 0), (2, 1), (9, 8), (10, 8), (11, 9), (100, 89)])
def test_nine_of_ten_do_not_pass_the_percentile(count: int, p90: int) -> None:
    calls = [call(f"k{n}", tokens=(None, n)) for n in reversed(range(count))]
    assert history_of(calls)["m"].p90_completion_tokens == p90


def test_what_nobody_tells_is_unknown() -> None:
    assert history_of([call("a")]) == {"m": ModelHistory(1, None, None, None, None, None)}


def test_tokens_per_byte_leave_out_calls_whose_body_is_not_known() -> None:
    calls = [
        call("a", tokens=(10, 1), body_bytes=20),
        call("b", tokens=(1000, 1)),
        call("c", body_bytes=1000),
        call("d", tokens=(30, 1), body_bytes=60),
    ]
    assert history_of(calls)["m"].prompt_tokens_per_byte == 0.5


def test_each_request_counts_once_and_those_without_model_key_or_answer_not_at_all() -> None:
    failed = Call(0.0, "m", b"x", False, 3, 1.0, "server_error", 500, None)
    calls = [call("a", tokens=(1, 5)), call("a", tokens=(1, 99)), call("b", None), failed]
    assert history_of(calls) == {"m": ModelHistory(1, 5.0, 5, None, None, None)}


def test_a_lanes_calls_tell_their_history_and_hits_add_what_was_sent_by_others() -> None:
    script = {"a": [answer(seconds=2.0, cost=0.5)], "b": [error(400)], "c": [NEVER]}
    with world(script) as w:
        sent = w.submit("a", "b", "c", timeout=3.0, attempts=1)
        w.settle()
        other = w.session()
        [kept] = w.ledger.memory.get_many([sent.requests[0].key], 0.0)
        assert kept is not None
        other.memory.put_many({sent.requests[0].key: kept})
        w.submit("a", ledger=other)
        w.settle()
        for ledger in (w.ledger, other):
            [(model, known)] = history_of(ledger.calls.answered()).items()
            assert (model, known.count, known.mean_completion_tokens) == ("test/model", 1, 2.0)
        assert known.mean_latency_s is None  # it was found, not waited for
        body = len(sent.requests[0].body)
        assert history_of(w.ledger.calls.answered())["test/model"] == ModelHistory(
            1, 2.0, 2, 10 / body, 2.0, 0.5
        )


def test_only_so_many_hits_are_looked_up() -> None:
    with world() as w:
        w.submit(*(f"r{n}" for n in range(30)))
        w.settle()
        w.ledger.calls = CallLog()
        for _ in range(3):
            w.submit(*(f"r{n}" for n in range(30)))
            w.settle()
        assert len(list(w.ledger.calls.answered(max_hits=40))) == 40
