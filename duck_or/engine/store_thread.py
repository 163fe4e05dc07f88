"""The persistent store's own thread: disk and compression never hold up the event loop.

Look-ups and writes go through one queue, so a look-up sees every write asked for before it. Writes gather while one is
under way and then go together (group commit): the busier the disk, the larger the batch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from duck_or.cache.contract import Kept, Looked

log = logging.getLogger("duck_or")

T = TypeVar("T")


class AnswerStore(Protocol):
    """What the engine needs of a store. It never raises: a broken store finds nothing and keeps nothing.

    rest: seconds after which an idle thread calls `tick`; None: never. What each of the others says: see `cache.sharing`.
    """

    @property
    def rest(self) -> float | None: ...

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]: ...

    def look_up(self, keys: Sequence[bytes], now: float) -> Looked: ...

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> object: ...

    def holds(self, epoch: int) -> bool: ...

    def release_many(self, keys: Sequence[bytes]) -> None: ...

    def tick(self) -> None: ...

    def hurry(self) -> None: ...

    def close(self) -> None: ...


class StoreThread:
    """Runs a store's calls in order on a daemon thread; each one's result is handed to `deliver` with its callback."""

    def __init__(
        self,
        store: AnswerStore,
        deliver: Callable[..., None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._deliver = deliver
        self._clock = clock
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._guard = threading.Lock()  # over the next four and over the order in which work is put
        self._closed = False
        self._gathered: dict[bytes, bytes] = {}
        self._landed: list[Callable[[], None]] = []
        self._released: list[bytes] = []
        self._thread = threading.Thread(target=self._run, name="duck_or store", daemon=True)
        self._thread.start()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        """What is there now, looked up on the calling thread. Once closed, nothing is found."""
        return {} if self._closed else self._read(self._store.get_many, keys, {})

    def look_up(self, keys: Sequence[bytes], looked: Callable[[Looked], None]) -> None:
        """Before they are sent, ask for all `keys` at once; `looked(…)` is delivered later. Once closed, nothing is found."""
        with self._guard:
            if not self._closed:
                self._work.put(lambda: self._look_up(keys, looked))
                return
        self._deliver(looked, Looked({}))

    def holds(self, epoch: int) -> bool:
        """Whether what was claimed then is ours still: see `cache.sharing`. Once closed, it is given back."""
        return not self._closed and self._store.holds(epoch)

    def write(self, key: bytes, body: bytes, landed: Callable[[], None]) -> None:
        """Keep one answer; `landed()` is delivered when it is durable (or the store has reported that it cannot).

        Once closed, nothing is kept, and nobody waits for it.
        """
        with self._guard:
            if not self._closed:
                if not self._gathered:
                    self._work.put(self._write_gathered)
                self._gathered[key] = body
                self._landed.append(landed)
                return
        self._deliver(landed)

    def release(self, keys: Sequence[bytes]) -> None:
        """These were looked up to be sent, and brought no answer that is kept: others may send them."""
        with self._guard:
            if not self._closed:
                if not self._released:
                    self._work.put(self._release_gathered)
                self._released += keys

    def close(self) -> None:
        """Finish what was asked for, then close the store. Waits. Idempotent."""
        with self._guard:
            self._closed = True
            self._work.put(None)
        self._store.hurry()
        self._thread.join()

    def _look_up(self, keys: Sequence[bytes], looked: Callable[[Looked], None]) -> None:
        """Whoever asked is not there any more where this is closed: a store that is away need not be waited for."""
        nothing = Looked({})
        self._deliver(looked, nothing if self._closed else self._read(self._store.look_up, keys, nothing))

    def _write_gathered(self) -> None:
        with self._guard:
            items, self._gathered = self._gathered, {}
            landed, self._landed = self._landed, []
        self._put(items)
        self._deliver(_call_each, landed)

    def _release_gathered(self) -> None:
        with self._guard:
            keys, self._released = self._released, []
        self._store.release_many(keys)

    def _read(self, read: Callable[[Sequence[bytes], float], T], keys: Sequence[bytes], nothing: T) -> T:
        try:
            return read(keys, self._clock())
        except Exception:  # a bug in a store must cost a second request, never leave the rows waiting
            log.exception("the answer store broke while reading; its answers are asked for again")
            return nothing

    def _put(self, items: Mapping[bytes, bytes]) -> None:
        try:
            self._store.put_many(items, self._clock())
        except Exception:  # a bug in a store must not keep the answers from their rows
            log.exception("the answer store broke while writing; %d answers are not kept", len(items))

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:  # a bug in a store must not end the thread: rows wait for what comes after
                log.exception("the answer store broke")
        self._store.close()

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._work.get(timeout=self._store.rest)
        except Empty:
            return self._store.tick


class NoStore:
    """Memory only: finds nothing, keeps nothing, and costs no thread."""

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        return {}

    def look_up(self, keys: Sequence[bytes], looked: Callable[[Looked], None]) -> None:
        looked(Looked({}))

    def write(self, key: bytes, body: bytes, landed: Callable[[], None]) -> None:
        landed()

    def holds(self, epoch: int) -> bool:
        return True

    def release(self, keys: Sequence[bytes]) -> None:
        pass

    def close(self) -> None:
        pass


def _call_each(callbacks: Sequence[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()
