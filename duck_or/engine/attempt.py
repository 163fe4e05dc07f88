"""One attempt: an HTTP request for one or several that share a body, under a wall-clock deadline, and each one's Outcome.

Whether it is tried again, and what it costs, it must not know.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from duck_or.classify import classify, failure_of_transport
from duck_or.engine.transport import Transport
from duck_or.errors import DeadlineExceeded, TransportError
from duck_or.outcome import Action, Failure, Outcome, RawResponse
from duck_or.packing import Inseparable, split
from duck_or.request import Request

log = logging.getLogger("duck_or")


class Arrival(NamedTuple):
    """What one HTTP request brought.

    outcomes: one for each request it carried, in order. shared: it is one failure of several requests, so it tells nothing
    of any one of them.
    """

    outcomes: Sequence[Outcome]
    shared: bool = False

    @classmethod
    def of_all(cls, failure: Failure, count: int) -> Arrival:
        """What it cost, if it did, is told once."""
        others = replace(failure, summary=None)
        return cls([failure, *[others] * (count - 1)], shared=count > 1)


async def attempt(
    transport: Transport, requests: Sequence[Request], timeout: float, wall_clock: Callable[[], float]
) -> Arrival:
    """Ask once. timeout: seconds until the attempt is given up, however much of the answer has come."""
    try:
        async with asyncio.timeout(timeout):
            response = await transport.send("POST", requests[0].path, _body(requests))
    except TimeoutError:
        late = failure_of_transport(DeadlineExceeded(f"no complete answer within {timeout:g} s"))
        return Arrival.of_all(late, len(requests))
    except TransportError as error:
        return Arrival.of_all(failure_of_transport(error), len(requests))
    return _judged(response, requests, wall_clock())


def _body(requests: Sequence[Request]) -> bytes:
    envelope = requests[0].envelope
    if envelope is None or len(requests) == 1:
        return requests[0].body
    return envelope.body([request.input for request in requests])


def _judged(response: RawResponse, requests: Sequence[Request], wall_now: float) -> Arrival:
    if len(requests) == 1:
        return Arrival([classify(response, requests[0].wanted, wall_now=wall_now)])
    try:
        own = split(response, [len(request.input) for request in requests])
    except Inseparable as reason:
        return Arrival.of_all(_of_all(response, requests[0], f"{reason}", wall_now), len(requests))
    pairs = zip(own, requests, strict=True)
    return Arrival([classify(part, request.wanted, wall_now=wall_now) for part, request in pairs])


def _of_all(response: RawResponse, request: Request, reason: str, wall_now: float) -> Failure:
    outcome = classify(response, request.wanted, wall_now=wall_now)
    if isinstance(outcome, Failure) and outcome.code != "malformed_answer":
        return outcome
    # One text without a vector would be enough; asked for with others it will hardly ever get one.
    summary = outcome.summary
    return Failure(
        "malformed_answer", reason, http_status=response.status, action=Action.ROW, summary=summary
    )


async def get(transport: Transport, path: str, timeout: float) -> RawResponse:
    """One GET. Raises TransportError."""
    try:
        async with asyncio.timeout(timeout):
            return await transport.send("GET", path)
    except TimeoutError:
        raise DeadlineExceeded(f"{path}: no complete answer within {timeout:g} s") from None


def arrival_of(task: asyncio.Task[Arrival], count: int) -> Arrival:
    """What a finished attempt for so many requests came to. A bug costs its own rows, not the others."""
    if task.cancelled():
        return Arrival.of_all(CUT_OFF, count)
    bug = task.exception()
    if bug is None:
        return task.result()
    log.error("an attempt broke; its rows fail, please report this", exc_info=bug)
    return Arrival.of_all(internal_error(bug), count)


def internal_error(bug: BaseException) -> Failure:
    return Failure("internal_error", f"please report this: {type(bug).__name__}: {bug}")


# For an attempt that was cancelled, but not by us: an HTTP library does so to requests that wait for a connection when
# it closes.
CUT_OFF = failure_of_transport(TransportError("the transport gave the request up"))
