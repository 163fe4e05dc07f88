"""Answers by the row's own text: what makes a repeated statement cost a dictionary look-up instead of parse and hash.

A request's identity is its cache key; computing it means parsing and canonicalising the row's JSON (about 5 µs). A row
that reads exactly as one before it, under the same options, is the same request, so its text will do as the key. The
look-up runs at C speed over a whole chunk and takes no lock, which an exact LRU cannot (cachetools: 0.8 µs a row, this:
0.3 µs, at 300,000 entries); recency is kept by generation instead of by entry. It is a shortcut past `memory`, which
stays the exact cache. What is read out of an answer is recalled the same way, by the answer's own bytes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from sys import getsizeof

OVERHEAD = 350
"""Bytes one entry costs beside its text and body: the two objects and its place in the dictionary.

Also what a dictionary costs beside its options text."""


class Recall:
    """Two generations per options text. A full young generation becomes the old one, and the old one is dropped.

    max_bytes: for both generations together; 0 remembers nothing. Single dictionary operations are atomic, so several
    threads may use it; a lost race costs a second look-up, never a wrong answer.
    """

    def __init__(self, max_bytes: int) -> None:
        self._half = max_bytes // 2
        self._young: dict[str, dict[Hashable, bytes]] = {}
        self._old: dict[str, dict[Hashable, bytes]] = {}
        self._young_bytes = 0

    def all_of(self, options: str, texts: Sequence[Hashable]) -> list[bytes] | None:
        """The answers to `texts` if every one was used lately, else None: the quick look, for a repeated statement."""
        try:
            return list(map(self._young[options].__getitem__, texts))
        except KeyError:
            return None

    def look_up(self, options: str, texts: Sequence[Hashable]) -> list[bytes | None]:
        """The answers to `texts` under `options`, in order; None where the text is not remembered."""
        young = self._young.get(options)
        found: list[bytes | None] = list(map(young.get, texts)) if young else [None] * len(texts)
        old = self._old.get(options)
        if old and None in found:
            for index, body in enumerate(map(old.get, texts)):
                if body is not None and found[index] is None:
                    found[index] = body
                    self.remember(options, texts[index], body)
        return found

    def remember(self, options: str, text: Hashable, body: bytes) -> None:
        size = getsizeof(text) + len(body) + OVERHEAD
        if options not in self._young:
            size += getsizeof(options) + OVERHEAD
        if size > self._half:
            return
        if self._young_bytes + size > self._half:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young.setdefault(options, {})[text] = body
        self._young_bytes += size

    def clear(self) -> None:
        self._young, self._old, self._young_bytes = {}, {}, 0
