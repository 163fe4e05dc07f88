from __future__ import annotations

from duck_or.cache.memory import MemoryCache
from duck_or.calls import CallLog
from duck_or.engine.batch import Batch, Statement, Terms
from duck_or.engine.departures import Departures
from duck_or.engine.ledger import Ledger
from duck_or.engine.single_flight import Flight, Phase
from duck_or.engine.spending import Spending
from duck_or.engine.store_thread import NoStore
from duck_or.policy.retry import RetryPolicy
from support.engine_world import request


class Hall:
    """Departures and a session whose flights go there. leave: the names in the order in which they get their turn."""

    def __init__(self) -> None:
        self.session = Spending(1.0)
        self.ledger = Ledger(MemoryCache(0), NoStore(), CallLog(), spending=self.session)
        self.departures = Departures()

    def add(self, name: str, statement: Statement) -> Flight:
        batch = Batch([request(name)], statement, Terms(1.0, RetryPolicy(1)), self.ledger)
        flight = Flight(batch.requests[0], batch, 0)
        flight.phase = Phase.QUEUED
        self.departures.add(flight)
        return flight

    def leave(self) -> list[Flight]:
        left: list[Flight] = []
        while flights := self.departures.first():
            for flight in flights:
                flight.phase = Phase.FLYING
            left += flights
        return left


def own() -> Statement:
    return Statement(Spending(1.0, whose="statement"))


def test_first_come_first_served_whatever_their_budgets() -> None:
    hall, one, two = Hall(), own(), own()
    flights = [hall.add(f"r{n}", (one, two, Statement())[n % 3]) for n in range(9)]
    assert len(hall.departures) == 9
    assert hall.leave() == flights
    assert len(hall.departures) == 0


def test_those_behind_a_halted_flight_of_their_budgets_wait_and_no_others() -> None:
    hall, poor, rich = Hall(), own(), own()
    first, second = hall.add("a", poor), hall.add("b", poor)
    other = hall.add("c", rich)
    hall.departures.halt(first)
    late = hall.add("d", poor)
    assert hall.leave() == [other]
    assert poor.spending is not None
    hall.departures.settled((poor.spending,))
    assert hall.leave() == [first, second, late]


def test_a_settlement_moves_every_line_that_shares_the_budget() -> None:
    hall, one, two = Hall(), own(), own()
    flights = [hall.add("a", one), hall.add("b", two)]
    for flight in flights:
        hall.departures.halt(flight)
    hall.departures.settled((Spending(1.0),))
    assert hall.leave() == []
    hall.departures.settled((hall.session,))
    assert hall.leave() == flights


def test_what_is_no_longer_queued_is_passed_over_and_let_go() -> None:
    hall, statement = Hall(), own()
    flights = [hall.add(f"r{n}", statement) for n in range(4)]
    hall.departures.halt(flights[0])
    for flight in flights[1:3]:
        flight.phase = Phase.OVER
    hall.departures.sweep()
    assert len(hall.departures) == 2
    flights[0].phase = Phase.OVER  # it was the one that had to wait; the next may well be cheaper
    assert hall.departures.first() == (flights[3],)
