"""From the outcomes of a chunk's distinct texts to an Arrow array of the function's values.

Whole responses are put through as they are; the other functions' values are read out of them by their templates. What is
asked, this module must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from duck_or.cache.recall import Recall
from duck_or.engine.chunk import Cell, Group
from duck_or.functions import Template
from duck_or.outcome import Failure

STRING_BYTES = 2**31 - 1
"""What the 32-bit offsets of Arrow's plain string type can address in one vector."""


class Column(NamedTuple):
    """make: the values of the groups' cells, in their order, in a type that can hold `rows` of the largest."""

    type: pa.DataType
    make: Callable[[Sequence[Group], Sequence[Cell], int], pa.Array]


Templates: TypeAlias = Callable[[str], Template]
Refuse: TypeAlias = Callable[[Failure], None]
"""Enters a row's failure, and raises where that ends the statement."""


def responses(failures_as_null: bool) -> Column:
    """Whole responses, and failures as their JSON unless they are to be NULL."""

    def make(groups: Sequence[Group], cells: Sequence[Cell], rows: int) -> pa.Array:
        return strings(cells, failures_as_null, rows)

    return Column(pa.string(), make)


def texts(templates: Templates, refuse: Refuse, known: Recall) -> Column:
    """What each template reads, as text; failures are NULL. known: what was read out of answers before."""

    def make(groups: Sequence[Group], cells: Sequence[Cell], rows: int) -> pa.Array:
        values: list[bytes | None] = []
        for group, mine in _by_group(groups, cells):
            values += _recalled(group.options, mine, known, partial(_text, templates, group.options, refuse))
        return strings(values, True, rows)

    return Column(pa.string(), make)


def vectors(templates: Templates, refuse: Refuse) -> Column:
    """What each template reads, as lists of 32-bit floats; failures are NULL."""

    def make(groups: Sequence[Group], cells: Sequence[Cell], rows: int) -> pa.Array:
        read: list[bytes | None] = []
        for group, mine in _by_group(groups, cells):
            value = partial(_value, templates, group.options, refuse)
            read += [value(cell) if isinstance(cell, bytes) else None for cell in mine]
        floats = np.frombuffer(b"".join(each for each in read if each is not None), np.dtype("<f4"))
        lengths = (0 if each is None else len(each) // floats.itemsize for each in read)
        offsets = pa.array(accumulate(lengths, initial=0), pa.int32())
        missing = pa.array([each is None for each in read], pa.bool_())
        return pa.ListArray.from_arrays(offsets, pa.array(floats), mask=missing)

    return Column(pa.list_(pa.float32()), make)


def _by_group(groups: Sequence[Group], cells: Sequence[Cell]) -> Iterator[tuple[Group, Sequence[Cell]]]:
    start = 0
    for group in groups:
        end = start + len(group.texts)
        yield group, cells[start:end]
        start = end


def _recalled(
    options: str, cells: Sequence[Cell], known: Recall, read: Callable[[bytes], bytes | None]
) -> list[bytes | None]:
    """What is read out of the cells, None where there is no answer (yet). To read is to parse: it is done once."""
    values = known.look_up(options, cells)
    for place, cell in enumerate(cells):
        if values[place] is None and isinstance(cell, bytes):
            values[place] = value = read(cell)
            if value is not None:
                known.remember(options, cell, value)
    return values


def _text(templates: Templates, options: str, refuse: Refuse, body: bytes) -> bytes | None:
    value = _value(templates, options, refuse, body)
    return value.encode() if isinstance(value, str) else value


def _value(templates: Templates, options: str, refuse: Refuse, body: bytes) -> Any:
    read = templates(options).read  # there is an answer, so the options are right
    assert read is not None  # the functions that give whole responses do not come here
    try:
        return read(body)
    except ValueError as error:  # an Unreadable; or a Misfit, stored by a call that demanded less
        refuse(Failure("invalid_answer", f"the model's answer cannot be used: {error}"))
        return None


def strings(cells: Sequence[Cell | None], failures_as_null: bool, rows: int) -> pa.Array:
    """One string for each cell, in a type whose offsets can address `rows` of the longest."""
    try:
        values = pa.array(cells, pa.binary())
    except pa.ArrowTypeError:  # not all are bytes: there are failures among them
        return strings([_shown(cell, failures_as_null) for cell in cells], failures_as_null, rows)
    if isinstance(values, pa.Array) and values.nbytes * rows < STRING_BYTES:
        return values.view(
            pa.string()
        )  # what has been parsed as JSON is UTF-8; a conversion would check it again
    longest = max(len(cell) for cell in cells if cell)  # type: ignore[arg-type]
    return pa.array(cells, pa.string() if longest * rows < STRING_BYTES else pa.large_string())


def _shown(cell: Cell | None, failures_as_null: bool) -> bytes | None:
    if isinstance(cell, Failure):
        return None if failures_as_null else cell.body
    return cell
