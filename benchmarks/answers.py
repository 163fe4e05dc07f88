"""Chat completions that look like real ones: a service's JSON around English text, with the variety of both.

The text is Python's own language reference (`pydoc_data`), whole sentences drawn by the row's number: it needs no download
and compresses as prose does, which random bytes or one repeated sentence would not.
"""

from __future__ import annotations

import hashlib
import random
import re
from functools import cache
from pydoc_data.topics import topics

import orjson

SCAFFOLD = 560
"""Bytes of JSON around the text."""


@cache
def sentences() -> tuple[str, ...]:
    prose = (re.sub(r"\s+", " ", topic) for topic in topics.values())
    parts = (part.strip() for topic in prose for part in re.split(r"(?<=[.:])\s+", topic))
    return tuple(part for part in parts if 20 < len(part) < 300)


def key(row: int) -> bytes:
    """A cache key: 32 bytes without order."""
    return hashlib.sha256(b"%d" % row).digest()


def answer(row: int, size: int = 2000) -> bytes:
    """About `size` bytes, the same ones for the same row."""
    draw = random.Random(row)
    words: list[str] = []
    length = SCAFFOLD
    while length < size - 60:
        words.append(draw.choice(sentences()))
        length += len(words[-1]) + 1
    tokens = draw.randrange(20, 900), length // 5
    return orjson.dumps(
        {
            "id": f"gen-{1_770_000_000 + row}-{draw.getrandbits(80):020x}",
            "object": "chat.completion",
            "created": 1_770_000_000 + row,
            "model": "openai/gpt-5-mini-2025-08-07",
            "provider": "OpenAI",
            "system_fingerprint": None,
            "choices": [
                {
                    "index": 0,
                    "logprobs": None,
                    "finish_reason": "stop",
                    "native_finish_reason": "completed",
                    "message": {
                        "role": "assistant",
                        "content": " ".join(words),
                        "refusal": None,
                        "reasoning": None,
                    },
                }
            ],
            "usage": {
                "prompt_tokens": tokens[0],
                "completion_tokens": tokens[1],
                "total_tokens": sum(tokens),
                "cost": round(draw.random() / 1000, 9),
                "is_byok": False,
                "prompt_tokens_details": {"cached_tokens": 0},
                "cost_details": {"upstream_inference_cost": None},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        }
    )
