"""What stands in for a session's store, its lane and the network while a cassette is in: the file's answers, and nothing else.

Nothing is sent, so there is no queue, no thread and no connection: what is not on the cassette fails on the thread that asks.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from duck_or.cache.contract import Kept, Looked, StoreError
from duck_or.cache.guard import Kind
from duck_or.calls import FailedRow
from duck_or.cassette import parquet
from duck_or.cassette.unpacked import Unpacked
from duck_or.engine.batch import Batch
from duck_or.engine.ledger import Ledger
from duck_or.errors import SettingsError, TransportError
from duck_or.outcome import NOT_ON_CASSETTE, Failure
from duck_or.request import Request


class Player:
    """A store that is only read, and a way out that leads nowhere. Raises SettingsError where the file is no cassette.

    base_url: of the settings, for messages. Unpacked at the first question. Safe to use from several threads.
    """

    def __init__(self, path: Path, base_url: str, wall_clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.errors: Counter[Kind] = (
            Counter()
        )  # stays empty: a cassette that cannot be read ends the statement
        self._base_url = base_url
        self._wall_clock = wall_clock
        self._guard = threading.Lock()
        self._unpacked: Unpacked | None = None
        self._matched = False
        with _as_setting():
            parquet.check(path)

    # --- as the store: engine.ledger.StoreGate ---------------------------------------------------------------------

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        found = self._answers().get_many(keys)
        self._matched = self._matched or bool(found)
        return found

    def look_up(self, keys: Sequence[bytes], looked: Callable[[Looked], None]) -> None:
        looked(Looked(self.find(keys)))

    def write(self, key: bytes, body: bytes, landed: Callable[[], None]) -> None:
        """There is nothing new to keep."""
        landed()

    def holds(self, epoch: int) -> bool:
        """Nobody takes anything over."""
        return True

    def release(self, keys: Sequence[bytes]) -> None:
        """Nobody else waits for them."""

    def close(self) -> None:
        with self._guard:
            self._unpacked = None

    def _answers(self) -> Unpacked:
        with self._guard:
            if self._unpacked is None:
                with _as_setting():
                    self._unpacked = Unpacked(parquet.read(self.path))
            return self._unpacked

    # --- as the way out: engine.lanes.Membership ---------------------------------------------------------------------

    def submit(self, batch: Batch) -> None:
        """Each of these was looked for and is not there."""
        for index, request in enumerate(batch.requests):
            failure = self._missing(request)
            batch.statement.remember(request.key, failure)
            if batch.terms.stop_on_failure:
                batch.statement.stop(failure)
            batch.ledger.stats.add(withdrawn=1)
            batch.ledger.calls.add_failure(FailedRow(self._wall_clock(), failure, request.model, request.key))
            batch.resolve(index, failure)

    def withdraw(self, batch: Batch) -> None:
        """None is under way."""

    def get(self, path: str, timeout: float) -> NoReturn:
        raise TransportError(
            f"answers come from the cassette {self.path} alone, so the service cannot be asked for {path.partition('?')[0]}"
        )

    def leave(self, ledger: Ledger | None = None) -> None:
        """Nothing is open."""

    def _missing(self, request: Request) -> Failure:
        message = (
            f"the answer to this request is not on the cassette {self.path}; its key is {request.key.hex()}. To record it, run "
            "the statement once without a cassette, and then `duck-or cache export`"
        )
        if not self._matched:
            message += (
                f". No answer that was asked for is on it so far: keys hang on the service's address, now {self._base_url}, "
                "which must be the one that the cassette was recorded with, and on the model and every option"
            )
        return Failure(NOT_ON_CASSETTE, message)


@contextmanager
def _as_setting() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise SettingsError(f"cassette: {error}") from error
