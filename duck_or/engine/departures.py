"""Whose turn it is to leave: first come, first served, except that whoever waits for money holds up nobody else, and that
whoever may share the request of one that came before leaves with it.

One line for each set of budgets; a line in which a flight has to wait stands still until one of its budgets is settled.
Nobody waits for a party to fill: it is as large as the queue has made it when its turn comes. What a request costs and when
the service has room, it must not know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import count

from duck_or.engine.convoy import Company, company_of
from duck_or.engine.single_flight import Flight, Phase
from duck_or.engine.spending import Budgets
from duck_or.packing import MOST_BYTES


class _Party:
    """Flights that will share a request. turn: of the first that came; lower ones leave first."""

    __slots__ = ("company", "flights", "size", "turn")

    def __init__(self, company: Company | None, turn: int) -> None:
        self.company = company
        self.turn = turn
        self.flights: list[Flight] = []
        self.size = 0  # bytes of their texts

    def admits(self, flight: Flight) -> bool:
        return len(self.flights) < flight.company and self.size + len(flight.request.input) <= MOST_BYTES

    def join(self, flight: Flight) -> None:
        self.flights.append(flight)
        self.size += len(flight.request.input)

    def tidy(self) -> bool:
        """Let go of those that have left, or were taken back. False: of all."""
        staying = [flight for flight in self.flights if flight.phase is Phase.QUEUED]
        if len(staying) < len(self.flights):
            self.flights = staying
            self.size = sum(len(flight.request.input) for flight in staying)
        return bool(staying)


class _Line:
    __slots__ = ("halted", "open", "parties")

    def __init__(self) -> None:
        self.parties: deque[_Party] = deque()
        self.open: dict[Company, _Party] = {}  # the last party of each company, which the next may join
        self.halted: Flight | None = None  # the one that has to wait for money

    @property
    def moves(self) -> bool:
        """When the one that had to wait was taken back, the next may well be cheaper."""
        return self.halted is None or self.halted.phase is not Phase.QUEUED

    def add(self, flight: Flight, turn: int) -> None:
        company = company_of(flight)
        party = None if company is None else self.open.get(company)
        if party is None or not party.admits(flight):
            party = _Party(company, turn)
            self.parties.append(party)
            if company is not None:
                self.open[company] = party
        party.join(flight)

    def tidy(self) -> None:
        """Let go of parties at the head that have left."""
        while self.parties and not self.parties[0].tidy():
            self._close(self.parties.popleft())

    def sweep(self) -> None:
        """The same all along the line."""
        for party in [party for party in self.parties if not party.tidy()]:
            self._close(party)
        self.parties = deque(party for party in self.parties if party.flights)

    def _close(self, party: _Party) -> None:
        if party.company is not None and self.open.get(party.company) is party:
            del self.open[party.company]


class Departures:
    """Flights in the phase QUEUED. Those that leave that phase otherwise (withdrawn, stopped) are passed over."""

    def __init__(self) -> None:
        self._lines: dict[Budgets, _Line] = {}
        self._turns = count()

    def __len__(self) -> int:
        return sum(len(party.flights) for line in self._lines.values() for party in line.parties)

    @property
    def parties(self) -> int:
        """How many requests they would make, at most: some may have left since."""
        return sum(len(line.parties) for line in self._lines.values())

    def add(self, flight: Flight) -> None:
        line = self._lines.setdefault(flight.owner.budgets, _Line())
        line.add(flight, next(self._turns))

    def first(self) -> Sequence[Flight]:
        """The flights whose turn it is, all of one line: empty if there are none.

        Each stays among the first until it has left, its line is halted, or it is no longer queued.
        """
        for budgets, line in list(self._lines.items()):
            line.tidy()
            if not line.parties:
                del self._lines[budgets]
        moving = [line.parties[0] for line in self._lines.values() if line.moves]
        return tuple(min(moving, key=lambda party: party.turn).flights) if moving else ()

    def halt(self, flight: Flight) -> None:
        """It has to wait for money, and all of its line with it."""
        self._lines[flight.owner.budgets].halted = flight

    def settled(self, budgets: Budgets) -> None:
        """Money came back to these budgets: whoever waits for one of them may try again."""
        for mine, line in self._lines.items():
            if line.halted is not None and not set(mine).isdisjoint(budgets):
                line.halted = None

    def sweep(self) -> None:
        """Let go of flights that are no longer queued; a line that stands still would keep them for long."""
        for line in self._lines.values():
            line.sweep()

    def clear(self) -> None:
        self._lines.clear()
