"""Answers from a store into a cassette, and from a cassette into a store.

Which store that is, it must not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from duck_or.cache.contract import Kept, Store, StoreError
from duck_or.cassette import parquet

_DATED = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})(?=:|$)")
"""The end of a dated model's name, which answers bear: openai/gpt-5-mini-2025-08-07 was asked for as openai/gpt-5-mini."""


class Selection(NamedTuple):
    """model: of the answers to take, `*` stands for anything; None for all. since: seconds since the epoch."""

    model: str | None = None
    since: float | None = None

    def takes(self, kept: Kept) -> bool:
        if self.since is not None and kept.stored < self.since:
            return False
        return self.model is None or is_model(self.model, parquet.model_of(kept.body))


def is_model(wanted: str, served: str | None) -> bool:
    """Whether an answer by `served` is one of the model that is wanted: by its own name, or by that without the date."""
    return served is not None and (fnmatchcase(served, wanted) or fnmatchcase(_DATED.sub("", served), wanted))


class Imported(NamedTuple):
    new: int
    known: int


def export(store: Store, path: Path, selection: Selection) -> int:
    """Write the store's answers to a cassette; returns how many. Raises StoreError, also where there are none: then nothing
    is written."""
    chosen = _chosen(store, selection)
    first = next(chosen, None)
    if first is None:
        raise StoreError(f"no answer was chosen, so {path} was not written")

    def rest() -> Iterator[Mapping[bytes, Kept]]:
        yield first
        yield from chosen

    return parquet.write(path, rest())


def import_into(store: Store, path: Path) -> Imported:
    """Add a cassette's answers. All of it is checked before the first is added. Raises StoreError.

    Where it is broken off, what was added is whole; doing it again adds the rest.
    """
    for _ in parquet.read(path):
        pass
    new = total = 0
    for answers in parquet.read(path):
        new += store.add_many(answers)
        total += len(answers)
    return Imported(new, total - new)


def _chosen(store: Store, selection: Selection) -> Iterator[Mapping[bytes, Kept]]:
    for part in store.entries():
        chosen = {key: kept for key, kept in part.items() if selection.takes(kept)}
        if chosen:
            yield chosen
