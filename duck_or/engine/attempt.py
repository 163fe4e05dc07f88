"""One attempt: a request to the transport, under a wall-clock deadline, and what came back as an Outcome.

Whether it is tried again, and what it costs, it must not know.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from duck_or.classify import classify, failure_of_transport
from duck_or.engine.transport import Transport
from duck_or.errors import DeadlineExceeded, TransportError
from duck_or.outcome import Failure, Outcome, RawResponse
from duck_or.request import Request

log = logging.getLogger("duck_or")


async def attempt(
    transport: Transport, request: Request, timeout: float, wall_clock: Callable[[], float]
) -> Outcome:
    """Ask once. timeout: seconds until the attempt is given up, however much of the answer has come."""
    try:
        async with asyncio.timeout(timeout):
            response = await transport.send("POST", request.path, request.body)
    except TimeoutError:
        return failure_of_transport(DeadlineExceeded(f"no complete answer within {timeout:g} s"))
    except TransportError as error:
        return failure_of_transport(error)
    return classify(response, request.wanted, wall_now=wall_clock())


async def get(transport: Transport, path: str, timeout: float) -> RawResponse:
    """One GET. Raises TransportError."""
    try:
        async with asyncio.timeout(timeout):
            return await transport.send("GET", path)
    except TimeoutError:
        raise DeadlineExceeded(f"{path}: no complete answer within {timeout:g} s") from None


def outcome_of(task: asyncio.Task[Outcome]) -> Outcome | None:
    """What a finished attempt came to; None: it was cancelled. A bug costs its own row, not the others."""
    if task.cancelled():
        return None
    bug = task.exception()
    if bug is None:
        return task.result()
    log.error("an attempt broke; its row fails, please report this", exc_info=bug)
    return internal_error(bug)


def internal_error(bug: BaseException) -> Failure:
    return Failure("internal_error", f"please report this: {type(bug).__name__}: {bug}")


# For an attempt that was cancelled, but not by us: an HTTP library does so to requests that wait for a connection when
# it closes.
CUT_OFF = failure_of_transport(TransportError("the transport gave the request up"))
