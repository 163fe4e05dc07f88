"""An answer that was paid for is kept before its row is returned: in the store of each session that waits for it, then in
memory. One that may not be cached stays with the statements that asked.

What becomes of the flight afterwards, it must not know. Runs on the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from duck_or.cache.contract import Kept
from duck_or.call_summary import summary_of
from duck_or.engine.single_flight import Flight, Phase
from duck_or.outcome import Completion, Outcome


class Keeping:
    """landed: called with the flight, its answer and the latency that was passed, once all is kept."""

    def __init__(
        self, landed: Callable[[Flight, Completion, float], None], wall_clock: Callable[[], float]
    ) -> None:
        self._land = landed
        self._wall_clock = wall_clock

    def keep(self, flight: Flight, completion: Completion, latency: float) -> None:
        """Write through before the row is returned: once for each ledger among those who wait."""
        flight.phase = Phase.LANDING
        unwritten = {batch.ledger for batch, _ in flight.waiters} - flight.kept_by
        if not completion.storable or not unwritten:
            self._remember(flight, completion)
            self._land(flight, completion, latency)
            return
        flight.kept_by |= unwritten
        flight.writes += len(unwritten)
        for ledger in unwritten:
            ledger.store.write(
                flight.request.key, completion.body, partial(self._kept, flight, completion, latency)
            )

    def salvage(self, flight: Flight, outcome: Outcome) -> None:
        """A flight was taken back while others went on in the same request: its answer is paid for, and kept for whoever
        asks next."""
        if not isinstance(outcome, Completion) or flight.request.envelope is None:
            return
        ledger, served = flight.owner.ledger, summary_of(outcome)
        ledger.stats.add(prompt_tokens=served.prompt_tokens or 0, cost_usd=served.cost_usd or 0.0)
        if outcome.storable:
            ledger.store.write(flight.request.key, outcome.body, lambda: None)

    def _kept(self, flight: Flight, completion: Completion, latency: float) -> None:
        flight.writes -= 1
        if flight.writes == 0 and flight.phase is Phase.LANDING:
            # Look again: a session with another store may have joined meanwhile.
            self.keep(flight, completion, latency)

    def _remember(self, flight: Flight, completion: Completion) -> None:
        """Storable answers go to memory; others only to the statements that asked, so that they see them again."""
        key = flight.request.key
        if not completion.storable:
            for statement in flight.statements:
                statement.remember(key, completion)
            return
        for ledger in {batch.ledger for batch, _ in flight.waiters}:
            ledger.memory.put_many({key: Kept(completion.body, self._wall_clock())})
