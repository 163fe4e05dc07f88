"""Runs whole statements on one connection: each is planned, asked ahead, and then run as DuckDB runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import duckdb

from duck_or.engine.spending import Spending
from duck_or.errors import DuckOrError
from duck_or.session import SessionCore
from duck_or.sql.functions import Slot
from duck_or.statements.estimate import Estimate, Surveyed, combined
from duck_or.statements.guard import Choice
from duck_or.statements.plan import RunningPlan, estimated
from duck_or.statements.planner import Parameters, Planned, Planner
from duck_or.statements.preference import Experience, Preferences
from duck_or.statements.rounds import DRAINED_ROWS, Rounds, all_frames, cancellable

log = logging.getLogger("duck_or")


class Runner:
    """For one connection. Not for several threads at once, as little as the connection is."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        session: SessionCore,
        slot: Slot,
        preferences: Preferences,
    ) -> None:
        self._con = con
        self._session = session
        self._slot = slot
        self._preferences = preferences
        self._planner = Planner(con, slot)
        self._rounds = Rounds(con, session)

    def sql(
        self, query: str, parameters: Parameters = None, budget_usd: float | None = None, alias: str = ""
    ) -> Any:
        """As `con.sql`: a relation, None where there is nothing to return. Its questions are answered when it is returned."""
        return self._each(query, parameters, budget_usd, partial(self._relation, alias=alias))

    def execute(self, query: str, parameters: Parameters = None, budget_usd: float | None = None) -> Any:
        """As `con.execute`: the connection, holding the last statement's result."""
        self._con.execute("SELECT 1").fetchall()  # an open result of it would be given up anyway
        return self._each(query, parameters, budget_usd, self._execute)

    def asks(self, query: str, parameters: Parameters = None) -> bool:
        """Whether this is one SELECT that holds calls."""
        statements = self._con.extract_statements(query)
        if len(statements) != 1:
            return False
        with all_frames(self._con):
            planned = self._planner.plan(statements[0], parameters)
        return planned is not None and planned.kind == "select"

    def estimate(self, query: str, parameters: Parameters = None) -> Estimate:
        """What the statements of a query would ask now. Sends nothing, runs nothing but what they read.

        Raises DuckOrError where that cannot be told, duckdb.Error where a statement needs what an earlier one makes.
        """
        with all_frames(self._con):
            surveyed = [
                self._survey(statement, parameters) for statement in self._con.extract_statements(query)
            ]
        return estimated(self._session, combined(surveyed))

    def _survey(self, statement: duckdb.Statement, parameters: Parameters) -> Surveyed:
        planned = self._planner.plan(statement, parameters)
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

    def _each(
        self,
        query: str,
        parameters: Parameters,
        budget_usd: float | None,
        last: Callable[[str, Parameters], Any],
    ) -> Any:
        """Run the statements of a query one after another, the last one by `last`; the parameters are the last one's."""
        with all_frames(self._con):
            return self._each_in_turn(query, parameters, budget_usd, last)

    def _each_in_turn(
        self,
        query: str,
        parameters: Parameters,
        budget_usd: float | None,
        last: Callable[[str, Parameters], Any],
    ) -> Any:
        spending = None if budget_usd is None else Spending(budget_usd, whose="statement")
        *others, final = self._con.extract_statements(query) or [None]
        if final is None:
            return last(query, parameters)
        for statement in others:
            self._run(statement, None, spending, self._execute)
            while self._con.fetchmany(DRAINED_ROWS):
                pass
        return self._run(final, parameters, spending, last)

    def _run(
        self,
        statement: duckdb.Statement,
        parameters: Parameters,
        spending: Spending | None,
        run: Callable[[str, Parameters], Any],
    ) -> Any:
        planned = self._planned(statement, parameters, spending)
        if planned is None:
            return run(statement.query, parameters)
        if planned.flow.live is not None:
            log.warning("this statement runs chunk by chunk: %s", planned.flow.live)
        plan = self._begin(planned, spending)
        self._rounds.ask_ahead(planned, plan)
        plan.rest()
        with cancellable(plan):
            return run(planned.run, planned.parameters)

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
            try:
                rows = self._run(statement, query.parameters, spending, self._relation).fetchall()
            except (duckdb.BinderException, duckdb.CatalogException) as error:
                log.info("the order of predicates stays as written: %s", error)
                return
            after = self._session.stats()
            sent, cost = after.sent - before.sent, after.cost_usd - before.cost_usd
            price = cost / sent if sent else None
            self._preferences.learn(key, Experience(len(rows), sum(bool(row[0]) for row in rows), price))

    def _begin(self, planned: Planned, spending: Spending | None) -> RunningPlan:
        plan = RunningPlan(self._session, spending)
        self._slot.plans.enter(planned.number, plan)
        return plan

    def plain(self, query: str, parameters: Parameters = None, alias: str = "") -> Any:
        """`con.sql` as it is, from wherever the caller's variables are."""
        with all_frames(self._con):
            return self._relation(query, parameters, alias)

    def _execute(self, query: str, parameters: Parameters) -> Any:
        return self._con.execute(query, parameters)

    def _relation(self, query: str, parameters: Parameters, alias: str = "") -> Any:
        return self._con.sql(query, alias=alias, params=parameters)
