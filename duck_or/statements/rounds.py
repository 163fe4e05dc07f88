"""Collect, dispatch, and again, until nothing new is found: then the statement can run, and every call is a memory hit.

Runs on the statement's own connection, so that temporary tables, parameters and uncommitted changes are what they are.
What may be believed of a round is `flow`'s to say; what to do with a chunk, `plan`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import duckdb

from duck_or.engine.batch import stop_error
from duck_or.engine.cancellation import running
from duck_or.engine.spending import Spending
from duck_or.errors import ArgumentError
from duck_or.outcome import Action, Failure
from duck_or.progress.line import Figures, Progress, surface
from duck_or.queries.scope import Marks
from duck_or.session import SessionCore
from duck_or.statements.estimate import Estimate
from duck_or.statements.plan import Round, RunningPlan, estimated
from duck_or.statements.planner import Parameters, Planned
from duck_or.statements.preference import WORTH_IT
from duck_or.statements.verdict import (
    Verdict,
    check_transaction,
    in_users_words,
    unmarked_message,
    verdict_on,
)
from duck_or.statements.viewpoint import Viewpoint
from duck_or.wording import counted, dollars

DRAINED_ROWS = 10_000
"""Rows of a collecting run that are held at once; nobody looks at them."""

LEVELS = 8
"""Rounds more that a call may take which asks about parts first: each level of llm_reduce is one."""

# DuckDB looks for an interrupt between the chunks of this query, and it is over with the first row that is let through.
WAIT = "SELECT 1 FROM range(1000000000000) AS waited(row) WHERE __duck_or_landed({number}, row) LIMIT 1"


class Rounds:
    """Runs a planned statement's rounds. con: the statement's connection. estimate: what one round says it will cost."""

    def __init__(self, con: Viewpoint, session: SessionCore) -> None:
        self._con = con
        self._session = session

    def verdict(self, planned: Planned, plan: RunningPlan, text: str) -> Verdict:
        """What DuckDB says of the statement, whose text is marked. Raises duckdb.Error, KeyboardInterrupt."""
        if planned.kind == "select" and planned.collect is not None:
            return Verdict.RUNS  # its columns' names were asked for, so DuckDB has checked it
        plan.begin_round()
        try:
            with cancellable(plan):
                return verdict_on(self._con, text, planned.parameters)
        finally:
            plan.end_round()

    def ask_ahead(self, planned: Planned, plan: RunningPlan) -> str | None:
        """Ask all that the statement will ask, as far as that can be told before it runs. Returns why the rest is asked
        chunk by chunk, None if nothing should be left.

        Raises what a failure raises where it ends the statement, duckdb.InterruptException, KeyboardInterrupt.
        """
        if planned.collect is None or planned.flow.live is not None:
            return planned.flow.live
        try:
            return self._in_rounds(planned, plan)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:  # of a collecting run: with answers for NULL it might not fail
            check_transaction(self._con, error)
            return f"without its answers it fails: {unmarked_message(str(error))}"

    def _in_rounds(self, planned: Planned, plan: RunningPlan) -> str | None:
        calls = set(planned.flow.influences)
        with Progress(surface(self._session.settings.progress)) as progress:
            number, parts, figures = 0, set[int](), Figures()
            while number <= len(calls) + LEVELS * len(parts):
                found = self.collect(planned, plan)
                unknown = frozenset(found.unknown)
                believed = planned.flow.believed(unknown) & unknown
                _refuse_rejected(found, believed)
                total = plan.pending.count(believed)
                if not total:
                    return "its calls wait for one another" if plan.pending.count(unknown) else None
                if number == 0:
                    self._refuse_unaffordable(planned, plan, found)
                figures = self._dispatch(
                    planned, plan, believed, replace(figures, total=figures.over + total), progress
                )
                number, parts = number + 1, parts | found.parts
                if unknown.isdisjoint(planned.flow.decisive | found.parts):
                    return None
            unknown = frozenset(self.collect(planned, plan).unknown)
            return "it asks something else each time it is looked at" if unknown else None

    def is_long(self, planned: Planned, plan: RunningPlan) -> bool:
        """Whether its first round asks enough for trying out its predicates. Raises where it cannot be paid for anyway."""
        found = self.collect(planned, plan)
        self._refuse_unaffordable(planned, plan, found)
        return plan.pending.count(planned.flow.believed(frozenset(found.unknown))) >= WORTH_IT

    def collect(self, planned: Planned, plan: RunningPlan) -> Round:
        """One collecting run: nothing is sent."""
        assert planned.collect is not None
        found = plan.begin_round()
        try:
            with cancellable(plan):
                drain(self._con, planned.collect, planned.collect_parameters)
        finally:
            plan.end_round()
        return found

    def _dispatch(
        self, planned: Planned, plan: RunningPlan, calls: Marks, figures: Figures, progress: Progress
    ) -> Figures:
        """figures: what was dispatched before, with the new total. Returns what it came to."""
        wait = WAIT.format(number=planned.number)
        for fatal in (True, False):
            plan.begin_dispatch(calls, fatal=fatal, progress=progress, figures=figures)
            try:
                with cancellable(plan), no_progress_bar(self._con):
                    self._con.sql(wait).fetchall()
            finally:
                figures = plan.end_dispatch()
            plan.statement.check()
        return figures

    def _refuse_unaffordable(self, planned: Planned, plan: RunningPlan, found: Round) -> None:
        """Raises StatementStopped if even the least that it can cost is more than a budget has left."""
        budgets = [each for each in (self._session.spending, plan.statement.spending) if each is not None]
        if not budgets:
            return
        estimate = estimated(self._session, plan.surveyed(planned.flow, found))
        for spending in budgets:
            if estimate.cost_usd is not None and estimate.cost_usd[0] > spending.remaining_usd:
                raise stop_error(_unaffordable(estimate, spending))


def _unaffordable(estimate: Estimate, spending: Spending) -> Failure:
    assert estimate.cost_usd is not None
    low, high = map(dollars, estimate.cost_usd)
    left = dollars(spending.remaining_usd)
    name = "the session's budget_usd" if spending.whose == "session" else "the statement's own budget"
    return Failure(
        "budget_exhausted",
        f"{counted(estimate.to_send, 'request')} would cost between {low} and {high}, and {name} of "
        f"{dollars(spending.limit_usd)} has {left} left. Nothing was sent. Raise it, ask about fewer rows, or take a "
        "cheaper model",
        action=Action.STOP,
    )


def _refuse_rejected(found: Round, believed: Marks) -> None:
    """A row whose arguments are wrong ends the statement: before it costs anything."""
    for call, (_, message) in sorted(found.rejected.items()):
        if call in believed and call in found.fatal:
            raise ArgumentError(message)


def drain(con: Viewpoint, query: str, parameters: Parameters) -> None:
    """Evaluate a query to its last row, and forget it."""
    relation = con.sql(query, params=parameters)
    try:
        reader = _reader(relation)
    except duckdb.NotImplementedException:  # a type that Arrow does not know
        while relation.fetchmany(DRAINED_ROWS):
            pass
        return
    for _ in reader:
        pass


def _reader(relation: duckdb.DuckDBPyRelation) -> Iterator[object]:
    if hasattr(relation, "to_arrow_reader"):
        return iter(relation.to_arrow_reader(DRAINED_ROWS))
    return iter(relation.fetch_record_batch(DRAINED_ROWS))


@contextmanager
def cancellable(plan: RunningPlan) -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt, whatever DuckDB makes of it on its way; other errors speak of the user's text."""
    try:
        with running(plan.statement), in_users_words():
            yield
    except (duckdb.Error, RuntimeError) as error:
        if plan.statement.cancelled:
            raise KeyboardInterrupt from error
        raise


@contextmanager
def no_progress_bar(con: Viewpoint) -> Iterator[None]:
    """DuckDB knows no progress of a query that waits. Where lock_configuration is set, its bar stays as it is."""
    [(before, locked)] = con.sql(
        "SELECT current_setting('enable_progress_bar'), current_setting('lock_configuration')"
    ).fetchall()
    if locked or not before:
        yield
        return
    con.sql("SET enable_progress_bar = false")
    try:
        yield
    finally:
        # In a transaction that has failed nothing can be set; that it failed is what the user is to hear.
        with suppress(duckdb.TransactionException):
            con.sql("SET enable_progress_bar = true")
