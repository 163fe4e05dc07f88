"""A chat completion in the shape OpenRouter sends it (reference §1.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duck_or.simulator.answers import Answer
from duck_or.simulator.catalog import PROVIDERS
from duck_or.simulator.routing import Route
from duck_or.simulator.usage import prompt_tokens, usage_of

_NATIVE = {"length": "max_output_tokens", "tool_calls": "tool_calls"}


def completion_of(
    route: Route, body: Mapping[str, Any], answer: Answer, generation_id: str, now: float
) -> dict[str, Any]:
    """A fresh, unshared dict."""
    reason = answer.finish_reason
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.content,
        "refusal": None,
        "reasoning": f"Simulated thought, {answer.thought} tokens long." if answer.thought else None,
    }
    if answer.tool_calls:
        message["tool_calls"] = list(answer.tool_calls)
    return {
        "id": generation_id,
        "object": "chat.completion",
        "created": int(now),
        "model": route.model.permaslug,
        "provider": PROVIDERS[route.provider],
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "logprobs": None,
                "finish_reason": reason,
                "native_finish_reason": route.model.stop_word if reason == "stop" else _NATIVE[reason],
                "message": message,
            }
        ],
        "usage": usage_of(route.model, prompt_tokens(body), answer.tokens, answer.thought),
    }


def free_copy(completion: Mapping[str, Any], generation_id: str, now: float) -> dict[str, Any]:
    """What the response cache sends on a hit: a new id, all usage zero."""
    return {**completion, "id": generation_id, "created": int(now), "usage": _zeroed(completion["usage"])}


def _zeroed(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _zeroed(value) if isinstance(value, Mapping) else value if isinstance(value, bool) else 0
        for name, value in usage.items()
    }
