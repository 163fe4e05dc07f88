"""Deterministic chance: every draw is a pure function of the seed, the request and a label.

Nothing here keeps state or reads a clock, so any client, on any run, meets the same luck with the same request.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

_TWO_64 = float(1 << 64)


def canonical(body: dict[str, Any]) -> bytes:
    """The body with sorted keys, so that clients that order keys differently ask the same question."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def fingerprint(seed: int, content: bytes) -> bytes:
    """16 bytes that stand for (seed, content)."""
    return blake2b(content, digest_size=16, salt=seed.to_bytes(8, "big")).digest()


def fraction(of: bytes, label: str) -> float:
    """A number in [0, 1), uniform over fingerprints, independent between labels."""
    drawn = blake2b(label.encode(), digest_size=8, key=of).digest()
    # 53 bits, so that the division is exact and never rounds up to 1.0
    return (int.from_bytes(drawn, "big") >> 11) / (_TWO_64 / 2048)


def number(of: bytes, label: str, below: int) -> int:
    """An integer in [0, below)."""
    return min(below - 1, int(fraction(of, label) * below))
