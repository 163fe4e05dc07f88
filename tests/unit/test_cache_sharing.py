"""One worker's part in a shared store: claims, signs of life, and outages that are sat out. On a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from duck_or.cache.contract import Kept, StoreError, Unreachable
from duck_or.cache.shared import Claims
from duck_or.cache.sharing import (
    BEAT,
    HURRY,
    LIFETIME,
    PATIENCE,
    REST,
    SLOW,
    TELLING,
    UNRELEASED,
    SharedAnswers,
    Worker,
)
from support.dict_store import DictStore

A, B, C = (bytes([number]) * 32 for number in range(3))
NOW = 1_790_000_000.0
NOTHING = ({}, frozenset())


class Server(DictStore):
    """A shared store in this process. down_until: it cannot be reached before; wrong: what every call raises."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self.leases: dict[bytes, str] = {}
        self.alive: dict[str, float] = {}
        self.down_until = -1.0
        self.wrong: StoreError | None = None
        self.calls: list[str] = []

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.time < self.down_until:
            raise Unreachable("the store at redis://somewhere does not answer")
        if self.wrong is not None:
            raise self.wrong

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        self._called("get")
        return super().get_many(keys, now)

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        self._called("put")
        super().put_many(items, now)
        for key in items:
            self.leases.pop(key, None)

    def claim_many(self, keys: Sequence[bytes], now: float, worker: str) -> Claims:
        self._called("claim")
        found = super().get_many(keys, now)
        mine = {key for key in keys if key not in found and not self._held(key, worker)}
        self.leases.update(dict.fromkeys(mine, worker))
        return Claims(found, frozenset(mine))

    def _held(self, key: bytes, worker: str) -> bool:
        holder = self.leases.get(key, worker)
        return holder != worker and self.alive.get(holder, 0.0) > self.time

    def release_many(self, keys: Sequence[bytes], worker: str) -> None:
        self._called("release")
        for key in keys:
            if self.leases.get(key) == worker:
                del self.leases[key]

    def beat(self, worker: str, lifetime: float) -> int:
        self._called("beat")
        self.alive[worker] = self.time + lifetime
        return sum(end > self.time for end in self.alive.values())

    def leave(self, worker: str) -> None:
        self._called("leave")
        self.alive.pop(worker, None)

    def reserve(self, bucket: str, rate: float, count: int) -> float:
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def server() -> Server:
    return Server()


def worker(server: Server, name: str = "one", said: list[str] | None = None) -> SharedAnswers:
    report = (said if said is not None else []).append
    return SharedAnswers(server, Worker(name), report, clock=lambda: server.time, sleep=server.pass_time)


def test_a_missing_key_is_sent_by_the_first_that_asks(server: Server) -> None:
    first, second = worker(server, "one"), worker(server, "two")
    server.answers[C] = Kept(b"c", NOW)
    assert first.look_up([A, C], NOW)[:2] == ({C: Kept(b"c", NOW)}, frozenset())
    assert second.look_up([A, B], NOW)[:2] == ({}, frozenset([A]))
    first.put_many({A: b"a"}, NOW)
    assert second.look_up([A], NOW)[:2] == ({A: Kept(b"a", NOW)}, frozenset())


def test_what_was_given_back_the_next_may_send(server: Server) -> None:
    first, second = worker(server, "one"), worker(server, "two")
    first.look_up([A, B], NOW)
    first.release_many([A])
    assert second.look_up([A, B], NOW)[:2] == ({}, frozenset([B]))


def test_a_worker_that_died_holds_nobody_up_for_long(server: Server) -> None:
    first, second = worker(server, "one"), worker(server, "two")
    first.look_up([A], NOW)
    server.pass_time(LIFETIME - 1)
    assert second.look_up([A], NOW).elsewhere == {A}
    server.pass_time(1)
    assert second.look_up([A], NOW)[:2] == NOTHING


def test_an_idle_worker_with_a_long_request_stays_alive(server: Server) -> None:
    first, second = worker(server, "one"), worker(server, "two")
    first.look_up([A], NOW)
    for _ in range(20):
        server.pass_time(BEAT)
        first.tick()
    assert second.look_up([A], NOW).elsewhere == {A}


def test_a_worker_that_leaves_is_waited_for_by_nobody(server: Server) -> None:
    first, second = worker(server, "one"), worker(server, "two")
    first.look_up([A], NOW)
    first.close()
    assert second.look_up([A], NOW)[:2] == NOTHING


def test_signs_of_life_are_few_and_tell_how_many_we_are(server: Server) -> None:
    mine, me = worker(server, "one"), Worker("two")
    mine.look_up([A], NOW)
    other = SharedAnswers(server, me, clock=lambda: server.time, sleep=server.pass_time)
    for _ in range(100):
        other.look_up([B], NOW)
        server.pass_time(BEAT / 50)
    assert me.peers == 2
    assert server.calls.count("beat") == 3


@pytest.mark.parametrize("seconds", [0.01, 1.0, 30.0, PATIENCE - 2])
def test_an_outage_is_sat_out(server: Server, seconds: float) -> None:
    said: list[str] = []
    mine = worker(server, said=said)
    server.answers[A] = Kept(b"a", NOW)
    server.down_until = seconds
    assert mine.look_up([A], NOW)[:2] == ({A: Kept(b"a", NOW)}, frozenset())
    server.down_until = server.time + seconds
    assert mine.put_many({B: b"b"}, NOW)
    assert server.answers[B].body == b"b"
    assert len(said) == 2 * (seconds > TELLING), "whoever waits is told why, once for each outage"
    assert not mine.errors


def test_after_too_long_an_outage_rows_go_on_without_the_store(server: Server) -> None:
    said: list[str] = []
    mine = worker(server, said=said)
    server.down_until = 10_000
    assert mine.look_up([A, B], NOW)[:2] == NOTHING
    assert PATIENCE <= server.time <= PATIENCE + 2
    assert not mine.put_many({A: b"a"}, NOW)
    assert mine.look_up([C], NOW)[:2] == NOTHING
    assert server.time <= PATIENCE + 2  # not sat out once more
    assert mine.errors == {"read": 2, "write": 1}
    assert len(said) == 3
    server.pass_time(10_000)
    assert mine.put_many({A: b"a"}, NOW)
    server.down_until = server.time + 1
    assert mine.look_up([A], NOW).found  # the next outage is sat out again


def test_a_lease_that_could_not_be_ended_is_ended_later(server: Server) -> None:
    """While its worker lives, nobody else would send what it gave up."""
    mine, other = worker(server, "one"), worker(server, "two")
    mine.look_up([A], NOW)
    server.down_until = server.time + 1
    mine.release_many([A])
    server.pass_time(BEAT)
    mine.tick()
    assert other.look_up([A], NOW)[:2] == NOTHING


def test_what_could_not_be_written_is_given_back(server: Server) -> None:
    mine, other = worker(server, "one"), worker(server, "two")
    mine.look_up([A], NOW)
    server.wrong = StoreError("out of memory")
    assert not mine.put_many({A: b"a"}, NOW)
    server.wrong = None
    server.pass_time(BEAT)
    mine.tick()
    assert other.look_up([A], NOW)[:2] == NOTHING


def test_what_will_not_pass_is_not_sat_out(server: Server) -> None:
    said: list[str] = []
    mine = worker(server, said=said)
    server.wrong = StoreError("wrong password")
    assert mine.look_up([A], NOW)[:2] == NOTHING
    assert mine.get_many([A], NOW) == {}
    assert not mine.put_many({A: b"a"}, NOW)
    assert server.time == 0.0
    assert mine.errors == {"read": 2, "write": 1}
    assert len(said) == 2
    assert all("wrong password" in each for each in said)


def test_a_look_in_passing_claims_nothing_and_waits_for_nothing(server: Server) -> None:
    mine, other = worker(server, "one"), worker(server, "two")
    assert mine.get_many([A], NOW) == {}
    assert other.look_up([A], NOW)[:2] == NOTHING
    server.down_until = server.time + 1
    before = len(server.calls)
    assert mine.get_many([A], NOW) == mine.get_many([A], NOW) == {}
    assert server.time == 0.0
    assert len(server.calls) == before + 1  # known to be away: not tried again
    server.pass_time(1)
    other.put_many({A: b"a"}, NOW)
    mine.look_up([B], NOW)
    assert mine.get_many([A], NOW) == {A: Kept(b"a", NOW)}


def test_a_server_that_forgot_everything_hears_of_us_again(server: Server) -> None:
    mine, other = worker(server, "one"), worker(server, "two")
    mine.look_up([A], NOW)
    server.alive.clear()
    server.leases.clear()
    server.down_until = server.time + 1
    mine.look_up([B], NOW)
    assert other.look_up([B], NOW).elsewhere == {B}


def test_after_a_long_outage_nobody_takes_over_what_others_still_have(server: Server) -> None:
    """All of them were cut off, and the first to be back must not find the others dead."""
    mine = worker(server, "one")
    mine.look_up([A], NOW)
    server.down_until = server.time + LIFETIME + 1
    back_at = server.down_until

    def sleep(seconds: float) -> None:
        server.pass_time(seconds)
        if server.time >= back_at + 1:
            mine.tick()  # within a second of the server's return, everybody has tried again

    other = SharedAnswers(server, Worker("two"), clock=lambda: server.time, sleep=sleep)
    assert other.look_up([A, B], NOW)[:2] == ({}, frozenset([A]))


# --- what was claimed before an outage, or before this process stood still --------------------------------------------


def claimed(mine: SharedAnswers) -> int:
    epoch = mine.look_up([A], NOW).epoch
    assert epoch is not None
    assert mine.holds(epoch)
    return epoch


def test_a_claim_holds_for_as_long_as_signs_of_life_arrive(server: Server) -> None:
    mine = worker(server)
    epoch = claimed(mine)
    for _ in range(100):
        server.pass_time(BEAT)
        mine.tick()
        assert mine.holds(epoch)


def test_who_stood_still_for_a_lifetime_has_to_claim_anew(server: Server) -> None:
    mine, other = worker(server, "one"), worker(server, "two")
    epoch = claimed(mine)
    server.pass_time(LIFETIME)
    assert not mine.holds(epoch)
    assert other.look_up([A], NOW)[:2] == NOTHING
    anew = mine.look_up([A], NOW)
    assert anew.elsewhere == {A}
    mine.tick()
    assert not mine.holds(epoch), "signs of life do not bring back what others have taken over"


@pytest.mark.parametrize("seconds", [0.1, LIFETIME + 1])
def test_while_the_store_is_away_nothing_holds_and_afterwards_only_what_is_claimed_anew(
    server: Server, seconds: float
) -> None:
    mine = worker(server)
    epoch = claimed(mine)
    server.down_until = server.time + seconds
    mine.get_many([B], NOW)
    assert not mine.holds(epoch)
    server.pass_time(seconds)
    mine.tick()
    assert not mine.holds(epoch)
    claimed(mine)


def test_after_patience_has_run_out_rows_go_on_until_the_store_is_back(server: Server) -> None:
    mine = worker(server)
    before = claimed(mine)
    server.down_until = server.time + 1000
    alone = mine.look_up([B], NOW).epoch
    assert alone is not None
    assert mine.holds(before)
    assert mine.holds(alone)
    server.pass_time(1000)
    mine.tick()
    assert not mine.holds(alone)


def test_while_the_store_is_slow_to_answer_nothing_holds(server: Server) -> None:
    """It may be away already, and others about to take over."""
    mine = worker(server)
    epoch = claimed(mine)
    seen: list[bool] = []

    def slow(items: Mapping[bytes, bytes], now: float) -> None:
        seen.append(mine.holds(epoch))
        server.pass_time(SLOW)
        seen.append(mine.holds(epoch))

    server.put_many = slow  # type: ignore[method-assign]
    mine.put_many({A: b"a"}, NOW)
    assert seen == [True, False]
    assert mine.holds(epoch)


def test_what_will_not_pass_gives_nothing_to_hold(server: Server) -> None:
    mine = worker(server)
    server.wrong = StoreError("wrong password")
    assert mine.look_up([A], NOW).epoch is None


# --- outages, seen from between the calls -----------------------------------------------------------------------------


def test_a_missed_sign_of_life_is_no_outage_for_ever(server: Server) -> None:
    """A restart at night, while nothing was asked: the next one, hours later, is sat out like any other."""
    mine = worker(server)
    mine.look_up([A], NOW)
    server.pass_time(BEAT)
    server.down_until = server.time + 1
    mine.tick()
    for _ in range(100):
        server.pass_time(BEAT)
        before = server.time
        mine.tick()
        assert server.time == before, "nothing to wait for"
    server.answers[B] = Kept(b"b", NOW)
    server.down_until = server.time + 1
    assert mine.look_up([B], NOW).found


def test_who_only_gives_back_lives_too(server: Server) -> None:
    mine, other = worker(server, "one"), worker(server, "two")
    mine.look_up([A], NOW)
    for _ in range(10):
        server.pass_time(3)
        mine.release_many([B])
    assert other.look_up([A], NOW).elsewhere == {A}


def test_a_store_that_stays_away_is_tried_now_and_then(server: Server) -> None:
    mine = worker(server)
    server.down_until = 10_000
    mine.look_up([A], NOW)
    before = len(server.calls)
    for _ in range(100):
        mine.look_up([B], NOW)
        mine.put_many({B: b"b"}, NOW)
        mine.tick()
        server.pass_time(2 * REST / 100)
    assert len(server.calls) - before <= 2


def test_leases_that_cannot_be_ended_are_not_gathered_without_end(server: Server) -> None:
    me = Worker("one")
    mine = SharedAnswers(server, me, lambda _: None, clock=lambda: server.time, sleep=server.pass_time)
    epoch = claimed(mine)
    server.wrong = StoreError("read only")
    mine.release_many([number.to_bytes(32) for number in range(UNRELEASED + 1)])
    server.wrong = None
    assert not mine.holds(epoch)
    assert me.name != "one", "what it held lapses with its name"
    server.pass_time(LIFETIME)
    mine.tick()
    assert worker(server, "two").look_up([A], NOW)[:2] == NOTHING


def test_closing_does_not_sit_an_outage_out(server: Server) -> None:
    said: list[str] = []
    mine = worker(server, said=said)
    mine.look_up([A], NOW)
    server.down_until = 10_000
    mine.get_many([A], NOW)
    mine.hurry()
    assert not mine.put_many({A: b"a"}, NOW)
    mine.close()
    assert HURRY <= server.time <= HURRY + 2
    assert f"at most {HURRY:.0f} seconds" in said[0]
