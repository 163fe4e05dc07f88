"""What needs every answer in a Redis server: adding them up, and removing many. It goes through the whole key space, a
thousand keys at a time, so that others get their turn in between. What an answer's key and header are, the scripts and
`rows` say; when to sweep, the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from duck_or.cache.redis_client import Redis, script

LOOKED_AT = 1000
"""Keys the server looks at before others get their turn."""

NEVER = 1e300
"""A second later than all."""

_SURVEY, _REMOVE = map(script, ("survey", "remove"))


@dataclass(slots=True)
class Survey:
    """memory, size: bytes of the server's memory, and of the answers uncompressed. times: the oldest and the newest of each
    page. by_second: memory of what was stored in each second."""

    entries: int = 0
    memory: int = 0
    size: int = 0
    times: list[float] = field(default_factory=list)
    by_second: Counter[float] = field(default_factory=Counter)


class Sweep:
    """prefix: of the answers' keys."""

    def __init__(self, client: Redis, prefix: bytes) -> None:
        self._client = client
        self._prefix = prefix
        self._where = (prefix + b"*", LOOKED_AT)

    def page(self, cursor: int) -> tuple[int, list[bytes]]:
        """The cursor of the next page (0 after the last) and the keys of this one, without the prefix. Begins with 0."""
        following, names = self._client.scan(cursor, *self._where, _type="string")
        return following, [name[len(self._prefix) :] for name in names if isinstance(name, bytes)]

    def survey(self) -> Survey:
        seen, cursor = Survey(), b""
        while cursor != b"0":
            page = _SURVEY.run(self._client, [], [cursor or b"0", *self._where])
            cursor, entries, memory, size, oldest, newest, pairs = page
            seen.entries += entries
            seen.memory += memory
            seen.size += size
            seen.times += [float(time) for time in (oldest, newest) if time]
            seen.by_second.update(dict(zip(map(float, pairs[::2]), pairs[1::2], strict=True)))
        return seen

    def remove_all(self) -> int:
        """Returns how many, as the next ones do."""
        return self._remove(second=NEVER)

    def remove_expired(self, now: float, ttl: float) -> int:
        return self._remove(now=now, ttl=ttl)

    def remove_surplus(self, max_bytes: int) -> int:
        """The oldest, to the second, until the answers take no more memory than this."""
        seen = self.survey()
        surplus = seen.memory - max_bytes
        if surplus <= 0:
            return 0
        second, owing = _last_to_go(seen.by_second, surplus)
        return self._remove(second=second, owing=owing)

    def _remove(
        self,
        now: float = 0.0,
        ttl: float | None = None,
        second: float | None = None,
        owing: float = 0.0,
    ) -> int:
        """See redis_remove.lua."""
        conditions = [now, "" if ttl is None else ttl, "" if second is None else second]
        removed, cursor = 0, b""
        while cursor != b"0":
            page = _REMOVE.run(self._client, [], [cursor or b"0", *self._where, *conditions, owing])
            cursor, count, owing = page[0], page[1], float(page[2])
            removed += count
        return removed


def _last_to_go(by_second: Mapping[float, int], surplus: int) -> tuple[float, int]:
    """The second up to which all must go to free `surplus` bytes, and how many of them are to be freed in it."""
    for second in sorted(by_second):
        if by_second[second] >= surplus:
            return second, surplus
        surplus -= by_second[second]
    return NEVER, 0
