"""When requests leave: slots, tokens, the shared pause, and retries that hold none of them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from duck_or.engine.limits import Limits
from support.engine_world import NEVER, answer, error, is_answered, refused, texts, world


def names(count: int) -> list[str]:
    return [f"r{n}" for n in range(count)]


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_no_more_requests_are_in_flight_than_allowed(slots: int) -> None:
    with world(max_in_flight=slots) as w:
        batch = w.submit(*names(24))
        w.settle()
        assert is_answered(batch)
        assert w.transport.peak == slots
        assert w.now == pytest.approx(24 / slots)


def test_the_number_in_flight_grows_to_what_is_allowed() -> None:
    with world(max_in_flight=256) as w:
        batch = w.submit(*names(2000))
        w.settle()
        assert is_answered(batch)
        assert w.transport.peak == 256
        assert w.now < 12.0  # 8 full rounds and the growth before them


def test_a_configured_rate_holds() -> None:
    with world(rate_limit=60) as w:
        batch = w.submit(*names(20))
        w.settle()
        assert is_answered(batch)
        assert [send.at for send in w.transport.sends] == pytest.approx(list(range(20)))


def test_every_attempt_pays_a_token() -> None:
    with world({"r0": [error(500, seconds=0.0)]}, rate_limit=60) as w:
        w.submit("r0", "r1", "r2", attempts=3)
        w.settle()
        gaps = [b.at - a.at for a, b in zip(w.transport.sends, w.transport.sends[1:], strict=False)]
        assert len(gaps) == 4
        assert min(gaps) >= 1.0 - 1e-9


def test_a_resting_retry_holds_no_slot_and_comes_back_behind_those_not_tried_yet() -> None:
    with world({"r0": [error(500, seconds=0.0), answer("r0")]}, max_in_flight=1) as w:
        batch = w.submit(*names(4))
        w.settle()
        assert is_answered(batch)
        assert w.transport.names == ["r0", "r1", "r2", "r3", "r0"]
        assert w.now == pytest.approx(4.0)  # the slot was never empty


def test_a_retry_that_waits_long_does_not_hold_up_the_others() -> None:
    with world(
        {"a": [error(500), error(500), error(500), answer("a")]}, max_in_flight=2, jitter=lambda: 0.999
    ) as w:
        batch = w.submit("a", *names(6))
        w.settle()
        assert is_answered(batch)
        others = [send.at for send in w.transport.sends if send.name != "a"]
        assert max(others) < 4.0
        assert [send.at for send in w.transport.sends if send.name == "a"][-1] > 5.0


def test_a_refusal_pauses_everybody_once_for_as_long_as_the_server_says() -> None:
    script = {name: [refused(wait=7), answer(name)] for name in names(4)}
    with world(script, max_in_flight=4) as w:
        batch = w.submit(*names(12))
        w.settle()
        assert is_answered(batch)
        resumed = [send.at for send in w.transport.sends if send.at > 0.1]
        assert min(resumed) == pytest.approx(
            7.1
        )  # refused after 0.1 s; nobody leaves before the pause is over
        assert w.stats.slow_downs == 4
        assert len(w.transport.sends) == 16


def test_lower_limits_hold_from_then_on_and_what_is_in_flight_is_let_finish() -> None:
    with world(max_in_flight=8) as w:
        batch = w.submit(*names(16))
        w.advance(0.5)
        w.loop.call_soon(w.lane.limit, Limits(None, 2))
        w.settle()
        assert is_answered(batch)
        assert max(send.in_flight for send in w.transport.sends if send.at > 0.5) == 2
        assert w.now == pytest.approx(1 + 8 / 2)


def test_higher_limits_hold_at_once() -> None:
    with world({"a": [NEVER]}, max_in_flight=1) as w:
        stuck, batch = w.submit("a", timeout=1e6), w.submit("b")
        w.advance(10)
        w.loop.call_soon(w.lane.limit, Limits(None, 2))
        w.advance(2)
        assert texts(batch) == ["b"]
        w.withdraw(stuck)
        w.settle()


def test_a_pause_outlives_a_change_of_limits() -> None:
    with world({"a": [refused(wait=30, seconds=0.5), answer("a")]}, max_in_flight=8) as w:
        refused_one = w.submit("a")
        w.advance(1)
        w.loop.call_soon(w.lane.limit, Limits(None, 6))
        batch = w.submit("b")
        w.settle()
        assert is_answered(refused_one)
        assert is_answered(batch)
        assert next(send.at for send in w.transport.sends if send.at > 0.5) >= 30.5


def test_a_change_of_limits_gives_no_new_burst() -> None:
    with world(rate_limit=600, max_in_flight=100) as w:
        batch = w.submit(*names(40))
        w.advance(0.5)
        w.loop.call_soon(w.lane.limit, Limits(1200, 100))
        w.settle()
        assert is_answered(batch)
        late = [send.at for send in w.transport.sends if send.at > 0.5]
        assert min(b - a for a, b in pairwise(late)) == pytest.approx(60 / 1200)


def test_a_get_passes_by_the_queue() -> None:
    with world({"a": [NEVER], "/models": [answer("list", 3.0)]}, max_in_flight=1) as w:
        stuck = w.submit("a", timeout=1e6)
        w.advance(1)
        response = w.loop.run_until_complete(w.lane.get("/models", 10.0))
        assert response.status == 200
        w.withdraw(stuck)
        w.settle()


def test_a_get_has_a_deadline_of_its_own() -> None:
    from duck_or.errors import DeadlineExceeded

    with world({"/models": [NEVER]}) as w, pytest.raises(DeadlineExceeded, match="/models"):
        w.loop.run_until_complete(w.lane.get("/models", 10.0))
