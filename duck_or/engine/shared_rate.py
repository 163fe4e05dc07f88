"""A rate that several machines keep together: the tokens come from a bucket in the store that they share.

Tokens are reserved, a twentieth of a second's worth at a time: each is a moment at which one request may leave. Whoever
asks is given the next ones, so all workers get their turn, none asks in vain, and the store hears from all of them together
twenty times a second. A lane reserves for requests that are ready and have a slot. A moment that has passed is lost: to make
up for it later would be a burst.

Where the store cannot be reached, each worker goes on with its share of the rate: the rate by the number of workers that
lived when it was last told. Runs on the event loop's thread, but for the reserving itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol, TypeAlias

from duck_or.cache.contract import StoreError
from duck_or.cache.shared import SharedStore
from duck_or.cache.sharing import Worker
from duck_or.policy.rate_limit import TokenBucket

SHARE_SECONDS = 0.05
"""Of the rate, what is reserved at a time: long enough for the store's answer, short enough that little is lost."""

LATE_SECONDS = 0.03
"""After its moment that a token is still good: a timer is late, a processor busy. At most 1.03 times the rate leaves in any
second."""

LATE_TOKENS = 0.5
"""The same for a slow rate, in tokens: half a token more in a window does no harm."""

RECONNECT = 1.0
"""Seconds between two tries while the store cannot be reached."""

log = logging.getLogger("duck_or")

Reserved: TypeAlias = Callable[[float | None], None]
"""Called with the seconds until the first token's moment; None: the store cannot be reached."""


class Bucket(Protocol):
    """Where tokens come from. peers: how many workers draw from it, itself included."""

    @property
    def peers(self) -> int: ...

    def reserve(self, rate: float, count: int, reserved: Reserved) -> None: ...


class StoreBucket:
    """A bucket in a shared store, asked on a thread of its own: a look-up of thousands of keys must not hold it up.

    deliver: hands a result to the event loop.
    """

    def __init__(self, store: SharedStore, name: str, worker: Worker, deliver: Callable[..., None]) -> None:
        self._store = store
        self._name = name
        self._worker = worker
        self._deliver = deliver
        self._told = False
        self._wishes: SimpleQueue[tuple[float, int, Reserved] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="duck_or rate", daemon=True)
        self._thread.start()

    @property
    def peers(self) -> int:
        return self._worker.peers

    def reserve(self, rate: float, count: int, reserved: Reserved) -> None:
        self._wishes.put((rate, count, reserved))

    def close(self) -> None:
        """What is asked for afterwards is not answered. Idempotent."""
        self._wishes.put(None)

    def _run(self) -> None:
        while (wish := self._wishes.get()) is not None:
            rate, count, reserved = wish
            self._deliver(reserved, self._reserve(rate, count))
        self._store.close()

    def _reserve(self, rate: float, count: int) -> float | None:
        try:
            return self._store.reserve(self._name, rate, count)
        except StoreError as error:  # counted where answers are kept: the same store
            self._tell(error)
            return None
        except Exception:  # a bug in a store must cost speed, never leave the rows waiting
            log.exception("the shared rate limit broke; this process keeps to its share of the rate")
            return None

    def _tell(self, error: StoreError) -> None:
        """Once: whoever pays should know when the limit is no longer kept by all together."""
        if not self._told:
            self._told = True
            share = (
                f"1/{self.peers} of the rate" if self.peers > 1 else "all of it, knowing of no other worker"
            )
            log.warning(
                "the rate limit is not shared for now: %s; this process goes on with %s", error, share
            )


class SharedTokens:
    """The tokens that one lane has reserved. rate_per_minute: what all workers may send together.

    more: called when one may leave. Knows neither slots nor queues.
    """

    def __init__(self, bucket: Bucket, rate_per_minute: float, more: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._bucket = bucket
        self._rate = rate_per_minute / 60.0
        self._share = math.ceil(self._rate * SHARE_SECONDS)
        self._late = max(LATE_SECONDS, LATE_TOKENS / self._rate)
        self._more = more
        self._moments: deque[float] = deque()
        self._asking = 0  # tokens that are being reserved
        self._retry_at = -math.inf
        self._alone: TokenBucket | None = None  # while the store cannot be reached
        self._timer: asyncio.TimerHandle | None = None

    def ready(self, wanted: int) -> bool:
        """Whether one may leave now; if not, `more` is called later. wanted: how many could leave, if there were tokens."""
        now = self._loop.time()
        while self._moments and now > self._moments[0] + self._late:
            self._moments.popleft()
        self._reserve(wanted, now)
        delay = self._delay(now)
        if delay is not None and delay > 0 and self._timer is None:
            self._timer = self._loop.call_later(delay, self._wake)
        return delay is not None and delay <= 0

    def spend(self) -> None:
        """One leaves, after `ready` said so."""
        if self._moments:
            self._moments.popleft()
        elif self._alone is not None:
            self._alone.take(self._loop.time())

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._more = _nothing

    def _delay(self, now: float) -> float | None:
        """Seconds until one may leave, as far as is known; None: the store will say."""
        if self._moments:
            return self._moments[0] - now
        return None if self._alone is None else self._alone.delay(now)

    def _reserve(self, wanted: int, now: float) -> None:
        """The next share, when half of the last one is gone."""
        count = min(self._share, wanted - len(self._moments))
        if self._asking or count < 1 or len(self._moments) > self._share // 2 or now < self._retry_at:
            return
        self._asking = count
        self._bucket.reserve(self._rate, count, self._reserved)

    def _reserved(self, delay: float | None) -> None:
        count, self._asking = self._asking, 0
        now = self._loop.time()
        if delay is None:
            self._retry_at = now + RECONNECT
            if self._alone is None:
                self._alone = TokenBucket(60.0 * self._rate / self._bucket.peers, burst=1)
                self._alone.drain(now)
        else:
            self._alone = None
            self._moments.extend(now + delay + number / self._rate for number in range(count))
        self._more()

    def _wake(self) -> None:
        self._timer = None
        self._more()


def _nothing() -> None:
    """Whoever closed does not want to hear of more."""
