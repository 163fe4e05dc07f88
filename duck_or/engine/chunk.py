"""One chunk's journey on the thread that evaluates SQL: texts in, cells out, at most one hop to the event loop.

What DuckDB and Arrow are, it must not know: a chunk is some groups of distinct texts, each group under one options text.
Where answers may be known without asking is `survey`'s business; here they are counted, and the rest is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from duck_or.calls import FailedRow
from duck_or.engine.batch import Batch, Post, Statement, Terms
from duck_or.engine.cancellation import running
from duck_or.engine.survey import Cell, Findings, Group, Known, Recalled, Sources
from duck_or.errors import ArgumentError
from duck_or.outcome import Completion, Failure, Outcome
from duck_or.request import Request

__all__ = ["Answered", "Asker", "Cell", "Group", "Known", "Repeated"]


class Answered(NamedTuple):
    """cells: one for each text, group after group. lasting: every one is an answer that may be kept for ever."""

    cells: list[Cell]
    lasting: bool


class Repeated(NamedTuple):
    """A whole chunk of lasting answers, come again. distinct: how many texts; `texts` lists them if somebody asks."""

    options: str
    distinct: int
    texts: Callable[[], Sequence[str]]
    rows: int


@dataclass(frozen=True, slots=True)
class Asker:
    """Answers chunks for one session. Called by several threads at once."""

    sources: Sources
    post: Post

    def survey(self, groups: Sequence[Group], statement: Statement) -> list[Known]:
        """What is known of each text, group after group, asking and counting nothing.

        Raises RequestFailed or Cancelled when the statement may not go on.
        """
        statement.check()
        with running(statement):
            return self.sources.survey(groups, statement).cells  # type: ignore[return-value]  # no gap is left

    def answer(self, groups: Sequence[Group], statement: Statement, terms: Terms) -> Answered:
        """Raises RequestFailed where a failure ends the statement."""
        statement.check()
        with running(statement):
            statement.observer.count(rows=sum(group.total for group in groups))
            found = self.sources.survey(groups, statement)
            # Not counted where all is recalled: a statement that runs again need not know.
            rows = [] if found.recalled_all else [count for group in groups for count in group.rows()]
            self._enter_recalled(found.recalled, statement, rows)
            lasting = found.recalled_all or self._settle(found, statement, terms, rows)
        return Answered(found.cells, lasting)  # type: ignore[arg-type]  # every gap is filled

    def repeat(self, repeated: Repeated, statement: Statement) -> None:
        """Enter a chunk that the caller had kept the answers of. Raises as `answer` does."""
        statement.check()
        statement.observer.count(rows=repeated.rows)
        self._enter_texts(*repeated, statement)

    # --- counting ----------------------------------------------------------------------------------------------------

    def _enter_recalled(
        self, recalled: Iterable[Recalled], statement: Statement, rows: Sequence[int]
    ) -> None:
        """rows: how many read each cell; not looked at where whole groups were recalled."""
        for group, texts, others in recalled:
            read = group.total - sum(rows[place.cell] for place in others)
            self._enter_texts(group.options, len(texts), partial(list, texts), read, statement)

    def _enter_texts(
        self, options: str, count: int, texts: Callable[[], Sequence[str]], rows: int, statement: Statement
    ) -> None:
        left = statement.claim(rows)
        claimed = rows - left
        if not left:
            return
        template, ledger = self.sources.template(options), self.post.ledger
        ledger.stats.add(memory_hits=left)
        statement.observer.count(cached=left)
        if count > claimed:
            ledger.log_hits(
                template.model,
                count - claimed,
                lambda: [template.request(text).key for text in texts()[claimed:]],
            )

    def _enter_found(self, found: Findings, statement: Statement, rows: Sequence[int]) -> None:
        ledger = self.post.ledger
        rejected = sum(rows[place.cell] for place in found.rejected)
        joined = statement.claim(_rows(found, found.repeated, rows))
        ledger.stats.add(rejected=rejected, joined=joined)
        statement.observer.count(rejected=rejected, joined=joined)
        for place in found.rejected:
            failure = found.cells[place.cell]
            assert isinstance(failure, Failure)
            ledger.calls.add_failure(FailedRow(self.sources.wall_clock(), failure, None, None))
        for counter, outcomes in (("memory_hits", found.remembered), ("store_hits", found.stored)):
            if outcomes:
                read = _rows(found, outcomes, rows)
                left = statement.claim(read)
                hits = [found.requests[key] for key in outcomes][read - left :]
                ledger.enter_hits(counter, hits, left)  # type: ignore[arg-type]  # two of its literals
                statement.observer.count(cached=left)

    # --- asking ------------------------------------------------------------------------------------------------------

    def _settle(self, found: Findings, statement: Statement, terms: Terms, rows: Sequence[int]) -> bool:
        """Enter what was found beside the recalled texts, ask for the rest. Whether all of it is lasting."""
        self._enter_found(found, statement, rows)
        self._heed(found, statement, terms)
        unknown = found.unknown()
        outcomes = self._ask(unknown, found, statement, terms, rows) if unknown else []
        return not found.rejected and not found.repeated and all(map(_is_lasting, outcomes))

    def _heed(self, found: Findings, statement: Statement, terms: Terms) -> None:
        """Raises where the statement may not go on after what was found: before anything is asked for it."""
        if found.rejected and terms.stop_on_failure:
            failure = found.cells[found.rejected[0].cell]
            assert isinstance(failure, Failure)
            raise ArgumentError(failure.message)
        _heed(found.repeated.values(), statement, terms)

    def _ask(
        self,
        requests: Sequence[Request],
        found: Findings,
        statement: Statement,
        terms: Terms,
        rows: Sequence[int],
    ) -> list[Outcome]:
        """Fill the cells that nobody knew, with one batch."""
        outcomes = self._send(requests, statement, terms)
        keys = [request.key for request in requests]
        joined = _rows(found, keys, rows) - len(requests)
        self.post.ledger.stats.add(joined=joined)
        statement.observer.count(joined=joined)
        for key, outcome in zip(keys, outcomes, strict=True):
            self.sources.fill(found.places[key], outcome, found.cells)
        return outcomes

    def _send(self, requests: Sequence[Request], statement: Statement, terms: Terms) -> list[Outcome]:
        batch = Batch(requests, statement, terms, self.post.ledger)
        try:
            self.post.submit(batch)
            outcomes = batch.wait()
        except BaseException:  # Ctrl-C may come at any point from here on
            self.post.withdraw(batch)
            raise
        _heed(outcomes, statement, terms)
        return outcomes


def _heed(outcomes: Iterable[Outcome], statement: Statement, terms: Terms) -> None:
    """Raises RequestFailed or Cancelled if the statement may not go on after these."""
    failures = (outcome for outcome in outcomes if isinstance(outcome, Failure))
    if terms.stop_on_failure and (failure := next(failures, None)) is not None:
        statement.stop(failure)
    statement.check()


def _is_lasting(outcome: Outcome) -> bool:
    return isinstance(outcome, Completion) and outcome.storable


def _rows(found: Findings, keys: Iterable[bytes], rows: Sequence[int]) -> int:
    """How many rows read these requests."""
    return sum(rows[place.cell] for key in keys for place in found.places[key])
