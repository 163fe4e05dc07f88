"""A whole statement through a real session: survey, dispatch, replay, against a simulator on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from duck_or.engine.chunk import Known, Repeated
from duck_or.engine.spending import Spending
from duck_or.errors import ArgumentError, RequestFailed, SessionClosed, SettingsError, StatementStopped
from duck_or.outcome import Completion, Failure, Outcome
from duck_or.request import Request
from duck_or.session import SessionCore
from duck_or.settings import Settings
from duck_or.simulator import Simulator
from support.bridge import KEY
from support.desk import group, rows_of, text

ECHO = '{"model":"fake/echo"}'
FAILS = '{"model":"fake/err-400"}'


class Open(Protocol):
    def __call__(self, **settings: object) -> SessionCore: ...


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(record=True) as running:
        yield running


@pytest.fixture
def opened(simulator: Simulator) -> Iterator[Open]:
    with ExitStack() as ends:

        def make(**settings: object) -> SessionCore:
            given = {"base_url": simulator.base_url, "api_key": KEY, "rate_limit": 0, "transport": "http"}
            loaded = Settings.load(
                {**given, "cache_path": None, **settings}, environ={"DUCK_OR_CONFIG": "none"}
            )
            return ends.enter_context(SessionCore(loaded))

        yield make


def unknown(known: list[Known]) -> list[Request]:
    return list(dict.fromkeys(each for each in known if isinstance(each, Request)))


def test_a_whole_statement_counts_each_row_once(simulator: Simulator, opened: Open, tmp_path: Path) -> None:
    session = opened(cache_path=tmp_path / "cache.sqlite")
    assert session.has_store
    statement = session.new_statement()
    chunks = [group(*(f"t{(chunk + row) % 40}" for row in range(10)), options=ECHO) for chunk in range(10)]
    surveyed = [each for chunk in chunks for each in session.survey([chunk], statement)]
    requests = unknown(surveyed)
    assert simulator.stats().requests == session.stats().requests == 0
    dispatch = session.dispatch(requests, statement, stop_on_failure=True)
    assert dispatch.step(30.0)
    assert (dispatch.landed, dispatch.failed) == (len(requests), 0)
    known = [session.survey([chunk], statement) for chunk in chunks]
    assert [session.replay([chunk], statement).cells for chunk in chunks] == known
    session.repeat(Repeated(ECHO, 1, lambda: [text("t0")], 5), statement)
    stats = session.stats()
    assert (stats.sent, stats.requests) == (len(requests), 105)
    assert simulator.stats().requests == len(requests)
    history = session.history()["fake/echo"]
    assert history.count >= len(requests)  # the log is the process's
    assert history.mean_completion_tokens
    assert history.prompt_tokens_per_byte
    assert history.mean_latency_s


def test_a_request_is_made_anew_from_its_texts(opened: Open) -> None:
    session = opened()
    assert session.survey([group("a", options=ECHO)], session.new_statement()) == [
        session.request(ECHO, text("a"))
    ]
    with pytest.raises(ArgumentError):
        session.request(ECHO, "[]")


def test_without_a_store_bodies_are_for_the_caller_to_keep(opened: Open) -> None:
    session, kept = opened(), {}

    def keep(request: Request, outcome: Outcome) -> None:
        kept[request.key] = outcome

    statement = session.new_statement()
    requests = unknown(session.survey([group("a", "b", options=ECHO)], statement))
    assert session.dispatch(requests, statement, stop_on_failure=False, keep=keep).step(30.0)
    assert not session.has_store
    assert kept.keys() == {request.key for request in requests}
    assert all(isinstance(outcome, Completion) for outcome in kept.values())


def test_a_failure_met_ahead_is_what_its_rows_get(opened: Open, simulator: Simulator) -> None:
    session = opened()
    statement = session.new_statement()
    chunk = rows_of(FAILS, [text("a")], [3])
    dispatch = session.dispatch(unknown(session.survey([chunk], statement)), statement, stop_on_failure=False)
    assert dispatch.step(30.0)
    assert dispatch.first_failure is not None
    assert session.replay([chunk], statement, "json").cells == [dispatch.first_failure]
    assert (simulator.stats().requests, session.stats().requests) == (1, 3)
    with pytest.raises(RequestFailed, match=dispatch.first_failure.code):
        session.replay([chunk], statement)


def test_a_statements_own_budget_stops_it_and_leaves_the_session_its_rest(opened: Open) -> None:
    session = opened(budget_usd=1.0)
    dear = '{"model":"fake/echo","model_kwargs":{"max_tokens":1000}}'  # $0.002 at the worst, by the simulator's list
    statement, budget = session.new_statement(), Spending(0.001, whose="statement")
    requests = unknown(session.survey([group("a", "b", options=dear)], statement))
    assert session.dispatch(requests, statement, stop_on_failure=False, budget=budget).step(30.0)
    assert isinstance(statement.stopped, Failure)
    assert "the statement's own budget of $0.001" in statement.stopped.message
    with pytest.raises(StatementStopped, match="own budget"):
        session.replay([group("a", options=dear)], statement)
    assert session.spending is not None
    assert session.spending.spent_usd == budget.spent_usd == 0.0
    other = session.new_statement()
    assert session.dispatch(requests, other, stop_on_failure=False).step(30.0)
    assert other.stopped is None
    assert 0.0 < session.spending.spent_usd == pytest.approx(1.0 - session.spending.remaining_usd)
    assert session.prices()["fake/echo"].completion_usd == 0.000002


def test_without_a_key_nothing_is_sent() -> None:
    with SessionCore(Settings.load({"cache_path": None}, environ={"DUCK_OR_CONFIG": "none"})) as session:
        statement = session.new_statement()
        requests = unknown(session.survey([group("a", options=ECHO)], statement))
        dispatch = session.dispatch(requests, statement, stop_on_failure=False)
        with pytest.raises(SettingsError, match="OPENROUTER_API_KEY"):
            dispatch.step(30.0)
        assert dispatch.over
        assert session.spending is None


def test_a_closed_session_says_so(opened: Open) -> None:
    session = opened()
    statement = session.new_statement()
    dispatch = session.dispatch([session.request(ECHO, text("a"))], statement, stop_on_failure=False)
    session.close()
    with pytest.raises(SessionClosed):
        session.survey([group("a")], statement)
    with pytest.raises(SessionClosed):
        dispatch.step(30.0)
