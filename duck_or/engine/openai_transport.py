"""The `openai` transport: the SDK in its fastest public form, and what becomes of each of its exceptions.

The only importer of openai and httpx2. Bytes go to `post(..., cast_to=httpx2.Response)` over `DefaultAioHttpClient`,
which skips the SDK's models; retries and deadlines are the engine's. No private name of the SDK is used. What a status
or a body means it must not know.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from enum import Enum

import aiohttp
import httpx2
import openai

from duck_or.engine.transport import Endpoint, Method
from duck_or.engine.wire import (
    CONNECT_SECONDS,
    KEEPALIVE_SECONDS,
    WHOLE_BODY_BYTES,
    is_loopback,
    no_response,
    request_headers,
)
from duck_or.errors import TransportError
from duck_or.outcome import RawResponse


class Fate(Enum):
    """What becomes of an exception of the SDK."""

    RESPONSE = "response"  # it carries a whole HTTP response, which is returned like any other
    NO_RESPONSE = "no response"  # the network failed: a TransportError that tells how
    FOREIGN = (
        "foreign"  # belongs to a part of the SDK that is not used here; a TransportError names it if it comes
    )


# By class name, looked up along the exception's MRO. A test walks every subclass of OpenAIError there is.
EXCEPTIONS: Mapping[str, Fate] = {
    "APIStatusError": Fate.RESPONSE,  # with its nine subclasses: any status from 300 on
    "APIResponseValidationError": Fate.RESPONSE,  # the SDK's opinion of a body does not matter
    "APIConnectionError": Fate.NO_RESPONSE,
    # Also what the SDK makes of a kept-alive connection that the server had closed, so it is no timeout of ours.
    "APITimeoutError": Fate.NO_RESPONSE,
    "APIError": Fate.FOREIGN,  # by itself only in an event stream
    "StreamAlreadyConsumed": Fate.FOREIGN,  # streaming
    "LengthFinishReasonError": Fate.FOREIGN,  # the `parse` helpers
    "ContentFilterFinishReasonError": Fate.FOREIGN,  # the `parse` helpers
    "WebSocketConnectionClosedError": Fate.FOREIGN,  # realtime
    "WebSocketQueueFullError": Fate.FOREIGN,  # realtime
    "SubjectTokenProviderError": Fate.FOREIGN,  # workload identity
    "MutuallyExclusiveAuthError": Fate.FOREIGN,  # Azure
    "APIRemovedInV1": Fate.FOREIGN,  # module-level calls of old versions
    "_AmbiguousModuleClientUsageError": Fate.FOREIGN,  # module-level client
    "MissingDependencyError": Fate.FOREIGN,  # pandas, numpy and sound helpers
    "OpenAIError": Fate.FOREIGN,  # by itself only from the client's constructor
}

# What passes through the SDK as it is: aiohttp's for a reply that is not HTTP, httpx2's while decoding a body.
ESCAPING = (aiohttp.ClientError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, EOFError)


class OpenAITransport:
    """A Transport over at most `max_connections` connections. Made, used and closed on one event loop."""

    def __init__(self, endpoint: Endpoint, max_connections: int) -> None:
        quieten(logging.getLogger("httpx2"))
        self._endpoint = endpoint
        self._client = _Client(endpoint, max_connections)
        self._options = _options(endpoint)

    async def send(self, method: Method, path: str, body: bytes | None = None) -> RawResponse:
        if self._client.is_closed():
            raise TransportError(f"{self._endpoint.base_url}: the transport is closed")
        try:
            return _raw(await self._call(method, path, body))
        except openai.OpenAIError as error:
            response = _response_of(error)
            if response is not None:
                return _raw(response)
            failure = no_response(self._endpoint, error)
        except ESCAPING as error:
            failure = no_response(self._endpoint, error)
        raise failure

    async def _call(self, method: Method, path: str, body: bytes | None) -> httpx2.Response:
        path = self._endpoint.base_url + path  # joined by the SDK it would be parsed once more
        if method == "GET":
            return await self._client.get(path, cast_to=httpx2.Response, options=self._options)
        if body is None or len(body) <= WHOLE_BODY_BYTES:
            return await self._client.post(path, cast_to=httpx2.Response, content=body, options=self._options)
        options = _options(self._endpoint, {"Content-Length": str(len(body))})
        return await self._client.post(path, cast_to=httpx2.Response, content=_pieces(body), options=options)

    async def close(self) -> None:
        await self._client.close()


def quieten(logger: logging.Logger) -> None:
    """Leave a level that somebody has set; else it says nothing below a warning.

    The client's HTTP library logs each request at INFO: whoever turns on the INFO of a program of their own would have a line
    for every row. `logging.getLogger("httpx2").setLevel(logging.INFO)`, before or after, brings them back.
    """
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


class _Client(openai.AsyncOpenAI):
    """The SDK's client with exactly our headers.

    The SDK adds what the environment says (OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS) and facts about
    this machine (X-Stainless-*) to its default headers, which is no business of the service's.
    """

    def __init__(self, endpoint: Endpoint, max_connections: int) -> None:
        self._exact_headers: dict[str, str | openai.Omit] = {
            "Content-Type": "application/json",
            **request_headers(endpoint),
        }
        timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
        limits = httpx2.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=KEEPALIVE_SECONDS,
        )
        super().__init__(
            api_key=endpoint.api_key,
            admin_api_key="",  # or OPENAI_ADMIN_KEY is read
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAioHttpClient(
                limits=limits,
                timeout=timeout,
                follow_redirects=False,  # it would carry the prompt elsewhere
                trust_env=not is_loopback(endpoint.base_url),
            ),
        )

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        return self._exact_headers


def _options(endpoint: Endpoint, headers: Mapping[str, str] | None = None) -> openai.RequestOptions:
    omitted = ["X-Stainless-Retry-Count", "X-Stainless-Read-Timeout"]
    if not endpoint.api_key:  # a local server needs none; the SDK wants to be told that this is meant
        omitted.append("Authorization")
    # `security`: the key is in our headers already.
    return {"headers": {**dict.fromkeys(omitted, openai.omit), **(headers or {})}, "security": {}}


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), WHOLE_BODY_BYTES):
        yield body[start : start + WHOLE_BODY_BYTES]


def _raw(response: httpx2.Response) -> RawResponse:
    headers = {
        name.lower().decode("ascii", "replace"): value.decode("utf-8", "surrogateescape")
        for name, value in response.headers.raw
    }
    return RawResponse(response.status_code, headers, response.content)


def fate_of(kind: type[openai.OpenAIError]) -> Fate:
    """What becomes of an exception of this class: the row of its nearest ancestor."""
    return next(EXCEPTIONS[c.__name__] for c in kind.__mro__ if c.__name__ in EXCEPTIONS)


def _response_of(error: openai.OpenAIError) -> httpx2.Response | None:
    if fate_of(type(error)) is not Fate.RESPONSE:
        return None
    response = getattr(error, "response", None)
    return response if isinstance(response, httpx2.Response) else None
