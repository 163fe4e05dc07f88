"""Faults under HTTP 200 (reference §2.3): the status says all is well, the body does not."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import orjson

from duck_or.simulator.faults.fault import Fault, MakeReply, Situation, chats
from duck_or.simulator.reply import EVENT_STREAM, USER_ID, Delivery, Reply, json_reply

KEEP_ALIVE_UNIT = b"\n         \n"  # what OpenRouter drips: eleven bytes
_HUGE = 5_000_000


def _edited(edit: Callable[[dict[str, Any], dict[str, Any]], object]) -> MakeReply:
    """The normal answer after `edit(completion, its first choice)`."""

    def reply(situation: Situation) -> Reply:
        completion = situation.completion()
        edit(completion, completion["choices"][0])
        return json_reply(completion)

    return reply


def _raw(body: bytes, content_type: str = "application/json") -> MakeReply:
    ready = Reply(200, body, content_type=content_type)
    return lambda situation: ready


def _message(**values: Any) -> MakeReply:
    return _edited(lambda completion, choice: choice["message"].update(values))


def _silent(content: str | None) -> MakeReply:
    """Nothing was written at all: no content, no completion tokens."""

    def edit(completion: dict[str, Any], choice: dict[str, Any]) -> None:
        choice["message"]["content"] = content
        choice["message"].pop("tool_calls", None)
        choice["finish_reason"] = choice["native_finish_reason"] = "stop"
        completion["usage"] |= {"completion_tokens": 0, "total_tokens": completion["usage"]["prompt_tokens"]}

    return _edited(edit)


def _all_thought(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    choice["message"] |= {"content": "", "reasoning": "Let me think about this very carefully…"}
    choice["finish_reason"], choice["native_finish_reason"] = "length", "max_output_tokens"
    completion["usage"]["completion_tokens_details"]["reasoning_tokens"] = completion["usage"][
        "completion_tokens"
    ]


def _empty_but_meant(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    choice["message"]["content"] = ""
    completion["usage"]["completion_tokens"] = 3


def _finish_error(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    metadata = {"error_type": "provider_unavailable", "provider_name": "Simulator"}
    choice["finish_reason"], choice["native_finish_reason"] = "error", None
    choice["error"] = {"code": 502, "message": "Provider disconnected", "metadata": metadata}
    choice["message"]["content"] = (choice["message"]["content"] or "")[:20]


def _malformed_call(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    choice["finish_reason"], choice["native_finish_reason"] = "error", "MALFORMED_FUNCTION_CALL"
    choice["message"]["content"] = None
    completion["usage"] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def _filtered(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    choice["finish_reason"], choice["native_finish_reason"] = "content_filter", "SAFETY"
    choice["message"]["content"] = ""


def _cut_off(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    choice["finish_reason"], choice["native_finish_reason"] = "length", "length"
    content = choice["message"]["content"] or ""
    choice["message"]["content"] = content[: max(1, len(content) // 2)]


def _parts(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    choice["message"]["content"] = [{"type": "text", "text": choice["message"]["content"] or ""}]


def _null_usage(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    completion["usage"] = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens", "cost"))


def _unknown_fields(completion: dict[str, Any], choice: dict[str, Any]) -> None:
    completion["x_new_field"] = {"nested": [1, None, "ä"]}
    choice["x_new_field"] = choice["message"]["x_new_field"] = True


def _error_200(code: int, message: str, **metadata: Any) -> MakeReply:
    value = {"error": {"message": message, "code": code, "metadata": metadata}, "user_id": USER_ID}
    return lambda situation: json_reply(value)


def _dripped_error(situation: Situation) -> Reply:
    error = {
        "message": "Upstream error from Simulator: Service temporarily overloaded",
        "code": 502,
        "metadata": {"error_type": "provider_unavailable"},
    }
    body = orjson.dumps({"id": situation.completion()["id"], "error": error})
    return Reply(200, body, delivery=Delivery.DRIP_FIRST)


def _truncated(situation: Situation) -> Reply:
    whole = orjson.dumps(situation.completion())
    return Reply(200, whole[: len(whole) * 2 // 3])


def _lone_surrogate(situation: Situation) -> Reply:
    """`\\ud83d` without its other half: legal in JSON's grammar, not a Unicode string."""
    completion = situation.completion()
    completion["choices"][0]["message"]["content"] = "MARK"
    return Reply(200, orjson.dumps(completion).replace(b"MARK", b"half a smile \\ud83d"))


def _invalid_utf8(situation: Situation) -> Reply:
    completion = situation.completion()
    completion["choices"][0]["message"]["content"] = "MARK"
    return Reply(200, orjson.dumps(completion).replace(b"MARK", b"\xff\xfe"))


def _gzip_garbage(situation: Situation) -> Reply:
    whole = gzip.compress(orjson.dumps(situation.completion()), mtime=0)
    broken = whole[:10] + bytes(byte ^ 0x5A for byte in whole[10:])
    return Reply(200, broken, {"Content-Encoding": "gzip"})


def _sse(situation: Situation) -> Reply:
    event = b"data: " + orjson.dumps(situation.completion()) + b"\n\n"
    return Reply(200, b": OPENROUTER PROCESSING\n\n" + event + b"data: [DONE]\n\n", content_type=EVENT_STREAM)


_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
_TOO_MANY = {"raw": "Too Many Requests", "provider_name": "Simulator"}

# fmt: off
BODY_FAULTS = (
    Fault("200-error", "200 with an error 429 for a body", _error_200(429, "Provider returned error", **_TOO_MANY)),
    Fault("200-error-502", "200 with an error 502 for a body", _error_200(502, "Provider returned error", provider_name="Simulator")),
    Fault("200-error-context", "200 with an error that no retry cures", _error_200(400, "Maximum context length exceeded", error_type="context_length_exceeded")),
    Fault("200-error-credits", "200 with `no credits` for a body", _error_200(402, "Insufficient credits", limit_source="openrouter_credits")),
    Fault("200-drip-error", "white space, then an error", _dripped_error),
    Fault("choices-null", "`choices` is null", _edited(lambda completion, choice: completion.update(choices=None)), strikes=chats),
    Fault("choices-empty", "`choices` is []", _edited(lambda completion, choice: completion.update(choices=[])), strikes=chats),
    Fault("choices-missing", "no `choices`", _edited(lambda completion, choice: completion.pop("choices")), strikes=chats),
    Fault("content-null", "null content, nothing written", _silent(None), strikes=chats),
    Fault("content-empty", "empty content, nothing written", _silent(""), strikes=chats),
    Fault("content-empty-meant", "empty content that the model wrote tokens for: a real answer", _edited(_empty_but_meant), billed=True, strikes=chats),
    Fault("content-parts", "content is a list of parts", _edited(_parts), billed=True, strikes=chats),
    Fault("content-huge", "five megabytes of content", _message(content="x" * _HUGE), billed=True, strikes=chats),
    Fault("content-emoji", "content beyond the basic plane, and NUL", _message(content="\U0001f9a5 ok \U0001f468\u200d\U0001f469\u200d\U0001f467 \x00 end"), billed=True, strikes=chats),
    Fault("surrogate", "half a surrogate pair, escaped", _lone_surrogate, billed=True, strikes=chats),
    Fault("invalid-utf8", "bytes that are not UTF-8", _invalid_utf8, billed=True, strikes=chats),
    Fault("finish-error", "finish_reason error, partial content", _edited(_finish_error), strikes=chats),
    Fault("malformed-function-call", "finish_reason error, no content, no usage", _edited(_malformed_call), strikes=chats),
    Fault("finish-null", "finish_reason is null", _edited(lambda completion, choice: choice.update(finish_reason=None, native_finish_reason=None)), billed=True, strikes=chats),
    Fault("finish-length", "cut off by max_tokens", _edited(_cut_off), billed=True, strikes=chats),
    Fault("finish-length-empty", "reasoning used up max_tokens", _edited(_all_thought), billed=True, strikes=chats),
    Fault("content-filter", "filtered by the provider", _edited(_filtered), billed=True, strikes=chats),
    Fault("usage-null", "usage holds nulls", _edited(_null_usage), billed=True, strikes=chats),
    Fault("usage-missing", "no usage", _edited(lambda completion, choice: completion.pop("usage")), billed=True, strikes=chats),
    Fault("unknown-fields", "fields nobody has heard of: a real answer", _edited(_unknown_fields), billed=True, strikes=chats),
    Fault("truncated-json", "JSON that stops in the middle", _truncated, billed=True),
    Fault("whitespace-only", "sixty keep-alive units and nothing else", _raw(KEEP_ALIVE_UNIT * 60)),
    Fault("whitespace-dot", "keep-alive units and a full stop", _raw(KEEP_ALIVE_UNIT * 3 + b".")),
    Fault("empty-body", "no body", _raw(b"")),
    Fault("json-null", "the body is null", _raw(b"null")),
    Fault("json-list", "the body is a list", _raw(b"[]")),
    Fault("html-200", "a challenge page with status 200", _raw(_HTML, "text/html; charset=UTF-8")),
    Fault("sse-body", "an event stream nobody asked for", _sse, billed=True, strikes=chats),
    Fault("gzip-garbage", "announced as gzip, but is not", _gzip_garbage, billed=True),
)
# fmt: on
