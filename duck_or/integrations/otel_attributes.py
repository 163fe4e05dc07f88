"""What OpenTelemetry's conventions for generative AI call what we know of a request. Pure: spans and clocks are `otel`'s.

The names are plain strings: the conventions for generative AI are in development, so the library of their constants promises
nothing of them (`error.type`, `server.*` and `http.*` are stable). Names of our own begin with `duck_or.`. Messages, instructions
and answers are in `messages_of` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import orjson

from duck_or.call_summary import CallSummary
from duck_or.calls import Call
from duck_or.lenient import mapping_of
from duck_or.outcome import Completion, Outcome
from duck_or.request import Request

Value: TypeAlias = str | bool | int | float | Sequence[str]
Attributes: TypeAlias = dict[str, Value]

OPERATIONS: Mapping[str, str] = {
    "/chat/completions": "chat",
    "/embeddings": "embeddings",
    "/rerank": "rerank",
}
"""By path. The convention has no word for a ranking, so that one is ours."""

PORTS = {"http": 80, "https": 443}

NOTHING_TOLD = CallSummary()

BUCKETS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
BUCKETS_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
"""As the convention advises."""


def identity_of(request: Request, base_url: str) -> Attributes:
    """What a request is, told when its span begins; its metrics have it, too."""
    address = urlsplit(base_url)
    attributes: Attributes = {
        "gen_ai.operation.name": OPERATIONS.get(request.path, request.path.strip("/")),
        "gen_ai.provider.name": provider_of(address.hostname or ""),
        "server.address": address.hostname or "",
        "server.port": address.port or PORTS[address.scheme],
    }
    if request.model is not None:
        attributes["gen_ai.request.model"] = request.model
    return attributes


def provider_of(host: str) -> str:
    """OpenRouter, or else whose language the server speaks, as the convention wants it; `server.address` says who it is."""
    return "openrouter" if host == "openrouter.ai" or host.endswith(".openrouter.ai") else "openai"


def name_of(identity: Attributes) -> str:
    model = identity.get("gen_ai.request.model")
    return f"{identity['gen_ai.operation.name']} {model}" if model else str(identity["gen_ai.operation.name"])


# --- the request -----------------------------------------------------------------------------------------------------


class _Option(NamedTuple):
    """A member of a request's body. read: its value as an attribute, None where it is none."""

    name: str
    read: Callable[[Any], Value | None]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        return None  # an attribute is a signed integer of 64 bits
    return value


def _words(value: Any) -> list[str] | None:
    found = [value] if isinstance(value, str) else value
    return (
        found if isinstance(found, list) and found and all(isinstance(each, str) for each in found) else None
    )


def _several(value: Any) -> int | None:
    count = _whole(value)
    return None if count == 1 else count


def _output_type(value: Any) -> str | None:
    kind = mapping_of(value).get("type")
    return "json" if kind in ("json_object", "json_schema") else "text" if kind == "text" else None


OPTIONS: Mapping[str, _Option] = {
    "temperature": _Option("gen_ai.request.temperature", _number),
    "top_p": _Option("gen_ai.request.top_p", _number),
    "top_k": _Option("gen_ai.request.top_k", _number),
    "max_tokens": _Option("gen_ai.request.max_tokens", _whole),
    "max_completion_tokens": _Option("gen_ai.request.max_tokens", _whole),
    "seed": _Option("gen_ai.request.seed", _whole),
    "frequency_penalty": _Option("gen_ai.request.frequency_penalty", _number),
    "presence_penalty": _Option("gen_ai.request.presence_penalty", _number),
    "stop": _Option("gen_ai.request.stop_sequences", _words),
    "n": _Option("gen_ai.request.choice.count", _several),
    "response_format": _Option("gen_ai.output.type", _output_type),
    "dimensions": _Option("gen_ai.embeddings.dimension.count", _whole),
    "encoding_format": _Option("gen_ai.request.encoding_formats", _words),
}


def options_of(body: Mapping[str, Any]) -> Attributes:
    """What the request's body sets, apart from what it says."""
    read = ((option.name, option.read(body[name])) for name, option in OPTIONS.items() if name in body)
    return {name: value for name, value in read if value is not None}


# --- what became of it -----------------------------------------------------------------------------------------------


def outcome_of(call: Call) -> Attributes:
    """What came back, and what all its attempts took. Nothing that a model said, and no message of an error: it may quote."""
    served = call.summary or NOTHING_TOLD
    known: dict[str, Value | None] = {
        "error.type": call.error_code,
        "http.response.status_code": call.http_status,
        "gen_ai.response.id": served.generation_id,
        "gen_ai.response.model": served.model_served,
        "gen_ai.response.finish_reasons": served.finish_reason and [served.finish_reason],
        "gen_ai.usage.input_tokens": served.prompt_tokens,
        "gen_ai.usage.output_tokens": served.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": served.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": served.reasoning_tokens,
        "duck_or.cost_usd": served.cost_usd,
        "duck_or.provider": served.provider,
        "duck_or.attempts": call.attempts,
        "duck_or.cache_key": call.cache_key.hex() if call.cache_key else None,
    }
    return {name: value for name, value in known.items() if value is not None}


METRIC_ATTRIBUTES = ("error.type", "gen_ai.response.model")
"""Of what came back: the others have too many values for a metric."""


def tokens_of(call: Call) -> Iterator[tuple[str, int]]:
    """By `gen_ai.token.type`."""
    served = call.summary or NOTHING_TOLD
    for kind, count in (("input", served.prompt_tokens), ("output", served.completion_tokens)):
        if count is not None:
            yield kind, count


# --- what was said, only where it is asked for -----------------------------------------------------------------------


def messages_of(body: Mapping[str, Any], outcome: Outcome) -> Attributes:
    """The messages of a chat and its answer, as JSON texts in the convention's form."""
    said: dict[str, list[Any]] = {"gen_ai.input.messages": _messages(body.get("messages"))}
    if isinstance(outcome, Completion):
        choices = outcome.parsed.get("choices")
        said["gen_ai.output.messages"] = [
            _message(mapping_of(choice.get("message"))) | {"finish_reason": choice.get("finish_reason")}
            for choice in map(mapping_of, choices if isinstance(choices, list) else [])
        ]
    return {name: orjson.dumps(found).decode() for name, found in said.items() if found}


def _messages(messages: Any) -> list[Any]:
    return [_message(mapping_of(each)) for each in messages] if isinstance(messages, list) else []


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if message.get("role") == "tool":
        response = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return {"role": "tool", "parts": [response]}
    return {"role": message.get("role"), "parts": [*_parts(content), *_tool_calls(message.get("tool_calls"))]}


def _parts(content: Any) -> Iterator[dict[str, Any]]:
    """Texts as the convention has them; images, files and the like by their type alone, since they may be megabytes."""
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        found = mapping_of(part)
        if found.get("type") != "text":
            yield {"type": found.get("type")}
        elif found.get("text") is not None:
            yield {"type": "text", "content": found["text"]}


def _tool_calls(calls: Any) -> Iterator[dict[str, Any]]:
    for call in map(mapping_of, calls if isinstance(calls, list) else []):
        function = mapping_of(call.get("function"))
        yield {
            "type": "tool_call",
            "id": call.get("id"),
            "name": function.get("name"),
            "arguments": function.get("arguments"),
        }
