"""Whole chunks that were answered before: the same texts in the same order get the same vector, without a look at any row.

A statement that runs again, or that DuckDB evaluates twice, hands over the same vectors as the first time; comparing two
of them is a matter of microseconds. Most chunks never come again, and vectors that are kept cannot be reused for the next
chunk (fresh memory costs more than the look-up of its rows): so a page is kept when it comes the second time. Answers to
single texts, in whatever order, are `recall`'s business.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import NamedTuple

import pyarrow as pa
from cachetools import LRUCache

OVERHEAD = 2000
"""Bytes a page costs beside its buffers."""

SEEN = 16_384
"""Chunks remembered as having come once, by a hash: 33 million rows."""


class Page(NamedTuple):
    """distinct: how many different texts there are."""

    texts: pa.Array
    answers: pa.Array
    distinct: int


class Pages:
    """The pages used last, in at most `max_bytes`; 0 keeps none. Safe to use from several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._guard = threading.Lock()
        self._pages: LRUCache[Hashable, Page] = LRUCache(max_bytes, getsizeof=_weight)
        self._seen: LRUCache[int, bool] = LRUCache(SEEN)

    def find(self, options: str, texts: pa.Array) -> Page | None:
        """The page of exactly these texts under these options, if it is here."""
        with self._guard:
            page = self._pages.get(_label(options, texts)) if self._pages else None
        return page if page is not None and page.texts.equals(texts) else None

    def keep(self, options: str, page: Page) -> None:
        """Keep the page if one like it has come before."""
        label = _label(options, page.texts)
        with self._guard:
            if hash(label) not in self._seen:
                self._seen[hash(label)] = True
            elif _weight(page) <= self._pages.maxsize:
                self._pages[label] = page


def _label(options: str, texts: pa.Array) -> Hashable:
    """What a page is looked for by; whether it is the right one, comparing its texts shows."""
    return options, len(texts), texts[0].as_py(), texts[len(texts) - 1].as_py()


def _weight(page: Page) -> int:
    return int(page.texts.nbytes + page.answers.nbytes) + OVERHEAD
