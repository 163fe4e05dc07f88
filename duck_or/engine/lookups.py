"""Flights that wait for the store's word: an answer, nobody has one, or another worker is sending the request.

Where several machines share a store, "nobody has one" makes the request ours to send: we hold its lease from then on. One
that another worker sends is looked up again until its answer is there, or that worker has given up or died. What a lease
is made of, it must not know. Runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from duck_or.cache.contract import Kept, Looked
from duck_or.engine.ledger import Ledger
from duck_or.engine.single_flight import Flight, Phase, SingleFlight

AGAIN = (0.1, 1.0)
"""Seconds until a request that another worker sends is looked up again: the first time, and at most. Each is twice the one
before."""

Found: TypeAlias = Callable[[Ledger, Sequence[Flight], Mapping[bytes, Kept]], None]


class Lookups:
    """found: called with flights whose answers are there. missing: with flights that are ours to send."""

    def __init__(
        self, flights: SingleFlight, found: Found, missing: Callable[[Sequence[Flight]], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._flights = flights
        self._found = found
        self._missing = missing

    def ask(self, ledger: Ledger, flights: Sequence[Flight], again: float = AGAIN[0]) -> None:
        """These are all of one ledger's, and in the phase LOOKING."""
        keys = [flight.request.key for flight in flights]
        ledger.store.look_up(keys, partial(self._looked, ledger, flights, again))

    def _looked(self, ledger: Ledger, asked: Sequence[Flight], again: float, looked: Looked) -> None:
        # The others were taken back while the store was asked. What was thus claimed in vain, others may send.
        flights = [flight for flight in asked if flight.phase is Phase.LOOKING]
        if len(flights) < len(asked):
            self._release(ledger, asked, looked)
        found = [flight for flight in flights if flight.request.key in looked.found]
        if found:
            self._found(ledger, found, looked.found)
        elsewhere = [flight for flight in flights if flight.request.key in looked.elsewhere]
        if elsewhere:
            self._loop.call_later(again, self._again, ledger, elsewhere, min(2 * again, AGAIN[1]))
        known = looked.found.keys() | looked.elsewhere
        self._missing([flight for flight in flights if flight.request.key not in known])

    def _again(self, ledger: Ledger, asked: Sequence[Flight], again: float) -> None:
        flights = [flight for flight in asked if flight.phase is Phase.LOOKING]
        if flights:
            self.ask(ledger, flights, again)

    def _release(self, ledger: Ledger, asked: Sequence[Flight], looked: Looked) -> None:
        known = looked.found.keys() | looked.elsewhere
        gone = [flight.request.key for flight in asked if flight.phase is not Phase.LOOKING]
        vain = [key for key in gone if key not in known and key not in self._flights]
        if vain:
            ledger.store.release(vain)
