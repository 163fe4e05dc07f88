"""Texts that share an HTTP request: one slot, token and ticket for all, and for everything else each one on its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or import Settings, register
from duck_or.engine.batch import Batch, Statement
from duck_or.engine.ledger import Ledger
from duck_or.engine.spending import Spending
from duck_or.errors import TransportError
from duck_or.functions.embeddings import EmbeddingTemplate, vector_of
from duck_or.models import Model
from duck_or.outcome import Completion, Failure, Outcome, RawResponse
from duck_or.packing import MOST_BYTES, MOST_TEXTS
from duck_or.request import Request
from duck_or.simulator import Simulator
from support.engine_world import (
    NEVER,
    Reply,
    World,
    answer,
    embedding,
    error,
    failure,
    is_answered,
    raises,
    refused,
    request,
    store_of,
    text_of,
    texts,
    vectors,
    world,
)


def names(count: int) -> list[str]:
    return [f"t{n}" for n in range(count)]


def busy(w: World) -> None:
    """Take the one slot for a second, so that what is asked meanwhile is queued together."""
    w.submit("busy")
    w.advance(0.1)


def embed(w: World, *asked: str, **options: object) -> Batch:
    return w.submit(requests=[embedding(name) for name in asked], **options)  # type: ignore[arg-type]


# --- who travels together ----------------------------------------------------------------------------------------------


def test_what_is_queued_leaves_in_as_few_requests_as_it_can() -> None:
    with world() as w:
        batch = embed(w, *names(600))
        w.settle()
        assert texts(batch) == names(600)
        assert w.transport.packs == [256, 256, 88]
        assert [send.in_flight for send in w.transport.sends] == [1, 2, 3]
        assert w.now == pytest.approx(1.0)


def test_nobody_waits_for_a_request_to_fill() -> None:
    with world(max_in_flight=1) as w:
        batches = [embed(w, "first"), embed(w, *names(10))]
        w.advance(0.5)
        batches.append(embed(w, *names(260)[10:]))
        w.settle()
        assert all(map(is_answered, batches))
        assert [(send.at, len(send.texts)) for send in w.transport.sends] == [(0.0, 1), (1.0, 256), (2.0, 4)]


def test_a_text_alone_is_sent_in_the_body_that_its_key_is_made_of() -> None:
    with world() as w:
        embed(w, "a")
        w.settle()
        assert w.transport.bodies == [embedding("a").body]


def test_a_request_pays_one_token_however_many_texts_it_holds() -> None:
    with world(rate_limit=60) as w:
        batch = embed(w, *names(600))
        w.settle()
        assert is_answered(batch)
        assert [b.at - a.at for a, b in pairwise(w.transport.sends)] == pytest.approx([1.0, 1.0])


def test_only_requests_of_one_kind_share() -> None:
    with world(max_in_flight=1) as w:
        mixed = [
            embedding("a"),
            request("chat"),
            embedding("b", model="test/other"),
            embedding("c"),
            request("chat2"),
            embedding("d", model="test/other"),
        ]
        batch, patient = w.submit(requests=mixed), embed(w, "e", timeout=90.0)
        w.settle()
        assert texts(batch) == ["a", "chat", "b", "c", "chat2", "d"]
        assert texts(patient) == ["e"]
        assert w.transport.names == ["a+c", "chat", "b+d", "chat2", "e"]


def test_long_texts_share_only_as_far_as_their_bytes_go() -> None:
    third = MOST_BYTES // 3
    with world() as w:
        batch = embed(w, "a" * third, "b" * third, "c" * third, "d" * (2 * MOST_BYTES), "e")
        w.settle()
        assert is_answered(batch)
        assert w.transport.packs == [2, 1, 1, 1]


def test_a_statement_with_a_budget_of_its_own_shares_with_nobody() -> None:
    own = Statement(Spending(1000.0, PRICES, "statement"))
    with world(max_in_flight=1) as w:
        busy(w)
        for statement, name in ((own, "a"), (None, "b"), (own, "c"), (Statement(), "d")):
            embed(w, name, statement=statement)
        w.settle()
        assert w.transport.names == ["busy", "a+c", "b+d"]


# --- each one on its own -----------------------------------------------------------------------------------------------


def test_each_text_has_its_flight_its_answer_and_its_row_in_the_log() -> None:
    with world(max_in_flight=1) as w:
        other = w.session()
        w.submit("busy", ledger=other)
        w.advance(0.1)
        first, joined = embed(w, "a", "b", "c"), embed(w, "b", "d", ledger=other)
        w.settle()
        assert (texts(first), texts(joined)) == (["a", "b", "c"], ["b", "d"])
        assert w.transport.names == ["busy", "a+b+c+d"]  # sessions without a budget share too
        assert (w.stats.sent, w.stats.attempts, w.stats.answered) == (3, 3, 3)
        assert w.stats.cost_usd == pytest.approx(0.03)
        theirs = other.stats.read()
        assert (theirs.sent, theirs.joined, theirs.prompt_tokens) == (2, 1, 10 + 1)
        assert [row["cost_usd"] for row in w.ledger.calls.calls()] == pytest.approx([0.01] * 3)
        assert {embedding(name).key for name in "abc"} == w.store.answers.keys()
        again = embed(w, "c", "a")
        w.settle()
        assert texts(again) == ["c", "a"]
        assert len(w.transport.sends) == 2


def test_one_bad_vector_is_its_own_texts_trouble() -> None:
    broken = vectors(["a", "b"]).content
    assert isinstance(broken, RawResponse)
    broken = RawResponse(200, {}, broken.body.replace(b"[98]", b"[null]"))
    with world(otherwise=lambda name: answer()) as w:
        w.transport.script = {"a": [Reply(broken), answer()], "b": [answer()]}
        batch = embed(w, "a", "b")
        w.settle()
        assert texts(batch) == ["a", "b"]
        assert w.transport.names == ["a+b", "b"]


# --- failures of all ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", [refused(wait=2), refused(), error(500), error(503), raises(TransportError("reset")), NEVER]
)
def test_what_fails_for_all_is_tried_again_by_all_together(trouble: Reply) -> None:
    with world({"t3": [trouble, trouble, answer()]}) as w:
        batch = embed(w, *names(40), timeout=5.0, attempts=3)
        w.settle()
        assert texts(batch) == names(40)
        assert w.transport.packs == [40, 40, 40]
        assert (w.stats.sent, w.stats.attempts, w.stats.retries) == (40, 120, 80)


def test_the_gate_hears_of_a_refusal_once() -> None:
    with world({"t3": [refused(wait=2), answer()]}) as w:
        embed(w, *names(40))
        w.settle()
        assert w.stats.slow_downs == 1


@pytest.mark.parametrize("trouble", [raises(TransportError("reset")), refused(), error(503), NEVER])
def test_silence_and_overload_are_nobodys_fault_and_fail_them_all(trouble: Reply) -> None:
    with world({"t3": [trouble]}) as w:
        batch = embed(w, *names(40), timeout=5.0, attempts=2)
        w.settle()
        assert len({text_of(outcome) for outcome in batch.outcomes}) == 1
        assert failure(batch).attempts == 2
        assert w.transport.packs == [40, 40]


def test_a_configuration_error_is_told_to_all_at_once() -> None:
    with world({"t3": [error(401, "No auth credentials found")]}, max_in_flight=1) as w:
        batch = embed(w, *names(600))
        w.settle()
        assert {text_of(outcome) for outcome in batch.outcomes} == {"authentication"}
        assert w.transport.packs == [256]
        assert (w.stats.sent, w.stats.failed, w.stats.withdrawn) == (256, 256, 344)


# --- failures that may be one text's fault -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [400, 403, 413, 422])
@pytest.mark.parametrize("attempts", [1, 6])
def test_one_bad_text_fails_no_other(code: int, attempts: int) -> None:
    with world({"t77": [error(code)]}) as w:
        batch = embed(w, *names(256), attempts=attempts)
        w.settle()
        assert [n for n, outcome in enumerate(batch.outcomes) if isinstance(outcome, Failure)] == [77]
        assert failure(batch, 77).http_status == code
        assert failure(batch, 77).attempts == 9
        assert w.transport.packs[-1] == 1
        assert len(w.transport.sends) == 1 + 2 * 8


@given(st.integers(1, 300), st.sets(st.integers(0, 299), max_size=6), st.integers(1, 3), st.integers(1, 9))
def test_bad_texts_are_found_by_halves(count: int, bad: set[int], attempts: int, slots: int) -> None:
    bad = {n for n in bad if n < count}
    with world({f"t{n}": [error(400)] for n in bad}, max_in_flight=slots) as w:
        batch = embed(w, *names(count), attempts=attempts)
        w.settle()
        assert {n for n, outcome in enumerate(batch.outcomes) if isinstance(outcome, Failure)} == bad
        levels = math.ceil(math.log2(min(count, MOST_TEXTS))) if count > 1 else 0
        assert len(w.transport.sends) <= math.ceil(count / MOST_TEXTS) + 3 * len(bad) * levels
        assert_books_are_right(w.ledger, count)


def test_a_text_that_breaks_the_server_at_every_attempt_fails_no_other_in_the_end() -> None:
    with world({"t5": [error(500)]}) as w:
        batch = embed(w, *names(16), attempts=3)
        w.settle()
        assert [text_of(outcome) for outcome in batch.outcomes].count("server_error") == 1
        assert w.transport.packs == [16, 16, 16, 8, 8, 4, 4, 2, 2, 1, 1]
        assert len(w.transport.sends) == 11


def test_parting_uses_up_no_attempt() -> None:
    trouble = [error(400), error(400), error(500), error(500), answer()]
    with world({"t0": trouble}) as w:
        batch = embed(w, "t0", "t1", "t2", "t3", attempts=3)
        w.settle()
        assert texts(batch) == names(4)
        assert [send.name for send in w.transport.sends if "t0" in send.texts] == [
            "t0+t1+t2+t3", "t0+t1", "t0", "t0", "t0",
        ]  # fmt: skip


@pytest.mark.parametrize("data", [[], [{"index": 0, "embedding": [1]}], [{"index": 7, "embedding": [1]}] * 2])
def test_a_server_that_takes_one_text_at_a_time_still_answers_them_all(data: list[object]) -> None:
    """It ignores what it does not understand."""
    with world() as w:
        w.transport.together = lambda asked: vectors(asked, data=data)
        batch = embed(w, *names(4), attempts=1)
        w.settle()
        assert texts(batch) == names(4)
        assert w.transport.packs == [4, 2, 2, 1, 1, 1, 1]
        assert w.stats.cost_usd == pytest.approx(
            0.04 * 3
        )  # what was of no use was billed too, and is told once


def test_a_server_that_takes_fewer_texts_is_asked_for_fewer() -> None:
    with world() as w:
        w.transport.together = lambda asked: error(413) if len(asked) > 32 else None
        batch = embed(w, *names(256), attempts=1)
        w.settle()
        assert texts(batch) == names(256)
        assert sorted(w.transport.packs) == [32] * 8 + [64] * 4 + [128] * 2 + [256]


def test_those_that_part_share_with_no_new_ones() -> None:
    with world({"t0": [error(400)]}, max_in_flight=1) as w:
        parted = embed(w, *names(4))
        w.advance(0.5)
        later = embed(w, "x", "y")
        w.settle()
        assert texts(parted)[1:] == ["t1", "t2", "t3"]
        assert texts(later) == ["x", "y"]
        assert w.transport.names == ["t0+t1+t2+t3", "x+y", "t0+t1", "t2+t3", "t0", "t1"]


def test_a_stopped_statement_looks_for_no_culprit() -> None:
    statement = Statement()
    script = {"chat": [error(401, seconds=0.5)], "t1": [error(400)]}
    with world(script) as w:
        w.submit("chat", statement=statement)
        batch = embed(w, "t0", "t1", statement=statement)
        w.settle()
        assert texts(batch) == ["authentication", "authentication"]
        assert w.transport.names == ["chat", "t0+t1"]


def test_the_first_failed_row_stops_a_strict_statement_and_only_that_row_has_failed() -> None:
    with world({"t1": [error(400)]}, max_in_flight=1) as w:
        batch = embed(w, *names(4), stop_on_failure=True)
        w.settle()
        assert failure(batch, 1).code == "bad_request"
        assert w.transport.names == ["t0+t1+t2+t3", "t0+t1", "t2+t3", "t0", "t1"]
        assert texts(batch) == ["t0", "bad_request", "t2", "t3"]


# --- leaving -----------------------------------------------------------------------------------------------------------


def test_a_text_withdrawn_in_flight_takes_no_other_down() -> None:
    with world(max_in_flight=1) as w:
        busy(w)
        leaver, other = embed(w, "a", "b"), embed(w, "b", "c")
        w.advance(1.0)
        w.withdraw(leaver)
        w.settle()
        assert w.transport.names == ["busy", "a+b+c"]
        assert w.transport.cancelled == []
        assert texts(other) == ["b", "c"]
        assert texts(leaver) == [None, None]
        assert w.stats.under_way == 0
        w.advance(1.0)
        again = embed(w, "a")  # it was paid for with the others, so it was kept
        w.settle()
        assert texts(again) == ["a"]
        assert w.transport.names == ["busy", "a+b+c"]


def test_a_request_is_given_up_when_none_of_its_texts_is_waited_for() -> None:
    with world(max_in_flight=1) as w:
        busy(w)
        batches = [embed(w, "a", "b"), embed(w, "c")]
        w.advance(1.0)
        for batch in batches:
            assert w.transport.cancelled == []
            w.withdraw(batch)
            w.advance(0.1)
        assert w.transport.cancelled == ["a+b+c"]
        assert w.transport.in_flight == 0


def test_texts_that_rest_together_are_withdrawn_one_statement_at_a_time() -> None:
    with world({"a": [error(500)], "b": [error(500), answer()]}, max_in_flight=1, jitter=lambda: 1.0) as w:
        busy(w)
        leaver, other = embed(w, "a"), embed(w, "b", "c")
        w.advance(2.0)
        w.withdraw(leaver)
        w.settle()
        assert texts(other) == ["b", "c"]
        assert w.transport.names == ["busy", "a+b+c", "b+c"]


def test_when_all_that_rest_are_withdrawn_no_timer_is_left() -> None:
    with world({"a": [error(500, seconds=0.0, retry_after="100")]}) as w:
        batch = embed(w, "a", "b")
        w.advance(1.0)
        w.withdraw(batch)
        w.settle()
        assert w.now == pytest.approx(1.0)


def test_closing_gives_up_whatever_is_under_way() -> None:
    with world({"t3": [NEVER]}, max_in_flight=1) as w:
        batch = embed(w, *names(300))
        w.advance(0.5)
        w.loop.run_until_complete(w.lane.close())
        w.settle()
        assert {text_of(outcome) for outcome in batch.outcomes} == {"session_closed"}
        assert (w.transport.in_flight, w.queued(), w.stats.under_way) == (0, 0, 0)


# --- money -------------------------------------------------------------------------------------------------------------

# A dollar a byte of a body and nothing for the answer, as embeddings are priced.
PRICES = {"test/embedding": Model("test/embedding", None, 8000, None, 1.0, None, None, None, [], None)}


def worst(name: str) -> float:
    return float(len(embedding(name).body))


def test_a_request_leaves_with_those_that_there_is_money_for() -> None:
    money = Spending(3.5 * worst("t0"), PRICES)
    with world(spending=money) as w:
        batch = embed(w, *names(9))
        w.settle()
        assert texts(batch) == names(9)
        assert w.transport.packs == [3, 3, 3]  # an answer costs a cent, and frees the rest
        assert money.spent_usd == pytest.approx(0.09)
        assert money.budget.reserved_usd == 0.0


def test_when_the_money_ends_the_rest_is_refused() -> None:
    money = Spending(worst("t0") + 0.015, PRICES)
    with world(spending=money) as w:
        batch = embed(w, *names(4))
        w.settle()
        assert w.transport.packs == [1, 1]
        assert texts(batch) == ["t0", "t1", "budget_exhausted", "budget_exhausted"]
        assert money.budget.reserved_usd == 0.0


def test_what_a_shared_failure_has_cost_is_paid_once() -> None:
    money = Spending(100 * worst("t0"), PRICES)
    with world(spending=money) as w:
        w.transport.together = lambda asked: vectors(asked, data=[])
        embed(w, *names(2), attempts=1)
        w.settle()
        assert money.spent_usd == pytest.approx(0.02 + 2 * 0.01)
        assert w.stats.cost_usd == pytest.approx(money.spent_usd)


# --- over a socket -----------------------------------------------------------------------------------------------------


def ask_all(base_url: str, asked: Sequence[Request]) -> list[Completion]:
    """Each request's answer, by a session of its own."""
    outcomes: dict[bytes, Outcome] = {}
    settings = Settings(base_url=base_url, api_key="sk-or-test", rate_limit=None, cache_path=None)
    with duckdb.connect() as con, register(con, settings) as session:
        dispatch = session.dispatch(
            iter(asked), Statement(), stop_on_failure=False,
            keep=lambda sent, outcome: outcomes.update({sent.key: outcome}),
        )  # fmt: skip
        while not dispatch.step(1.0):
            pass
    answered = [outcomes[each.key] for each in asked]
    assert all(isinstance(outcome, Completion) for outcome in answered)
    return answered  # type: ignore[return-value]  # as was just said


def test_a_text_gets_the_answer_that_it_gets_alone() -> None:
    with Simulator(record=True) as simulator:
        template = EmbeddingTemplate(simulator.base_url, {"model": "openai/text-embedding-3-small"})
        together = [template.request(f'"the {n}th text"') for n in range(100)]
        packed = ask_all(simulator.base_url, together)
        inputs = [sent.body["input"] for sent in simulator.requests if sent.path.endswith("/embeddings")]
        assert sum(1 if isinstance(each, str) else len(each) for each in inputs) == 100
        assert len(inputs) <= 10
        alone = ask_all(simulator.base_url, [replace(each, envelope=None) for each in together[:5]])
    for one, other in zip(alone, packed, strict=False):
        assert one.parsed.keys() == other.parsed.keys()
        assert one.parsed["data"] == other.parsed["data"]
        assert one.parsed["usage"].keys() == other.parsed["usage"].keys()
        assert len(vector_of(other.body)) == 4 * 1536


# --- random lives ------------------------------------------------------------------------------------------------------

NAMES = names(8)

replies = st.sampled_from(
    [
        answer(),
        answer(seconds=0.0),
        error(400, seconds=0.5),
        error(401, seconds=0.5),
        error(500, seconds=0.0),
        refused(wait=2),
        raises(TransportError("reset"), 0.2),
        raises(ZeroDivisionError("bug")),
        NEVER,
    ]
)
scripts = st.dictionaries(st.sampled_from(NAMES), st.lists(replies, min_size=1, max_size=4))

Step = Callable[[World, list[Statement], list[Batch]], None]


def submit(asked: list[str], statement: int, strict: bool) -> Step:
    def step(w: World, statements: list[Statement], gone: list[Batch]) -> None:
        embed(
            w, *asked, statement=statements[statement], stop_on_failure=strict,
            timeout=8.0, attempts=3, max_wait=20.0,
        )  # fmt: skip

    return step


def advance(seconds: float) -> Step:
    return lambda w, statements, gone: w.advance(seconds)


def withdraw(index: int) -> Step:
    def step(w: World, statements: list[Statement], gone: list[Batch]) -> None:
        if w.batches:
            gone.append(w.batches[index % len(w.batches)])
            w.withdraw(gone[-1])

    return step


steps = st.one_of(
    st.builds(
        submit,
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True),
        st.integers(0, 2),
        st.booleans(),
    ),
    st.builds(advance, st.sampled_from([0.0, 0.1, 0.7, 1.0, 3.0])),
    st.builds(withdraw, st.integers(0, 20)),
)


@given(
    scripts,
    st.lists(steps, max_size=20),
    st.sampled_from([0.0, 0.5]),
    st.integers(1, 4),
    st.none() | st.integers(1, 9),
)
def test_every_life_ends_well(
    script: dict[str, list[Reply]],
    life: list[Step],
    seconds: float,
    slots: int,
    affordable: int | None,
) -> None:
    money = None if affordable is None else Spending(affordable * worst("t0"), PRICES)
    with world(script, read_seconds=seconds, write_seconds=seconds, max_in_flight=slots, spending=money) as w:
        statements, gone = [Statement() for _ in range(3)], list[Batch]()
        for step in life:
            step(w, statements, gone)
        w.settle()
        assert_rows_are_right(w, gone)
        assert_books_are_right(w.ledger, sum(len(batch.requests) for batch in w.batches))
        assert w.transport.peak <= slots
        assert money is None or money.budget.reserved_usd == 0.0
        gone.clear()
        w.batches.clear()
        assert w.leftovers() == (0, 0, 0, 0)


def assert_rows_are_right(w: World, gone: list[Batch]) -> None:
    for batch in w.batches:
        assert batch in gone or None not in batch.outcomes
        for asked, outcome in zip(batch.requests, batch.outcomes, strict=True):
            if isinstance(outcome, Completion):
                assert asked.key in store_of(batch.ledger).answers
                assert asked == embedding(str(text_of(outcome)))


def assert_books_are_right(ledger: Ledger, asked: int) -> None:
    stats = ledger.stats.read()
    assert stats.requests + stats.withdrawn == asked
    assert stats.under_way == 0
    assert stats.sent == stats.answered + stats.failed
    assert stats.attempts == stats.sent + stats.retries
    assert sum(call["attempts"] for call in ledger.calls.calls()) == stats.attempts
