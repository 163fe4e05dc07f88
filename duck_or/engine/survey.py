"""What is known of a chunk without asking: recalled texts, what the statement remembers, memory, the statement's own file,
the store, in this order.

Looking sends nothing and enters nothing in the books: rows are counted once, by whoever answers them (see `chunk`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from duck_or.cache.recall import Recall
from duck_or.engine.batch import Statement
from duck_or.engine.ledger import Ledger
from duck_or.errors import ArgumentError
from duck_or.outcome import Completion, Failure, Outcome
from duck_or.request import Request

if TYPE_CHECKING:
    from duck_or.functions.template import Template

Cell: TypeAlias = bytes | Failure
"""What a row gets: the answer's JSON, or why there is none. Bare bytes, since a million rows in memory pay per object."""

Known: TypeAlias = Cell | Request
"""What is known of one text: what its rows get, or the request that would have to be sent for them."""


class Group(NamedTuple):
    """Distinct message texts under one options text.

    total: rows of the chunk that read one of them. rows: how many read each, in order; counted only when asked for,
    since a statement whose answers are all recalled need not know.
    """

    options: str
    texts: Sequence[str]
    total: int
    rows: Callable[[], Sequence[int]]


class Place(NamedTuple):
    """One distinct text whose answer was not recalled. cell: its index among the cells."""

    cell: int
    options: str
    text: str


class Recalled(NamedTuple):
    """The texts of a group whose answers were recalled, and the places of those that were not."""

    group: Group
    texts: Sequence[str]
    others: Sequence[Place]


@dataclass(slots=True)
class Findings:
    """What is known of one chunk. cells: one for each text, group after group.

    places: where each request is read, by key: texts that differ may still be the same request. By key, too: requests;
    repeated, what the statement remembers; remembered, from memory; stored, from the store.
    """

    cells: list[Known | None] = field(default_factory=list)
    recalled: list[Recalled] = field(default_factory=list)
    rejected: list[Place] = field(default_factory=list)
    places: dict[bytes, list[Place]] = field(default_factory=dict)
    requests: dict[bytes, Request] = field(default_factory=dict)
    repeated: Mapping[bytes, Outcome] = field(default_factory=dict)
    remembered: dict[bytes, Outcome] = field(default_factory=dict)
    stored: Mapping[bytes, Outcome] = field(default_factory=dict)

    @property
    def recalled_all(self) -> bool:
        return not self.requests and not self.rejected

    def unknown(self) -> list[Request]:
        """The requests that nobody knows the answer of, each once."""
        return [
            request
            for key, request in self.requests.items()
            if key not in self.repeated and key not in self.remembered and key not in self.stored
        ]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that may know an answer, for one session. Used by several threads at once.

    template: what one options text makes of its rows.
    """

    ledger: Ledger
    recall: Recall
    template: Callable[[str], Template]
    wall_clock: Callable[[], float] = time.time

    def survey(self, groups: Sequence[Group], statement: Statement) -> Findings:
        """Look everywhere. What is found on the way is put where the next look is quicker."""
        found = Findings()
        others: list[Place] = []
        for group in groups:
            others += self._recalled(group, found)
        if others:
            self._requested(others, found)
            self._looked_up(found, statement)
        return found

    def fill(self, places: Sequence[Place], outcome: Outcome, cells: list[Known | None]) -> None:
        """Put one request's outcome into all of its cells; recall it if it may be kept."""
        if isinstance(outcome, Failure):
            for place in places:
                cells[place.cell] = outcome
            return
        for place in places:
            cells[place.cell] = outcome.body
            if outcome.storable:
                self.recall.remember(place.options, place.text, outcome.body)

    def _recalled(self, group: Group, found: Findings) -> list[Place]:
        """Append the group's recalled answers to the cells, None for the others; returns the others."""
        options, texts, cells = group.options, group.texts, found.cells
        if (recalled := self.recall.all_of(options, texts)) is not None:
            found.recalled.append(Recalled(group, texts, ()))
            cells += recalled
            return []
        answers, start = self.recall.look_up(options, texts), len(cells)
        others = [Place(start + i, options, texts[i]) for i, answer in enumerate(answers) if answer is None]
        if known := [text for text, answer in zip(texts, answers, strict=True) if answer is not None]:
            found.recalled.append(Recalled(group, known, others))
        cells.extend(answers)
        return others

    def _requested(self, places: Sequence[Place], found: Findings) -> None:
        """Make the places' requests. Where the arguments are wrong, the cell says so."""
        for place in places:
            try:
                request = self.template(place.options).request(place.text)
            except ArgumentError as error:
                found.cells[place.cell] = Failure(ArgumentError.code, str(error))
                found.rejected.append(place)
                continue
            found.places.setdefault(request.key, []).append(place)
            found.requests[request.key] = request

    def _looked_up(self, found: Findings, statement: Statement) -> None:
        keys = list(found.requests)
        # DuckDB evaluates some calls twice: what failed the first time must not be asked, nor looked for, again.
        found.repeated = statement.recall(keys)
        found.remembered = self._from_memory([key for key in keys if key not in found.repeated])
        found.remembered |= statement.kept([request.key for request in found.unknown()])
        found.stored = self._from_store([request.key for request in found.unknown()])
        for outcomes in (found.repeated, found.remembered, found.stored):
            for key, outcome in outcomes.items():
                self.fill(found.places[key], outcome, found.cells)
        for request in found.unknown():
            for place in found.places[request.key]:
                found.cells[place.cell] = request

    def _from_memory(self, keys: Sequence[bytes]) -> dict[bytes, Outcome]:
        remembered = self.ledger.memory.get_many(keys, self.wall_clock())
        return {
            key: Completion(kept.body) for key, kept in zip(keys, remembered, strict=True) if kept is not None
        }

    def _from_store(self, keys: Sequence[bytes]) -> dict[bytes, Outcome]:
        """On this thread, so that a job that runs again never waits for the event loop. What is not there now is
        looked up once more when its flight begins: it may have been written in between."""
        found = self.ledger.store.find(keys) if keys else {}
        if found:
            self.ledger.memory.put_many(found)
        return {key: Completion(kept.body) for key, kept in found.items()}
