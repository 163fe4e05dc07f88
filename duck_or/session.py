"""One session: what stands behind the SQL functions, chunk by chunk and for whole statements.

Which SQL functions lead here, it must not know.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self

from duck_or.calls import FailedRow
from duck_or.engine.batch import Statement, Terms
from duck_or.engine.chunk import Answered, Group, Known, Repeated
from duck_or.engine.dispatch import Dispatch, Keep
from duck_or.engine.spending import Spending
from duck_or.errors import SessionClosed
from duck_or.functions import Template
from duck_or.history import ModelHistory, history_of
from duck_or.models import Model, NoModelList, listed
from duck_or.named import Named
from duck_or.outcome import Failure
from duck_or.parts import MemoryShares, Parts, endpoint_of, memory_shares, terms_of
from duck_or.request import Request
from duck_or.settings import Settings
from duck_or.stats import Stats

__all__ = ["MemoryShares", "OnError", "SessionCore", "endpoint_of", "memory_shares"]

OnError = Literal["raise", "null", "json"]

WAITING_ROOM = 4096
"""Requests that a dispatch has ready beyond those in flight: their look-ups in the store are done before their turn."""


class SessionCore:
    """The settings, the cache and the counters behind the SQL functions.

    Safe to use from several threads and after a fork. `close()` gives connections and files back; the SQL functions
    then say so. As a context manager it closes itself.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._parts: Parts | None = Parts(settings)
        self._named = Named()

    # --- chunk by chunk ------------------------------------------------------------------------------------------

    def answer(
        self, groups: Sequence[Group], statement: int | None, on_error: OnError | None = None
    ) -> Answered:
        """One cell for each text, group after group. Raises RequestFailed where a failure ends the statement.

        statement: equal for all chunks of one SQL statement, None if not known. on_error: the settings' if None.
        """
        parts = self._live()
        return parts.asker.answer(groups, parts.statement(statement), self._terms(on_error))

    def repeat(self, repeated: Repeated, statement: Statement | int | None) -> None:
        """Count a chunk whose answers the caller had kept; they were lasting. Raises as `answer` does."""
        parts = self._live()
        parts.asker.repeat(repeated, parts.statement(statement))

    # --- whole statements ----------------------------------------------------------------------------------------

    def new_statement(self) -> Statement:
        """A statement to survey, dispatch and replay."""
        return Statement()

    def request(self, options: str, text: str) -> Request:
        """The request of one row, from its options and messages. Raises ArgumentError where they cannot become one."""
        return self.template(options).request(text)

    def template(self, options: str) -> Template:
        """What one options text makes of its rows and their answers. Raises ArgumentError."""
        template: Template = self._live().asker.sources.template(options)
        return template

    def resolve(self, options: str) -> str:
        """The options with a model's alias replaced by what it stands for: what all that takes options must be given."""
        return self._named.resolve(options, self.settings.model)

    @property
    def named(self) -> Named:
        """The prompts and the models' aliases that were set in this session."""
        self._live()
        return self._named

    def context_length(self, options: str) -> int | None:
        """Tokens that the model which these options name takes at most; None where the service does not say.

        Raises TransportError, RequestFailed when it cannot say just now: another answer would change what is asked.
        """
        try:
            model = listed(self.template(options).model or "", self.prices())
        except NoModelList:
            return None
        return None if model is None else model.context_length

    def survey(self, groups: Sequence[Group], statement: Statement) -> list[Known]:
        """What is known of each text, group after group: its answer, its failure, or the request to send for it.

        Sends nothing and counts nothing. Raises RequestFailed or Cancelled when the statement may not go on.
        """
        return self._live().asker.survey(groups, statement)

    def dispatch(
        self,
        requests: Iterable[Request],
        statement: Statement,
        *,
        stop_on_failure: bool,
        budget: Spending | None = None,
        keep: Keep | None = None,
    ) -> Dispatch:
        """Send distinct requests, taken as there is room for them; drive it with `step`, which raises SettingsError
        before anything is sent if there is no key.

        stop_on_failure: one failed request stops the statement. budget: the statement's own, from now on, beside the
        session's; pass the same one again in its next round. keep: called with each request and its outcome.
        """
        parts = self._live()
        if budget is not None:
            statement.spending = budget
        return Dispatch(
            requests,
            parts.post,
            statement,
            terms_of(self.settings, stop_on_failure),
            window=4 * self.settings.max_in_flight + WAITING_ROOM,
            keep=keep,
        )

    def replay(
        self, groups: Sequence[Group], statement: Statement, on_error: OnError | None = None
    ) -> Answered:
        """As `answer`, for a statement that was dispatched before; what is unknown nevertheless is asked now."""
        return self._live().asker.answer(groups, statement, self._terms(on_error))

    # --- what it knows -------------------------------------------------------------------------------------------

    def stats(self) -> Stats:
        """This session's counters now."""
        parts = self._live()
        errors = parts.store.errors if parts.store else {}
        return parts.ledger.stats.read(
            store_read_errors=errors.get("read", 0), store_write_errors=errors.get("write", 0)
        )

    def calls(self) -> list[dict[str, Any]]:
        """The newest requests of this process, oldest first: the rows of openrouter_calls()."""
        return self._live().ledger.calls.calls()

    def errors(self) -> list[dict[str, Any]]:
        """The newest failures of this process, oldest first: the rows of openrouter_errors()."""
        return self._live().ledger.calls.failures()

    def enter_failure(self, failure: Failure) -> None:
        """Enter the failure of a row whose answers came and were of no use."""
        ledger = self._live().ledger
        ledger.calls.add_failure(FailedRow(ledger.wall_clock(), failure, None, None))

    def models(self) -> list[Model]:
        """The service's models with their prices, at most an hour old. Raises TransportError, RequestFailed."""
        return list(self.prices().values())

    def prices(self) -> Mapping[str, Model]:
        """The same by id."""
        return self._live().models.models()

    def history(self) -> Mapping[str, ModelHistory]:
        """What this process's calls tell of each model that answered, by the name it was asked under."""
        return history_of(self._live().ledger.calls.answered())

    @property
    def spending(self) -> Spending | None:
        """What became of `budget_usd`; None where it is not set."""
        return self._live().ledger.spending

    @property
    def has_store(self) -> bool:
        """Whether answers outlive this process's memory of them."""
        return self._live().store is not None

    # --- its end -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Finish the writes that are under way, close connections and files. Idempotent."""
        parts, self._parts = self._parts, None
        if parts is not None and parts.pid == os.getpid():
            parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session {'closed' if self._parts is None else self.settings.base_url}>"

    def _live(self) -> Parts:
        parts = self._parts
        if parts is None:
            raise SessionClosed("this session is closed; call duck_or.register(con) again")
        if parts.pid != os.getpid():
            parts = self._parts = Parts(self.settings)
        return parts

    def _terms(self, mode: OnError | None) -> Terms:
        return terms_of(self.settings, (mode or self.settings.on_error) == "raise")
