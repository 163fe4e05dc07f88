"""What the first SQL argument means: the conversation.

Decides whether a row's text is a conversation the service can answer, and what exactly is sent for it. Must
not know DuckDB, Arrow, the other arguments or the network.
"""

from __future__ import annotations

from typing import Any

import orjson

from duck_or.errors import ArgumentError
from duck_or.json_values import JsonObject, canonical_json, read_json, shown, without_nulls

ROLES = ("user", "system", "assistant", "tool", "developer")

_EXAMPLE = "[{'role': 'user', 'content': 'Hello'}]"
# A provider checks its signature over these when they come back, so they must come back untouched.
_AS_THEY_ARE = frozenset({"content", "reasoning_details"})


def parse_messages(text: str) -> list[JsonObject]:
    """The messages to send, from JSON array text or from a JSON string that holds such text.

    Null members are dropped (`content` of an assistant excepted), because DuckDB fills the gaps of a list of
    structs with NULL. Raises ArgumentError naming the message's index, its value and what is expected.
    """
    messages = _loaded(text)
    if type(messages) is str:  # text holding JSON arrives as a JSON string holding JSON
        text, messages = messages, _loaded(messages)
    if _are_plain(messages):
        plain: list[JsonObject] = messages
        return plain
    try:
        return _checked(read_json(text))  # orjson rounds integers beyond 64 bits
    except ValueError as error:
        raise _not_json(text, error) from error
    except RecursionError as error:
        raise ArgumentError("messages is nested too deeply to be a conversation") from error


def canonical_messages(text: str) -> bytes:
    """`parse_messages` as canonical JSON. Raises what it raises, and ValueError where `canonical_json` does."""
    messages = _loaded(text)
    if _are_plain(messages):  # nothing but texts: no walk through the values is needed
        return orjson.dumps(messages, option=orjson.OPT_SORT_KEYS)
    return canonical_json(parse_messages(text))


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _not_json(text, error) from error


def _are_plain(messages: Any) -> bool:
    if type(messages) is not list:
        return False
    if len(messages) == 1:  # most conversations; `all` would cost as much again
        return _is_plain(messages[0])
    return bool(messages) and all(map(_is_plain, messages))


def _is_plain(message: Any) -> bool:
    """A role and a text and nothing else, as nearly every message is: nothing to drop, nothing to round."""
    return (
        type(message) is dict
        and len(message) == 2
        and message.get("role") in ROLES
        and type(message.get("content")) is str
    )


def _not_json(text: str, error: ValueError) -> ArgumentError:
    if text.lstrip()[:1] in ("[", "{", '"'):
        return ArgumentError(f"messages is not valid JSON ({error}); got {shown(text)}")
    return ArgumentError(
        f"messages must be a list of messages, for example {_EXAMPLE}; got {shown(text)}. "
        "Wrap it: [{'role': 'user', 'content': …}]"
    )


def _checked(messages: Any) -> list[JsonObject]:
    if isinstance(messages, dict) and "role" in messages:
        raise ArgumentError(
            f"messages must be a list; got one message, {shown(messages)}. Put it in brackets: [{{…}}]"
        )
    if not isinstance(messages, list) or not messages:
        raise ArgumentError(
            f"messages must be a non-empty list, for example {_EXAMPLE}; got {shown(messages)}"
        )
    return [_message(f"messages[{index}]", message) for index, message in enumerate(messages)]


def _message(where: str, message: Any) -> JsonObject:
    if not isinstance(message, dict):
        raise ArgumentError(
            f"{where} must be an object such as {{'role': 'user', 'content': 'Hello'}}; got {shown(message)}"
        )
    role = message.get("role")
    if role not in ROLES:
        raise ArgumentError(f"{where}.role must be one of {', '.join(ROLES)}; got {shown(role)}")
    kept: JsonObject = without_nulls(message, keep=_AS_THEY_ARE)
    if kept.get("reasoning_details", ...) is None:
        del kept["reasoning_details"]
    if "content" in kept or role != "assistant":
        kept["content"] = _content(where, role, kept.get("content"))
    return kept


def _content(where: str, role: str, content: Any) -> Any:
    if isinstance(content, str):
        return content
    if content is None:
        if role == "assistant":
            return None
        raise ArgumentError(
            f"{where}.content is NULL, so there is nothing to ask. Leave such rows out (WHERE … IS NOT NULL) "
            "or give a text (coalesce(…, ''))"
        )
    if isinstance(content, list) and content:
        return [_part(f"{where}.content[{index}]", part) for index, part in enumerate(content)]
    raise ArgumentError(
        f"{where}.content must be text (cast it: …::VARCHAR) or a non-empty list of parts such as "
        f"{{'type': 'text', 'text': …}}; got {shown(content)}"
    )


def _part(where: str, part: Any) -> JsonObject:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise ArgumentError(
            f"{where} must be an object such as {{'type': 'text', 'text': 'Hello'}}; got {shown(part)}"
        )
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        raise ArgumentError(f"{where}.text must be text; got {shown(part.get('text'))}")
    kept: JsonObject = without_nulls(part)
    return kept
