"""One endpoint and key: who flies next, when, and what becomes of each flight. Shared by every session that uses them.

The order of layers is DESIGN's: memory → single-flight → store → budget → slot and token (the gate, and the tokens that machines
share) → deadline →
transport. A retry rests on the loop's timer heap and holds no slot. All of this runs on the event loop's thread; what
SQL is, it must not know.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from weakref import WeakSet

from duck_or.cache.contract import Kept
from duck_or.engine.attempt import Arrival, arrival_of, attempt, get, internal_error
from duck_or.engine.batch import Batch, Statement
from duck_or.engine.convoy import Convoy
from duck_or.engine.departures import Departures
from duck_or.engine.keeping import Keeping
from duck_or.engine.ledger import Ledger
from duck_or.engine.limits import Limits
from duck_or.engine.lookups import Lookups
from duck_or.engine.next_attempt import next_attempt
from duck_or.engine.shared_rate import SharedTokens
from duck_or.engine.single_flight import Flight, Phase, SingleFlight
from duck_or.engine.spending import Funds, hold, settle
from duck_or.engine.transport import Transport
from duck_or.errors import SessionClosed
from duck_or.outcome import Action, Completion, Failure, Outcome, RawResponse
from duck_or.policy.gate import Gate
from duck_or.policy.retry import Retry
from duck_or.request import Request


class Lane:
    def __init__(
        self,
        transport: Transport,
        limits: Limits,
        *,
        jitter: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._limits = limits
        self._gate = Gate(limits.own_rate, limits.max_in_flight)
        self._tokens = self._shared_tokens(limits)
        self._jitter = jitter
        self._wall_clock = wall_clock
        self._flights = SingleFlight()
        self._lookups = Lookups(self._flights, self._found, self._missing)
        self._keeping = Keeping(self._land, wall_clock)
        self._departures = Departures()
        self._in_flight = 0
        self._wake: asyncio.TimerHandle | None = None
        self._batches: WeakSet[Batch] = WeakSet()
        self._closed = False

    def limit(self, limits: Limits) -> None:
        """New limits, because a session came or went."""
        if self._limits == limits:
            return
        self._limits = limits
        self._gate.change(limits.own_rate, limits.max_in_flight, self._loop.time())
        if self._tokens is not None:
            self._tokens.close()
        self._tokens = self._shared_tokens(limits)
        self._pump()

    def _shared_tokens(self, limits: Limits) -> SharedTokens | None:
        if limits.bucket is None or not limits.rate_limit:
            return None
        return SharedTokens(limits.bucket, limits.rate_limit, self._pump)

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
            self._lookups.ask(boarded)

    def _found(self, flights: Sequence[Flight], found: Mapping[bytes, Kept]) -> None:
        flights[0].asked.memory.put_many(found)
        by_owner: dict[Ledger, list[Request]] = {}
        for flight in flights:
            by_owner.setdefault(flight.owner.ledger, []).append(flight.request)
        for ledger, requests in by_owner.items():
            ledger.enter_hits("store_hits", requests, len(requests))
        for flight in flights:
            self._resolve(flight, Completion(found[flight.request.key].body))

    def _missing(self, flights: Sequence[Flight]) -> None:
        for flight in flights:
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
        while flights := self._departures.first():
            delay = self._gate.next_delay(self._loop.time(), self._in_flight)
            if delay is None:
                return  # every slot is taken: the next completion calls again
            if delay > 0:
                self._wake = self._loop.call_later(delay, self._pump)
                return
            if self._tokens is not None and not self._tokens.ready(self._could_leave()):
                return  # it calls again
            if doubtful := self._flights.in_doubt() if _is_in_doubt(flights) else []:
                self._lookups.ask(doubtful)
                self._departures.sweep()
            elif funded := self._funded(flights):
                self._launch(funded)

    def _could_leave(self) -> int:
        """Requests that are ready and have a slot."""
        return min(self._departures.parties, self._gate.limit - self._in_flight)

    def _funded(self, flights: Sequence[Flight]) -> list[Flight]:
        """Those that there is money for, which is held back now; they are on the wire from here on."""
        funded = []
        for flight in flights:
            if flight.phase is not Phase.QUEUED:
                continue  # one before it was refused, and stopped their statement
            funds, flight.held_usd = hold(flight.owner.budgets, flight.request)
            if funds is Funds.WAIT:
                self._departures.halt(flight)
                break
            if isinstance(funds, Failure):
                self._refuse(flight, funds.after(flight.attempts))
            else:
                flight.phase = Phase.FLYING
                funded.append(flight)
        return funded

    def _refuse(self, flight: Flight, failure: Failure) -> None:
        """There is no money for it: whoever waits for it under another budget goes on without those of this one."""
        heir = self._flights.pass_on(flight)
        self._fail(flight, failure, None if flight.first_sent is None else 0.0)
        if heir is not None:
            self._lookups.ask([heir])

    def _launch(self, flights: Sequence[Flight]) -> None:
        """One HTTP request, slot, token and ticket, however many share it."""
        now = self._loop.time()
        self._in_flight += 1
        if self._tokens is not None:
            self._tokens.spend()
        convoy = Convoy(flights, Phase.FLYING, self._gate.on_sent(now, self._in_flight))
        convoy.enter_attempt(now, self._wall_clock())
        requests, timeout = [flight.request for flight in flights], flights[0].owner.terms.timeout
        task = asyncio.create_task(attempt(self._transport, requests, timeout, self._wall_clock))
        convoy.handle = task
        # Not a `finally` in the task: cancelled before its first step it would run nothing, and the slot were lost.
        task.add_done_callback(partial(self._attempted, convoy))

    # --- arriving: kept, retried, failed ---------------------------------------------------------------------------

    def _attempted(self, convoy: Convoy, task: asyncio.Task[Arrival]) -> None:
        """An attempt is over, and its slot free."""
        arrival = arrival_of(task, len(convoy.flights))
        self._tell_gate(convoy, arrival.outcomes[0])
        self._in_flight -= 1
        convoy.disband()
        if budgets := convoy.flights[0].owner.budgets:  # those of all, since they left one line
            for flight, outcome in zip(convoy.flights, arrival.outcomes, strict=True):
                settle(budgets, flight.held_usd, outcome)
            self._departures.settled(budgets)
        self._arrived(convoy, arrival)
        self._pump()

    def _arrived(self, convoy: Convoy, arrival: Arrival) -> None:
        resting: dict[float, list[Flight]] = {}
        company = len(arrival.outcomes) if arrival.shared else 1
        # Drawn once: those that failed together rest as long, and leave together again.
        luck = self._jitter if company == 1 else cache(self._jitter)
        for flight, outcome in zip(convoy.flights, arrival.outcomes, strict=True):
            if flight.phase is not Phase.FLYING:
                self._keeping.salvage(flight, outcome)
                continue
            if (delay := self._answered(flight, outcome, company, luck)) is not None:
                flight.phase = Phase.RESTING
                resting.setdefault(delay, []).append(flight)
        for delay, flights in resting.items():
            self._rest(flights, delay)

    def _answered(
        self, flight: Flight, outcome: Outcome, company: int, luck: Callable[[], float]
    ) -> float | None:
        """Seconds until it is asked again; None: it has landed, or will. company: how many share the outcome."""
        latency = self._loop.time() - flight.launched
        if isinstance(outcome, Completion):
            self._keeping.keep(flight, outcome, latency)
            return None
        if outcome.summary is not None:
            flight.discarded = outcome.summary.after(flight.discarded)
        outcome = outcome.after(flight.attempts)
        if not flight.stopped:
            decision = next_attempt(flight, outcome, company, luck)
            if isinstance(decision, Retry):
                return decision.delay
            outcome = decision.failure
        elif company > 1:
            self._ground(flight)  # whose fault it was nobody asks any more
            return None
        self._fail(flight, outcome, latency)
        return None

    def _tell_gate(self, convoy: Convoy, outcome: Outcome) -> None:
        """outcome: of any that shared the request; the gate asks only how the service took it."""
        assert convoy.ticket is not None  # it was launched
        if isinstance(outcome, Failure) and outcome.slow_down:
            convoy.flights[0].owner.ledger.stats.add(slow_downs=1)
            self._gate.on_refused(self._loop.time(), convoy.ticket, outcome.wait)
        elif isinstance(outcome, Completion) or outcome.http_status is not None:
            # Also where it was refused for its own sake: the service had room for it.
            self._gate.on_accepted(convoy.ticket, self._in_flight)

    def _rest(self, flights: Iterable[Flight], delay: float) -> None:
        convoy = Convoy([flight for flight in flights if flight.phase is Phase.RESTING], Phase.RESTING)
        for flight in convoy.flights:
            flight.waited += delay
            flight.convoy = convoy
        if convoy.flights:
            convoy.handle = self._loop.call_later(delay, self._requeue, convoy)

    def _requeue(self, convoy: Convoy) -> None:
        aboard = convoy.aboard
        convoy.disband()
        for flight in aboard:
            flight.phase = Phase.QUEUED
            # Behind those not tried yet: in an outage, the same few must not burn all their attempts.
            self._departures.add(flight)
        self._pump()

    def _fail(self, flight: Flight, failure: Failure, latency: float | None) -> None:
        failure = replace(
            failure, again=None
        )  # it holds all that the model said, and failures are remembered
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
        if (
            flight.lease is not None and flight.lease.ledger not in flight.kept_by
        ):  # else keeping it has ended it
            flight.lease.ledger.store.release([flight.request.key])
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
        self._land(flight, failure, self._loop.time() - flight.launched if sent else None)
        convoy, flight.convoy = flight.convoy, None
        if convoy is not None:
            convoy.cancel()

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
        if self._tokens is not None:
            self._tokens.close()
        await self._transport.close()


def _is_in_doubt(flights: Sequence[Flight]) -> bool:
    return any(flight.lease is not None and not flight.lease.holds for flight in flights)


WITHDRAWN = Failure("cancelled", "taken back before an answer came", retryable=True)
CLOSED = Failure(
    SessionClosed.code, "the session was closed before an answer came", retryable=True, action=Action.STOP
)
