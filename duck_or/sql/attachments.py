"""DuckDB's vectors to message parts and back: one JSON value for each row, NULL where there is nothing to attach.

What a part looks like, this module must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pyarrow as pa

from duck_or.attachments import audio_part, file_part, image_part, image_parts
from duck_or.errors import ArgumentError
from duck_or.sql.callables import Function
from duck_or.sql.columns import STRING_BYTES
from duck_or.sql.vectors import Vector, flat, json_vector

PARTS: tuple[tuple[str, Callable[..., object], str], ...] = (
    ("image_part", image_part, "detail"),
    ("file_part", file_part, "name"),
    ("audio_part", audio_part, "format"),
)
"""SQL name, function of one row's values, name of its optional second argument."""


def attachment_functions() -> list[Function]:
    """The functions behind attachments.sql, and those by position for cursors that see no macro.

    All take values of any type: only so does a BLOB arrive as one, and is a text not taken for one.
    """
    calls = [(name, _calls(name, part, (option,))) for name, part, option in PARTS]
    return [
        *(Function(f"__duck_or_{name}", call, None, "JSON") for name, call in calls),
        *(Function(name, call, None, "JSON") for name, call in calls),
        Function("__duck_or_image_parts", _calls("images", image_parts, ()), None, "JSON"),
    ]


def _calls(name: str, part: Callable[..., object], options: Sequence[str]) -> Callable[..., pa.Array]:
    def call(*columns: Vector) -> pa.Array:
        if not 1 <= len(columns) <= 1 + len(options):
            takes = " and ".join(("a value", *options))
            raise ArgumentError(f"{name} takes {takes}; got {len(columns)} arguments")
        return parts_vector(part, columns)

    return call


def parts_vector(part: Callable[..., object], columns: Sequence[Vector]) -> pa.Array:
    """`part` of each row's values, as a JSON vector; NULL where the first value is. Raises ArgumentError.

    Row by row: a chunk of images is large, and its bytes exist twice (here and in the vector) only for one of them.
    """
    rows = zip(*map(flat, columns), strict=True)
    cells = [orjson.dumps(part(*map(_value, row))) if row[0].is_valid else None for row in rows]
    total = sum(len(cell) for cell in cells if cell)
    return json_vector(pa.array(cells, pa.string() if total < STRING_BYTES else pa.large_string()))


def _value(scalar: Any) -> Any:
    return scalar.as_py(maps_as_pydicts="strict")
