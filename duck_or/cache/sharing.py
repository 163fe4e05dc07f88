"""One worker's part in a shared store: it claims what is missing before it sends it, says every few seconds that it lives,
sits out the outages, and never costs a row.

A server that restarts or a network that is cut comes back: within `PATIENCE` a look-up and a write wait for that, since
what is asked again meanwhile is paid for again. After that they fail at once, as a broken file does (see `guard`), and the
store is tried now and then until it is back.

What was claimed counts within an epoch: as long as every sign of life arrived in time. After an outage, or when this process
stood still for long, others may have taken over, so a claim of an earlier epoch has to be made anew before it is acted upon.
What a request is, it must not know.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from duck_or.cache.contract import Kept, Looked, StoreError, Unreachable
from duck_or.cache.guard import Kind, Trouble, log_warning
from duck_or.cache.shared import Claims, SharedStore

BEAT = 5.0
"""Seconds between two signs of life."""

LIFETIME = 20.0
"""Seconds after the last one that a worker counts as gone, and its leases with it: it may miss two."""

PATIENCE = 60.0
"""Seconds that an outage is sat out: enough for a server's restart."""

PAUSES = (0.05, 1.0)
"""Seconds between two tries, the first and the longest; each is twice the one before."""

TELLING = 3.0
"""Seconds after which an outage is spoken of: shorter ones nobody notices."""

SLOW = 2.0
"""Seconds for one call of the store after which it may well be away: nothing is sent then until it has answered."""

REST = 15.0
"""Seconds between two tries after patience has run out: each may take as long as a silent server is listened to."""

HURRY = 10.0
"""Seconds that an outage may still hold up somebody who closes."""

UNRELEASED = 100_000
"""Leases to be ended that are remembered. Where there are more, the worker changes its name, and all of them lapse."""

GRACE = 2 * PAUSES[1]
"""Seconds that a worker which was cut off for about a lifetime waits before it claims: so were the others, perhaps, and all
of them are alive again before one takes another's leases over."""

T = TypeVar("T")


def name_of_worker() -> str:
    """Of this process and no other, of any machine; to be read by people, too."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"


@dataclass(slots=True)
class Worker:
    """peers: how many workers lived at the last sign of life, itself included."""

    name: str = field(default_factory=name_of_worker)
    peers: int = 1


class SharedAnswers:
    """The answers of `store` for one worker, without StoreError. report: see `Trouble`; clock: seconds, monotonic."""

    rest: float | None = BEAT

    def __init__(
        self,
        store: SharedStore,
        worker: Worker,
        report: Callable[[str], None] = log_warning,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._worker = worker
        self._trouble = Trouble(report)
        self._report = report
        self._clock = clock
        self._sleep = sleep
        self._epoch = 0
        self._beaten = -math.inf  # when the next sign of life is due, it is `BEAT` after this
        self._lived = -math.inf  # the last one that arrived
        self._outage: Unreachable | None = None
        self._down_since: float | None = None
        self._called_at: float | None = None  # while a call is under way
        self._told = False  # of this outage
        self._alone = False  # patience has run out: what is sent is sent without a claim
        self._try_at = -math.inf  # while alone
        self._give_up_at = math.inf
        # Leases that could not be ended: while we live, they hold others up.
        self._unreleased: set[bytes] = set()

    @property
    def errors(self) -> Counter[Kind]:
        return self._trouble.errors

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        """A look in passing: claims nothing, and does not wait where the store cannot be reached. Any thread."""
        if self._down_since is not None:
            return {}
        try:
            return self._store.get_many(keys, now)
        except Unreachable as error:
            self._lost(error)  # not an error yet: who needs an answer looks it up
        except StoreError as error:
            self._trouble.enter("read", error)
        return {}

    def look_up(self, keys: Sequence[bytes], now: float) -> Looked:
        """What is there, and which missing keys another worker sends; the others are ours to send from now on.

        Where the store failed, all of them are: a row that waited for it would wait for ever.
        """

        def claim() -> Claims:
            self._live()
            return self._store.claim_many(keys, now, self._worker.name)

        claims = self._patiently("read", claim)
        if claims is None:
            return Looked({}, epoch=self._epoch if self._alone else None)
        return Looked(claims.found, frozenset(keys) - claims.found.keys() - claims.mine, self._epoch)

    def holds(self, epoch: int) -> bool:
        """Whether what was claimed in this epoch may be sent now; if not, it has to be looked up again. Any thread.

        While the store is away nothing is sent, since others may be taking over, until patience has run out.
        """
        if self._alone:
            return True
        now, called_at = self._clock(), self._called_at
        away = self._down_since is not None or (called_at is not None and now - called_at >= SLOW)
        return not away and now - self._lived < LIFETIME and epoch == self._epoch

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> bool:
        """Whether the items are stored now; their leases are over either way."""

        def put() -> bool:
            self._live()
            self._store.put_many(items, now)
            return True

        stored = self._patiently("write", put) or False
        if not stored:
            self._to_release(items)
        return stored

    def release_many(self, keys: Sequence[bytes]) -> None:
        """These were sent in vain, or not at all: whoever else wants them may send them."""
        self._to_release(keys)
        self.tick(self._live_and_release)

    def tick(self, work: Callable[[], None] | None = None) -> None:
        """What is due between calls: a sign of life, and leases to end. One try: it is repeated soon."""
        if self._alone and self._clock() < self._try_at:
            return
        try:
            self._timed(work or self._live)
        except Unreachable as error:
            self._lost(error)
        except StoreError as error:
            self._trouble.enter("write", error)
        else:
            self._back()

    def hurry(self) -> None:
        """Somebody waits for this to close: an outage is not sat out any longer. Any thread."""
        self._give_up_at = self._clock() + HURRY
        if self._outage is not None:
            self._report(
                f"{self._outage}; waiting for it at most {HURRY:.0f} seconds before this session is closed"
            )

    def close(self) -> None:
        if self._down_since is None:
            self.tick(lambda: self._store.leave(self._worker.name))
        self._store.close()

    def _live(self) -> None:
        """Before every claim: a claim counts only while its worker lives."""
        now = self._clock()
        if now - self._beaten >= BEAT:
            self._worker.peers = max(1, self._store.beat(self._worker.name, LIFETIME))
            if now - self._lived >= LIFETIME:
                self._epoch += 1
            self._beaten = self._lived = now
            if self._down_since is not None and now - self._down_since >= LIFETIME - 2 * BEAT:
                self._sleep(GRACE)
            self._release()

    def _live_and_release(self) -> None:
        """A sign of life, too: a store of which nothing else is asked is never idle, and nothing else gives one."""
        self._live()
        self._release()

    def _to_release(self, keys: Iterable[bytes]) -> None:
        self._unreleased.update(keys)
        if len(self._unreleased) > UNRELEASED:
            self._unreleased.clear()
            self._worker.name = name_of_worker()
            self._beaten = -math.inf
            self._epoch += 1

    def _release(self) -> None:
        keys = list(self._unreleased)
        if keys:
            self._store.release_many(keys, self._worker.name)
            self._unreleased.difference_update(keys)

    def _timed(self, work: Callable[[], T]) -> T:
        self._called_at = self._clock()
        try:
            return work()
        finally:
            self._called_at = None

    def _lost(self, error: Unreachable) -> None:
        self._outage = error
        self._beaten = -math.inf  # a server that restarts may have forgotten us
        if self._down_since is None:
            self._down_since = self._clock()
        elif self._alone:
            self._try_at = self._clock() + REST

    def _back(self) -> None:
        if self._down_since is not None:
            self._epoch += 1
            self._outage, self._down_since, self._told, self._alone = None, None, False, False

    def _patiently(self, kind: Kind, work: Callable[[], T]) -> T | None:
        """What `work` returns, tried again until an outage has lasted too long; None where it failed."""
        pause, longest = PAUSES
        while not (self._alone and self._clock() < self._try_at):
            try:
                result = self._timed(work)
            except Unreachable as error:
                self._lost(error)
            except StoreError as error:
                self._trouble.enter(kind, error)
                return None
            else:
                self._back()
                return result
            if self._patience_is_over():
                break
            self._sleep(pause)
            pause = min(2 * pause, longest)
        assert self._outage is not None
        self._trouble.enter(kind, self._outage)
        return None

    def _patience_is_over(self) -> bool:
        assert self._down_since is not None
        now = self._clock()
        if now - self._down_since >= PATIENCE or now >= self._give_up_at:
            self._alone, self._try_at = True, now + REST
        elif now - self._down_since >= TELLING and not self._told:
            self._told = True
            self._report(f"{self._outage}; until then requests wait, at most {PATIENCE:.0f} seconds")
        return self._alone
