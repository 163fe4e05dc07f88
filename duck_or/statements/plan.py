"""One planned statement while it runs: it collects what is unknown, waits for the answers, and replays.

DuckDB's threads come in through `answer` and `repeat`, chunk by chunk. Which call may be believed when, it must not know
(that is `flow`), nor in which order things happen (that is `rounds`).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from duck_or.engine.batch import Statement
from duck_or.engine.chunk import Answered, Group, Known, Repeated
from duck_or.engine.dispatch import Dispatch
from duck_or.engine.spending import Spending
from duck_or.errors import Cancelled, DuckOrError, RequestFailed, TransportError
from duck_or.outcome import Completion, Failure, Outcome
from duck_or.progress.line import Figures, Progress
from duck_or.queries.flow import Flow
from duck_or.request import Request
from duck_or.session import OnError, SessionCore
from duck_or.statements.estimate import Estimate, Surveyed, Tally, estimate_of
from duck_or.statements.pending import Pending, Question

STEP = 0.1
"""Seconds between two looks of DuckDB for an interrupt while answers are awaited."""


@dataclass(slots=True)
class Round:
    """What one collecting run met. rows: that reached the function. unknown: calls that lacked an answer. rejected: for
    each call rows whose arguments are wrong, and what was said of the first; fatal: the calls for which that is the end.
    parts: the calls that asked about parts of something, whose answers go into a further question. to_send: for each call what it asks, where it was counted."""

    rows: int = 0
    unknown: set[int] = field(default_factory=set)
    rejected: dict[int, tuple[int, str]] = field(default_factory=dict)
    fatal: set[int] = field(default_factory=set)
    parts: set[int] = field(default_factory=set)
    to_send: dict[int, Tally] = field(default_factory=dict)


class _PlannedStatement(Statement):
    """Remembers, in its own file, the answers of a session that keeps none on disk: memory may have let go of them when
    the statement comes to their rows."""

    def __init__(self, spending: Spending | None, pending: Pending) -> None:
        super().__init__(spending)
        self._pending = pending

    def kept(self, keys: Sequence[bytes]) -> dict[bytes, Completion]:
        return self._pending.recall(keys) if keys and self._pending.has_answers else {}


class RunningPlan:
    """session: whose caches, limits and transport. spending: the statement's own budget. counting: whether answers that
    are known already are counted too, for an estimate."""

    def __init__(self, session: SessionCore, spending: Spending | None = None) -> None:
        self.session = session
        self.pending = Pending()
        self.statement: Statement = _PlannedStatement(spending, self.pending)
        self.collecting: Round | None = None
        self.counting = False
        self.error: BaseException | None = None
        self._dispatch: Dispatch | None = None
        self._refused = False
        self._shown: tuple[Progress, Figures] | None = None
        self._guard = threading.Lock()

    # --- what DuckDB's threads call ------------------------------------------------------------------------------

    def answer(self, call: int, groups: Sequence[Group], on_error: OnError) -> Answered:
        """The answers to one chunk; while collecting, None for what is not known."""
        if self._refused:
            raise DuckOrError(
                "the table was there when this statement began, and is not any more; run it again"
            )
        collecting = self.collecting
        if collecting is None:
            return self.session.replay(groups, self.statement, on_error)
        known = self._known(groups)
        if self.counting:
            self._count_known(groups, known)
        with self._guard:
            collecting.rows += sum(group.total for group in groups)
            if on_error == "raise":
                collecting.fatal.add(call)
        if set(map(type, known)) == {bytes}:  # nothing to ask: a statement that runs again
            return Answered(known, lasting=False)  # type: ignore[arg-type]
        self._ask_later(call, groups, known, collecting, on_error)
        cells = [None if isinstance(what, Request) or _is_rejected(what) else what for what in known]
        return Answered(cells, lasting=False)  # type: ignore[arg-type]  # a missing answer is NULL to DuckDB

    def _ask_later(
        self,
        call: int,
        groups: Sequence[Group],
        known: Sequence[Known],
        collecting: Round,
        on_error: OnError,
    ) -> None:
        """Enter what is unknown, and what cannot be asked at all."""
        asked: list[tuple[bytes, Question]] = []
        in_parts = False
        requests: list[Request] = []
        for group, text, what in zip(_each(groups), _texts(groups), known, strict=True):
            if isinstance(what, Request):
                requests.append(what)
                in_parts = in_parts or _is_a_part(group.options)
                asked.append((what.key, Question(call, group.options, text, on_error == "raise")))
        wrong = [what.message for what in known if isinstance(what, Failure) and _is_rejected(what)]
        new = self.pending.add(asked) if asked else []
        with self._guard:
            if asked or wrong:
                collecting.unknown.add(call)
            if in_parts:
                collecting.parts.add(call)
            if wrong:
                count, first = collecting.rejected.get(call, (0, wrong[0]))
                collecting.rejected[call] = count + len(wrong), first
            if self.counting:
                tally = collecting.to_send.setdefault(call, Tally())
                for place in new:
                    tally.add(requests[place])

    def _count_known(self, groups: Sequence[Group], known: Sequence[Known]) -> None:
        self.pending.add_known(
            hash((group.options, text))
            for group, text, what in zip(_each(groups), _texts(groups), known, strict=True)
            if isinstance(what, bytes)
        )

    def _known(self, groups: Sequence[Group]) -> list[Known]:
        """What goes wrong is kept as it is, as in `landed`."""
        try:
            return self.session.survey(groups, self.statement)
        except DuckOrError as error:
            self.error = error
            raise

    def repeat(self, call: int, repeated: Repeated) -> None:
        collecting = self.collecting
        if collecting is None:
            self.session.repeat(repeated, self.statement)
            return
        if self.counting:
            self.pending.add_known(hash((repeated.options, text)) for text in repeated.texts())
        with self._guard:
            collecting.rows += repeated.rows

    @property
    def collects(self) -> bool:
        return self.collecting is not None

    def landed(self) -> bool:
        """Whether all that was dispatched is over, after a short wait. What goes wrong is kept for whoever dispatched:
        DuckDB would make a text of it."""
        with self._guard:
            if self._dispatch is None or self.error is not None:
                return True
            try:
                over = self._dispatch.step(STEP)
            except (DuckOrError, KeyboardInterrupt) as error:
                self.error = error
                return True
            self._show(self._dispatch)
            return over

    # --- what its runner calls -----------------------------------------------------------------------------------

    def begin_round(self) -> Round:
        self.pending.forget()
        self.collecting = Round()
        return self.collecting

    def end_round(self) -> None:
        """Raises what the round met."""
        self.collecting = None
        self._raise_met()

    def requests(self, calls: Collection[int], fatal: bool | None = None) -> Iterator[Request]:
        """The collected requests of these calls, made again one by one. fatal: only such."""
        for question in self.pending.questions(calls, fatal):
            yield self.session.request(question.options, question.text)

    def _to_send(self, calls: Collection[int], found: Round) -> Tally:
        """What these calls ask, as was counted while collecting; several calls may ask the same, then it is looked at again."""
        counted = [found.to_send[call] for call in calls if call in found.to_send]
        return counted[0] if len(calls) == len(counted) == 1 else Tally(self.requests(calls))

    def surveyed(self, flow: Flow, found: Round) -> Surveyed:
        """What a round tells of the whole statement."""
        unknown = frozenset(found.unknown)
        believed = flow.believed(unknown) & unknown
        to_send = self._to_send(believed, found)
        answered = self.pending.count_known()
        return Surveyed(
            rows=found.rows,
            requests=answered + len(to_send),
            already_answered=answered,
            to_send=to_send,
            rejected=sum(count for count, _ in found.rejected.values()),
            first_rejection=next((message for _, message in found.rejected.values()), None),
            live=() if flow.live is None else (flow.live,),
            complete=flow.live is None
            and believed == unknown
            and unknown.isdisjoint(flow.decisive | found.parts),
        )

    def begin_dispatch(
        self, calls: Collection[int], *, fatal: bool, progress: Progress, figures: Figures
    ) -> None:
        """From now on `landed` sends and waits. fatal: the questions whose failure stops the statement, or the others.
        figures: what earlier dispatches of this statement came to."""
        stats = self.session.stats()
        base = replace(
            figures,
            prompt_tokens=stats.prompt_tokens - figures.prompt_tokens,
            completion_tokens=stats.completion_tokens - figures.completion_tokens,
            cost_usd=stats.cost_usd - figures.cost_usd,
            budget_usd=_budget(figures.cost_usd, self.session.spending, self.statement.spending),
        )
        self._dispatch = self.session.dispatch(
            self.requests(calls, fatal),
            self.statement,
            stop_on_failure=fatal,
            budget=self.statement.spending,
            keep=None if self.session.has_store else self._keep,
        )
        self._shown = progress, base

    def end_dispatch(self) -> Figures:
        """What this statement's dispatches came to. Takes back what is still under way. Raises what `landed` met."""
        dispatch, self._dispatch = self._dispatch, None
        assert dispatch is not None  # it was begun
        assert self._shown is not None
        if not dispatch.over:
            dispatch.cancel()
        progress, base = self._shown
        figures = _figures(base, dispatch, self.session)
        progress.update(figures)
        self._raise_met()
        return figures

    def _raise_met(self) -> None:
        error, self.error = self.error, None
        if isinstance(error, Cancelled):
            raise KeyboardInterrupt from error
        if error is not None:
            raise error

    def rest(self) -> None:
        """Nothing more will be asked ahead: keep only what the statement's rows may need."""
        self.pending.rest()

    def refuse(self) -> None:
        """The statement is going to evaluate nothing. DuckDB tries constants nevertheless, and takes no for an answer."""
        self._refused = True

    def _keep(self, request: Request, outcome: Outcome) -> None:
        if isinstance(outcome, Completion) and outcome.storable:  # the statement remembers the others
            self.pending.keep(request.key, outcome)

    def _show(self, dispatch: Dispatch) -> None:
        assert self._shown is not None  # begun with the dispatch
        progress, base = self._shown
        if progress.due:
            progress.update(_figures(base, dispatch, self.session))


def _figures(base: Figures, dispatch: Dispatch, session: SessionCore) -> Figures:
    """base: what is over already, and the session's tokens and dollars when the statement began."""
    stats = session.stats()
    return replace(
        base,
        answered=base.answered + dispatch.landed - dispatch.failed,
        failed=base.failed + dispatch.failed,
        in_flight=min(dispatch.under_way, session.settings.max_in_flight),
        prompt_tokens=stats.prompt_tokens - base.prompt_tokens,
        completion_tokens=stats.completion_tokens - base.completion_tokens,
        cost_usd=stats.cost_usd - base.cost_usd,
    )


def estimated(session: SessionCore, surveyed: Surveyed) -> Estimate:
    """What was surveyed, in tokens, dollars and minutes."""
    settings = session.settings
    try:
        prices = session.prices() if len(surveyed.to_send) else {}
    except (TransportError, RequestFailed):  # without a network there are still counts
        prices = None
    return estimate_of(surveyed, prices, session.history(), settings.rate_limit, settings.max_in_flight)


def _budget(spent: float, *budgets: Spending | None) -> float | None:
    """What was spent already and what is left of the tightest."""
    left = [spending.remaining_usd for spending in budgets if spending is not None]
    return spent + min(left) if left else None


def _each(groups: Sequence[Group]) -> Iterator[Group]:
    for group in groups:
        for _ in group.texts:
            yield group


def _texts(groups: Sequence[Group]) -> Iterator[str]:
    for group in groups:
        yield from group.texts


def _is_a_part(options: str) -> bool:
    """Whether it is a level of llm_reduce, whose answers go into another one. Quotes inside of texts are escaped in JSON."""
    return '"step":"part"' in options or '"step":"merge"' in options


def _is_rejected(what: object) -> bool:
    """Its arguments cannot become a request: nobody was asked."""
    return isinstance(what, Failure) and what.code == "bad_argument"
