"""Several lanes that draw from one bucket: their service never sees more than the rate, and little less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.contract import Unreachable
from duck_or.cache.sharing import Worker
from duck_or.engine.lane import Lane
from duck_or.engine.limits import Limits
from duck_or.engine.shared_rate import LATE_SECONDS, LATE_TOKENS, Reserved, StoreBucket
from support.engine_world import Reply, ScriptedTransport, World, _ledger, answer, is_answered, world
from support.virtual_loop import VirtualLoop


@dataclass
class LoopBucket:
    """On virtual time. lag: seconds until an answer; down: the store cannot be reached. asked: how many tokens, each time."""

    loop: VirtualLoop
    lag: float = 0.001
    peers: int = 1
    down: bool = False
    asked: list[int] = field(default_factory=list)
    _next: float = 0.0

    def reserve(self, rate: float, count: int, reserved: Reserved) -> None:
        if self.down:
            self.loop.call_later(self.lag, reserved, None)
            return
        self.asked.append(count)
        now = self.loop.time()
        first = max(self._next, now)
        self._next = first + count / rate
        self.loop.call_later(self.lag, reserved, first - now)


@dataclass
class Cluster:
    """Worlds on one loop, each a worker of its own, and one service that sees all they send."""

    worlds: list[World]
    bucket: LoopBucket

    @property
    def sent(self) -> list[float]:
        return sorted(send.at for w in self.worlds for send in w.transport.sends)


def cluster(w: World, workers: int, per_second: float, bucket: LoopBucket) -> Cluster:
    """More workers beside the one of `w`, which shares their bucket."""

    async def open_lane(transport: ScriptedTransport) -> Lane:
        return Lane(transport, Limits(per_second * 60, 256, bucket), wall_clock=w.loop.time)

    worlds = [w]
    for _ in range(workers - 1):
        transport = ScriptedTransport({}, quick)
        lane = w.loop.run_until_complete(open_lane(transport))
        worlds.append(World(w.loop, transport, lane, _ledger(w.loop, 0, 0, None)))
    return Cluster(worlds, bucket)


def quick(name: str) -> Reply:
    """So quick that slots are never what is waited for."""
    return answer(name, 0.05)


def most_in(seconds: float, times: Sequence[float]) -> int:
    """The most of these moments in any window of that length."""
    return max((sum(start <= each < start + seconds for each in times) for start in times), default=0)


def shared(**how: object) -> tuple[Callable[[VirtualLoop], LoopBucket], list[LoopBucket]]:
    made: list[LoopBucket] = []

    def make(loop: VirtualLoop) -> LoopBucket:
        made.append(LoopBucket(loop, **how))  # type: ignore[arg-type]
        return made[0]

    return make, made


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_together_they_keep_the_rate_and_use_it(workers: int) -> None:
    make, made = shared()
    with world(rate_limit=6000, bucket=make, otherwise=quick) as w:
        all_of_them = cluster(w, workers, 100, made[0])
        each = 1400 // workers
        batches = [
            mine.submit(*(f"{number}:{n}" for n in range(each)))
            for number, mine in enumerate(all_of_them.worlds)
        ]
        w.settle()
        assert all(map(is_answered, batches))
        assert most_in(1.0, all_of_them.sent) <= 100 * (1 + LATE_SECONDS) + 1
        assert all_of_them.sent[-1] - all_of_them.sent[0] <= 1.02 * 14


@given(
    st.integers(1, 4),
    st.sampled_from([0.5, 3.0, 40.0, 400.0]),
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 40), st.sampled_from([0.0, 0.02, 0.5, 2.0])), max_size=8
    ),
)
def test_no_schedule_breaks_the_rate(
    workers: int, rate: float, schedule: list[tuple[int, int, float]]
) -> None:
    """Bursts of requests at any of the workers, with any pauses between."""
    make, made = shared()
    with world(rate_limit=rate * 60, bucket=make, otherwise=quick) as w:
        together = cluster(w, workers, rate, made[0])
        batches = []
        for turn, (who, count, pause) in enumerate(schedule):
            mine = together.worlds[who % workers]
            batches.append(mine.submit(*(f"{turn}:{n}" for n in range(count))))
            w.advance(pause)
        w.settle()
        assert all(map(is_answered, batches))
        late = max(LATE_SECONDS * rate, LATE_TOKENS) + made[0].lag * rate
        for window in (0.1, 1.0, 5.0):
            assert most_in(window, together.sent) <= 1 + rate * window + late


def test_one_worker_of_many_gets_all_of_it() -> None:
    """The others are there, but have nothing to send."""
    make, _ = shared(peers=50)
    with world(rate_limit=6000, bucket=make, otherwise=quick) as w:
        batch = w.submit(*map(str, range(500)))
        w.settle()
        assert is_answered(batch)
        assert w.transport.sends[-1].at - w.transport.sends[0].at <= 1.03 * 5


def test_many_workers_do_not_storm_the_store() -> None:
    make, made = shared()
    with world(rate_limit=24_000, bucket=make, otherwise=quick) as w:
        together = cluster(w, 20, 400, made[0])
        for number, mine in enumerate(together.worlds):
            mine.submit(*(f"{number}:{n}" for n in range(100)))
        w.settle()
        assert len(together.sent) == 2000
        assert together.sent[-1] - together.sent[0] <= 1.02 * 5
        assert len(made[0].asked) <= 2 * 20 * 5  # half a share at a time, at worst


def test_without_the_store_each_keeps_to_its_share() -> None:
    make, _ = shared(peers=4, down=True)
    with world(rate_limit=2400, bucket=make, otherwise=quick) as w:  # 40 a second, 10 for each of four
        batch = w.submit(*map(str, range(50)))
        w.settle()
        assert is_answered(batch)
        times = [send.at for send in w.transport.sends]
        assert most_in(1.0, times) <= 11
        assert times[-1] - times[0] <= 5.5


def test_a_slow_outage_does_not_stop_what_has_a_share() -> None:
    """A cut connection may take seconds to be noticed, at every try."""
    make, _ = shared(peers=2, down=True, lag=5.0)
    with world(rate_limit=1200, bucket=make, otherwise=quick) as w:  # 10 a second for each of two
        batch = w.submit(*map(str, range(200)))
        w.settle()
        assert is_answered(batch)
        times = [send.at for send in w.transport.sends]
        assert times[0] <= 5.2
        assert times[-1] - times[0] <= 1.05 * 20


def test_when_the_store_is_back_the_whole_rate_is() -> None:
    make, made = shared(peers=10, down=True)
    with world(rate_limit=6000, bucket=make, otherwise=quick) as w:
        batch = w.submit(*map(str, range(400)))
        w.advance(3)
        alone = len(w.transport.sends)
        assert 25 <= alone <= 32
        made[0].down = False
        w.settle()
        assert is_answered(batch)
        assert w.now <= 3 + 1.5 + 4.5


def test_tokens_wait_for_slots_and_never_pile_up() -> None:
    make, made = shared()
    with world(rate_limit=6000, max_in_flight=1, bucket=make, otherwise=quick) as w:
        w.submit(*map(str, range(10)))
        w.settle()
        assert w.transport.peak == 1
        assert made[0].asked == [1] * 10


def test_an_unlimited_lane_reserves_nothing() -> None:
    make, made = shared()
    with world(rate_limit=None, bucket=make) as w:
        batch = w.submit(*map(str, range(20)))
        w.settle()
        assert is_answered(batch)
        assert not made[0].asked


@pytest.mark.parametrize(("peers", "said"), [(4, "1/4 of the rate"), (1, "knowing of no other worker")])
def test_who_pays_is_told_that_the_rate_is_not_shared(
    peers: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = SimpleQueue[float | None]()
    bucket = StoreBucket(Away(), "b", Worker("one", peers), lambda reserved, delay: reserved(delay))
    for _ in range(3):
        bucket.reserve(10.0, 1, answers.put)
    assert [answers.get(timeout=10) for _ in range(3)] == [None] * 3
    bucket.close()
    assert caplog.text.count("the rate limit is not shared for now: it does not answer") == 1
    assert said in caplog.text


class Away:
    """A store that cannot be reached."""

    def reserve(self, bucket: str, rate: float, count: int) -> float:
        raise Unreachable("it does not answer")

    def close(self) -> None:
        pass
