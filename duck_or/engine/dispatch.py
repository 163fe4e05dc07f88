"""Sends very many distinct requests, taken from an iterator as there is room for them: the statement's whole work at once.

One thread waits and feeds; outcomes land on the event loop's. A request that takes long holds up nobody: room is counted
by the request, not by the batch. Where the requests come from, and what their rows are, it must not know.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from threading import Event
from typing import TypeAlias

from duck_or.engine.batch import LOOK_AGAIN, Batch, Post, Statement, Terms
from duck_or.engine.cancellation import running
from duck_or.outcome import Completion, Failure, Outcome
from duck_or.request import Request

PARCEL = 256
"""Requests handed to the event loop at once: enough to make the hop between two threads cheap."""

Keep: TypeAlias = Callable[[Request, Outcome], None]

_LANDED = Completion(b"")
"""What a parcel remembers of an outcome: that there is one. The bodies belong to the caches."""


class _Parcel(Batch):
    """Some of the requests. Each outcome goes straight to the dispatch: one slow request must not keep 63 bodies."""

    __slots__ = ("_landed",)

    def __init__(
        self, requests: list[Request], statement: Statement, terms: Terms, dispatch: Dispatch
    ) -> None:
        super().__init__(requests, statement, terms, dispatch.post.ledger)
        self._landed = dispatch._landed_one

    def resolve(self, index: int, outcome: Outcome) -> None:
        if self.outcomes[index] is None:
            super().resolve(index, _LANDED)
            self._landed(self, self.requests[index], outcome)


class Dispatch:
    """Requests under way for one statement, at most `window` at a time. Drive it with `step` until that is True.

    keep: called with each request and its outcome, on the stepping thread, for callers without a store; outcomes that are
    not kept yet count as under way. Without it an outcome stays only where it stays anyway: in the store and in memory,
    or with the statement if it may not be cached. Each request answered or tried is `prepaid` in the statement. One thread
    at a time may step or cancel; any thread may read the counters.
    """

    def __init__(
        self,
        requests: Iterable[Request],
        post: Post,
        statement: Statement,
        terms: Terms,
        *,
        window: int,
        keep: Keep | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.post = post
        self.first_failure: Failure | None = None
        self.fed = 0  # written by the stepping thread only, as the next two are by the event loop's only
        self.landed = 0
        self.failed = 0
        self._requests = iter(requests)
        self._statement = statement
        self._terms = terms
        self._window = window
        self._parcel = max(1, min(PARCEL, window // 4))
        self._keep = keep
        self._clock = clock
        self._exhausted = False
        self._withdrawn = 0
        self._landing: deque[tuple[Request, Outcome]] = deque()  # landed, not kept yet
        self._parcels: set[_Parcel] = set()
        self._awake = Event()

    @property
    def under_way(self) -> int:
        """Requests handed over that have no outcome yet."""
        return max(0, self.fed - self.landed - self._withdrawn)

    @property
    def over(self) -> bool:
        """Nothing is under way, and nothing more will be sent."""
        return self._exhausted and not self.under_way and not self._landing

    def step(self, timeout: float) -> bool:
        """Send what there is room for, as outcomes land, for up to `timeout` seconds. True, at once, when all is over.

        It is over when the requests have ended, or the statement was stopped (then `statement.stopped` says why); what is
        in flight is awaited and kept either way. Raises Cancelled when the statement is cancelled, SettingsError when
        there is no key, whatever the iterator and `keep` raise; all is withdrawn then, as on Ctrl-C.
        """
        until = self._clock() + timeout
        try:
            with running(self._statement):
                while not self._advanced():
                    left = until - self._clock()
                    if left <= 0:
                        return False
                    self._awake.wait(min(left, LOOK_AGAIN))
                return True
        except BaseException:  # Ctrl-C may come at any point
            self.cancel()
            raise

    def cancel(self) -> None:
        """Take back all that is under way, keep what has landed. Idempotent; nothing is sent from then on."""
        self._exhausted = True
        for parcel in list(self._parcels):
            self.post.withdraw(parcel)
        self._parcels.clear()
        self._withdrawn = self.fed - self.landed
        self._keep_landed()

    def _advanced(self) -> bool:
        """Whether it is over, after doing all that can be done now."""
        self._awake.clear()  # before looking: what lands from here on wakes us again
        self._keep_landed()
        if self._statement.cancelled:
            self._statement.check()
        if self._statement.stopped is not None:
            self._exhausted = True
        while not self._exhausted and self._has_room():
            self._feed()
        return self.over

    def _has_room(self) -> bool:
        return self._window - (self.under_way + len(self._landing)) >= self._parcel

    def _feed(self) -> None:
        requests = list(islice(self._requests, self._parcel))
        self._exhausted = len(requests) < self._parcel
        if requests:
            parcel = _Parcel(requests, self._statement, self._terms, self)
            self._parcels.add(parcel)
            self.fed += len(requests)
            self.post.submit(parcel)

    def _keep_landed(self) -> None:
        while self._landing and self._keep is not None:
            self._keep(*self._landing[0])
            self._landing.popleft()  # not before: what Ctrl-C interrupts is kept once more instead of never

    def _landed_one(self, parcel: _Parcel, request: Request, outcome: Outcome) -> None:
        """One request has its outcome. Called on the event loop, by its parcel."""
        if isinstance(outcome, Failure):
            self.failed += 1
            self.first_failure = self.first_failure or outcome
        # A failure without an attempt was never sent, so it is in no count yet (a row that meets it later is).
        if isinstance(outcome, Completion) or outcome.attempts:
            self._statement.prepaid(1)
        if self._keep is not None:
            self._landing.append((request, outcome))
        if parcel.done:
            self._parcels.discard(parcel)
        self.landed += 1  # last: whoever reads that all have landed finds everything in its place
        if self._wants_attention():
            self._awake.set()

    def _wants_attention(self) -> bool:
        """Waking the stepping thread for every single outcome would cost more than it gains."""
        if not self.under_way or len(self._landing) >= self._parcel:
            return True
        return not self._exhausted and self._has_room()
