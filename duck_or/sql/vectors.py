"""DuckDB's vectors to groups of distinct texts, and the values of these back to a vector of rows.

Repeated rows are found by Arrow's dictionary encoding, at C++ speed, before any Python sees a row. What a request is, and
what a value, this module must not know.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from duck_or.engine.chunk import Answered, Group, Repeated
from duck_or.sql.columns import Column
from duck_or.sql.pages import Page, Pages

Vector: TypeAlias = Any  # pa.ChunkedArray | pa.Array: pyarrow has no types of its own

NO_OPTIONS = "{}"

CHUNK = 2048
"""Rows of a whole chunk (DuckDB's vector size)."""

SAMPLED = 64
"""Rows of it that are looked at: of 1,000 texts in 2,048 rows, 64 rows show a repeat in 7 cases of 8."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one chunk's questions go, and what their answers become.

    answer, repeat: the session's. pages: chunks answered before. column: cells to values. resolve: the options with the
    names of models resolved.
    """

    answer: Callable[[Sequence[Group]], Answered]
    repeat: Callable[[Repeated], None]
    pages: Pages
    column: Column
    resolve: Callable[[str], str]


def answer_rows(rows: Vector, options: Vector, desk: Desk) -> pa.Array:
    """The values for one chunk: one for each row, NULL where the row's text is NULL."""
    texts, given = flat(rows), flat(options)
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), desk.column.type)
    if given.null_count == len(given):
        return _one_group(texts, desk.resolve(NO_OPTIONS), desk)
    settings = given.fill_null(NO_OPTIONS).dictionary_encode()
    names = [desk.resolve(name) for name in settings.dictionary.to_pylist()]
    if len(names) == 1:
        return _one_group(texts, names[0], desk)
    return _many_groups(texts.dictionary_encode(), settings.indices, names, desk)


def _one_group(texts: pa.Array, options: str, desk: Desk) -> pa.Array:
    """The common case: the options are the same for all rows."""
    rows = len(texts) - texts.null_count
    if (page := desk.pages.find(options, texts)) is not None:
        distinct = partial(_distinct_texts, texts)
        desk.repeat(Repeated(options, page.distinct, distinct, rows))
        return page.answers
    group, indices = _distinct(texts, options, rows)
    cells, lasting = desk.answer([group])
    answers = desk.column.make([group], cells, len(texts))
    if indices is not None:
        answers = answers.take(indices)
    # A NULL that no text explains is an answer of no use: where failures raise, it has to be met again.
    if lasting and answers.null_count == texts.null_count:
        desk.pages.keep(options, Page(texts, answers, len(group.texts)))
    return answers


def _distinct(texts: pa.Array, options: str, rows: int) -> tuple[Group, pa.Array | None]:
    """The distinct texts, and for each row which of them it reads; None for the indices if all seem to differ."""
    if _seems_distinct(texts):
        return Group(options, texts.to_pylist(), rows, lambda: [1] * rows), None
    encoded = texts.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    if len(distinct) == len(texts):  # no row repeats another or is NULL: each has its own answer already
        return Group(options, distinct, rows, lambda: [1] * rows), None
    return Group(options, distinct, rows, partial(_count, encoded.indices, len(distinct))), encoded.indices


def _distinct_texts(texts: pa.Array) -> list[str]:
    distinct: list[str] = texts.drop_null().unique().to_pylist()
    return distinct


def _seems_distinct(texts: pa.Array) -> bool:
    """Whether a sample holds no text twice. Then looking for repeats costs more than answering a few of them twice:
    what repeats nevertheless is the same request, which the engine finds out by its key."""
    whole = len(texts) == CHUNK and texts.null_count == 0
    return whole and len(texts.take(_sample()).unique()) == SAMPLED


@cache
def _sample() -> pa.Array:
    """Made at the first chunk, not at import: the first pa.array() imports pandas where there is one."""
    return pa.array(sorted(random.Random(0).sample(range(CHUNK), SAMPLED)))


def _many_groups(texts: pa.DictionaryArray, settings: pa.Array, names: Sequence[str], desk: Desk) -> pa.Array:
    """Each row its own options: group the distinct pairs by options, then put the values back in row order."""
    width = len(texts.dictionary)
    pairs = settings.to_numpy(zero_copy_only=False).astype(np.int64) * width
    valid = np.asarray(texts.indices.is_valid())
    pairs = pairs + texts.indices.fill_null(0).to_numpy(zero_copy_only=False)
    distinct, place, counts = np.unique(pairs[valid], return_inverse=True, return_counts=True)
    groups = []
    for setting in np.unique(distinct // width):
        mine = distinct // width == setting
        mine_texts = texts.dictionary.take(pa.array(distinct[mine] % width)).to_pylist()
        rows = counts[mine]
        groups.append(Group(names[int(setting)], mine_texts, int(rows.sum()), rows.tolist))
    # `distinct` is sorted by options first: the groups in order, one after another, are in its order.
    values = desk.column.make(groups, desk.answer(groups).cells, len(texts))
    indices = np.zeros(len(texts), dtype=np.int64)
    indices[valid] = place
    return values.take(pa.array(indices, mask=~valid))


def _count(indices: pa.Array, size: int) -> list[int]:
    counted = indices.drop_null().to_numpy(zero_copy_only=False)
    counts: list[int] = np.bincount(counted, minlength=size).tolist()
    return counts


def flat(vector: Vector) -> pa.Array:
    """One contiguous array; DuckDB hands over chunked ones."""
    if isinstance(vector, pa.ChunkedArray):
        return vector.chunk(0) if vector.num_chunks == 1 else vector.combine_chunks()
    return vector


def json_vector(strings: pa.Array) -> pa.Array:
    """As DuckDB's JSON type wants it: Arrow's canonical JSON extension over strings."""
    return pa.ExtensionArray.from_storage(pa.json_(strings.type), strings)
