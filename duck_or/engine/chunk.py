"""One chunk's journey on the thread that evaluates SQL: texts in, cells out, at most one hop to the event loop.

What DuckDB and Arrow are, it must not know: a chunk is some groups of distinct texts, each group under one options text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from duck_or.cache.recall import Recall
from duck_or.calls import FailedRow
from duck_or.engine.batch import Batch, Statement, Terms
from duck_or.engine.cancellation import running
from duck_or.engine.ledger import Ledger
from duck_or.errors import ArgumentError
from duck_or.outcome import Completion, Failure, Outcome
from duck_or.request import BodyTemplate, Request

Cell: TypeAlias = bytes | Failure
"""What a row gets: the answer's JSON, or why there is none. Bare bytes, since a million rows in memory pay per object."""


class Answered(NamedTuple):
    """cells: one for each text, group after group. lasting: every one is an answer that may be kept for ever."""

    cells: list[Cell]
    lasting: bool


class Group(NamedTuple):
    """Distinct message texts under one options text.

    total: rows of the chunk that read one of them. rows: how many read each, in order; counted only when asked for,
    since a statement whose answers are all recalled need not know.
    """

    options: str
    texts: Sequence[str]
    total: int
    rows: Callable[[], Sequence[int]]


class Repeated(NamedTuple):
    """A whole chunk of lasting answers, come again. distinct: how many texts; `texts` lists them if somebody asks."""

    options: str
    distinct: int
    texts: Callable[[], Sequence[str]]
    rows: int


class Place(NamedTuple):
    """One distinct text whose answer was not recalled. cell: its index among the cells. rows: how many read it."""

    cell: int
    options: str
    text: str
    rows: int


@dataclass(frozen=True, slots=True)
class Asker:
    """Answers chunks for one session. Called by several threads at once.

    template: the parsed options of one options text. submit, withdraw: hand a batch to the event loop and take it back.
    """

    ledger: Ledger
    recall: Recall
    template: Callable[[str], BodyTemplate]
    submit: Callable[[Batch], None]
    withdraw: Callable[[Batch], None]
    wall_clock: Callable[[], float] = time.time

    def answer(self, groups: Sequence[Group], statement: Statement, terms: Terms) -> Answered:
        """Raises RequestFailed where a failure ends the statement."""
        statement.check()
        with running(statement):
            cells: list[Cell | None] = []
            places: list[Place] = []
            for group in groups:
                places += self._recalled(group, cells)
            lasting = self._ask(places, cells, statement, terms) if places else True
        return Answered(cells, lasting)  # type: ignore[arg-type]  # `_ask` has filled every gap

    def repeat(self, repeated: Repeated, statement: Statement) -> None:
        """Enter a chunk that the caller had kept the answers of. Raises as `answer` does."""
        statement.check()
        self._count_recalled(*repeated)

    def _recalled(self, group: Group, cells: list[Cell | None]) -> list[Place]:
        """Append the group's recalled answers to `cells`, None for the others; returns the others."""
        options, texts, total, count = group
        if (recalled := self.recall.all_of(options, texts)) is not None:
            self._count_recalled(options, len(texts), lambda: texts, total)
            cells += recalled
            return []
        answers, rows = self.recall.look_up(options, texts), count()
        places = [
            Place(len(cells) + i, options, texts[i], rows[i])
            for i, answer in enumerate(answers)
            if answer is None
        ]
        if known := [text for text, answer in zip(texts, answers, strict=True) if answer is not None]:
            rest = total - sum(place.rows for place in places)
            self._count_recalled(options, len(known), lambda: known, rest)
        cells.extend(answers)
        return places

    def _ask(
        self, places: Sequence[Place], cells: list[Cell | None], statement: Statement, terms: Terms
    ) -> bool:
        """Fill the places: from memory, from what the statement knows, from the store, with one batch for the rest."""
        asked: dict[bytes, list[Place]] = {}  # texts that differ may still be the same request
        requests: dict[bytes, Request] = {}
        for place in places:
            request = self._request(place, terms)
            if isinstance(request, Failure):
                cells[place.cell] = request
            else:
                asked.setdefault(request.key, []).append(place)
                requests[request.key] = request
        outcomes = self._from_memory(requests, asked)
        outcomes |= self._from_statement(requests, asked, statement, terms)
        outcomes |= self._from_store([key for key in requests if key not in outcomes], requests, asked)
        if rest := [request for key, request in requests.items() if key not in outcomes]:
            outcomes |= self._send(rest, statement, terms)
            self.ledger.stats.add(joined=_rows(asked, (request.key for request in rest)) - len(rest))
        for key, outcome in outcomes.items():
            for place in asked[key]:
                self._fill(place, outcome, cells)
        return len(places) == sum(map(len, asked.values())) and all(map(_is_lasting, outcomes.values()))

    def _fill(self, place: Place, outcome: Outcome, cells: list[Cell | None]) -> None:
        if isinstance(outcome, Failure):
            cells[place.cell] = outcome
            return
        cells[place.cell] = outcome.body
        if outcome.storable:
            self.recall.remember(place.options, place.text, outcome.body)

    def _request(self, place: Place, terms: Terms) -> Request | Failure:
        try:
            return self.template(place.options).request(place.text)
        except ArgumentError as error:
            failure = Failure(ArgumentError.code, str(error))
            self.ledger.stats.add(rejected=place.rows)
            self.ledger.calls.add_failure(FailedRow(self.wall_clock(), failure, None, None))
            if terms.stop_on_failure:
                raise
            return failure

    def _from_memory(
        self, requests: Mapping[bytes, Request], asked: Mapping[bytes, list[Place]]
    ) -> dict[bytes, Outcome]:
        keys = list(requests)
        remembered = self.ledger.memory.get_many(keys, self.wall_clock())
        found: dict[bytes, Outcome] = {
            key: Completion(kept.body) for key, kept in zip(keys, remembered, strict=True) if kept is not None
        }
        if found:
            hits = [requests[key] for key in found]
            self.ledger.enter_hits("memory_hits", hits, _rows(asked, found))
        return found

    def _from_statement(
        self,
        requests: Mapping[bytes, Request],
        asked: Mapping[bytes, list[Place]],
        statement: Statement,
        terms: Terms,
    ) -> dict[bytes, Outcome]:
        """DuckDB evaluates some calls twice: what failed the first time must not be asked again."""
        repeated = statement.recall(list(requests))
        _heed(repeated.values(), statement, terms)
        self.ledger.stats.add(joined=_rows(asked, repeated))
        return repeated

    def _from_store(
        self, keys: Sequence[bytes], requests: Mapping[bytes, Request], asked: Mapping[bytes, list[Place]]
    ) -> dict[bytes, Outcome]:
        """On this thread, so that a job that runs again never waits for the event loop. What is not there now is
        looked up once more when its flight begins: it may have been written in between."""
        found = self.ledger.store.find(keys) if keys else {}
        if found:
            self.ledger.memory.put_many(found)
            self.ledger.enter_hits("store_hits", [requests[key] for key in found], _rows(asked, found))
        return {key: Completion(kept.body) for key, kept in found.items()}

    def _send(self, requests: Sequence[Request], statement: Statement, terms: Terms) -> dict[bytes, Outcome]:
        batch = Batch(requests, statement, terms, self.ledger)
        try:
            self.submit(batch)
            outcomes = batch.wait()
        except BaseException:  # Ctrl-C may come at any point from here on
            self.withdraw(batch)
            raise
        _heed(outcomes, statement, terms)
        return {request.key: outcome for request, outcome in zip(requests, outcomes, strict=True)}

    def _count_recalled(
        self, options: str, count: int, texts: Callable[[], Sequence[str]], rows: int
    ) -> None:
        template = self.template(options)
        self.ledger.stats.add(memory_hits=rows)
        self.ledger.log_hits(template.model, count, lambda: [template.request(text).key for text in texts()])


def _heed(outcomes: Iterable[Outcome], statement: Statement, terms: Terms) -> None:
    """Raises RequestFailed or Cancelled if the statement may not go on after these."""
    if terms.stop_on_failure and (failure := _first_failure(outcomes)) is not None:
        statement.stop(failure)
    statement.check()


def _first_failure(outcomes: Iterable[Outcome]) -> Failure | None:
    return next((outcome for outcome in outcomes if isinstance(outcome, Failure)), None)


def _is_lasting(outcome: Outcome) -> bool:
    return isinstance(outcome, Completion) and outcome.storable


def _rows(asked: Mapping[bytes, list[Place]], keys: Iterable[bytes]) -> int:
    return sum(place.rows for key in keys for place in asked[key])
