"""The lanes of this process: one for each endpoint and key, opened at the first request, closed by its last session.

Sessions that share a lane share its connections, limits and flights. Where their limits differ, the strictest holds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from duck_or.engine.batch import Batch
from duck_or.engine.lane import Lane
from duck_or.engine.ledger import Ledger
from duck_or.engine.limits import Limits, strictest
from duck_or.engine.loop_thread import loop_thread
from duck_or.engine.transport import Endpoint, Transport
from duck_or.engine.transports import open_transport
from duck_or.errors import SessionClosed
from duck_or.outcome import RawResponse

CONNECTIONS = 1024
"""Connections a lane may open at least: the gate decides how many are used, and a later session may allow more."""

CLOSE_WITHIN = 5.0
"""Seconds that closing a lane's connections may take."""


@dataclass(eq=False, slots=True)
class Membership:
    """One session's place in a lane. Any thread may use it; a forked child gets a lane of its own."""

    endpoint: Endpoint
    limits: Limits
    connect: Callable[[Endpoint, int], Transport] = open_transport
    left: bool = False

    def submit(self, batch: Batch) -> None:
        loop_thread().call(_lanes.of(self).submit, batch)

    def withdraw(self, batch: Batch) -> None:
        lane = _lanes.known(self)
        if lane is not None:
            loop_thread().call(lane.withdraw, batch)

    def get(self, path: str, timeout: float) -> RawResponse:
        """One GET outside the queue (the price list, the key's limits). Raises TransportError."""
        return loop_thread().run(_lanes.of(self).get(path, timeout))

    def leave(self, ledger: Ledger | None = None) -> None:
        """The session with these books is closed: its rows are told. The last one to leave closes the connections."""
        _lanes.leave(self, ledger)


class _Lanes:
    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._lanes: dict[Endpoint, Lane] = {}
        self._members: dict[Endpoint, set[Membership]] = {}
        self._hooked = False

    def known(self, member: Membership) -> Lane | None:
        """The member's lane, if it is open."""
        return self._lanes.get(member.endpoint)

    def of(self, member: Membership) -> Lane:
        """The member's lane, opened if need be. Raises SessionClosed once the member has left."""
        with self._guard:
            if member.left:
                raise SessionClosed("the session was closed while a statement was running")
            members = self._members.setdefault(member.endpoint, set())
            lane = self._lanes.get(member.endpoint)
            if not self._hooked:
                loop_thread().on_bug(self._break_off)
                self._hooked = True
            if lane is None:
                lane = self._lanes[member.endpoint] = loop_thread().run(_open(member))
            if member not in members:
                members.add(member)
                self._limit(lane, members)
            return lane

    def leave(self, member: Membership, ledger: Ledger | None) -> None:
        with self._guard:
            member.left = True
            members = self._members.get(member.endpoint, set())
            members.discard(member)
            lane = self._lanes.get(member.endpoint)
            if lane is not None and members:
                if ledger is not None:
                    loop_thread().call(lane.dismiss, ledger)
                self._limit(lane, members)
            elif lane is not None:
                del self._lanes[member.endpoint], self._members[member.endpoint]
                loop_thread().run(lane.close(), CLOSE_WITHIN)

    def _break_off(self, error: BaseException) -> None:
        for lane in list(self._lanes.values()):
            lane.break_off(error)

    def _limit(self, lane: Lane, members: set[Membership]) -> None:
        loop_thread().call(lane.limit, strictest(member.limits for member in members))


async def _open(member: Membership) -> Lane:
    transport = member.connect(member.endpoint, max(member.limits.max_in_flight, CONNECTIONS))
    return Lane(transport, member.limits)


_lanes = _Lanes()


def _forget_after_fork() -> None:
    global _lanes
    _lanes = _Lanes()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
