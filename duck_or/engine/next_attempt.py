"""What a flight does after a failure: the same once more, later; another request; the same in smaller company; or nothing.

Decides for one flight at a time. When and with whom it leaves, and what its waiters are told, it must not know.
"""

from __future__ import annotations

from collections.abc import Callable

from duck_or.again import asked_again, told_of_both
from duck_or.engine.single_flight import Flight
from duck_or.outcome import Action, Failure
from duck_or.policy.retry import GiveUp, Retry, RetryDecision


def next_attempt(
    flight: Flight, failure: Failure, company: int, random: Callable[[], float]
) -> RetryDecision:
    """Prepares the flight for what is decided. company: how many flights share the failure, itself included."""
    policy = flight.owner.terms.retry
    if failure.again is not None and not flight.request.second and flight.tries < policy.attempts:
        flight.request = asked_again(flight.request, failure.again)
        return Retry(0.0)
    decision = policy.decide(failure, flight.tries, flight.waited, random)
    if isinstance(decision, Retry):
        return decision
    if company > 1 and may_be_anothers(failure):
        _part(flight, company)
        return Retry(0.0)
    return GiveUp(told_of_both(decision.failure, flight.request)) if flight.request.second else decision


def may_be_anothers(failure: Failure) -> bool:
    """Whether a failure that several requests share may be the fault of one: then it is the last word on none of them.

    A refusal of the request as it is, nearly always is. So may be an error that comes back at every attempt (there are
    servers that answer 500 to a text that is too long), but not one that tells of the service's load, nor silence.
    """
    if failure.action is Action.RETRY:
        return failure.http_status is not None and not failure.slow_down
    return failure.action is Action.ROW


def _part(flight: Flight, company: int) -> None:
    """It is asked again among half of those it shared the failure with, and never among more.

    Halves find k bad texts among n with some 2k log2 n requests, and cost the others nothing but these; each alone at once
    would take n. It is no retry, so it does not count against the attempts that a row may have: none asked for this row.
    """
    flight.company = -(-company // 2)
    flight.partings += 1
