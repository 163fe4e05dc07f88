"""Whose turn it is to leave: first come, first served, except that whoever waits for money holds up nobody else.

One line for each set of budgets; a line whose first flight has to wait stands still until one of its budgets is settled.
What a request costs and when the service has room, it must not know.
"""

from __future__ import annotations

from collections import deque
from itertools import count

from duck_or.engine.single_flight import Flight, Phase
from duck_or.engine.spending import Budgets


class _Line:
    __slots__ = ("flights", "halted")

    def __init__(self) -> None:
        self.flights: deque[tuple[int, Flight]] = deque()  # with their turns: lower ones came first
        self.halted = False

    @property
    def turn(self) -> int:
        return self.flights[0][0]

    @property
    def stale(self) -> bool:
        """The first has gone otherwise."""
        return bool(self.flights) and self.flights[0][1].phase is not Phase.QUEUED

    def pass_over(self) -> None:
        """Let go of the first. The next may be cheaper, so the line moves again."""
        self.flights.popleft()
        self.halted = False


class Departures:
    """Flights in the phase QUEUED. Those that leave that phase otherwise (withdrawn, stopped) are passed over."""

    def __init__(self) -> None:
        self._lines: dict[Budgets, _Line] = {}
        self._turns = count()

    def __len__(self) -> int:
        return sum(len(line.flights) for line in self._lines.values())

    def add(self, flight: Flight) -> None:
        line = self._lines.setdefault(flight.owner.budgets, _Line())
        line.flights.append((next(self._turns), flight))

    def first(self) -> Flight | None:
        """The flight whose turn it is: it stays first until it has left, is halted or is no longer queued."""
        for budgets, line in list(self._lines.items()):
            while line.stale:
                line.pass_over()
            if not line.flights:
                del self._lines[budgets]
        moving = [line for line in self._lines.values() if not line.halted]
        return min(moving, key=lambda line: line.turn).flights[0][1] if moving else None

    def halt(self, flight: Flight) -> None:
        """The first of its line has to wait for money, and all behind it."""
        self._lines[flight.owner.budgets].halted = True

    def settled(self, budgets: Budgets) -> None:
        """Money came back to these budgets: whoever waits for one of them may try again."""
        for mine, line in self._lines.items():
            if line.halted and not set(mine).isdisjoint(budgets):
                line.halted = False

    def sweep(self) -> None:
        """Let go of flights that are no longer queued; a line that stands still would keep them for long."""
        for line in self._lines.values():
            line.halted &= not line.stale
            line.flights = deque(entry for entry in line.flights if entry[1].phase is Phase.QUEUED)

    def clear(self) -> None:
        self._lines.clear()
