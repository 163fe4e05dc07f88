"""The one seam between the engine and the network. It moves bytes; what they mean, it must not know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from duck_or.outcome import RawResponse

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go and who asks. Two sessions with equal endpoints share connections and limits.

    base_url: without a trailing slash. site_url, app_name: OpenRouter's attribution headers, not part of identity.
    """

    base_url: str
    api_key: str = field(repr=False)
    transport: Literal["openai", "http"] = "openai"
    site_url: str | None = field(default=None, compare=False)
    app_name: str | None = field(default=None, compare=False)

    def attribution_headers(self) -> dict[str, str]:
        named = {"HTTP-Referer": self.site_url, "X-OpenRouter-Title": self.app_name}
        return {name: value for name, value in named.items() if value}


class Transport(Protocol):
    """Made, used and closed on one event loop.

    `send` returns every HTTP response, whatever its status, and raises TransportError where none came. It neither
    retries nor times out: the engine wraps it in a wall-clock deadline and cancels it, which must free the connection.
    """

    async def send(self, method: Method, path: str, body: bytes | None = None) -> RawResponse: ...

    async def close(self) -> None: ...
