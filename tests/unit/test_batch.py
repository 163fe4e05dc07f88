from __future__ import annotations

import threading

import pytest

from duck_or.cache.memory import MemoryCache
from duck_or.calls import CallLog
from duck_or.engine.batch import STATEMENT_MEMORY, Batch, Statement, Terms, stop_error
from duck_or.engine.ledger import Ledger
from duck_or.engine.store_thread import NoStore
from duck_or.errors import Cancelled, RequestFailed, StatementStopped
from duck_or.outcome import NOT_ON_CASSETTE, Action, Completion, Failure
from duck_or.policy.retry import RetryPolicy
from support.engine_world import request

ONE, TWO = Completion(b"{}"), Failure("x", "y")


def batch(count: int, statement: Statement | None = None) -> Batch:
    ledger = Ledger(MemoryCache(0), NoStore(), CallLog())
    requests = [request(f"r{n}") for n in range(count)]
    return Batch(requests, statement or Statement(), Terms(1.0, RetryPolicy(1)), ledger)


def test_outcomes_come_back_in_the_order_of_the_requests() -> None:
    waiting = batch(3)
    for index, outcome in ((2, ONE), (0, TWO), (1, ONE)):
        waiting.resolve(index, outcome)
    assert waiting.wait() == [TWO, ONE, ONE]


def test_waiting_ends_when_another_thread_resolves_the_last_one() -> None:
    waiting = batch(2)
    waiting.resolve(0, ONE)
    thread = threading.Thread(target=waiting.resolve, args=(1, TWO))
    thread.start()
    assert waiting.wait() == [ONE, TWO]
    thread.join()


def test_the_first_outcome_stays_and_failing_the_rest_leaves_it_alone() -> None:
    waiting = batch(3)
    waiting.resolve(1, ONE)
    waiting.resolve(1, TWO)
    waiting.fail(TWO)
    waiting.fail(Failure("later", ""))
    assert waiting.wait() == [TWO, ONE, TWO]


def test_a_batch_of_nothing_is_done() -> None:
    assert batch(0).wait() == []


def test_waiting_ends_when_the_statement_is_cancelled() -> None:
    statement = Statement()
    waiting = batch(1, statement)
    statement.cancelled = True
    with pytest.raises(Cancelled, match="cache"):
        waiting.wait()


def test_an_answer_that_is_there_is_returned_even_if_cancelled_meanwhile() -> None:
    statement = Statement()
    waiting = batch(1, statement)
    waiting.resolve(0, ONE)
    statement.cancelled = True
    assert waiting.wait() == [ONE]


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (
            Failure("authentication", "bad key", http_status=401, action=Action.STOP),
            StatementStopped,
            "HTTP 401",
        ),
        (Failure("bad_request", "no", attempts=2, provider="P"), RequestFailed, "attempts 2, provider P"),
        (Failure("bad_request", "no"), RequestFailed, "try_chat_completions"),
    ],
)
def test_a_stopped_statement_raises_what_stopped_it(failure: Failure, kind: type, words: str) -> None:
    statement = Statement()
    statement.check()
    statement.stop(failure)
    with pytest.raises(RequestFailed, match=words) as caught:
        statement.check()
    assert type(caught.value) is type(stop_error(failure)) is kind


def test_doing_it_again_is_advised_where_it_may_help() -> None:
    advice = "running the statement again asks only for the rest"
    assert advice in str(stop_error(Failure("bad_request", "no")))
    cassette = str(stop_error(Failure(NOT_ON_CASSETTE, "it is not on the cassette")))
    assert advice not in cassette
    assert "came back" not in cassette
    assert "(code not_on_cassette, attempts 0). To keep going past such rows" in cassette


def test_a_statement_remembers_within_bounds() -> None:
    statement = Statement()
    assert statement.recall([b"a"]) == {}
    body = b"x" * (STATEMENT_MEMORY // 8)
    for n in range(20):
        statement.remember(b"%d" % n, Completion(body, storable=False))
    known = statement.recall([b"%d" % n for n in range(20)])
    assert set(known) == {b"%d" % n for n in range(13, 20)}


def test_what_is_larger_than_a_statements_memory_is_simply_not_remembered() -> None:
    statement = Statement()
    statement.remember(b"a", Completion(b"x" * (STATEMENT_MEMORY + 1), storable=False))
    assert statement.recall([b"a"]) == {}


class _Looking:
    """A watcher who resolves the batch at the third look."""

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self.seen: list[str] = []

    def __enter__(self) -> _Looking:
        self.seen.append("entered")
        return self

    def __exit__(self, *_: object) -> None:
        self.seen.append("left")

    def look(self) -> None:
        self.seen.append("looked")
        if self.seen.count("looked") == 3 and self.batch is not None:
            self.batch.fail(Failure("cancelled", "enough"))


def test_who_watches_a_statement_looks_on_while_a_chunk_waits() -> None:
    watcher = _Looking()
    watcher.batch = batch(1, Statement(watcher=watcher))
    watcher.batch.wait()
    assert watcher.seen == ["entered", "looked", "looked", "looked", "left"]
