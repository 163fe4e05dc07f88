"""An Asker with nothing behind it: its batches are answered at once, as the lane would, on the same thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from duck_or.cache.contract import Kept
from duck_or.cache.memory import MemoryCache
from duck_or.cache.recall import Recall
from duck_or.calls import CallLog
from duck_or.engine.batch import Batch, Post, Statement, Terms
from duck_or.engine.chunk import Asker, Cell, Group, Known
from duck_or.engine.ledger import Ledger
from duck_or.engine.store_thread import NoStore
from duck_or.engine.survey import Sources
from duck_or.outcome import Completion, Failure, Outcome
from duck_or.policy.retry import RetryPolicy
from duck_or.request import BodyTemplate, Request

LENIENT = Terms(1.0, RetryPolicy(1))
STRICT = Terms(1.0, RetryPolicy(1), stop_on_failure=True)
OPTIONS = '{"model":"m"}'
NO = Failure("bad_request", "no", attempts=1, http_status=400)


def text(content: str) -> str:
    return f'[{{"role":"user","content":"{content}"}}]'


def group(*contents: str, options: str = OPTIONS) -> Group:
    """One row for each content."""
    return rows_of(options, [text(content) for content in contents], [1] * len(contents))


def rows_of(options: str, texts: list[str], rows: list[int]) -> Group:
    return Group(options, texts, sum(rows), lambda: rows)


def template_of(options: str = OPTIONS) -> BodyTemplate:
    return BodyTemplate.from_options(options, "http://x", None)


def requests(*contents: str, options: str = OPTIONS) -> list[Request]:
    return [template_of(options).request(text(content)) for content in contents]


def bodies(*contents: str) -> list[bytes]:
    """What `echo` answers."""
    return [request.body for request in requests(*contents)]


def echo(request: Request) -> Outcome:
    """The request's own body as the answer; a prompt that says 'no' fails, one that says 'half' is cut off."""
    if b'"no' in request.body:
        return NO
    return Completion(request.body, storable=b'"half' not in request.body)


@dataclass
class Shelf(NoStore):
    """A store that only finds. finds: the keys asked for, look-up by look-up."""

    answers: dict[bytes, Kept] = field(default_factory=dict)
    finds: list[list[bytes]] = field(default_factory=list)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        self.finds.append(list(keys))
        return {key: self.answers[key] for key in keys if key in self.answers}


@dataclass
class Desk:
    """answer: the service; None: no answer comes. memorised: whether answers go to memory, as they do in a lane."""

    answer: Callable[[Request], Outcome | None] = echo
    recall: Recall = field(default_factory=lambda: Recall(1 << 20))
    memory: MemoryCache = field(default_factory=lambda: MemoryCache(1 << 20))
    store: Shelf = field(default_factory=Shelf)
    memorised: bool = False
    batches: list[Batch] = field(default_factory=list)
    withdrawn: list[Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.memory, self.store, CallLog())
        self.post = Post(self.ledger, self._submit, self.withdrawn.append)
        self.asker = Asker(Sources(self.ledger, self.recall, template_of, lambda: 0.0), self.post)

    def _submit(self, batch: Batch) -> None:
        self.batches.append(batch)
        for index, request in enumerate(batch.requests):
            outcome = self.answer(request)
            if outcome is not None:
                self._land(batch, index, request, outcome)

    def _land(self, batch: Batch, index: int, request: Request, outcome: Outcome) -> None:
        self.ledger.stats.add(sent=1, answered=1)
        if isinstance(outcome, Failure) or not outcome.storable:
            batch.statement.remember(request.key, outcome)
        elif self.memorised:
            self.memory.put_many({request.key: Kept(outcome.body, 0.0)})
        batch.resolve(index, outcome)

    def ask(self, *groups: Group, statement: Statement | None = None, terms: Terms = LENIENT) -> list[Cell]:
        return self.asker.answer(groups, statement or Statement(), terms).cells

    def survey(self, *groups: Group, statement: Statement | None = None) -> list[Known]:
        return self.asker.survey(groups, statement or Statement())

    def sent(self) -> list[int]:
        """The size of each batch."""
        return [len(batch.requests) for batch in self.batches]
