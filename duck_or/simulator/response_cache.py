"""OpenRouter's own, opt-in response cache (reference §2.7): per key, path and body; the order of properties matters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

_ENTRIES = 10_000
_DEFAULT_TTL, _LONGEST_TTL = 300, 86_400


@dataclass(frozen=True, slots=True)
class CacheWish:
    """What the request's headers ask of the cache."""

    key: bytes
    ttl: int
    clear: bool


def wish_of(headers: Mapping[str, str], path: str, body: Mapping[str, Any]) -> CacheWish | None:
    """None unless `X-OpenRouter-Cache: true`."""
    if headers.get("X-OpenRouter-Cache", "").lower() != "true":
        return None
    asked = headers.get("X-OpenRouter-Cache-TTL", "")
    ttl = min(_LONGEST_TTL, max(1, int(asked))) if asked.isdigit() else _DEFAULT_TTL
    clear = headers.get("X-OpenRouter-Cache-Clear", "").lower() == "true"
    # parsed and written again: white space does not matter, the order of properties does
    parts = (headers.get("Authorization", "").encode(), path.encode(), orjson.dumps(body))
    return CacheWish(sha256(b"\0".join(parts)).digest(), ttl, clear)


class ResponseCache:
    """Successful completions, the oldest dropped first. Time is an argument."""

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, tuple[float, int, dict[str, Any]]] = OrderedDict()

    def get(self, wish: CacheWish, now: float) -> tuple[dict[str, Any], dict[str, str]] | None:
        """The stored completion and the headers that say so."""
        if wish.clear:
            self._entries.pop(wish.key, None)
        entry = self._entries.get(wish.key)
        if entry is None or now >= entry[0] + entry[1]:
            return None
        born, ttl, completion = entry
        headers = {
            "X-OpenRouter-Cache-Status": "HIT",
            "X-OpenRouter-Cache-Age": str(int(now - born)),
            "X-OpenRouter-Cache-TTL": str(ttl),
            "X-OpenRouter-Cache-Source-Id": completion["id"],
        }
        return completion, headers

    def put(self, wish: CacheWish, completion: dict[str, Any], now: float) -> dict[str, str]:
        self._entries[wish.key] = (now, wish.ttl, completion)
        if len(self._entries) > _ENTRIES:
            self._entries.popitem(last=False)
        return {"X-OpenRouter-Cache-Status": "MISS", "X-OpenRouter-Cache-TTL": str(wish.ttl)}
