"""What came back: a Completion or a Failure. Values only; the rules that choose between them are in `classify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

if TYPE_CHECKING:
    from duck_or.call_summary import CallSummary


@dataclass(frozen=True, slots=True)
class RawResponse:
    """One HTTP response, whatever its status. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


NOT_ON_CASSETTE = "not_on_cassette"
"""The code of the Failure where a cassette has no answer: nobody was asked, and asking again changes nothing."""


class Action(Enum):
    """What the engine does about a failed attempt."""

    RETRY = "retry"  # the same request may well succeed later
    ROW = "row"  # this request will not succeed; others may
    STOP = "stop"  # no request of this statement will succeed: send nothing more


@dataclass(frozen=True, slots=True)
class MoreRoom:
    """The answer was cut off. used_tokens: what it took until then, None if nobody says. begun: whether there are words of
    it, so that it can be told how much is missing, roughly."""

    used_tokens: int | None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Correction:
    """The answer was `said`, and is not what was demanded: `complaint` says why, in words for the model."""

    said: str
    complaint: str


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer as the service sent it.

    body: the response's JSON bytes, surrounding white space removed: the SQL column's value.
    storable: validated, whole and conforming, so it may be kept for ever. A cut-off or filtered answer is
        returned to its row but never stored.
    summary: what it says of itself, where whoever made this had it parsed anyway.
    """

    body: bytes
    storable: bool = True
    summary: CallSummary | None = field(default=None, compare=False, repr=False)

    @property
    def parsed(self) -> dict[str, Any]:
        """The body as Python values, parsed anew each time: kept, they would take several times its size."""
        value: dict[str, Any] = orjson.loads(self.body)
        return value


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. The first six fields are the `error` object of the JSON column, in this order.

    code: a stable word of this package (see `classify`); message: for people, names the cure where there is one.
    retryable: whether asking again later may help. attempts: HTTP attempts made, 0 if none was.
    http_status: of the last attempt, or the error's own code where HTTP said 200; None if no response came.
    provider: the upstream provider's name where the service told it.
    wait: seconds the service asked us to wait, None if it did not say.
    slow_down: the service is overloaded or limits us: the whole pool should slow down, not only this request.
    again: what to change before asking once more, where that may help. summary: what the response says of itself, above
    all what it cost, where there was one.
    """

    code: str
    message: str
    retryable: bool = False
    attempts: int = 0
    http_status: int | None = None
    provider: str | None = None
    action: Action = Action.ROW
    wait: float | None = None
    slow_down: bool = False
    again: MoreRoom | Correction | None = None
    summary: CallSummary | None = field(default=None, compare=False, repr=False)

    def after(self, attempts: int) -> Failure:
        return replace(self, attempts=attempts)

    @property
    def body(self) -> bytes:
        """As the JSON column shows it: `{"error": {"code", "message", "retryable", "attempts", "http_status", "provider"}}`."""
        names = ("code", "message", "retryable", "attempts", "http_status", "provider")
        return orjson.dumps({"error": {name: getattr(self, name) for name in names}})


Outcome: TypeAlias = Completion | Failure
