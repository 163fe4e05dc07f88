"""Chooses the transport that an endpoint asks for.

How a transport works it must not know; each one's library is imported only when the first is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from duck_or.engine.transport import Endpoint, Transport

# Beyond the answers in flight, so that the model list is not made to wait behind them.
SPARE_CONNECTIONS = 4


def open_transport(endpoint: Endpoint, max_connections: int) -> Transport:
    """A transport to `endpoint`, to be called on the event loop that will use and close it.

    max_connections: how many answers may be in flight at once; a few more connections are allowed for other calls.
    The first `openai` one imports the SDK, which takes about 0.6 s.
    """
    return TRANSPORTS[endpoint.transport](endpoint, max_connections + SPARE_CONNECTIONS)


def _openai(endpoint: Endpoint, connections: int) -> Transport:
    from duck_or.engine.openai_transport import OpenAITransport

    return OpenAITransport(endpoint, connections)


def _http(endpoint: Endpoint, connections: int) -> Transport:
    from duck_or.engine.http_transport import HttpTransport

    return HttpTransport(endpoint, connections)


TRANSPORTS: Mapping[str, Callable[[Endpoint, int], Transport]] = {"openai": _openai, "http": _http}
