"""Runs whole statements on one connection: each is planned, asked ahead, and then run as DuckDB runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, TypeAlias, cast

import duckdb

from duck_or.engine.spending import Spending
from duck_or.errors import ArgumentError, DuckOrError, RequestFailed, StatementStopped
from duck_or.queries.guard import Choice
from duck_or.session import SessionCore
from duck_or.sql.functions import Slot
from duck_or.statements.asking import Asking, Changes
from duck_or.statements.estimate import Estimate, Surveyed, combined
from duck_or.statements.plan import RunningPlan, estimated
from duck_or.statements.planner import Parameters, Planned, Planner
from duck_or.statements.preference import Experience, Preferences
from duck_or.statements.rounds import DRAINED_ROWS, Rounds, cancellable
from duck_or.statements.verdict import Verdict, check_transaction
from duck_or.statements.viewpoint import Variables, Viewpoint, variables_around

log = logging.getLogger("duck_or")

Run: TypeAlias = Callable[[str, Parameters], Any]


class Runner:
    """For one connection. Not for several threads at once, as little as the connection is."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        session: SessionCore,
        slot: Slot,
        preferences: Preferences,
        changes: Changes,
    ) -> None:
        self._con = Viewpoint(con)
        self._asking = Asking(con, changes, theirs=lambda: slot.theirs)
        self._session = session
        self._slot = slot
        self._preferences = preferences
        # It runs queries by `sql` and `cursor` only, which a viewpoint has.
        self._planner = Planner(cast(duckdb.DuckDBPyConnection, self._con), slot, self._con.is_read_once)
        self._rounds = Rounds(self._con, session)

    def sql(
        self,
        query: str,
        parameters: Parameters = None,
        budget_usd: float | None = None,
        alias: str = "",
        variables: Variables | None = None,
    ) -> Any:
        """As `con.sql`: a relation, None where there is nothing to return. Its questions are answered when it is returned.

        variables: those that the query may name; the caller's if None.
        """
        run = partial(self._relation, alias=alias)
        with self._seeing(query, variables):
            if not self._asking.may(query):
                return self._as_written(query, parameters, run)
            return self._each(query, parameters, budget_usd, run)

    def execute(self, query: str, parameters: Parameters = None, budget_usd: float | None = None) -> Any:
        """As `con.execute`: the connection, holding the last statement's result."""
        with self._seeing(query):
            if not self._asking.may(query, self._give_up_result):
                return self._as_written(query, parameters, self._execute)
            self._give_up_result()
            return self._each(query, parameters, budget_usd, self._execute)

    def asks(self, query: str, parameters: Parameters, variables: Variables) -> bool:
        """Whether this is one SELECT that holds calls."""
        if not self._asking.may(query):
            return False
        statements = self._con.extract_statements(query)
        if len(statements) != 1:
            return False
        with self._seeing(query, variables):
            planned = self._planner.plan(statements[0], parameters)
        return planned is not None and planned.kind == "select"

    def plain(self, query: str, parameters: Parameters, alias: str, variables: Variables) -> Any:
        """`con.sql` as it is."""
        with self._seeing(query, variables):
            return self._relation(query, parameters, alias)

    def estimate(self, query: str, parameters: Parameters = None) -> Estimate:
        """What the statements of a query would ask now. Sends nothing, runs nothing but what they read.

        Raises DuckOrError where that cannot be told, duckdb.Error where a statement needs what an earlier one makes.
        """
        with self._seeing(query):
            surveyed = [
                self._survey(statement, parameters) for statement in self._con.extract_statements(query)
            ]
        return estimated(self._session, combined(surveyed))

    def _survey(self, statement: duckdb.Statement, parameters: Parameters) -> Surveyed:
        planned = self._planner.plan(statement, parameters) if self._asking.may(statement.query) else None
        if planned is None:
            return Surveyed()
        if planned.collect is None:
            raise DuckOrError(
                f"what this {planned.kind} statement would ask cannot be told beforehand: {planned.flow.live}. "
                "Estimate the SELECT that it reads"
            )
        plan = self._begin(planned, None)
        plan.counting = True
        return plan.surveyed(planned.flow, self._rounds.collect(planned, plan))

    def _give_up_result(self) -> None:
        """As `con.execute` does first. From DuckDB 2.0 on, nothing else can be run before."""
        with suppress(duckdb.TransactionException):  # one that failed: the query may begin with ROLLBACK
            self._con.execute("SELECT 1").fetchall()

    def _seeing(self, query: str, variables: Variables | None = None) -> AbstractContextManager[None]:
        return self._con.seeing(variables_around(self._con.con, query) if variables is None else variables)

    def _each(self, query: str, parameters: Parameters, budget_usd: float | None, last: Run) -> Any:
        """Run the statements of a query one after another, the last one by `last`; the parameters are the last one's."""
        spending = None if budget_usd is None else Spending(budget_usd, whose="statement")
        statements = self._con.extract_statements(query)
        if not statements:  # nothing but a comment
            return last(query, parameters)
        if not all(map(_has_text, statements)):
            return self._as_written(query, parameters, last)
        *others, final = statements
        for statement in others:
            self._run(statement, None, spending, self._execute)
            while self._con.fetchmany(DRAINED_ROWS):
                pass
        return self._run(final, parameters, spending, last)

    def _as_written(self, query: str, parameters: Parameters, run: Run) -> Any:
        try:
            return run(query, parameters)
        finally:
            self._asking.ran(query)

    def _run(
        self, statement: duckdb.Statement, parameters: Parameters, spending: Spending | None, run: Run
    ) -> Any:
        if not self._asking.may(statement.query):
            return self._as_written(statement.query, parameters, run)
        planned = self._planned(statement, parameters, spending)
        if planned is None:
            return self._as_written(statement.query, parameters, run)
        plan = self._begin(planned, spending)
        verdict = self._rounds.verdict(planned, plan, planned.written)
        if verdict is Verdict.FAULTY:
            return self._as_written(
                statement.query, parameters, run
            )  # DuckDB's error shows the user's own text
        if verdict is Verdict.IDLE:
            plan.refuse()
            return self._as_written(planned.written, parameters, run)
        reason = self._rounds.ask_ahead(planned, plan)
        if reason is not None:
            log.warning("this statement runs chunk by chunk: %s", reason)
        plan.rest()
        try:
            with cancellable(plan):
                return run(planned.written if reason else planned.run, planned.parameters)
        finally:
            self._asking.ran(statement.query)

    def _planned(
        self, statement: duckdb.Statement, parameters: Parameters, spending: Spending | None
    ) -> Planned | None:
        """The statement's plan, with its predicates in the best order that is known or worth finding out."""
        choices: list[Choice] = []

        def order(choice: Choice) -> list[int]:
            choices.append(choice)
            return self._preferences.order(choice)

        planned = self._planner.plan(statement, parameters, order)
        unknown = [choice for choice in choices if not self._preferences.knows(choice)]
        if not unknown or planned is None or planned.collect is None or planned.flow.live is not None:
            return planned
        if not self._rounds.is_long(planned, self._begin(planned, spending)):
            return planned
        for choice in unknown:
            self._try(choice, parameters, spending)
        return self._planner.plan(statement, parameters, self._preferences.order)

    def _try(self, choice: Choice, parameters: Parameters, spending: Spending | None) -> None:
        """Learn what each of the predicates does to some rows. Where a sample cannot be taken, they stay as written."""
        for place, key in enumerate(choice.keys):
            query = self._planner.sample(choice, place, parameters)
            if query is None:
                return
            before = self._session.stats()
            [statement] = self._con.extract_statements(query.text)
            rows = self._sampled(statement, query.parameters, spending)
            if rows is None:
                return
            after = self._session.stats()
            sent, cost = after.sent - before.sent, after.cost_usd - before.cost_usd
            price = cost / sent if sent else None
            self._preferences.learn(key, Experience(len(rows), sum(bool(row[0]) for row in rows), price))

    def _sampled(
        self, statement: duckdb.Statement, parameters: Parameters, spending: Spending | None
    ) -> list[Any] | None:
        """None where the sample failed: the statement itself may never look at these rows in this way."""
        try:
            rows: list[Any] = self._run(statement, parameters, spending, self._relation).fetchall()
        except (StatementStopped, duckdb.InterruptException):
            raise
        except (RequestFailed, ArgumentError, duckdb.Error) as error:
            check_transaction(self._con, error)
            log.info("the order of predicates stays as written: %s", error)
            return None
        return rows

    def _begin(self, planned: Planned, spending: Spending | None) -> RunningPlan:
        plan = RunningPlan(self._session, spending)
        self._slot.plans.enter(planned.number, plan)
        return plan

    def _execute(self, query: str, parameters: Parameters) -> Any:
        return self._con.execute(query, parameters)

    def _relation(self, query: str, parameters: Parameters, alias: str = "") -> Any:
        return self._con.sql(query, alias=alias, params=parameters)


def _has_text(statement: duckdb.Statement) -> bool:
    """Before 2.0, a PIVOT is several statements that nobody wrote."""
    try:
        return bool(statement.query)
    except IndexError:
        return False
