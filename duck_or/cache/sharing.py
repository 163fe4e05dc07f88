"""One worker's part in a shared store: it claims what is missing before it sends it, says every few seconds that it lives,
sits out the outages, and never costs a row.

A server that restarts or a network that is cut comes back: within `PATIENCE` a look-up and a write wait for that, since
what is asked again meanwhile is paid for again. After that they fail at once, as a broken file does (see `guard`), until
the store is back. What a request is, it must not know.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
        self._clock = clock
        self._sleep = sleep
        self._beaten = -math.inf
        self._down_since: float | None = None
        self._unreleased: set[bytes] = (
            set()
        )  # leases that could not be ended; while we live, they hold others up

    @property
    def errors(self) -> Counter[Kind]:
        return self._trouble.errors

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        """A look in passing: claims nothing, and does not wait where the store cannot be reached. Any thread."""
        if self._down_since is not None:
            return {}
        try:
            return self._store.get_many(keys, now)
        except Unreachable:
            self._lost()  # not an error yet: who needs an answer looks it up
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
            return Looked({})
        return Looked(claims.found, frozenset(keys) - claims.found.keys() - claims.mine)

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> bool:
        """Whether the items are stored now; their leases are over either way."""

        def put() -> bool:
            self._live()
            self._store.put_many(items, now)
            return True

        stored = self._patiently("write", put) or False
        if not stored:
            self._unreleased.update(items)
        return stored

    def release_many(self, keys: Sequence[bytes]) -> None:
        """These were sent in vain, or not at all: whoever else wants them may send them."""
        self._unreleased.update(keys)
        self.tick(self._release)

    def tick(self, work: Callable[[], None] | None = None) -> None:
        """What is due between calls: a sign of life, and leases to end. One try: it is repeated soon."""
        try:
            (work or self._live)()
        except Unreachable:
            self._lost()
        except StoreError as error:
            self._trouble.enter("write", error)

    def close(self) -> None:
        self.tick(lambda: self._store.leave(self._worker.name))
        self._store.close()

    def _live(self) -> None:
        """Before every claim: a claim counts only while its worker lives."""
        now = self._clock()
        if now - self._beaten >= BEAT:
            self._worker.peers = max(1, self._store.beat(self._worker.name, LIFETIME))
            self._beaten = now
            if self._down_since is not None and now - self._down_since >= LIFETIME - 2 * BEAT:
                self._sleep(GRACE)
            self._release()

    def _release(self) -> None:
        keys = list(self._unreleased)
        if keys:
            self._store.release_many(keys, self._worker.name)
            self._unreleased.difference_update(keys)

    def _lost(self) -> None:
        self._beaten = -math.inf  # a server that restarts may have forgotten us
        if self._down_since is None:
            self._down_since = self._clock()

    def _patiently(self, kind: Kind, work: Callable[[], T]) -> T | None:
        """What `work` returns, tried again until an outage has lasted too long; None where it failed."""
        pause, longest = PAUSES
        while True:
            try:
                result = work()
            except Unreachable as error:
                self._lost()
                assert self._down_since is not None
                if self._clock() - self._down_since >= PATIENCE:
                    self._trouble.enter(kind, error)
                    return None
            except StoreError as error:
                self._trouble.enter(kind, error)
                return None
            else:
                self._down_since = None
                return result
            self._sleep(pause)
            pause = min(2 * pause, longest)
