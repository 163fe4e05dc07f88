"""Flights that wait for the store's word: an answer, nobody has one, or another worker is sending the request.

Where several machines share a store, "nobody has one" makes the request ours to send: we hold its lease from then on. One
that another worker sends is looked up again until its answer is there, or that worker has given up or died. What a lease
is made of, it must not know. Runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from duck_or.cache.contract import Kept, Looked
from duck_or.engine.ledger import Ledger
from duck_or.engine.single_flight import Flight, Lease, Phase, SingleFlight

AGAIN = (0.1, 1.0)
"""Seconds until a request that another worker sends is looked up again: the first time, and at most. Each is twice the one
before."""

Found: TypeAlias = Callable[[Sequence[Flight], Mapping[bytes, Kept]], None]


class Lookups:
    """found: called with flights whose answers are there. missing: with flights that are ours to send, or were stopped."""

    def __init__(
        self, flights: SingleFlight, found: Found, missing: Callable[[Sequence[Flight]], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._flights = flights
        self._found = found
        self._missing = missing

    def ask(self, flights: Iterable[Flight], again: float = AGAIN[0]) -> None:
        """Look them up, each in the store of one who waits for it."""
        by_ledger: dict[Ledger, list[Flight]] = {}
        for flight in flights:
            flight.phase, flight.lease, flight.asked = Phase.LOOKING, None, flight.ledger
            by_ledger.setdefault(flight.asked, []).append(flight)
        for ledger, asked in by_ledger.items():
            keys = [flight.request.key for flight in asked]
            ledger.store.look_up(keys, partial(self._looked, ledger, asked, again))

    def _looked(self, ledger: Ledger, asked: Sequence[Flight], again: float, looked: Looked) -> None:
        # The others were taken back while the store was asked. What was thus claimed in vain, others may send.
        flights = [flight for flight in asked if flight.phase is Phase.LOOKING]
        if len(flights) < len(asked):
            self._release(ledger, asked, looked)
        found = [flight for flight in flights if flight.request.key in looked.found]
        if found:
            self._found(found, looked.found)
        self._wait_for_others([flight for flight in flights if flight.request.key in looked.elsewhere], again)
        missing = [flight for flight in flights if flight.phase is Phase.LOOKING]
        for flight in missing:
            if looked.epoch is not None and flight.request.key not in looked.elsewhere:
                flight.lease = Lease(ledger, looked.epoch)
        self._missing(missing)

    def _wait_for_others(self, elsewhere: Sequence[Flight], again: float) -> None:
        waiting = [flight for flight in elsewhere if not flight.stopped]
        for flight in waiting:
            flight.phase = Phase.ELSEWHERE
        if waiting:
            self._loop.call_later(again, self._again, waiting, min(2 * again, AGAIN[1]))

    def _again(self, asked: Sequence[Flight], again: float) -> None:
        self.ask([flight for flight in asked if flight.phase is Phase.ELSEWHERE], again)

    def _release(self, ledger: Ledger, asked: Sequence[Flight], looked: Looked) -> None:
        known = looked.found.keys() | looked.elsewhere
        gone = [flight.request.key for flight in asked if flight.phase is not Phase.LOOKING]
        vain = [key for key in gone if key not in known and not self._is_asked_again(ledger, key)]
        if vain and looked.epoch is not None:
            ledger.store.release(vain)

    def _is_asked_again(self, ledger: Ledger, key: bytes) -> bool:
        """By another flight through the same store: then the lease is its."""
        flight = self._flights.get(key)
        return flight is not None and flight.asked is ledger
