from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.policy.gate import Gate
from duck_or.policy.pace import DEFAULT_PAUSE, AdaptivePace, Ticket


def send(pace: AdaptivePace, now: float, requests: int) -> list[Ticket]:
    return [pace.on_sent(now, n + 1) for n in range(requests)]


def test_nothing_is_held_back_before_the_first_refusal() -> None:
    pace = AdaptivePace()
    for ticket in send(pace, 0.0, 500):
        pace.on_accepted(ticket)
    assert pace.delay(0.0) == 0.0
    assert pace.pace is None


@pytest.mark.parametrize(("wait", "pause"), [(None, DEFAULT_PAUSE), (7.0, 7.0), (0.0, 0.0)])
def test_a_refusal_pauses_everyone_for_as_long_as_the_server_asks(wait: float | None, pause: float) -> None:
    pace = AdaptivePace()
    (ticket,) = send(pace, 10.0, 1)
    assert pace.on_refused(10.5, ticket, wait)
    assert pace.paused_until == 10.5 + pause
    assert pace.delay(10.5) == pause


def test_refusals_of_one_event_pause_once() -> None:
    pace = AdaptivePace()
    tickets = send(pace, 0.0, 20)
    assert [pace.on_refused(0.1 + n / 100, t, 1.0) for n, t in enumerate(tickets)] == [True] + [False] * 19
    assert pace.paused_until == 1.1


def test_what_was_accepted_over_run_and_pause_sets_the_first_pace() -> None:
    pace = AdaptivePace()
    tickets = send(pace, 0.0, 100)
    for ticket in tickets[60:]:
        pace.on_refused(0.5, ticket, 5.5)
    for ticket in tickets[:60]:
        pace.on_accepted(ticket)
    pace.on_sent(6.0, 1)
    assert pace.pace == pytest.approx(60 / 6.0, rel=0.01)


def test_one_refusal_among_many_acceptances_is_not_congestion() -> None:
    """The pool waits, as asked, and then goes on without a pace."""
    pace = AdaptivePace()
    tickets = send(pace, 0.0, 100)
    pace.on_refused(0.1, tickets.pop(40), 1.0)
    for ticket in tickets:
        pace.on_accepted(ticket)
    assert pace.delay(0.2) > 0
    send(pace, 1.2, 10)
    assert pace.pace is None


@given(
    st.lists(st.tuples(st.floats(0, 2), st.sampled_from("sar"), st.none() | st.floats(0, 60)), max_size=300)
)
def test_any_order_of_events_keeps_the_gate_sane(events: list[tuple[float, str, float | None]]) -> None:
    gate, now, out = Gate(None, 64), 0.0, []
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
