"""What the simulator says back, before it becomes bytes on a socket: a Reply, and OpenRouter's error body.

Knows nothing of sockets, scenarios or models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

USER_ID = "user_2simulatedOpenRouterAccount"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"


class Delivery(Enum):
    """How the reply's bytes travel."""

    WHOLE = "whole"
    WRONG_LENGTH = "wrong_length"  # content-length says more than is sent, then the connection closes
    RESET_BEFORE_HEADERS = "reset_before_headers"
    RESET_AFTER_HEADERS = "reset_after_headers"
    RESET_MID_BODY = "reset_mid_body"
    CLOSE_MID_BODY = "close_mid_body"  # an orderly FIN where the last chunk should be
    HANG = "hang"  # not one byte, for ever
    DRIP_FOREVER = "drip_forever"
    DRIP_FIRST = "drip_first"  # status 200 and keep-alive units, then the body
    SLOW_HEADERS = "slow_headers"  # one byte of the head at a time
    STALE = "stale"  # answered, but the connection's next request is reset


@dataclass(frozen=True, slots=True)
class Reply:
    """One response. `parts` (server-sent events) replace `body`, sent `pace` seconds apart."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON
    delivery: Delivery = Delivery.WHOLE
    parts: tuple[bytes, ...] = ()
    pace: float = 0.0
    generation_id: str | None = None


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps(value), headers or {})


def error_body(
    message: str,
    code: int | str,
    metadata: Mapping[str, Any] | None = None,
    availability: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`{"error": {"message", "code", "metadata"?, "availability"?}, "user_id"}` (reference §2.1)."""
    error: dict[str, Any] = {"message": message, "code": code}
    if metadata is not None:
        error["metadata"] = metadata
    if availability is not None:
        error["availability"] = availability
    return {"error": error, "user_id": USER_ID}


def error_reply(
    status: int,
    message: str,
    *,
    metadata: Mapping[str, Any] | None = None,
    availability: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    return json_reply(error_body(message, status, metadata, availability), status, headers)
