"""The contract at its plainest: a dict. For tests, and the model that real stores are compared with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from duck_or.cache.contract import Kept, StoreInfo, expired


class DictStore:
    """Keeps answers as long as the object lives. ttl: seconds, None for ever. Not for several threads at once."""

    def __init__(self, ttl: float | None = None) -> None:
        self.answers: dict[bytes, Kept] = {}
        self._ttl = ttl

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        found = {key: self.answers[key] for key in keys if key in self.answers}
        return {key: kept for key, kept in found.items() if not expired(kept.stored, now, self._ttl)}

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        self.answers.update({key: Kept(body, now) for key, body in items.items()})

    def add_many(self, items: Mapping[bytes, Kept]) -> int:
        newer = {key: kept for key, kept in items.items() if kept.stored > self._stored(key)}
        self.answers.update(newer)
        return len(newer)

    def entries(self) -> Iterator[Mapping[bytes, Kept]]:
        if self.answers:
            yield dict(self.answers)

    def delete_many(self, keys: Iterable[bytes]) -> int:
        return sum(self.answers.pop(key, None) is not None for key in keys)

    def info(self) -> StoreInfo:
        times = [kept.stored for kept in self.answers.values()]
        size = sum(len(kept.body) for kept in self.answers.values())
        return StoreInfo(
            location="memory",
            entries=len(times),
            bytes_on_disk=0,
            bytes_of_answers=size,
            oldest=min(times, default=None),
            newest=max(times, default=None),
            schema_version=0,
        )

    def clear(self) -> int:
        count = len(self.answers)
        self.answers.clear()
        return count

    def prune(self, now: float) -> int:
        old = [key for key, kept in self.answers.items() if expired(kept.stored, now, self._ttl)]
        return self.delete_many(old)

    def vacuum(self) -> None:
        return

    def _stored(self, key: bytes) -> float:
        return self.answers[key].stored if key in self.answers else -math.inf

    def close(self) -> None:
        return
