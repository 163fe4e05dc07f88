"""What the simulated model says: a pure function of the request body and its fingerprint.

By default one readable sentence that quotes the last user message. `response_format` and tools are obeyed, `max_tokens`
cuts thought and answer together, and a line `echo: TEXT` in the last user message makes the answer exactly TEXT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from duck_or.simulator.catalog import Model
from duck_or.simulator.draws import number
from duck_or.simulator.reasoning import thought_tokens
from duck_or.simulator.schema_answers import conforming
from duck_or.simulator.usage import count_tokens, cut, max_tokens

_ECHO = re.compile(r"^echo: ?(.*)\Z", re.MULTILINE | re.DOTALL)
_QUOTED = 80  # characters of the question that the answer repeats
_REMARKS = (
    "In short, it does what its name says.",
    "The details depend on the input, the idea does not.",
    "Most people need it sooner or later.",
    "There is a simpler way, and this is it.",
    "It is best understood by trying it once.",
    "A careful reader would ask for an example.",
    "Nothing here was looked up; this sentence is made up.",
    "It matters less often than one would think.",
)
_OBJECT_SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["answer", "confidence"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """content: None when tools are called. finish_reason: stop, length or tool_calls.

    tokens: of the completion, `thought` of them reasoning.
    """

    content: str | None
    finish_reason: str
    tokens: int
    tool_calls: tuple[dict[str, Any], ...] = ()
    thought: int = 0


def answer_to(body: Mapping[str, Any], model: Model, of: bytes) -> Answer:
    """Raises UnsatisfiableError when a schema of the request accepts nothing that can be made."""
    asked = max_tokens(body)
    limit = model.default_limit if asked is None else asked
    return _within(limit, _unlimited(body, model, of), thought_tokens(body, model))


def _unlimited(body: Mapping[str, Any], model: Model, of: bytes) -> Answer:
    question = last_user_text(body["messages"])
    echo = _ECHO.search(question) if "echo:" in question else None
    if echo is None and (tools := _tools_to_call(body)):
        return _calls(tools, of)
    if echo is not None:
        text = echo[1]
    elif model.id == "fake/echo":
        text = question
    else:
        text = _formatted(body, of) or _sentence(question, of)
    return Answer(text, "stop", count_tokens(text))


def _within(limit: int | None, whole: Answer, thought: int) -> Answer:
    """What is left of the answer when thought and answer together may take `limit` tokens."""
    if limit is None or thought + whole.tokens <= limit:
        return replace(whole, tokens=thought + whole.tokens, thought=thought)
    if thought >= limit:
        return Answer("", "length", limit, thought=limit)
    if whole.content is None:  # calls are never cut
        return replace(whole, tokens=limit, thought=thought)
    return Answer(cut(whole.content, limit - thought), "length", limit, thought=thought)


def last_user_text(messages: list[dict[str, Any]]) -> str:
    """The text of the last user message, its text parts joined by newlines; empty if there is none."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            parts = content if isinstance(content, list) else []
            return "\n".join(
                part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)
            )
    return ""


def _sentence(question: str, of: bytes) -> str:
    words = " ".join(question[: _QUOTED * 2].split())
    quoted = words if len(words) <= _QUOTED else words[:_QUOTED].rsplit(" ", 1)[0] + "…"
    # the first bits of the fingerprint choose, so different bodies with one question get different answers
    return f'Simulated answer {of[:3].hex()} to "{quoted}": {_REMARKS[of[3] % len(_REMARKS)]}'


def _formatted(body: Mapping[str, Any], of: bytes) -> str | None:
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        return orjson.dumps(conforming(_OBJECT_SCHEMA, of)).decode()
    if wanted and kind == "json_schema":
        schema = wanted["json_schema"].get("schema", True)
        return orjson.dumps(conforming(schema, of, body["messages"])).decode()
    return None


def _tools_to_call(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The functions to call now: the chosen one, or the first; none after a tool has answered unless it is demanded."""
    choice = body.get("tool_choice", "auto")
    tools = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    if isinstance(choice, dict):
        wanted = choice.get("function", {}).get("name")
        return [function for function in tools if function.get("name") == wanted][:1]
    if choice == "none" or (choice == "auto" and body["messages"][-1].get("role") == "tool"):
        return []
    return tools[:1]


def _calls(functions: list[dict[str, Any]], of: bytes) -> Answer:
    calls = tuple(_call(function, f"call {index}", of) for index, function in enumerate(functions))
    return Answer(
        None, "tool_calls", sum(count_tokens(call["function"]["arguments"]) for call in calls), calls
    )


def _call(function: dict[str, Any], label: str, of: bytes) -> dict[str, Any]:
    arguments = orjson.dumps(conforming(function.get("parameters") or {"type": "object"}, of)).decode()
    name = f"call_{number(of, label, 1 << 48):012x}"
    return {"id": name, "type": "function", "function": {"name": function["name"], "arguments": arguments}}
