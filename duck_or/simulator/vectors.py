"""Embeddings: deterministic, and near for texts that share words, so that similarity searches look sensible.

A text's vector is a hashed bag of its words: every word adds to a few coordinates. What one request may hold is checked
as real services do: one empty or overlong text refuses them all.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from duck_or.simulator.catalog import PROVIDERS, Model
from duck_or.simulator.reply import Reply, error_reply
from duck_or.simulator.usage import count_tokens

_WORD = re.compile(r"\w+")
_SPREAD = 8  # coordinates a word adds to
_DIMENSIONS, _MOST_DIMENSIONS = 1536, 65_536


@lru_cache(maxsize=1 << 16)
def _steps(word: str, dimensions: int) -> tuple[tuple[int, float], ...]:
    """The coordinates that a word adds to, and what."""
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=_SPREAD * 4).digest()
    drawn = struct.unpack(f">{_SPREAD}I", digest)
    return tuple(((each >> 1) % dimensions, 1.0 if each & 1 else -1.0) for each in drawn)


def direction(text: str, dimensions: int) -> dict[int, float]:
    """Coordinate → value where it is not 0; length 1; the same for the same words in any order."""
    found: dict[int, float] = {}
    # a marker no word can be, so that a text without words has a direction too
    for word in ["", *_WORD.findall(text.lower())]:
        for place, step in _steps(word, dimensions):
            found[place] = found.get(place, 0.0) + step
    length = math.sqrt(sum([value * value for value in found.values()]))
    if length == 0:  # every coordinate cancelled out
        return {0: 1.0}
    return {place: value / length for place, value in found.items() if value}


def unit_vector(text: str, dimensions: int) -> list[float]:
    """The direction of `text`, written out."""
    vector = [0.0] * dimensions
    for place, value in direction(text, dimensions).items():
        vector[place] = value
    return vector


@dataclass(frozen=True, slots=True)
class Embedding:
    """What `POST /embeddings` asks: texts with their numbers of tokens, and the form of the vectors."""

    texts: tuple[str, ...]
    sizes: tuple[int, ...]
    dimensions: int
    packed: bool

    @property
    def tokens(self) -> int:
        return sum(self.sizes)

    def refused(self, model: Model, max_texts: int, max_tokens: int) -> Reply | None:
        """The provider's 400 for too many texts, or for one that is empty or too long; it names the first such."""
        if len(self.texts) > max_texts:
            return _invalid(
                f"Invalid 'input': array too long. Expected an array with maximum length {max_texts}, "
                f"but got an array with length {len(self.texts)} instead."
            )
        for index, size in enumerate(self.sizes):
            if size == 0:
                return _invalid(f"Invalid 'input[{index}]': input cannot be an empty string.")
            if size > model.context:
                return _too_long(f"Invalid 'input[{index}]': maximum input length is {model.context} tokens.")
        if self.tokens > max_tokens:
            return _too_long(
                f"Invalid 'input': maximum request size is {max_tokens} tokens per request, "
                f"but got {self.tokens} tokens."
            )
        return None


def _invalid(message: str) -> Reply:
    return error_reply(400, message, metadata={"error_type": "invalid_request", "provider_name": "Simulator"})


def _too_long(message: str) -> Reply:
    metadata = {"error_type": "context_length_exceeded", "provider_name": "Simulator"}
    return error_reply(400, message, metadata=metadata)


def read_embeddings(body: Mapping[str, Any]) -> Embedding | Reply:
    """The body as a value, or the 400 that says what it is not."""
    rows = _rows(body.get("input"))
    if rows is None:
        return error_reply(400, "input: Invalid input: expected a string or an array")
    asked = body.get("dimensions")
    dimensions = _DIMENSIONS if asked is None else asked
    if not isinstance(dimensions, int) or not 1 <= dimensions <= _MOST_DIMENSIONS:
        return error_reply(400, f"dimensions: Invalid input: expected 1 to {_MOST_DIMENSIONS}")
    texts, sizes = tuple(text for text, _ in rows), tuple(size for _, size in rows)
    return Embedding(texts, sizes, dimensions, body.get("encoding_format") == "base64")


def texts_in(body: Any) -> int:
    """How many texts a request wants embedded; 0 where it is not well formed."""
    return len(_rows(body.get("input")) or ())


def _rows(wanted: Any) -> list[tuple[str, int]] | None:
    """(text, tokens) of each input: a text, an array of token numbers, or an object of parts; or one alone."""
    alone = isinstance(wanted, str) or (isinstance(wanted, list) and _are_tokens(wanted))
    inputs = [wanted] if alone else wanted
    if not isinstance(inputs, list) or not inputs:
        return None
    rows = [_row(item) for item in inputs]
    return None if None in rows else [row for row in rows if row is not None]


def _row(item: Any) -> tuple[str, int] | None:
    if isinstance(item, str):
        return item, count_tokens(item)
    if isinstance(item, list) and (not item or _are_tokens(item)):
        return str(item), len(item)
    if isinstance(item, dict) and isinstance(item.get("content"), list):
        text = "\n".join(str(part.get("text", "")) for part in item["content"] if isinstance(part, dict))
        return text, count_tokens(text)
    return None


def _are_tokens(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, int) for item in items)


def embeddings(asked: Embedding, model: Model) -> dict[str, Any]:
    """The response of `POST /embeddings`, without its id."""
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(text, asked)}
        for index, text in enumerate(asked.texts)
    ]
    tokens = asked.tokens
    return {
        "object": "list",
        "data": data,
        "model": model.permaslug,
        "provider": PROVIDERS[model.providers[0]],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "cost": tokens * float(model.prompt)},
    }


def _encoded(text: str, asked: Embedding) -> list[float] | str:
    if not asked.packed:
        return unit_vector(text, asked.dimensions)
    floats = array("f", bytes(4 * asked.dimensions))
    for place, value in direction(text, asked.dimensions).items():
        floats[place] = value
    return base64.b64encode(floats).decode()
