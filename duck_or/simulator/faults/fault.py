"""What a fault is: a name, what it stands for, whom it can strike, and the reply it makes of the situation it strikes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from duck_or.simulator.paths import CHAT, EMBEDDINGS
from duck_or.simulator.reply import Reply


@dataclass(frozen=True, slots=True)
class Situation:
    """What a fault may look at.

    now: seconds since the epoch. completion: makes a fresh copy of the answer that the request would have got.
    body: the request. of: its fingerprint, for faults that vary.
    """

    model: str
    now: float
    completion: Callable[[], dict[str, Any]]
    body: Mapping[str, Any]
    of: bytes


MakeReply: TypeAlias = Callable[[Situation], Reply]
Strikes: TypeAlias = Callable[[str, Mapping[str, Any]], bool]


def anything(path: str, body: Mapping[str, Any]) -> bool:
    return True


def chats(path: str, body: Mapping[str, Any]) -> bool:
    """The reply has choices."""
    return path == CHAT


def vectors(path: str, body: Mapping[str, Any]) -> bool:
    """The reply has embeddings."""
    return path == EMBEDDINGS


def wants_schema(path: str, body: Mapping[str, Any]) -> bool:
    """The answer has to conform to a JSON Schema."""
    wanted = body.get("response_format")
    return path == CHAT and isinstance(wanted, dict) and wanted.get("type") == "json_schema"


def wants_schema_at_first(path: str, body: Mapping[str, Any]) -> bool:
    """As above, and nobody complains of an earlier answer: the last message but one is not an assistant's."""
    if not wants_schema(path, body):
        return False
    messages = body["messages"]
    return len(messages) < 2 or messages[-2].get("role") != "assistant"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for a request to go wrong.

    at_the_door: decided before a model is asked, so it comes at once; the others take the request's latency.
    billed: the account pays although the client got nothing it can use.
    strikes: of (path, body), whether such a request can fail so; one that cannot is answered.
    """

    name: str
    says: str
    reply: MakeReply
    at_the_door: bool = False
    billed: bool = False
    strikes: Strikes = anything
