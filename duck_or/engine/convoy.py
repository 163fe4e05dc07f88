"""Flights that share an HTTP request, and which may.

A flight that travels alone, as a chat's does, is a convoy of one. What a body looks like, and when there is room on the
wire, it must not know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from duck_or.engine.single_flight import Flight, Phase
from duck_or.packing import Envelope

if TYPE_CHECKING:
    from duck_or.engine.attempt import Arrival
    from duck_or.policy.pace import Ticket

Company: TypeAlias = tuple[str, Envelope, float, int]
"""What flights must have in common to share a request: its path, envelope and timeout, and how many may be in it."""


def company_of(flight: Flight) -> Company | None:
    """None: it travels alone."""
    request = flight.request
    if request.envelope is None or flight.company == 1:
        return None
    return request.path, request.envelope, flight.owner.terms.timeout, flight.company


class Convoy:
    """Flights that are in one phase together: on the wire in one HTTP request, or resting until one timer ends.

    phase: FLYING or RESTING. ticket: the gate's, where they fly. handle: what ends the phase; set right after it has begun.
    """

    __slots__ = ("flights", "handle", "phase", "ticket")

    def __init__(self, flights: Sequence[Flight], phase: Phase, ticket: Ticket | None = None) -> None:
        self.flights = flights
        self.phase = phase
        self.ticket = ticket
        self.handle: asyncio.Task[Arrival] | asyncio.TimerHandle | None = None

    def enter_attempt(self, now: float, wall_now: float) -> None:
        """It leaves: one attempt for each, in the books of whoever owns it. now: loop time."""
        for flight in self.flights:
            flight.convoy = self
            flight.launched = now
            flight.attempts += 1
            if flight.first_sent is None:
                flight.first_sent = wall_now
                flight.owner.ledger.stats.add(sent=1, attempts=1)
            else:
                flight.owner.ledger.stats.add(attempts=1, retries=1)

    @property
    def aboard(self) -> list[Flight]:
        """Those still in its phase: the others were taken back."""
        return [flight for flight in self.flights if flight.phase is self.phase]

    def disband(self) -> None:
        """The phase has ended. Lets go of what points back, so that the flights' waiters are freed with them."""
        self.handle = None
        for flight in self.flights:
            flight.convoy = None

    def cancel(self) -> None:
        """One of its flights was taken back. The others go on; when there are none, nothing does."""
        if self.handle is not None and not any(flight.phase is self.phase for flight in self.flights):
            self.handle.cancel()
