"""The `http` transport: aiohttp without anything in between, for the least CPU per call.

It moves bytes. What an endpoint's errors are called is decided in `wire`; what a status means it must not know.
"""

from __future__ import annotations

import io
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

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

JSON_BODY = {"Content-Type": "application/json"}
NO_RESPONSE = (aiohttp.ClientError, OSError, EOFError)


class HttpTransport:
    """A Transport over at most `max_connections` connections. Made, used and closed on one event loop."""

    def __init__(self, endpoint: Endpoint, max_connections: int) -> None:
        self._endpoint = endpoint
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=max_connections, keepalive_timeout=KEEPALIVE_SECONDS, ttl_dns_cache=300
            ),
            headers=request_headers(endpoint),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Looked up once: with trust_env aiohttp would ask a thread at every request.
            proxy=proxy_for(endpoint.base_url),
        )

    async def send(self, method: Method, path: str, body: bytes | None = None) -> RawResponse:
        if self._session.closed:
            raise TransportError(f"{self._endpoint.base_url}: the transport is closed")
        data = io.BytesIO(body) if body is not None and len(body) > WHOLE_BODY_BYTES else body
        try:
            # A redirect is returned, not followed: it would carry the prompt elsewhere.
            async with self._session.request(
                method,
                self._endpoint.base_url + path,
                data=data,
                headers=None if body is None else JSON_BODY,
                allow_redirects=False,
            ) as response:
                content = await response.read()
                headers = {name.lower(): value for name, value in response.headers.items()}
                return RawResponse(response.status, headers, content)
        except NO_RESPONSE as error:
            failure = no_response(self._endpoint, error)
        raise failure

    async def close(self) -> None:
        await self._session.close()


def proxy_for(base_url: str) -> str | None:
    """The proxy that the environment (or the system's settings) names for this address, if any."""
    url = urlsplit(base_url)
    if is_loopback(base_url) or proxy_bypass(url.netloc):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")
