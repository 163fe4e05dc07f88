"""A service in a process of its own whose answers are bytes made beforehand. The simulator thinks about each answer, which
costs more than a client spends on it; what is measured against this service is the client.

POST …/chat/completions  the text that goes with the name of the schema that is asked for, or else a sentence
POST …/embeddings        a vector of 1,536 floats in base64 for each text, one of a few hundred
POST …/rerank            the places of eight documents
GET  …/requests          how many of these there were
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import re
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import orjson

DIMENSIONS = 1536
VECTORS = 251  # not one for all, which a compressing store would like too much
SENTENCE = "It is a positive review of something that works as described."
RANKED = orjson.dumps(
    {
        "id": "gen-rerank-1790000000-00000000000000000000",
        "model": "cohere/rerank-v3.5",
        "results": [{"index": index, "relevance_score": round(0.9 - index / 10, 3)} for index in range(8)],
        "usage": {"search_units": 1, "total_tokens": 160, "cost": 0.001},
    }
)
_SCHEMA_NAME = re.compile(rb'"json_schema":\{"name":"([\w-]+)"')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def completion(text: str) -> bytes:
    """A chat completion as the service sends one, 0.5 kB around its text."""
    message = {"role": "assistant", "content": text, "refusal": None, "reasoning": None}
    choice = {
        "index": 0, "finish_reason": "stop", "native_finish_reason": "completed", "logprobs": None, "message": message,
    }  # fmt: skip
    usage = {
        "prompt_tokens": 60, "completion_tokens": 12, "total_tokens": 72, "cost": 0.0000133, "is_byok": False,
    }  # fmt: skip
    return orjson.dumps(
        {
            "id": "gen-1790000000-00000000000000000000",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "openai/gpt-5-mini-2025-08-07",
            "provider": "OpenAI",
            "choices": [choice],
            "usage": usage,
        }
    )


class CannedService:
    """The running service. answers: texts by the name of the schema. latency: seconds for each request, whatever is in it."""

    def __init__(self, answers: Mapping[str, str] | None = None, latency: float = 0.0) -> None:
        self._command = [
            sys.executable, "-m", "benchmarks.canned", "--latency", str(latency), "--answers",
            orjson.dumps(answers or {}).decode(),
        ]  # fmt: skip
        self.base_url = ""

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdout is not None
        self.base_url = self._child.stdout.readline().decode().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.communicate()  # its standard input closes, and so it ends

    def requests(self) -> int:
        """HTTP requests that were answered so far."""
        with urllib.request.urlopen(f"{self.base_url}/requests") as response:
            return int(response.read())


# --- the child ---------------------------------------------------------------------------------------------------------


class Counter:
    """The answer to each request's path and body, and how many there were."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.requests = 0
        self._sentence = completion(SENTENCE)
        self._by_schema = {name.encode(): completion(text) for name, text in answers.items()}
        self._vectors = [_vector(seed) for seed in range(VECTORS)]

    def answer(self, path: bytes, body: bytes) -> bytes:
        if path.endswith(b"/requests"):
            return b"%d" % self.requests
        self.requests += 1
        if path.endswith(b"/embeddings"):
            return self._embeddings(body)
        return RANKED if path.endswith(b"/rerank") else self._chat(body)

    def _chat(self, body: bytes) -> bytes:
        named = _SCHEMA_NAME.search(body)
        return self._sentence if named is None else self._by_schema[named[1]]

    def _embeddings(self, body: bytes) -> bytes:
        texts = orjson.loads(body)["input"]
        count = len(texts) if isinstance(texts, list) else 1
        entries = (
            b'{"object":"embedding","index":%d,"embedding":"%s"}'
            % (index, self._vectors[(self.requests + index) % VECTORS])
            for index in range(count)
        )
        usage = b'{"prompt_tokens":%d,"total_tokens":%d,"cost":%f}' % (18 * count, 18 * count, count * 4e-7)
        model = b'"model":"openai/text-embedding-3-small","provider":"OpenAI"'
        return b'{"object":"list",%s,"data":[%s],"usage":%s}' % (model, b",".join(entries), usage)


def _vector(seed: int) -> bytes:
    draw = random.Random(seed)
    return base64.b64encode(
        struct.pack(f"<{DIMENSIONS}f", *(draw.gauss(0, 0.0255) for _ in range(DIMENSIONS)))
    )


class Connection(asyncio.Protocol):
    """HTTP/1.1 as far as our clients speak it: one request after another, with a Content-Length or without a body."""

    def __init__(self, answer: Callable[[bytes, bytes], bytes], latency: float) -> None:
        self._answer = answer
        self._latency = latency
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = bytes(self._received).partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        self._received.clear()
        asyncio.get_running_loop().call_later(self._latency, self._reply, head.split(b" ", 2)[1], body)

    def _reply(self, path: bytes, body: bytes) -> None:
        answer = self._answer(path, body)
        self._transport.write(_HEAD % len(answer) + answer)


async def _serve(answers: Mapping[str, str], latency: float) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    counter = Counter(answers)
    server = await loop.create_server(
        lambda: Connection(counter.answer, latency), "127.0.0.1", 0, backlog=1024
    )
    loop.add_reader(sys.stdin.fileno(), over.set)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1", flush=True)
    await over.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--answers", type=orjson.loads, default={})
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.answers, arguments.latency))


if __name__ == "__main__":
    main()
