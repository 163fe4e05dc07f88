"""A finished completion as server-sent events (reference §1.8)."""

from __future__ import annotations

from typing import Any

import orjson

COMMENT = b": OPENROUTER PROCESSING\n\n"
DONE = b"data: [DONE]\n\n"
_PIECE = 16  # characters per event


def events_of(completion: dict[str, Any]) -> list[bytes]:
    """A comment, the content in pieces, the finish reason, the usage, `[DONE]`."""
    choice = completion["choices"][0]
    head = {name: completion[name] for name in ("id", "provider", "model", "created")}
    head["object"] = "chat.completion.chunk"
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": piece} for piece in _pieces(choice["message"]["content"] or "")
    ]
    if calls := choice["message"].get("tool_calls"):
        indexed = [{"index": index, **call} for index, call in enumerate(calls)]
        deltas.append({"role": "assistant", "content": None, "tool_calls": indexed})
    finish = {name: choice[name] for name in ("finish_reason", "native_finish_reason")}
    running = [_event(head, delta, {"finish_reason": None, "native_finish_reason": None}) for delta in deltas]
    last_delta = {"role": "assistant", "content": ""}
    closing = [_event(head, last_delta, finish), _event(head, last_delta, finish, usage=completion["usage"])]
    return [COMMENT, *running, *closing, DONE]


def _pieces(content: str) -> list[str]:
    return [content[start : start + _PIECE] for start in range(0, len(content), _PIECE)]


def _event(head: dict[str, Any], delta: dict[str, Any], finish: dict[str, Any], **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, **finish, "logprobs": None}
    return b"data: %b\n\n" % orjson.dumps({**head, "choices": [choice], **more})
