"""What both transports agree on: the headers that go out, and the words for what went wrong on the way.

No header value of ours leaves this module except to the server: a message names the endpoint, what happened and what
to check, never the key. What a response means, and whether to ask again, this module must not know.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import zlib
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from duck_or.engine.transport import Endpoint
from duck_or.errors import TransportError
from duck_or.version import __version__

CONNECT_SECONDS = 10.0  # one TCP connection; a slow answer is the engine's deadline's business
KEEPALIVE_SECONDS = (
    60.0  # longer than the pause between two chunks: a new TLS connection costs two round trips
)
WHOLE_BODY_BYTES = (
    1 << 20
)  # a longer request body goes out in pieces: aiohttp warns that one write holds up the loop


def request_headers(endpoint: Endpoint) -> dict[str, str]:
    """Every header of a request except Host, Content-Length and Content-Type, which depend on the request itself."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",  # what both clients decode, whatever else is installed
        "User-Agent": f"duck_or/{__version__}",
    }
    if endpoint.api_key:
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    return headers | endpoint.attribution_headers()


def is_loopback(base_url: str) -> bool:
    """Whether the server runs on this machine, where a proxy from the environment could not reach it."""
    host = urlsplit(base_url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, not an address
        return False


class Mishap(NamedTuple):
    """A row of MISHAPS: any of these exceptions, and what to tell the user."""

    exceptions: tuple[type[BaseException], ...]
    happened: str
    check: str


# The first row that matches anywhere in the chain of causes is told, so the more specific ones come first.
MISHAPS = (
    Mishap(
        (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError),
        "the proxy did not pass the request on",
        "check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY",
    ),
    Mishap(
        (aiohttp.ClientConnectorDNSError, socket.gaierror),
        "the host name could not be resolved",
        "check base_url and the network",
    ),
    Mishap(
        (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError),
        "the server's TLS certificate is not trusted",
        "install the system's CA certificates or set SSL_CERT_FILE",
    ),
    Mishap(
        (aiohttp.ClientConnectorSSLError, ssl.SSLError),
        "no TLS connection could be made",
        "check whether base_url should begin with http:// or https://",
    ),
    Mishap(
        (aiohttp.ServerTimeoutError,),
        f"no connection within {CONNECT_SECONDS:g} seconds",
        "check base_url, the network and the firewall",
    ),
    Mishap(
        (aiohttp.ClientConnectorError,),
        "no connection could be made",
        "check base_url and that the server is running",
    ),
    Mishap(
        (aiohttp.http_exceptions.ContentEncodingError, zlib.error),
        "the compressed response could not be decoded",
        "check the proxy or gateway in between if it happens again",
    ),
    Mishap(
        (aiohttp.ClientPayloadError,),
        "the response broke off",
        "check the proxy or gateway in between if it happens again",
    ),
    Mishap(
        (aiohttp.ClientResponseError,),
        "the reply was not valid HTTP",
        "check that base_url names an HTTP server, and its port",
    ),
    Mishap(
        (aiohttp.ClientConnectionError, ConnectionError, EOFError),
        "the connection was closed before the response came",
        "check the network if it happens again",
    ),
)
_UNFORESEEN = Mishap((), "no response came", "check base_url and the network")


def no_response(endpoint: Endpoint, error: BaseException) -> TransportError:
    """The TransportError that tells of `error`.

    To be raised outside the `except` block: the exceptions of both clients hold the request and so the key, and what
    is chained to an error ends up in logs.
    """
    chain = tuple(_causes(error))
    mishap = next((m for m in MISHAPS if any(isinstance(e, m.exceptions) for e in chain)), _UNFORESEEN)
    reason = next((e.strerror for e in reversed(chain) if isinstance(e, OSError) and e.strerror), None)
    root = type(chain[-1])
    name = f"{root.__module__.split('.')[0]}.{root.__name__}".removeprefix("builtins.")
    detail = f"{name}: {reason}" if reason else name
    return TransportError(f"{endpoint.base_url}: {mishap.happened}; {mishap.check} ({detail})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
