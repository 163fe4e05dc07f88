"""DuckDB's vectors to groups of distinct texts, and outcomes back to a JSON vector.

Repeated rows are found by Arrow's dictionary encoding, at C++ speed, before any Python sees a row. What a request is,
this module must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from duck_or.engine.chunk import Cell, Group
from duck_or.outcome import Failure

Vector: TypeAlias = Any  # pa.ChunkedArray | pa.Array: pyarrow has no types of its own
Answer: TypeAlias = Callable[[Sequence[Group]], list[Cell]]

NO_OPTIONS = "{}"

STRING_BYTES = 2**31 - 1
"""What the 32-bit offsets of Arrow's plain string type can address in one vector."""


def answer_rows(messages: Vector, options: Vector, answer: Answer, *, failures_as_null: bool) -> pa.Array:
    """The JSON vector for one chunk: `answer`'s outcome for each row, NULL where `messages` is NULL."""
    texts = flat(messages).dictionary_encode()
    given = flat(options)
    if given.null_count == len(given):
        return _one_group(texts, NO_OPTIONS, answer, failures_as_null)
    settings = given.fill_null(NO_OPTIONS).dictionary_encode()
    if len(settings.dictionary) == 1:
        return _one_group(texts, settings.dictionary[0].as_py(), answer, failures_as_null)
    return _many_groups(texts, settings, answer, failures_as_null)


def _one_group(texts: pa.DictionaryArray, options: str, answer: Answer, failures_as_null: bool) -> pa.Array:
    """The common case: the options are the same for all rows."""
    distinct = texts.dictionary.to_pylist()
    if not distinct:
        return json_vector(pa.nulls(len(texts), pa.string()))
    rows = _count(texts.indices, len(distinct))
    cells = answer([Group(options, distinct, rows)])
    values = _strings(cells, failures_as_null, len(texts))
    alike = len(distinct) == len(texts)  # all distinct, none NULL: the indices are 0, 1, 2, …
    return json_vector(values if alike else values.take(texts.indices))


def _many_groups(
    texts: pa.DictionaryArray, settings: pa.DictionaryArray, answer: Answer, failures_as_null: bool
) -> pa.Array:
    """Each row its own options: group the distinct pairs by options, then put the outcomes back in row order."""
    width = len(texts.dictionary)
    pairs = settings.indices.to_numpy(zero_copy_only=False).astype(np.int64) * width
    valid = np.asarray(texts.indices.is_valid())
    pairs = pairs + texts.indices.fill_null(0).to_numpy(zero_copy_only=False)
    distinct, place, counts = np.unique(pairs[valid], return_inverse=True, return_counts=True)
    if not len(distinct):
        return json_vector(pa.nulls(len(texts), pa.string()))
    groups = []
    for setting in np.unique(distinct // width):
        mine = distinct // width == setting
        names = texts.dictionary.take(pa.array(distinct[mine] % width)).to_pylist()
        groups.append(Group(settings.dictionary[int(setting)].as_py(), names, counts[mine].tolist()))
    # `distinct` is sorted by options first: the groups in order, one after another, are in its order.
    values = _strings(answer(groups), failures_as_null, len(texts))
    indices = np.zeros(len(texts), dtype=np.int64)
    indices[valid] = place
    return json_vector(values.take(pa.array(indices, mask=~valid)))


def _count(indices: pa.Array, size: int) -> list[int]:
    counted = indices.drop_null().to_numpy(zero_copy_only=False)
    counts: list[int] = np.bincount(counted, minlength=size).tolist()
    return counts


def _strings(cells: Sequence[Cell], failures_as_null: bool, rows: int) -> pa.Array:
    """One string for each cell, in a type whose offsets can address `rows` of the longest."""
    values = cells
    if Failure in map(type, cells):
        values = [_value(cell, failures_as_null) for cell in cells]  # type: ignore[misc]
    longest = max(map(len, filter(None, values)), default=0)  # type: ignore[arg-type]
    kind = pa.string() if longest * rows < STRING_BYTES else pa.large_string()
    return pa.array(values, kind)


def _value(cell: Cell, failures_as_null: bool) -> bytes | None:
    if isinstance(cell, Failure):
        return None if failures_as_null else cell.body
    return cell


def flat(vector: Vector) -> pa.Array:
    """One contiguous array; DuckDB hands over chunked ones."""
    if isinstance(vector, pa.ChunkedArray):
        return vector.chunk(0) if vector.num_chunks == 1 else vector.combine_chunks()
    return vector


def json_vector(strings: pa.Array) -> pa.Array:
    """As DuckDB's JSON type wants it: Arrow's canonical JSON extension over strings."""
    return pa.ExtensionArray.from_storage(pa.json_(strings.type), strings)
