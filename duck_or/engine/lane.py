"""One endpoint and key: who flies next, when, and what becomes of each flight. Shared by every session that uses them.

The order of layers is DESIGN's: memory → single-flight → store → budget → slot and token (the gate) → deadline →
transport. A retry rests on the loop's timer heap and holds no slot. All of this runs on the event loop's thread; what
SQL is, it must not know.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from weakref import WeakSet

from duck_or.again import asked_again
from duck_or.cache.contract import Kept
from duck_or.engine.attempt import CUT_OFF, attempt, get, internal_error, outcome_of
from duck_or.engine.batch import Batch, Statement
from duck_or.engine.departures import Departures
from duck_or.engine.keeping import Keeping
from duck_or.engine.ledger import Ledger
from duck_or.engine.single_flight import Flight, Phase, SingleFlight
from duck_or.engine.spending import Funds, hold, settle
from duck_or.engine.transport import Transport
from duck_or.errors import SessionClosed
from duck_or.outcome import Action, Completion, Failure, Outcome, RawResponse
from duck_or.policy.gate import Gate
from duck_or.policy.retry import Retry


class Lane:
    def __init__(
        self,
        transport: Transport,
        rate_limit: float | None,
        max_in_flight: int,
        *,
        jitter: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._limits = (rate_limit, max_in_flight)
        self._gate = Gate(rate_limit, max_in_flight)
        self._jitter = jitter
        self._wall_clock = wall_clock
        self._flights = SingleFlight()
        self._keeping = Keeping(self._land, wall_clock)
        self._departures = Departures()
        self._in_flight = 0
        self._wake: asyncio.TimerHandle | None = None
        self._batches: WeakSet[Batch] = WeakSet()
        self._closed = False

    def limit(self, rate_limit: float | None, max_in_flight: int) -> None:
        """New limits, because a session came or went."""
        if self._limits != (rate_limit, max_in_flight):
            self._limits = (rate_limit, max_in_flight)
            self._gate.change(rate_limit, max_in_flight, self._loop.time())
            self._pump()

    # --- boarding: memory (again), single-flight, store -------------------------------------------------------------

    def submit(self, batch: Batch) -> None:
        """Take a chunk's requests. Each gets its outcome through `batch.resolve`, in any order."""
        self._batches.add(batch)
        if self._closed:
            batch.statement.stop(CLOSED)
        if (refusal := batch.statement.stopped) is not None:
            batch.ledger.stats.add(withdrawn=len(batch.requests))
            batch.fail(refusal)
            return
        # The calling thread looked in memory before; an equal flight may have landed since.
        remembered = batch.ledger.memory.get_many(
            [request.key for request in batch.requests], self._wall_clock()
        )
        boarded = []
        for index, kept in enumerate(remembered):
            if kept is not None:
                batch.ledger.enter_hits("memory_hits", [batch.requests[index]], 1)
                batch.resolve(index, Completion(kept.body))
            elif (flight := self._flights.board(batch, index)) is not None:
                boarded.append(flight)
        if boarded:
            keys = [flight.request.key for flight in boarded]
            batch.ledger.store.look_up(keys, partial(self._looked_up, batch.ledger, boarded))

    def _looked_up(self, ledger: Ledger, boarded: Iterable[Flight], found: Mapping[bytes, Kept]) -> None:
        # The others were withdrawn while the store was asked.
        flights = [flight for flight in boarded if flight.phase is Phase.LOOKING]
        if found:
            ledger.memory.put_many(found)
            kept = [flight for flight in flights if flight.request.key in found]
            ledger.enter_hits("store_hits", [flight.request for flight in kept], len(kept))
            for flight in kept:
                self._resolve(flight, Completion(found[flight.request.key].body))
        for flight in flights:
            if flight.request.key in found:
                continue
            if flight.stopped:
                self._ground(flight)
            else:
                flight.phase = Phase.QUEUED
                self._departures.add(flight)
        self._pump()

    # --- leaving: budget, slot, token ------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Send whatever may leave now; arrange to be called when more may."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        while (flight := self._departures.first()) is not None:
            delay = self._gate.next_delay(self._loop.time(), self._in_flight)
            if delay is None:
                return  # every slot is taken: the next completion calls again
            if delay > 0:
                self._wake = self._loop.call_later(delay, self._pump)
                return
            funds, flight.held_usd = hold(flight.owner.budgets, flight.request)
            if isinstance(funds, Failure):
                self._refuse(flight, funds.after(flight.attempts))
            elif funds is Funds.WAIT:
                self._departures.halt(flight)
            else:
                self._launch(flight)

    def _refuse(self, flight: Flight, failure: Failure) -> None:
        """There is no money for it: whoever waits for it under another budget goes on without those of this one."""
        heir = self._flights.pass_on(flight)
        if heir is not None:
            self._departures.add(heir)
        self._fail(flight, failure, None if flight.first_sent is None else 0.0)

    def _launch(self, flight: Flight) -> None:
        flight.phase = Phase.FLYING
        flight.attempts += 1
        flight.launched = self._loop.time()
        self._in_flight += 1
        flight.ticket = self._gate.on_sent(flight.launched, self._in_flight)
        if flight.first_sent is None:
            flight.first_sent = self._wall_clock()
            flight.owner.ledger.stats.add(sent=1, attempts=1)
        else:
            flight.owner.ledger.stats.add(attempts=1, retries=1)
        task = asyncio.create_task(
            attempt(self._transport, flight.request, flight.owner.terms.timeout, self._wall_clock)
        )
        flight.handle = task
        # Not a `finally` in the task: cancelled before its first step it would run nothing, and the slot were lost.
        task.add_done_callback(partial(self._attempted, flight))

    # --- arriving: kept, retried, failed ---------------------------------------------------------------------------

    def _attempted(self, flight: Flight, task: asyncio.Task[Outcome]) -> None:
        """An attempt is over, and its slot free."""
        outcome = outcome_of(task)
        if outcome is not None:
            self._tell_gate(flight, outcome)
        self._in_flight -= 1
        settle(flight.owner.budgets, flight.held_usd, outcome)
        self._departures.settled(flight.owner.budgets)
        if flight.phase is Phase.FLYING:
            self._answered(flight, CUT_OFF if outcome is None else outcome)
        self._pump()

    def _answered(self, flight: Flight, outcome: Outcome) -> None:
        now = self._loop.time()
        if isinstance(outcome, Completion):
            self._keeping.keep(flight, outcome, now - flight.launched)
            return
        if outcome.summary is not None:
            flight.discarded = outcome.summary.after(flight.discarded)
        outcome = outcome.after(flight.attempts)
        if self._asks_again(flight, outcome):
            return
        if outcome.action is Action.RETRY and not flight.stopped:
            decision = flight.owner.terms.retry.decide(outcome, flight.attempts, flight.waited, self._jitter)
            if isinstance(decision, Retry):
                self._rest(flight, decision.delay)
                return
            outcome = decision.failure
        self._fail(flight, outcome, now - flight.launched)

    def _asks_again(self, flight: Flight, failure: Failure) -> bool:
        """Whether the failure told what to change, and the request, so changed, goes out once more."""
        spent = flight.attempts >= flight.owner.terms.retry.attempts
        if failure.again is None or flight.request.second or flight.stopped or spent:
            return False
        flight.request = asked_again(flight.request, failure.again)
        self._requeue(flight)
        return True

    def _tell_gate(self, flight: Flight, outcome: Outcome) -> None:
        assert flight.ticket is not None  # it was launched
        if isinstance(outcome, Failure) and outcome.slow_down:
            flight.owner.ledger.stats.add(slow_downs=1)
            self._gate.on_refused(self._loop.time(), flight.ticket, outcome.wait)
        elif isinstance(outcome, Completion) or outcome.http_status is not None:
            # Also where it was refused for its own sake: the service had room for it.
            self._gate.on_accepted(flight.ticket, self._in_flight)

    def _rest(self, flight: Flight, delay: float) -> None:
        flight.phase = Phase.RESTING
        flight.waited += delay
        flight.handle = self._loop.call_later(delay, self._requeue, flight)

    def _requeue(self, flight: Flight) -> None:
        flight.phase = Phase.QUEUED
        # Behind those not tried yet: in an outage, the same few must not burn all their attempts.
        self._departures.add(flight)
        self._pump()

    def _fail(self, flight: Flight, failure: Failure, latency: float | None) -> None:
        for batch, _ in flight.waiters:
            batch.statement.remember(flight.request.key, failure)
            if failure.action is Action.STOP or batch.terms.stop_on_failure:
                batch.statement.stop(failure)
        stopped = {statement for statement in flight.statements if statement.stopped is not None}
        self._land(flight, failure, latency)
        if stopped:
            self._ground_all(stopped)

    def _land(self, flight: Flight, outcome: Outcome, latency: float | None) -> None:
        """The flight is over. latency: seconds of its last attempt, None if it was never sent."""
        flight.owner.ledger.enter(flight, outcome, latency)
        self._resolve(flight, outcome, "withdrawn" if latency is None else "joined")

    def _resolve(self, flight: Flight, outcome: Outcome, counter: str = "joined") -> None:
        """Everybody who waits gets the outcome; those who did not start the flight are counted."""
        for batch, index in self._flights.land(flight):
            if batch is not flight.owner:
                batch.ledger.stats.add(**{counter: 1})
            batch.resolve(index, outcome)

    # --- not sent: stopped statements, withdrawn batches -----------------------------------------------------------

    def _ground_all(self, statements: set[Statement]) -> None:
        for flight in self._flights.waiting():
            if flight.stopped and not flight.statements.isdisjoint(statements):
                self._ground(flight)

    def _ground(self, flight: Flight) -> None:
        """Its statements were stopped: it is not sent (again), and says why."""
        reason = next(batch.statement.stopped for batch, _ in flight.waiters)
        assert reason is not None
        self._take_back(flight, replace(reason, attempts=flight.attempts))

    def _take_back(self, flight: Flight, failure: Failure) -> None:
        """Whatever it is doing, it stops, and whoever still waits is told why."""
        sent = flight.first_sent is not None
        if flight.handle is not None:
            flight.handle.cancel()
        self._land(flight, failure, self._loop.time() - flight.launched if sent else None)

    def withdraw(self, batch: Batch) -> None:
        """The batch no longer waits (Ctrl-C). Requests nobody else waits for are taken back."""
        for flight in self._flights.leave(batch):
            if batch is not flight.owner:
                batch.ledger.stats.add(withdrawn=1)
            # One that is being written to the store goes on: it is paid for.
            if not flight.waiters and flight.phase is not Phase.LANDING:
                self._take_back(flight, WITHDRAWN.after(flight.attempts))
        # A line may be stuck behind its head for long; what was taken back must not pile up in it.
        self._departures.sweep()

    def dismiss(self, ledger: Ledger | None = None) -> None:
        """The session with these books was closed (None: all were): its rows are told, its requests taken back."""
        for batch in list(self._batches):
            if ledger is None or batch.ledger is ledger:
                self.withdraw(batch)
                batch.statement.stop(CLOSED)
                batch.fail(CLOSED)

    def break_off(self, error: BaseException) -> None:
        """A bug broke a callback: every row that waits gets it as its failure, instead of waiting for ever."""
        failure = internal_error(error)
        flights = self._flights.clear()
        self._departures.clear()
        for batch in list(self._batches):
            batch.fail(failure)
        for flight in flights:
            self._take_back(flight, failure.after(flight.attempts))

    async def get(self, path: str, timeout: float) -> RawResponse:
        """One GET beside the queue: it costs nothing and counts against no limit of ours. Raises TransportError."""
        return await get(self._transport, path, timeout)

    async def close(self) -> None:
        """Take everything back, let nothing new in, close the connections."""
        self._closed = True
        self.dismiss()
        if self._wake is not None:
            self._wake.cancel()
        await self._transport.close()


WITHDRAWN = Failure("cancelled", "taken back before an answer came", retryable=True)
CLOSED = Failure(
    SessionClosed.code, "the session was closed before an answer came", retryable=True, action=Action.STOP
)
