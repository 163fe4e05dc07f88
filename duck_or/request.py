"""What is asked: SQL arguments → canonical body bytes → cache key.

Decides which requests are the same request. Must not know DuckDB, Arrow, the event loop, or what an answer
looks like.

The key is the SHA-256 of the key format's version, the endpoint's URL and the canonical body. It does not
hold the API key, the attribution headers or the model name that comes back. The body is sent in the canonical
order too, because OpenRouter's own response cache compares bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from duck_or.arguments import parse_options
from duck_or.errors import ArgumentError
from duck_or.json_values import JsonObject, canonical_json, schema_in_order
from duck_or.messages import canonical_messages
from duck_or.packing import Envelope
from duck_or.wanted import ANYTHING, Wanted

__all__ = [
    "CHAT_PATH",
    "KEY_VERSION",
    "BodyTemplate",
    "Request",
    "cache_key",
    "canonical_json",
    "max_tokens_of",
]

CHAT_PATH = "/chat/completions"
SCHEMAS = ("response_format", "tools")
"""Members of a body that hold JSON Schemas."""
KEY_VERSION = 1  # a change of any golden vector means a new version, and every stored answer is asked again


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Requests are the same when their keys are.

    path: below the base URL. body: canonical JSON, the bytes that are sent. key: 32 bytes. model: as asked,
    None where `models` or a preset decides. max_tokens: the cap that was asked for, None if none. wanted: what kind of
    answer is one. second: it asks again what was asked before (see `again`), so it is not asked once more. envelope: it may
    travel with others that have an equal one, and `input` is the JSON of its text, which stands in it (see `packing`).
    """

    path: str
    body: bytes = field(repr=False)  # prompts stay out of logs
    key: bytes
    model: str | None
    max_tokens: int | None = field(default=None, compare=False)
    wanted: Wanted = field(default=ANYTHING, compare=False, repr=False)
    second: bool = field(default=False, compare=False)
    envelope: Envelope | None = field(default=None, compare=False, repr=False)
    input: bytes = field(default=b"", compare=False, repr=False)


def cache_key(url: str, body: bytes) -> bytes:
    """The 32-byte key of a canonical `body` sent to `url`, the whole address of the endpoint."""
    return hashlib.sha256(_key_prefix(url) + body).digest()


def _key_prefix(url: str) -> bytes:
    address = url.encode()
    # With its length in front, no address can pose as the beginning of a body.
    return b"duck_or %d\n%d\n%s\n" % (KEY_VERSION, len(address), address)


def canonical_body(body: JsonObject) -> bytes:
    """A request's body in canonical JSON, in which only the properties of its schemas keep their order. Raises ValueError."""
    try:
        schemas = {name: schema_in_order(body[name]) for name in SCHEMAS if name in body}
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return canonical_json({**body, **schemas})


class BodyTemplate:
    """All that the rows with equal options share, worked out once; `request` adds a row's messages.

    base_url: without trailing slash. body: the request's body without `messages`. wanted: by default, what
    its `response_format` says. Raises ArgumentError when the body cannot be written as JSON. Immutable, so several threads may use it at once.
    """

    __slots__ = ("_after", "_before", "_hash", "max_tokens", "model", "path", "wanted")

    def __init__(
        self, base_url: str, body: JsonObject, path: str = CHAT_PATH, wanted: Wanted | None = None
    ) -> None:
        self.path = path
        # `messages` goes to its sorted place between the two halves: a row costs its own text, not the body's.
        before = _writable(canonical_body, {name: body[name] for name in body if name < "messages"})[1:-1]
        after = _writable(canonical_body, {name: body[name] for name in body if name > "messages"})[1:-1]
        self._before = b"{" + before + (b"," if before else b"") + b'"messages":'
        self._after = (b"," if after else b"") + after + b"}"
        self.model: str | None = body.get("model")
        self.max_tokens = max_tokens_of(body)
        self.wanted = wanted or Wanted(schema=_answer_schema(body))
        self._hash = hashlib.sha256(_key_prefix(base_url + path) + self._before)

    @classmethod
    def from_options(cls, options_json: str, base_url: str, default_model: str | None) -> BodyTemplate:
        """The template for the SQL arguments after `messages`. Raises ArgumentError (see `arguments`)."""
        return cls(base_url, parse_options(options_json, default_model))

    def request(self, messages_text: str) -> Request:
        """The request for one row. Raises ArgumentError (see `messages`)."""
        return self.seal(_writable(canonical_messages, messages_text))

    def seal(self, messages: bytes) -> Request:
        """The request for messages in canonical JSON."""
        rest = messages + self._after
        key = self._hash.copy()
        key.update(rest)
        return Request(self.path, self._before + rest, key.digest(), self.model, self.max_tokens, self.wanted)


def _writable(write: Callable[[Any], bytes], value: Any) -> bytes:
    try:
        return write(value)
    except ValueError as error:
        raise ArgumentError(f"the request cannot be sent: {error}") from error


def max_tokens_of(body: JsonObject) -> int | None:
    """The cap on the answer's length that a body sets."""
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value)
    return None


def _answer_schema(body: JsonObject) -> JsonObject | None:
    """What `response_format` asks for, as a schema: 'json_object' asks for any object, other types for nothing."""
    wanted = body.get("response_format")
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_object":
        return {"type": "object"}
    described = wanted.get("json_schema")
    schema = described.get("schema") if isinstance(described, dict) else None
    return schema if isinstance(schema, dict) else None
