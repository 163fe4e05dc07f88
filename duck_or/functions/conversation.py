"""From a row's text to the messages that are sent for it, and from an answer to its text.

A row's text is JSON: a string, or {"text": …, "images": […]} where there are images. Must not know what is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from duck_or.answer_values import text_of_content
from duck_or.errors import ArgumentError
from duck_or.functions.template import Template, Unreadable
from duck_or.json_values import canonical_json, shown
from duck_or.lenient import mapping_of
from duck_or.request import BodyTemplate, Request
from duck_or.wanted import CUT_OFF


def conversing(template: BodyTemplate, system: str | None, read: Callable[[str], Any]) -> Template:
    """The template that sends a row's text as the user's message. system: what is said first. read: the answer's text to
    the SQL value; raises ValueError."""
    whole = template.wanted.whole
    head = b"[" if system is None else b"[" + canonical_json({"role": "system", "content": system}) + b","

    def request(row: str) -> Request:
        return template.seal(head + b'{"content":' + _content(row) + b',"role":"user"}]')

    return Template(template.model, request, lambda body: read(answer_text(body, whole=whole)))


def _content(row: str) -> bytes:
    try:
        value = orjson.loads(row)
    except orjson.JSONDecodeError as error:
        raise ArgumentError(f"the text cannot be sent: {error}") from error
    if isinstance(value, str):
        return orjson.dumps(value)
    images = mapping_of(value).get("images")
    if not isinstance(images, list) or not isinstance(value.get("text"), str):
        raise ArgumentError(f"the first argument must be text; got {shown(value)}")
    return canonical_json([{"type": "text", "text": value["text"]}, *images])


def answer_text(body: bytes, *, whole: bool = False) -> str:
    """The text of a completion. Raises Unreadable where it holds none (a refusal, a call of a tool), or only half of one
    and it has to be whole: a call that wants less may have asked the same."""
    choice = orjson.loads(body)["choices"][0]
    if whole and choice.get("finish_reason") in CUT_OFF:
        raise Unreadable("the model's answer was cut off in the middle")
    message = mapping_of(choice["message"])
    content = message.get("content")
    if isinstance(content, str | list) and ((text := text_of_content(content)) or not message.get("refusal")):
        return text
    if message.get("refusal"):
        raise Unreadable(f"the model refused: {message['refusal']}")
    raise Unreadable(
        f"the model gave no text but {'a call of a tool' if message.get('tool_calls') else 'nothing'}"
    )
