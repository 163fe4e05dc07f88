"""What the SQL macros do in DuckDB, for Arrow: native values to a row's JSON text and to the JSON text of its options.

A value means here what it means in SQL, so a row becomes the same request whichever way it comes. What a right value is, and
what becomes of it, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from duck_or.attachments import image_parts
from duck_or.sql.attachments import parts_vector
from duck_or.sql.columns import STRING_BYTES
from duck_or.sql.positional import json_text
from duck_or.sql.vectors import Vector, flat

VECTOR_TYPES = (pa.Array, pa.ChunkedArray)


def conversations(messages: Vector) -> pa.Array:
    """Each row's messages as JSON text: lists of structs are written down, text holds JSON already. Raises ArgumentError."""
    vector = plain(messages)
    return vector if _is_text(vector.type) else _written(vector)


def quoted(texts: Vector) -> pa.Array:
    """Each row's value as a JSON value, and a single one as text: a JSON string. Raises ArgumentError."""
    vector = plain(texts)
    return _written(vector if pa.types.is_nested(vector.type) else vector.cast(pa.string()))


def options_texts(function: str | None, given: Mapping[str, object], rows: int) -> pa.Array:
    """Each row's options as one JSON text. function: None for chat_completions. given: by name, a constant or a vector of
    `rows` values; None is not given. Raises ArgumentError."""
    fixed: dict[str, object] = {} if function is None else {"function": function}
    varying: dict[str, list[Any]] = {}
    for name, value in given.items():
        if not isinstance(value, VECTOR_TYPES):
            fixed[name] = value
        elif _is_constant(vector := plain(value)):
            fixed[name] = next(iter(_values(vector.slice(0, 1))), None)
        else:
            varying[name] = _values(vector)
    if not varying:  # one text for all rows, whatever they are
        said = {name: value for name, value in fixed.items() if value is not None}
        return pa.repeat(pa.scalar(json_text(said), pa.string()), rows)
    each = zip(*varying.values(), strict=True)
    return pa.array((json_text(fixed | dict(zip(varying, row, strict=True))) for row in each), pa.string())


def with_images(texts: pa.Array, images: Vector) -> pa.Array:
    """JSON texts, each with the images of its row where there are some. Raises ArgumentError."""
    parts = plain(parts_vector(image_parts, [plain(images)]))
    pairs = zip(texts.to_pylist(), parts.to_pylist(), strict=True)
    rows = [
        text if text is None or part is None else f'{{"text":{text},"images":{part}}}' for text, part in pairs
    ]
    return pa.array(
        rows, pa.string() if sum(map(len, filter(None, rows))) < STRING_BYTES else pa.large_string()
    )


def without(texts: pa.Array, needed: Iterable[object]) -> pa.Array:
    """The texts, NULL where one of these constants and vectors is: there is nothing to ask then."""
    for value in needed:
        if value is None:
            texts = pa.nulls(len(texts), texts.type)
        elif isinstance(value, VECTOR_TYPES):
            texts = pc.if_else(plain(value).is_valid(), texts, pa.scalar(None, texts.type))
    return texts


def plain(vector: Vector) -> pa.Array:
    """One contiguous array of an ordinary type: what an extension type or a dictionary stands for."""
    array = flat(vector)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    return array


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_constant(vector: pa.Array) -> bool:
    """Whether all rows hold the same value: compared with itself, one row further, which Arrow does for any type."""
    rows = len(vector)
    return rows < 2 or bool(vector.slice(1).equals(vector.slice(0, rows - 1)))


def _values(vector: pa.Array) -> list[Any]:
    """As Python's, maps as dictionaries. Raises ValueError where a map names a key twice."""
    read: list[Any] = (
        vector.to_pylist() if _is_simple(vector.type) else vector.to_pylist(maps_as_pydicts="strict")
    )
    return read


def _written(vector: pa.Array) -> pa.Array:
    """Each value as JSON text, NULL for NULL. Raises ArgumentError for what JSON cannot hold."""
    # orjson is fifteen times as fast, but writes NaN as null, and dates unlike DuckDB.
    write = orjson.dumps if _is_simple(vector.type) else json_text
    texts = [None if value is None else write(value) for value in _values(vector)]
    return pa.array(texts, pa.string())


def _is_simple(kind: pa.DataType) -> bool:
    """Nothing but texts, truth values and whole numbers in lists and structs."""
    if pa.types.is_struct(kind):
        return all(_is_simple(field.type) for field in kind.fields)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _is_simple(kind.value_type)
    return _is_text(kind) or bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))
