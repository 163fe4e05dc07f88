"""The family of functions for Arrow's vectors: each one's arguments, how they are packed, and the type of its values.

The names and the order of the arguments are those of the SQL macros (`sql/asking`), and so is what becomes of a NULL. Which
engine calls them, this module must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from duck_or.arrow.kernel import Packed
from duck_or.arrow.packing import VECTOR_TYPES, conversations, options_texts, quoted, with_images, without
from duck_or.errors import ArgumentError
from duck_or.functions import COMMON
from duck_or.misplaced import EXPECTED
from duck_or.sql.kinds import REDUCED, RESPONSES, TEXTS, VECTORS, Kind
from duck_or.sql.vectors import Vector


class Value(NamedTuple):
    """type: of a function's values. read: to them, from what the kernel gives."""

    type: pa.DataType
    read: Callable[[pa.Array], pa.Array]


def _cast_to(kind: pa.DataType) -> Value:
    return Value(kind, lambda texts: texts.cast(kind))


def _label(texts: pa.Array) -> pa.Array:
    """The label itself; several stay a JSON list."""
    encoded = texts.dictionary_encode()
    read = [orjson.loads(text) for text in encoded.dictionary.to_pylist()]
    labels = [value if isinstance(value, str) else orjson.dumps(value).decode() for value in read]
    return pa.array(labels, pa.string()).take(encoded.indices)


TEXT = Value(pa.string(), lambda texts: texts)
LABEL = Value(pa.string(), _label)
FLAG = _cast_to(pa.bool_())
NUMBER = _cast_to(pa.float64())
VECTOR = Value(pa.list_(pa.float32()), lambda vectors: vectors)


class Asking(NamedTuple):
    """One function. needed: its arguments without a default; the first is the row's value, and where one of them is NULL
    there is nothing to ask. others: those that may be left out. function: its name in the options, None: whole responses."""

    name: str
    function: str | None
    needed: Sequence[str]
    others: Sequence[str]
    value: Value = TEXT
    kind: Kind = TEXTS

    def bound(self, by_position: Sequence[object], by_name: Mapping[str, object]) -> dict[str, Any]:
        """A call's arguments by name, the first one first. Raises ArgumentError where they are not this function's."""
        try:
            return dict(self._signature().bind(*by_position, **by_name).arguments)
        except TypeError as error:
            takes = ", ".join((*self.needed, *self.others))
            raise ArgumentError(f"{self.name}: {error}; its arguments are {takes}") from None

    def packed(self, given: Mapping[str, Any], rows: int) -> Packed:
        """Vectors and constants by name, as `bound` gives them, as the engine takes them. Raises ArgumentError."""
        options = dict(given)
        first = _vector(options.pop(self.needed[0]), rows)
        texts = conversations(first) if self.function is None else quoted(first)
        images = options.pop("images", None)
        if images is not None:
            texts = with_images(texts, _vector(images, rows))
        texts = without(texts, [options[name] for name in self.needed[1:]])
        return Packed(texts, options_texts(self.function, options, rows))

    def _signature(self) -> Signature:
        either = Parameter.POSITIONAL_OR_KEYWORD
        needed = [Parameter(name, either) for name in self.needed]
        return Signature([*needed, *(Parameter(name, either, default=None) for name in self.others)])


def _vector(value: object, rows: int) -> Vector:
    """A constant as a vector of that many rows."""
    return value if isinstance(value, VECTOR_TYPES) else pa.array([value] * rows)


CHAT = Asking("chat_completions", None, ("messages",), tuple(EXPECTED), kind=RESPONSES)

FAMILY: Mapping[str, Asking] = {
    asking.name: asking
    for asking in (
        CHAT,
        Asking("prompt", "prompt", ("text",), ("model", "system", "images", *COMMON[1:])),
        Asking("prompt_as", "prompt_as", ("text", "type"), ("model", "system", "images", *COMMON[1:])),
        Asking("classify", "classify", ("text", "labels"), ("multi", *COMMON), LABEL),
        Asking("llm_extract", "extract", ("text", "fields"), COMMON),
        Asking("llm_filter", "llm_filter", ("text", "question"), COMMON, FLAG),
        Asking("score", "score", ("text", "question"), COMMON, NUMBER),
        Asking("llm_summarize", "summarize", ("text",), COMMON),
        Asking("llm_translate", "translate", ("text", "language"), COMMON),
        Asking("embed", "embed", ("text",), ("model", "dimensions", *COMMON[1:]), VECTOR, VECTORS),
        Asking(
            "llm_reduce",
            "llm_reduce",
            ("texts", "instruction"),
            ("model", "context_length", *COMMON[1:]),
            kind=REDUCED,
        ),
    )
}
"""By name. `translate`, `extract` and `summarize` have the names that no other SQL has a function or a word of."""
