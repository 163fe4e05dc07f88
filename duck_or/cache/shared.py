"""A store that several machines share, and with it what they have to agree on: who sends a request, and how fast all of
them together. One contract, one test suite for all that fulfil it.

A worker is one process with one such store open; it is known by a name of its own. A lease says which worker sends a
request. It lasts for as long as its worker says, every few seconds, that it lives: a worker that dies blocks nobody for
longer than that, and a lease held for hours costs nothing. Time is the server's own here, since clocks of machines differ;
only the age of an answer is counted by the `now` of `Store`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from duck_or.cache.contract import Kept, Store


class Claims(NamedTuple):
    """What became of a look-up. found: answers. mine: missing, and the caller's to send from now on. The keys that are in
    neither are missing too, and another worker sends them: ask again later."""

    found: dict[bytes, Kept]
    mine: frozenset[bytes]


class SharedStore(Store, Protocol):
    """Every method but `close` may raise StoreError. `put_many` and `delete_many` also end the leases of their keys,
    whoever holds them."""

    def claim_many(self, keys: Sequence[bytes], now: float, worker: str) -> Claims:
        """`get_many`, and a lease for each missing key that no living worker holds, in one step: of two workers that ask
        at the same moment exactly one gets it. A key that `worker` holds already is its own again. Repeated keys too."""

    def release_many(self, keys: Sequence[bytes], worker: str) -> None:
        """End these leases where they are `worker`'s: what it sent brought no answer that can be kept."""

    def beat(self, worker: str, lifetime: float) -> int:
        """`worker` lives, for `lifetime` seconds from now at least; returns how many do, itself included.

        To be called before its first claim.
        """

    def leave(self, worker: str) -> None:
        """`worker` is gone: its leases hold nobody up from now on."""

    def reserve(self, bucket: str, rate: float, count: int) -> float:
        """The next `count` tokens of the bucket of this name, which all workers draw from (a token bucket of size 1, in its
        virtual-scheduling form): seconds until the request that has the first may leave, 0.0 or more; the others follow
        `1 / rate` seconds apart. Always granted: whoever comes next is given later ones, so workers take turns and no
        time is lost.

        rate: tokens per second, above 0. count: at least 1. Where workers say different rates, each one's tokens take up
        what its own rate makes of them. A bucket that nobody drew from for a while has saved nothing up.
        """
