from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.policy.gate import Gate
from duck_or.policy.pace import DEFAULT_PAUSE, FIRST_GUESS, SAFETY, AdaptivePace, Ticket


def send(pace: AdaptivePace, now: float, requests: int) -> list[Ticket]:
    return [pace.on_sent(now, n + 1) for n in range(requests)]


def learned(rate: float) -> AdaptivePace:
    """A pace that was learned from a server which accepted `rate` requests in a burst and asked for a second's rest."""
    pace = AdaptivePace()
    tickets = send(pace, 0.0, int(rate) + 20)
    for ticket in tickets[int(rate) :]:
        pace.on_refused(0.0, ticket, 1.0)
    pace.on_sent(1.0, 1)
    return pace


def drive(pace: AdaptivePace, now: float, refused: list[bool]) -> float:
    """A queue: send as soon as the pace allows; each refusal is known at once. Returns the time after the last."""
    for refuse in refused:
        pace.on_queued()
        now += pace.delay(now, 0)
        ticket = pace.on_sent(now, 1)
        if refuse:
            pace.on_refused(now, ticket, 1.0)
    return now


def test_nothing_is_held_back_before_the_first_refusal() -> None:
    pace = AdaptivePace()
    send(pace, 0.0, 500)
    assert pace.delay(0.0, 1) == 0.0
    assert pace.pace is None


@pytest.mark.parametrize(("wait", "pause"), [(None, DEFAULT_PAUSE), (7.0, 7.0), (0.0, 0.0)])
def test_the_first_refusal_pauses_everyone_for_as_long_as_the_server_asks(
    wait: float | None, pause: float
) -> None:
    pace = AdaptivePace()
    (ticket,) = send(pace, 10.0, 1)
    assert pace.on_refused(10.5, ticket, wait)
    assert pace.paused_until == 10.5 + pause
    assert pace.delay(10.5, 1) == pause


def test_refusals_of_one_event_pause_once() -> None:
    pace = AdaptivePace()
    tickets = send(pace, 0.0, 20)
    assert [pace.on_refused(0.1 + n / 100, t, 1.0) for n, t in enumerate(tickets)] == [True] + [False] * 19
    assert pace.paused_until == 1.1


def test_a_refusal_that_arrives_after_the_pause_belongs_to_the_time_before_it() -> None:
    pace = AdaptivePace()
    first, *others = send(pace, 0.0, 20)
    pace.on_refused(0.1, first, 1.0)
    pace.on_sent(1.1, 1)
    before = pace.pace
    assert not any(pace.on_refused(1.2, ticket, 1.0) for ticket in others)
    assert pace.paused_until == 1.1
    assert pace.pace == before


def test_what_was_accepted_over_run_and_pause_sets_the_first_pace() -> None:
    pace = AdaptivePace()
    for ticket in send(pace, 0.0, 100)[60:]:
        pace.on_refused(0.5, ticket, 5.5)
    pace.on_sent(6.0, 1)
    assert pace.pace == pytest.approx(SAFETY * 60 / 6.0)


def test_one_refusal_among_many_acceptances_teaches_no_pace() -> None:
    """The pool waits, as asked, and then goes on without a pace."""
    pace = AdaptivePace()
    tickets = send(pace, 0.0, 100)
    pace.on_refused(0.1, tickets[40], 1.0)
    assert pace.delay(0.2, 1) > 0
    send(pace, 1.2, 10)
    assert pace.pace is None


def test_a_refusal_on_its_own_makes_the_pace_step_back_and_pauses_nobody() -> None:
    pace = learned(200)
    before = pace.pace
    assert before is not None
    now = drive(pace, 1.0, [True] + [False] * 70)
    assert pace.paused_until == 1.0
    assert pace.delay(now, 1) < 0.1
    assert pace.pace == pytest.approx(0.99 * before)


def test_refusals_that_stop_when_the_pace_falls_set_the_pace() -> None:
    pace = learned(200)
    before = pace.pace
    assert before is not None
    now = drive(pace, 1.0, [n % 5 == 0 for n in range(22)])  # one in five: the server takes four fifths
    drive(pace, now, [False] * 70)
    assert pace.pace == pytest.approx(SAFETY * 0.8 * before, rel=0.05)
    assert pace.paused_until == 1.0


def test_refusals_that_go_on_when_the_pace_falls_do_not_slow_it_down() -> None:
    pace = learned(200)
    now = drive(pace, 1.0, [False] * 300)  # a quiet trial: this pace is known to be good
    before = pace.pace
    assert before is not None
    now = drive(pace, now, [n % 5 == 0 for n in range(2000)])
    assert pace.pace is not None
    assert pace.pace >= before
    assert pace.paused_until == 1.0


def test_half_of_the_requests_refused_pauses_everyone_again() -> None:
    pace = learned(200)
    drive(pace, 1.0, [True] * 8)
    assert pace.paused_until > 1.5


def test_a_caller_who_waits_for_each_answer_is_not_held_back_by_the_pace() -> None:
    pace = learned(10)
    now = drive(pace, 1.0, [False] * 10)
    assert pace.delay(now, 1) > 0.02  # the pace holds back those who would not wait for an answer
    for _ in range(20):
        assert pace.delay(now, 0) == 0.0
        pace.on_sent(now, 1)
        now += 0.01


def test_a_lone_refusal_pauses_everyone_and_teaches_no_pace() -> None:
    pace = learned(200)
    before, now = pace.pace, drive(pace, 1.0, [False] * 20) + 1
    for _ in range(20):
        ticket = pace.on_sent(now, 1)
        assert pace.on_refused(now + 0.1, ticket, 2.0)
        assert pace.delay(now + 0.1, 0) == pytest.approx(2.0)
        now = pace.paused_until
    assert pace.delay(now, 0) == 0.0
    assert pace.pace == before


def test_a_handful_of_refusals_teaches_no_pace() -> None:
    pace = AdaptivePace()
    for ticket in send(pace, 0.0, 3):
        pace.on_refused(0.1, ticket, 5.0)
    send(pace, 5.1, 3)
    assert pace.pace is None


def test_a_long_pause_says_nothing_about_the_rate_behind_it() -> None:
    pace = AdaptivePace()
    for ticket in send(pace, 0.0, 20):
        pace.on_refused(0.1, ticket, 60.0)
    pace.on_sent(60.1, 1)
    assert pace.pace == FIRST_GUESS / DEFAULT_PAUSE


@pytest.mark.parametrize(("idle", "forgotten"), [(25.0, False), (35.0, True)])
def test_a_pace_that_no_queue_needed_is_forgotten(idle: float, forgotten: bool) -> None:
    pace = learned(200)
    now = drive(pace, 1.0, [False] * 20)
    for _ in range(5):  # one after another: no queue
        now += idle / 5
        pace.on_sent(now, 1)
    assert (pace.pace is None) == forgotten


def test_a_long_pause_is_not_a_time_without_a_queue() -> None:
    pace = AdaptivePace()
    for ticket in send(pace, 0.0, 100)[60:]:
        pace.on_refused(0.1, ticket, 60.0)
    pace.on_sent(60.5, 1)
    assert pace.pace is not None


@given(
    st.lists(st.tuples(st.floats(0, 2), st.sampled_from("sar"), st.none() | st.floats(0, 60)), max_size=300)
)
def test_any_order_of_events_keeps_the_gate_sane(events: list[tuple[float, str, float | None]]) -> None:
    gate, now = Gate(None, 64), 0.0
    out: list[Ticket] = []
    for gap, what, wait in events:
        now += gap
        delay = gate.next_delay(now, len(out))
        assert delay is None or 0 <= delay < 1e9
        if what == "s" and delay == 0.0:
            out.append(gate.on_sent(now, len(out) + 1))
        elif what == "a" and out:
            gate.on_accepted(out[0], len(out))
            del out[0]
        elif what == "r" and out:
            gate.on_refused(now, out.pop(), wait)
        assert gate.pace is None or gate.pace > 0
        assert 1 <= gate.limit <= 64


def test_the_gate_tells_what_to_wait_for() -> None:
    gate = Gate(60, max_in_flight=2)
    assert gate.next_delay(0.0, 0) == 0.0
    gate.on_sent(0.0, 1)
    assert gate.next_delay(0.25, 1) == pytest.approx(0.75)  # the configured rate
    assert gate.next_delay(1.0, 2) is None  # an answer


def test_the_shared_pause_outlasts_a_configured_rate() -> None:
    gate = Gate(60, max_in_flight=2)
    ticket = gate.on_sent(0.0, 1)
    gate.on_refused(0.1, ticket, 30.0)
    assert gate.next_delay(5.0, 0) == pytest.approx(25.1)
    assert gate.paused_until == pytest.approx(30.1)
