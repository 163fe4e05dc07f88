from __future__ import annotations

from duck_or.cache.memory import MemoryCache
from duck_or.calls import CallLog
from duck_or.engine.batch import Batch, Statement, Terms
from duck_or.engine.ledger import Ledger
from duck_or.engine.single_flight import Phase, SingleFlight
from duck_or.engine.store_thread import NoStore
from duck_or.outcome import Failure
from duck_or.policy.retry import RetryPolicy
from support.engine_world import request


def batch(*names: str, statement: Statement | None = None) -> Batch:
    ledger = Ledger(MemoryCache(0), NoStore(), CallLog())
    terms = Terms(1.0, RetryPolicy(1))
    return Batch([request(name) for name in names], statement or Statement(), terms, ledger)


def test_the_first_starts_a_flight_and_the_next_board_it() -> None:
    flights, first, second = SingleFlight(), batch("a"), batch("b", "a")
    flight = flights.board(first, 0)
    assert flight is not None
    assert flights.board(second, 1) is None
    assert flight.waiters == [(first, 0), (second, 1)]
    assert len(flights) == 1


def test_after_landing_the_next_equal_request_starts_anew() -> None:
    flights, first = SingleFlight(), batch("a")
    flight = flights.board(first, 0)
    assert flight is not None
    assert flights.land(flight) == [(first, 0)]
    assert flight.phase is Phase.OVER
    again = flights.board(batch("a"), 0)
    assert again is not None
    assert flights.land(flight) == [(first, 0)]  # landing twice takes nobody else's place
    assert len(flights) == 1


def test_leaving_tells_which_flights_were_left_and_touches_no_others() -> None:
    flights, leaver, other = SingleFlight(), batch("a", "b"), batch("b", "c")
    for each in (leaver, other):
        for index in range(2):
            flights.board(each, index)
    left = flights.leave(leaver)
    assert [flight.request for flight in left] == leaver.requests
    assert [flight.waiters for flight in left] == [[], [(other, 0)]]
    assert flights.leave(leaver) == []


def test_a_flight_is_stopped_when_every_statement_that_waits_for_it_is() -> None:
    flights, one, two = SingleFlight(), batch("a"), batch("a")
    flight = flights.board(one, 0)
    flights.board(two, 0)
    assert flight is not None
    assert not flight.stopped
    one.statement.stop(Failure("x", ""))
    assert not flight.stopped
    two.statement.stop(Failure("x", ""))
    assert flight.stopped
    assert flight.statements == {one.statement, two.statement}


def test_only_what_waits_off_the_wire_counts_as_waiting() -> None:
    flights, all_phases = SingleFlight(), batch(*(phase.name for phase in Phase))
    for index, phase in enumerate(Phase):
        flight = flights.board(all_phases, index)
        assert flight is not None
        flight.phase = phase
    assert [flight.phase for flight in flights.waiting()] == [Phase.ELSEWHERE, Phase.QUEUED, Phase.RESTING]
    assert {flight.phase for flight in flights.clear()} == {Phase.OVER}
    assert len(flights) == 0
