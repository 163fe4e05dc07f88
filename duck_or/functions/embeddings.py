"""embed: a text's vector.

Each text is a request and a cache key of its own; that several may share an HTTP request its envelope says (see `packing`).
"""

from __future__ import annotations

import orjson

from duck_or.answer_values import vector_bytes
from duck_or.errors import ArgumentError
from duck_or.functions.template import Call, Template, Unreadable
from duck_or.json_values import JsonObject, canonical_json, read_json, shown
from duck_or.lenient import mapping_of
from duck_or.packing import Envelope
from duck_or.request import Request, cache_key
from duck_or.wanted import Wanted

EMBEDDINGS_PATH = "/embeddings"
ENCODINGS = ("base64", "float")


def embed(call: Call) -> Template:
    if call.options.get("model") is None:
        raise ArgumentError("embed needs an embedding model: model := 'openai/text-embedding-3-small'")
    template = EmbeddingTemplate(call.base_url, _checked(call.body() | _dimensions(call.own)))
    return Template(template.model, template.request, vector_of)


def _dimensions(own: JsonObject) -> JsonObject:
    dimensions = own.get("dimensions")
    return {} if dimensions is None else {"dimensions": dimensions}


def _checked(body: JsonObject) -> JsonObject:
    """Raises ArgumentError for what an embedding cannot be asked with, wherever it comes from."""
    if "input" in body:
        raise ArgumentError("embed: model_kwargs must not hold input: it is the first argument of the call")
    dimensions = body.get("dimensions", 1)
    if type(dimensions) is not int or dimensions < 1:
        raise ArgumentError(
            f"embed: dimensions must be a whole number of at least 1; got {shown(dimensions)}"
        )
    if body.get("encoding_format", "base64") not in ENCODINGS:
        raise ArgumentError(
            f"embed: model_kwargs.encoding_format must be one of {', '.join(ENCODINGS)}; "
            f"got {shown(body['encoding_format'])}"
        )
    return body


class EmbeddingTemplate:
    """All that the rows with equal options share; `request` adds a row's text.

    base_url: without trailing slash. body: the request's body without `input`. Raises ArgumentError when the body cannot be
    written as JSON. Immutable, so several threads may use it at once.
    """

    __slots__ = ("_envelope", "_url", "_wanted", "model")

    def __init__(self, base_url: str, body: JsonObject) -> None:
        self.model: str | None = body.get("model")
        self._url = base_url + EMBEDDINGS_PATH
        self._wanted = Wanted("embedding", size=body.get("dimensions"))
        # In base64 a vector is a third of what its digits are, and a tenth of the work.
        self._envelope = _envelope({"encoding_format": "base64", **body})

    def request(self, text: str) -> Request:
        """The request for one row. text: a JSON string. Raises ArgumentError."""
        value = read_json(text)
        if not isinstance(value, str) or not value.strip():
            raise ArgumentError(f"embed: a text that says something is needed; got {shown(value)}")
        written = canonical_json(value)
        body = self._envelope.body([written])
        return Request(
            EMBEDDINGS_PATH,
            body,
            cache_key(self._url, body),
            self.model,
            max_tokens=0,
            wanted=self._wanted,
            envelope=self._envelope,
            input=written,
        )


def _envelope(body: JsonObject) -> Envelope:
    try:
        before = canonical_json({name: value for name, value in body.items() if name < "input"})[1:-1]
        after = canonical_json({name: value for name, value in body.items() if name > "input"})[1:-1]
    except ValueError as error:
        raise ArgumentError(f"the request cannot be sent: {error}") from error
    opening = b"{" + before + (b"," if before else b"") + b'"input":'
    return Envelope(opening, (b"," if after else b"") + after + b"}")


def vector_of(body: bytes) -> bytes:
    """The one vector in an answer's body, as little-endian 32-bit floats. Raises Unreadable."""
    try:
        data = mapping_of(orjson.loads(body)).get("data")
        entry = data[0] if isinstance(data, list) and len(data) == 1 else None
        return vector_bytes(mapping_of(entry).get("embedding"))
    except ValueError as error:
        raise Unreadable(f"the answer holds no vector: {error}") from error
