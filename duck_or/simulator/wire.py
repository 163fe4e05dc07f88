"""HTTP/1.1 as bytes: heads, chunks, and the stamp (date, cf-ray) that OpenRouter's front puts on every response.

Written out by hand because faults need it (a wrong length, half a body), and because it costs a tenth of what a general
response object does. Knows nothing of sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

LAST_CHUNK = b"0\r\n\r\n"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_FRONT = (
    b"server: cloudflare\r\naccess-control-allow-origin: *\r\n"
    b"access-control-expose-headers: X-Generation-Id,cf-ray\r\nvary: Accept-Encoding\r\n"
)


@lru_cache(maxsize=256)
def _opening(status: int, content_type: str) -> bytes:
    phrase = _PHRASES.get(status, "Unknown")
    return f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {content_type}\r\n".encode() + _FRONT


@lru_cache(maxsize=4)
def _date(second: int) -> bytes:
    return f"date: {formatdate(second, usegmt=True)}\r\n".encode()


def head(
    status: int,
    content_type: str,
    headers: Mapping[str, str],
    stamp: bytes,
    length: int | None = None,
) -> bytes:
    """The head of a response, blank line included; chunked unless a length is given."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() if headers else b""
    framing = (
        b"transfer-encoding: chunked\r\n\r\n" if length is None else b"content-length: %d\r\n\r\n" % length
    )
    return b"%b%b%b%b" % (_opening(status, content_type), stamp, more, framing)


def stamp(now: float, serial: int, generation_id: str) -> bytes:
    """The headers that differ from one response to the next."""
    return b"%bcf-ray: %016x-SIM\r\nX-Generation-Id: %b\r\n" % (
        _date(int(now)),
        serial,
        generation_id.encode(),
    )


def chunk(data: bytes) -> bytes:
    """One chunk; nothing for no data, because an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
