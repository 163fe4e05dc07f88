"""What a fault is: a name, what it stands for, and the reply it makes out of the situation it strikes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from duck_or.simulator.reply import Reply


@dataclass(frozen=True, slots=True)
class Situation:
    """What a fault may look at.

    now: seconds since the epoch. completion: makes a fresh copy of the answer that the request would have got.
    """

    model: str
    now: float
    completion: Callable[[], dict[str, Any]]


MakeReply: TypeAlias = Callable[[Situation], Reply]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for a request to go wrong.

    at_the_door: decided before a model is asked, so it comes at once; the others take the request's latency.
    billed: the account pays although the client got nothing it can use.
    """

    name: str
    says: str
    reply: MakeReply
    at_the_door: bool = False
    billed: bool = False
