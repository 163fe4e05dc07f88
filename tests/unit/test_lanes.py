"""Sessions come and go; a lane is opened by the first request and closed by the last session. On the real loop thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import count

import pytest

from duck_or.cache.memory import MemoryCache
from duck_or.calls import CallLog
from duck_or.engine.batch import Batch, Statement, Terms
from duck_or.engine.lanes import Membership
from duck_or.engine.ledger import Ledger
from duck_or.engine.limits import Limits, strictest
from duck_or.engine.loop_thread import loop_thread
from duck_or.engine.store_thread import NoStore
from duck_or.engine.transport import Endpoint
from duck_or.errors import SessionClosed
from duck_or.outcome import Outcome, RawResponse
from duck_or.policy.retry import RetryPolicy
from support.engine_world import answer, request, text_of

_ports = count(1)


class Service:
    """Transports that answer at once, except requests named 'never'. Lives on the loop thread."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.asked = threading.Event()

    def connect(self, endpoint: Endpoint, max_connections: int) -> Service:
        self.opened += 1
        return self

    async def send(self, method: str, path: str, body: bytes | None = None) -> RawResponse:
        self.asked.set()
        if body is not None and b'"never"' in body:
            await asyncio.get_running_loop().create_future()
        content = answer("yes").content
        assert isinstance(content, RawResponse)
        return content

    async def close(self) -> None:
        self.closed += 1


class Guest:
    """One session's membership and books."""

    def __init__(self, service: Service, endpoint: Endpoint, limits: Limits) -> None:
        self.membership = Membership(endpoint, limits, service.connect)
        self.ledger = Ledger(MemoryCache(1 << 20), NoStore(), CallLog())

    def batch(self, name: str) -> Batch:
        return Batch([request(name)], Statement(), Terms(60.0, RetryPolicy(1)), self.ledger)

    def ask(self, name: str) -> Outcome:
        batch = self.batch(name)
        self.membership.submit(batch)
        [outcome] = batch.wait()
        return outcome

    def leave(self) -> None:
        self.membership.leave(self.ledger)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def guests(service: Service) -> Iterator[list[Guest]]:
    endpoint = Endpoint(f"http://test-{next(_ports)}", "key")
    guests = [Guest(service, endpoint, Limits(None, 8)) for _ in range(2)]
    yield guests
    for guest in guests:
        guest.leave()


def test_the_strictest_limits_hold() -> None:
    assert strictest([Limits(None, 8), Limits(60.0, 100), Limits(600.0, 9)]) == Limits(60.0, 8)
    assert strictest([Limits(None, 8), Limits(0, 9)]) == Limits(None, 8)


def test_sessions_share_a_lane_and_the_last_one_closes_it(service: Service, guests: list[Guest]) -> None:
    first, second = guests
    assert service.opened == 0
    assert text_of(first.ask("a")) == text_of(second.ask("b")) == "yes"
    assert first.membership.get("/models", 10.0).status == 200
    assert service.opened == 1
    first.leave()
    assert service.closed == 0
    assert text_of(second.ask("c")) == "yes"
    second.leave()
    second.leave()
    assert service.closed == 1


def test_after_leaving_nothing_is_sent_and_nothing_opened(service: Service, guests: list[Guest]) -> None:
    guest = guests[0]
    guest.leave()
    with pytest.raises(SessionClosed):
        guest.ask("a")
    guest.membership.withdraw(guest.batch("a"))
    assert service.opened == 0


@pytest.mark.parametrize("others", [False, True])
def test_closing_a_session_wakes_its_rows(service: Service, guests: list[Guest], others: bool) -> None:
    guest, other = guests
    if others:
        other.ask("a")
        service.asked.clear()
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(guest.ask("never")))
    thread.start()
    assert service.asked.wait(10)
    guest.leave()
    thread.join(10)
    assert [text_of(outcome) for outcome in outcomes] == ["session_closed"]
    assert service.closed == (0 if others else 1)


def test_withdrawing_stops_the_request(service: Service, guests: list[Guest]) -> None:
    guest = guests[0]
    batch = guest.batch("never")
    guest.membership.submit(batch)
    assert service.asked.wait(10)
    guest.membership.withdraw(batch)

    async def after() -> None:
        await asyncio.sleep(0)

    loop_thread().run(after())
    stats = guest.ledger.stats.read()
    assert (stats.sent, stats.failed, stats.under_way) == (1, 1, 0)
