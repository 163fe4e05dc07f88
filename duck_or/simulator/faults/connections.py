"""Faults of the connection and of the event stream (reference §6, families 4 and 6)."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from duck_or.simulator.faults.fault import Fault, MakeReply, Situation, chats
from duck_or.simulator.reply import EVENT_STREAM, Delivery, Reply
from duck_or.simulator.stream import COMMENT, DONE, events_of


def _sent(delivery: Delivery) -> MakeReply:
    return lambda situation: Reply(200, orjson.dumps(situation.completion()), delivery=delivery)


def _stream(edit: Callable[[list[bytes]], list[bytes]]) -> MakeReply:
    def reply(situation: Situation) -> Reply:
        return Reply(200, b"".join(edit(events_of(situation.completion()))), content_type=EVENT_STREAM)

    return reply


def _mid_stream_error(situation: Situation) -> Reply:
    completion = situation.completion()
    error = {"code": 502, "message": "Provider disconnected unexpectedly"}
    chunk = {name: completion[name] for name in ("id", "provider", "model", "created")}
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    chunk |= {"object": "chat.completion.chunk", "error": error, "choices": [choice]}
    first = events_of(completion)[:2]
    return Reply(200, b"".join([*first, b"data: %b\n\n" % orjson.dumps(chunk)]), content_type=EVENT_STREAM)


# fmt: off
CONNECTION_FAULTS = (
    Fault("reset-before-headers", "the connection is reset before any byte", _sent(Delivery.RESET_BEFORE_HEADERS)),
    Fault("reset-after-headers", "reset after the headers", _sent(Delivery.RESET_AFTER_HEADERS)),
    Fault("reset-mid-body", "reset in the middle of the body", _sent(Delivery.RESET_MID_BODY), billed=True),
    Fault("close-mid-body", "closed in the middle of a chunked body", _sent(Delivery.CLOSE_MID_BODY), billed=True),
    Fault("wrong-length", "content-length larger than what comes", _sent(Delivery.WRONG_LENGTH), billed=True),
    Fault("hang", "not one byte, for ever", _sent(Delivery.HANG)),
    Fault("drip-forever", "keep-alive units for ever", _sent(Delivery.DRIP_FOREVER)),
    Fault("slow-headers", "the head comes byte by byte: a real answer", _sent(Delivery.SLOW_HEADERS), billed=True),
    Fault("stale-keepalive", "a real answer, but the connection's next request is reset", _sent(Delivery.STALE), billed=True),
    Fault("stream-error", "an event stream that ends in an error", _mid_stream_error, strikes=chats),
    Fault("stream-no-done", "an event stream without [DONE]", _stream(lambda events: [e for e in events if e != DONE]), billed=True, strikes=chats),
    Fault("stream-comments", "a flood of comments between the events", _stream(lambda events: [part for e in events for part in (COMMENT * 50, e)]), billed=True, strikes=chats),
)
# fmt: on
