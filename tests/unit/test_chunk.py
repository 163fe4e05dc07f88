"""One chunk on the SQL thread: what is known is not asked, the rest goes out as one batch, and every row is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.contract import Kept
from duck_or.cache.recall import Recall
from duck_or.engine.batch import Statement
from duck_or.errors import ArgumentError, Cancelled, RequestFailed, StatementStopped
from duck_or.outcome import Action, Completion, Failure, Outcome
from duck_or.request import Request
from support.desk import (
    LENIENT,
    NO,
    OPTIONS,
    STRICT,
    Desk,
    bodies,
    echo,
    group,
    requests,
    rows_of,
    template_of,
    text,
)


def test_cells_come_in_the_order_of_the_groups_from_one_batch() -> None:
    desk = Desk()
    cells = desk.ask(group("a", "b"), group("c", options='{"model":"m","provider":{"sort":"price"}}'))
    assert cells[:2] == bodies("a", "b")
    assert isinstance(cells[2], bytes)
    assert b'"sort":"price"' in cells[2]
    assert desk.sent() == [3]


def test_texts_that_differ_but_ask_the_same_are_one_request() -> None:
    desk = Desk()
    spaced = rows_of(OPTIONS, [text("a"), text("a").replace(":", " : ")], [3, 2])
    assert desk.ask(spaced) == bodies("a", "a")
    assert desk.sent() == [1]
    stats = desk.ledger.stats.read()
    assert (stats.sent, stats.joined, stats.requests) == (1, 4, 5)


def test_a_repeated_chunk_is_recalled_without_a_batch() -> None:
    desk = Desk()
    first = desk.ask(group("a", "b"))
    assert desk.ask(group("b", "a", "c")) == [first[1], first[0], *bodies("c")]
    assert desk.sent() == [2, 1]
    assert desk.ledger.stats.read().memory_hits == 2
    assert [row["cache_hit"] for row in desk.ledger.calls.calls()] == [True, True]


def test_without_recall_memory_answers() -> None:
    desk = Desk(recall=Recall(0))
    [request] = requests("a")
    desk.memory.put_many({request.key: Kept(b'{"kept":1}', 0.0)})
    assert desk.ask(rows_of(OPTIONS, [text("a")], [5])) == [b'{"kept":1}']
    assert desk.sent() == []
    assert desk.ledger.stats.read().memory_hits == 5


def test_what_may_not_be_cached_is_asked_once_in_a_statement_and_again_in_the_next() -> None:
    desk, statement = Desk(), Statement()
    for _ in range(2):
        assert desk.ask(group("no", "half"), statement=statement) == [NO, *bodies("half")]
    assert desk.sent() == [2]
    assert desk.ledger.stats.read().joined == 2
    desk.ask(group("no", "half"))
    assert desk.sent() == [2, 2]


def test_a_row_that_is_no_request_fails_alone() -> None:
    desk = Desk()
    bad = rows_of(OPTIONS, ["[]", text("a")], [4, 1])
    first, second = desk.ask(bad)
    assert isinstance(first, Failure)
    assert first.code == "bad_argument"
    assert [second] == bodies("a")
    stats = desk.ledger.stats.read()
    assert (stats.rejected, stats.requests) == (4, 1)
    assert [row["code"] for row in desk.ledger.calls.failures()] == ["bad_argument"]


def test_where_failures_stop_the_statement_a_wrong_argument_sends_nothing() -> None:
    desk = Desk()
    with pytest.raises(ArgumentError):
        desk.ask(group("a"), rows_of(OPTIONS, ["[]"], [1]), terms=STRICT)
    assert desk.sent() == []


def test_where_failures_stop_the_statement_one_failed_row_raises() -> None:
    desk = Desk()
    with pytest.raises(RequestFailed, match="HTTP 400"):
        desk.ask(group("a", "no"), terms=STRICT)
    assert desk.ask(group("a")) == bodies("a")


def test_a_failure_that_try_chat_completions_met_stops_chat_completions_beside_it() -> None:
    desk, statement = Desk(), Statement()
    assert desk.ask(group("no"), statement=statement, terms=LENIENT) == [NO]
    with pytest.raises(RequestFailed, match="HTTP 400"):
        desk.ask(group("no", "a"), statement=statement, terms=STRICT)
    assert desk.sent() == [1]


def test_a_stopped_statement_raises_whatever_its_terms() -> None:
    def refuse(request: Request) -> Outcome:
        desk.batches[-1].statement.stop(Failure("authentication", "bad key", action=Action.STOP))
        return NO

    desk, statement = Desk(refuse), Statement()
    for _ in range(2):
        with pytest.raises(StatementStopped, match="bad key"):
            desk.ask(group("a"), statement=statement)
    assert desk.sent() == [1]


def test_cancelling_withdraws_the_batch() -> None:
    statement = Statement()

    def cancel(request: Request) -> None:
        statement.cancelled = True

    desk = Desk(cancel)
    with pytest.raises(Cancelled):
        desk.ask(group("a"), statement=statement)
    assert desk.withdrawn == desk.batches


def test_ctrl_c_while_the_batch_is_handed_over_withdraws_it_too() -> None:
    def interrupt(request: Request) -> None:
        raise KeyboardInterrupt

    desk = Desk(interrupt)
    with pytest.raises(KeyboardInterrupt):
        desk.ask(group("a"))
    assert desk.withdrawn == desk.batches


def test_what_was_cut_off_is_returned_but_not_recalled_later() -> None:
    desk = Desk()
    desk.ask(group("half"))
    desk.ask(group("half"))
    assert desk.sent() == [1, 1]


contents = st.sampled_from(["a", "b", "c", "d", "no 1", "no 2", "half 1"])
chunks = st.lists(
    st.tuples(
        st.sampled_from(["m", "n"]), st.lists(st.tuples(contents, st.integers(1, 9)), min_size=1, max_size=6)
    ),
    min_size=1,
    max_size=3,
)


@given(st.lists(chunks, max_size=6), st.sampled_from([0, 2000, 1 << 20]))
def test_every_row_gets_its_answer_and_is_counted_once(
    statement_chunks: list[list[tuple[str, list[tuple[str, int]]]]], room: int
) -> None:
    desk, statement, rows = Desk(recall=Recall(room)), Statement(), 0
    for chunk in statement_chunks:
        groups = [
            rows_of(f'{{"model":"{model}"}}', [text(content) for content, _ in cells], [n for _, n in cells])
            for model, cells in chunk
        ]
        rows += sum(each.total for each in groups)
        found = iter(desk.ask(*groups, statement=statement))
        for model, cells in chunk:
            template = template_of(f'{{"model":"{model}"}}')
            for content, _ in cells:
                expected = echo(template.request(text(content)))
                assert next(found) == (expected.body if isinstance(expected, Completion) else expected)
    stats = desk.ledger.stats.read()
    assert stats.requests == rows
    assert stats.sent == sum(desk.sent()) if room else stats.sent >= 0
