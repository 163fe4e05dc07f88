"""The references: what one would write without duck_or, each in its usual form and in its fastest."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import duckdb
import numpy as np
import orjson
import pyarrow as pa

from benchmarks.tables import KEY, MODEL

Send = Callable[[str], Awaitable[bytes]]


def body_of(prompt: str) -> bytes:
    return orjson.dumps({"model": MODEL, "messages": [{"role": "user", "content": prompt}]})


async def ask_all(prompts: Sequence[str], send: Send, in_flight: int) -> list[bytes]:
    """Every prompt once, at most `in_flight` at a time, in any order of completion."""
    slots = asyncio.Semaphore(in_flight)

    async def one(prompt: str) -> bytes:
        async with slots:
            return await send(prompt)

    return await asyncio.gather(*map(one, prompts))


async def with_openai_post(base_url: str, prompts: Sequence[str], in_flight: int) -> list[bytes]:
    """The `openai` client in its fastest public form: bytes in, bytes out, over its aiohttp transport."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with AsyncOpenAI(
        api_key=KEY, base_url=base_url, max_retries=0, http_client=DefaultAioHttpClient(limits=limits)
    ) as client:

        async def send(prompt: str) -> bytes:
            response = await client.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                content=body_of(prompt),
                options={"headers": {"Content-Type": "application/json"}},
            )
            return response.content

        return await ask_all(prompts, send, in_flight)


async def with_aiohttp(base_url: str, prompts: Sequence[str], in_flight: int) -> list[bytes]:
    """A plain aiohttp client with a semaphore."""
    import aiohttp

    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def send(prompt: str) -> bytes:
            async with session.post(f"{base_url}/chat/completions", data=body_of(prompt)) as response:
                response.raise_for_status()
                return await response.read()

        return await ask_all(prompts, send, in_flight)


async def embedded_with_aiohttp(base_url: str, model: str, texts: Sequence[str], in_flight: int) -> list[Any]:
    """The texts' vectors by the plain aiohttp client, one text in a request."""
    return [decoded(answer) for answer in await answers_with_aiohttp(base_url, model, texts, in_flight)]


async def answers_with_aiohttp(
    base_url: str, model: str, texts: Sequence[str], in_flight: int
) -> list[bytes]:
    import aiohttp

    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def send(text: str) -> bytes:
            body = orjson.dumps({"model": model, "input": text, "encoding_format": "base64"})
            async with session.post(f"{base_url}/embeddings", data=body) as response:
                response.raise_for_status()
                return await response.read()

        return await ask_all(texts, send, in_flight)


def decoded(answer: bytes) -> Any:
    """The vector in the answer to one text."""
    return np.frombuffer(base64.b64decode(orjson.loads(answer)["data"][0]["embedding"]), np.dtype("<f4"))


def column_with_aiohttp(con: duckdb.DuckDBPyConnection, base_url: str, in_flight: int) -> None:
    """Reads the prompts from the table, asks them all, writes the answers as a column."""
    rows = con.execute("SELECT id, prompt FROM prompts").fetchall()
    answers = asyncio.run(with_aiohttp(base_url, [prompt for _, prompt in rows], in_flight))
    column = pa.table({"id": [row for row, _ in rows], "response": [answer.decode() for answer in answers]})
    con.register("answered", column)
    con.execute("CREATE OR REPLACE TABLE answers AS SELECT id, response::JSON AS response FROM answered")
    con.unregister("answered")


class SdkFunction:
    """`AsyncOpenAI.chat.completions.create` under a semaphore in an Arrow UDF, with one loop and client for all chunks."""

    def __init__(self, base_url: str, in_flight: int) -> None:
        from openai import AsyncOpenAI

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client = AsyncOpenAI(api_key=KEY, base_url=base_url, max_retries=0)
        self._slots = asyncio.Semaphore(in_flight)

    def __call__(self, prompts: Any) -> pa.Array:
        work = asyncio.run_coroutine_threadsafe(self._chunk(prompts.to_pylist()), self._loop)
        return pa.array(work.result(), pa.string())

    async def _chunk(self, prompts: Sequence[str]) -> list[str]:
        async def one(prompt: str) -> str:
            async with self._slots:
                answer = await self._client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": prompt}]
                )
                return answer.model_dump_json()

        return await asyncio.gather(*map(one, prompts))

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
