"""How many tokens and how much money: a simple tokenizer (four characters a token) and the catalogue's prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duck_or.simulator.catalog import Model
from duck_or.simulator.reply import Reply, error_reply

_CHARACTERS = 4
_PER_MESSAGE = 4
_HOLD_TOKENS = 4096  # what an unset max_tokens holds in the in-flight budget
_PART_TOKENS = {"image_url": 258, "input_audio": 400, "file": 800, "video_url": 2000, "input_video": 2000}


def count_tokens(text: str) -> int:
    return (len(text) + _CHARACTERS - 1) // _CHARACTERS


def cut(text: str, tokens: int) -> str:
    """The beginning of `text` that takes that many tokens."""
    return text[: tokens * _CHARACTERS]


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Of all messages, their parts (images, files and sound by a flat rate), and the tools' definitions."""
    total = 0
    for message in body["messages"]:
        total += _PER_MESSAGE + _content_tokens(message.get("content"))
    if tools := body.get("tools"):
        total += count_tokens(str(tools))
    return total


def _content_tokens(content: Any) -> int:
    if isinstance(content, str):
        return count_tokens(content)
    if not isinstance(content, list):
        return 0
    return sum(_part_tokens(part) for part in content)


def _part_tokens(part: Mapping[str, Any]) -> int:
    flat = _PART_TOKENS.get(part["type"])
    return count_tokens(str(part.get("text", ""))) if flat is None else flat


def max_tokens(body: Mapping[str, Any]) -> int | None:
    limit = body.get("max_completion_tokens")
    return limit if limit is not None else body.get("max_tokens")


def hold_usd(body: Mapping[str, Any], model: Model) -> float:
    """What the request holds of the in-flight budget until its cost is known."""
    completion = max_tokens(body) or _HOLD_TOKENS
    return prompt_tokens(body) * float(model.prompt) + completion * float(model.completion)


def context_problem(body: Mapping[str, Any], model: Model) -> Reply | None:
    """The 400 for a request that its model's context cannot hold; None if it can."""
    prompt, completion = prompt_tokens(body), max_tokens(body) or 0
    if prompt + completion <= model.context:
        return None
    message = (
        f"This endpoint's maximum context length is {model.context} tokens. However, you requested about "
        f"{prompt + completion} tokens ({prompt} of text input, {completion} in the output). "
        "Please reduce the length of either one."
    )
    metadata = {"error_type": "context_length_exceeded", "provider_name": "Simulator"}
    return error_reply(400, message, metadata=metadata)


def usage_of(model: Model, prompt: int, completion: int, thought: int = 0) -> dict[str, Any]:
    """The response's `usage`, with its cost in USD (reference §1.7). thought: how much of `completion` was reasoning."""
    prompt_cost, completion_cost = prompt * float(model.prompt), completion * float(model.completion)
    cost = prompt_cost + completion_cost
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost": cost,
        "is_byok": False,
        "prompt_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "cost_details": {
            "upstream_inference_cost": cost,
            "upstream_inference_prompt_cost": prompt_cost,
            "upstream_inference_completions_cost": completion_cost,
        },
        "completion_tokens_details": {"reasoning_tokens": thought, "image_tokens": 0, "audio_tokens": 0},
    }
