"""One answer per request: equal requests that are under way at the same time share one flight.

A flight is abandoned only when its last waiter has left. When a request may leave, and how often, it must not know.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from duck_or.engine.batch import Batch, Statement
from duck_or.packing import MOST_TEXTS
from duck_or.request import Request

if TYPE_CHECKING:
    from duck_or.call_summary import CallSummary
    from duck_or.engine.convoy import Convoy
    from duck_or.engine.ledger import Ledger


class Phase(Enum):
    LOOKING = auto()  # the store is asked
    ELSEWHERE = auto()  # another worker sends it: the store is asked again later
    QUEUED = auto()  # waits for a slot and a token
    FLYING = auto()  # an attempt is on the wire
    RESTING = auto()  # waits for its next attempt; holds no slot
    LANDING = auto()  # answered, being written to the store
    OVER = auto()  # its waiters have their outcome, or there are none left


class Lease(NamedTuple):
    """No other worker sends a request. ledger: through whose store it was claimed. epoch: see `cache.contract.Looked`."""

    ledger: Ledger
    epoch: int

    @property
    def holds(self) -> bool:
        return self.ledger.store.holds(self.epoch)


class Flight:
    """One request under way and everybody who waits for it. Lives on the event loop's thread only."""

    __slots__ = (
        "asked", "attempts", "company", "convoy", "discarded", "first_sent", "held_usd", "kept_by", "launched", "lease",
        "owner", "partings", "phase", "request", "waited", "waiters", "writes",
    )  # fmt: skip

    def __init__(self, request: Request, owner: Batch, index: int) -> None:
        self.request = request
        self.owner = owner
        self.waiters: list[tuple[Batch, int]] = [(owner, index)]
        self.phase = Phase.LOOKING
        self.attempts = 0
        self.company = MOST_TEXTS  # how many, itself included, may share its next attempt's HTTP request
        self.partings = 0  # attempts that failed for many and were repeated for fewer
        self.waited = 0.0  # seconds spent between attempts
        self.launched = 0.0  # loop time of the last attempt's start
        self.first_sent: float | None = None  # wall time of the first attempt
        self.convoy: Convoy | None = None  # the one it flies or rests in
        self.kept_by: set[Ledger] = set()
        self.writes = 0
        self.discarded: CallSummary | None = None  # of useless responses, which may have cost something
        self.asked = owner.ledger  # whose store is asked, or was last
        self.lease: Lease | None = None  # where that store is shared, and we are to send it
        self.held_usd = 0.0  # in each of its owner's budgets, while an attempt is under way

    @property
    def tries(self) -> int:
        """The attempts that count against the setting `attempts`."""
        return self.attempts - self.partings

    @property
    def statements(self) -> set[Statement]:
        return {batch.statement for batch, _ in self.waiters}

    @property
    def ledger(self) -> Ledger:
        """Of one who still waits for it: its owner may have left, and its session be closed."""
        return self.waiters[0][0].ledger if self.waiters else self.owner.ledger

    @property
    def stopped(self) -> bool:
        """Every statement that waits for it was stopped: it need not be sent any more."""
        return all(batch.statement.stopped is not None for batch, _ in self.waiters)


class SingleFlight:
    """The flights of one endpoint and key, by cache key."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def get(self, key: bytes) -> Flight | None:
        return self._flights.get(key)

    def board(self, batch: Batch, index: int) -> Flight | None:
        """Wait for the equal flight that is under way, or start one: then it is returned."""
        request = batch.requests[index]
        flight = self._flights.get(request.key)
        if flight is not None:
            flight.waiters.append((batch, index))
            return None
        flight = self._flights[request.key] = Flight(request, batch, index)
        return flight

    def pass_on(self, flight: Flight) -> Flight | None:
        """Its owner may not pay for it. Those who wait for it under other budgets get a flight of their own, returned: to be
        looked up like any other."""
        budgets = flight.owner.budgets
        staying = [waiter for waiter in flight.waiters if waiter[0].budgets != budgets]
        if not staying:
            return None
        heir = self._flights[flight.request.key] = Flight(flight.request, *staying[0])
        flight.waiters = [waiter for waiter in flight.waiters if waiter[0].budgets == budgets]
        heir.waiters = staying
        return heir

    def land(self, flight: Flight) -> list[tuple[Batch, int]]:
        """The flight is over; returns who waited. The next equal request starts a new one."""
        flight.phase = Phase.OVER
        if self._flights.get(flight.request.key) is flight:
            del self._flights[flight.request.key]
        return flight.waiters

    def leave(self, batch: Batch) -> list[Flight]:
        """The batch stops waiting; returns the flights it waited for."""
        left = []
        for request in batch.requests:
            flight = self._flights.get(request.key)
            if flight is None:
                continue
            staying = [waiter for waiter in flight.waiters if waiter[0] is not batch]
            if len(staying) < len(flight.waiters):
                flight.waiters = staying
                left.append(flight)
        return left

    def clear(self) -> list[Flight]:
        """Forget every flight; returns them."""
        flights, self._flights = list(self._flights.values()), {}
        for flight in flights:
            flight.phase = Phase.OVER
        return flights

    def in_doubt(self) -> list[Flight]:
        """Flights that are about to be sent under a lease that another worker may have taken over."""
        queued = (flight for flight in self._flights.values() if flight.phase is Phase.QUEUED)
        return [flight for flight in queued if flight.lease is not None and not flight.lease.holds]

    def waiting(self) -> list[Flight]:
        """Flights that have not been answered, are not on the wire, and do not wait for the store's word."""
        idle = (Phase.ELSEWHERE, Phase.QUEUED, Phase.RESTING)
        return [flight for flight in self._flights.values() if flight.phase in idle]
