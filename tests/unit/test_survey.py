"""Looking without asking: what is known comes back, what is not is named, and nothing is sent or counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.contract import Kept
from duck_or.cache.recall import Recall
from duck_or.engine.batch import Statement
from duck_or.engine.chunk import Repeated
from duck_or.errors import Cancelled, StatementStopped
from duck_or.outcome import Action, Completion, Failure
from duck_or.request import Request
from duck_or.stats import Stats
from support.desk import NO, OPTIONS, STRICT, Desk, bodies, echo, group, requests, rows_of, text


def assert_untouched(desk: Desk) -> None:
    assert desk.batches == []
    assert desk.ledger.stats.read() == Stats()
    assert desk.ledger.calls.calls() == desk.ledger.calls.failures() == []


def test_what_nobody_knows_comes_back_as_the_request_that_would_be_sent() -> None:
    desk = Desk()
    assert desk.survey(group("a", "b"), group("a", options='{"model":"n"}')) == [
        *requests("a", "b"),
        *requests("a", options='{"model":"n"}'),
    ]
    assert_untouched(desk)


def test_every_source_is_asked_and_none_is_counted() -> None:
    desk, statement = Desk(), Statement()
    recalled, remembered, stored, failed, half, unknown = requests(*(f"r{n}" for n in range(6)))
    desk.recall.remember(OPTIONS, text("r0"), recalled.body)
    desk.memory.put_many({remembered.key: Kept(remembered.body, 0.0)})
    desk.store.answers[stored.key] = Kept(stored.body, 0.0)
    statement.remember(failed.key, NO)
    statement.remember(half.key, Completion(half.body, storable=False))
    known = desk.survey(group(*(f"r{n}" for n in range(6))), statement=statement)
    assert known == [recalled.body, remembered.body, stored.body, NO, half.body, unknown]
    assert_untouched(desk)


def test_what_was_found_is_found_quicker_the_next_time() -> None:
    desk = Desk()
    [stored] = requests("a")
    desk.store.answers[stored.key] = Kept(stored.body, 0.0)
    desk.survey(group("a"))
    assert desk.store.finds == [[stored.key]]
    assert desk.memory.get_many([stored.key], 0.0) == [Kept(stored.body, 0.0)]
    assert desk.recall.all_of(OPTIONS, [text("a")]) == [stored.body]
    assert desk.survey(group("a")) == [stored.body]
    assert len(desk.store.finds) == 1


def test_what_may_not_be_kept_is_not_recalled() -> None:
    desk, statement = Desk(), Statement()
    [half] = requests("half")
    statement.remember(half.key, Completion(half.body, storable=False))
    assert desk.survey(group("half"), statement=statement) == [half.body]
    assert desk.survey(group("half")) == [half]


def test_texts_that_differ_but_ask_the_same_are_looked_up_once() -> None:
    desk = Desk()
    spaced = rows_of(OPTIONS, [text("a"), text("a").replace(":", " : ")], [1, 1])
    assert desk.survey(spaced) == requests("a", "a")
    assert [len(keys) for keys in desk.store.finds] == [1]


def test_arguments_that_cannot_become_a_request_are_a_failure_and_stop_nothing() -> None:
    desk = Desk()
    known = desk.survey(rows_of(OPTIONS, ["[]", text("a")], [1, 1]))
    assert isinstance(known[0], Failure)
    assert (known[0].code, known[1:]) == ("bad_argument", requests("a"))
    assert_untouched(desk)


def test_a_statement_that_may_not_go_on_is_not_surveyed() -> None:
    stopped, cancelled = Statement(), Statement()
    stopped.stop(Failure("authentication", "bad key", action=Action.STOP))
    cancelled.cancel()
    for statement, kind in ((stopped, StatementStopped), (cancelled, Cancelled)):
        with pytest.raises(kind):
            Desk().survey(group("a"), statement=statement)


def test_how_many_rows_read_a_text_is_not_worked_out() -> None:
    counted = group("a")._replace(rows=lambda: pytest.fail("counted"))
    assert Desk().survey(counted) == requests("a")


contents = st.sampled_from(["a", "b", "c", "d", "no 1", "half 1"])


@given(
    st.lists(st.lists(contents, max_size=6, unique=True), min_size=1, max_size=5),
    st.sampled_from([0, 1 << 20]),
)
def test_what_a_survey_knows_is_what_an_answer_would_be(chunks: list[list[str]], room: int) -> None:
    desk, statement = Desk(recall=Recall(room), memorised=True), Statement()
    for chunk in chunks:
        before = desk.ledger.stats.read()
        known = desk.survey(group(*chunk), statement=statement)
        assert desk.ledger.stats.read() == before
        sent = sum(desk.sent())
        cells = desk.ask(group(*chunk), statement=statement)
        asked = [each for each in known if isinstance(each, Request)]
        assert sum(desk.sent()) - sent == len(asked)
        assert cells == [_cell(each) for each in known]


def _cell(known: bytes | Failure | Request) -> bytes | Failure:
    if not isinstance(known, Request):
        return known
    outcome = echo(known)
    return outcome.body if isinstance(outcome, Completion) else outcome


# --- rows whose requests were sent ahead -------------------------------------------------------------------------------


def test_rows_claim_what_was_sent_ahead_once() -> None:
    statement = Statement()
    statement.prepaid(3)
    assert [statement.claim(rows) for rows in (2, 0, 2, 5)] == [0, 0, 1, 5]


def prepaid_desk(*contents: str) -> tuple[Desk, Statement]:
    """A desk where these were sent ahead for the statement, as `dispatch` does."""
    desk, statement = Desk(memorised=True), Statement()
    desk.ask(group(*contents))
    statement.prepaid(len(contents))
    return desk, statement


def test_a_replayed_row_is_not_counted_again_whether_recalled_remembered_or_repeated() -> None:
    desk, statement = prepaid_desk("a", "b", "c")
    desk.recall.clear()
    desk.ask(rows_of(OPTIONS, [text("a")], [2]), statement=statement)  # from memory
    desk.ask(group("a"), statement=statement)  # recalled: the second request's claim
    desk.asker.repeat(Repeated(OPTIONS, 2, lambda: [text("a"), text("b")], 4), statement)
    stats = desk.ledger.stats.read()
    assert (stats.sent, stats.memory_hits, stats.requests) == (3, 4, 7)
    assert len([call for call in desk.ledger.calls.calls() if call["cache_hit"]]) == 2


@pytest.mark.parametrize("recalled", [True, False])
def test_the_call_log_names_the_hits_that_were_not_claimed(recalled: bool) -> None:
    desk, statement = prepaid_desk("a", "b", "c")
    if not recalled:
        desk.recall.clear()
    statement.claim(1)
    desk.ask(group("a", "b", "c"), statement=statement)
    assert [call["cache_key"] for call in desk.ledger.calls.calls()] == [requests("c")[0].key.hex()]


def test_a_failure_met_ahead_is_not_counted_again_either() -> None:
    desk, statement = Desk(), Statement()
    statement.remember(requests("no")[0].key, NO)
    statement.prepaid(1)
    assert desk.ask(rows_of(OPTIONS, [text("no")], [3]), statement=statement) == [NO]
    assert desk.ledger.stats.read().joined == 2


def test_stored_answers_claim_too() -> None:
    desk, statement = Desk(), Statement()
    [stored] = requests("a")
    desk.store.answers[stored.key] = Kept(stored.body, 0.0)
    statement.prepaid(1)
    assert desk.ask(rows_of(OPTIONS, [text("a")], [3]), statement=statement, terms=STRICT) == bodies("a")
    assert desk.ledger.stats.read().store_hits == 2
    assert desk.ledger.calls.calls() == []
