"""The simulator's sockets: aiohttp parses what comes in, the service decides, `delivery` writes what goes out.

The only module that imports aiohttp. Responses are written to the transport directly (see `wire`), so aiohttp is handed
a response object that has nothing left to do.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from duck_or.simulator.control import control
from duck_or.simulator.delivery import Exchange, deliver, drip
from duck_or.simulator.lookups import look_up
from duck_or.simulator.paths import API, MODEL_CALLS
from duck_or.simulator.reply import Delivery, Reply, error_reply
from duck_or.simulator.service import Service, Turn
from duck_or.simulator.wire import stamp

_CONTROL = "/__sim/"
_KEEP_ALIVE = 75.0  # seconds an idle connection is kept
_GOODBYE = 0.5  # seconds a handler may take to notice that its connection is gone


class _Sent(web.StreamResponse):
    """Stands for a response that is already on its way."""

    def __init__(self, keep_alive: bool) -> None:
        super().__init__()
        self._reusable = keep_alive

    @property
    def keep_alive(self) -> bool:
        return self._reusable

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class Server:
    """One listening socket in front of one service. Lives in one event loop."""

    def __init__(self, service: Service, clock: Callable[[], float] = time.time) -> None:
        self._service = service
        self._clock = clock
        self._served = 0
        self._stale: WeakSet[asyncio.Transport] = WeakSet()
        self._kept, self._closing = _Sent(True), _Sent(False)
        # Without cancellation a handler would sit out its latency, or hang, for a client that has gone.
        self._web = web.Server(
            self._handle, access_log=None, handler_cancellation=True, keepalive_timeout=_KEEP_ALIVE
        )
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the base URL. Raises OSError if the port is taken."""
        self._listener = await asyncio.get_running_loop().create_server(
            self._connected, host, port, backlog=1024
        )
        address = self._listener.sockets[0].getsockname()
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"http://{shown}:{address[1]}{API}"

    async def stop(self) -> None:
        """Close the socket and every connection; requests that hang are cut off."""
        if self._listener is None:
            return
        self._listener.close()
        for connection in self._web.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self._web.shutdown(_GOODBYE)
        await self._listener.wait_closed()

    def _connected(self) -> asyncio.Protocol:
        self._service.ledger.connections += 1
        return self._web()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.content.read()
        transport = request.transport
        if transport is None:
            return self._closing
        now = self._clock()
        path = request.raw_path
        self._served += 1
        if not path.startswith(_CONTROL):
            self._service.ledger.keep(now, request.method, path, request.headers, raw)
        if self._stale and transport in self._stale:
            reusable = Exchange(transport, b"").reset()
        elif path in MODEL_CALLS and request.method == "POST":
            reusable = await self._model_call(request, transport, path, raw, now)
        else:
            reply = self._simple(request, raw, now)
            reusable = await deliver(self._exchange(transport, reply, now), reply, 0.0)
        return self._kept if reusable and request.keep_alive else self._closing

    async def _model_call(
        self, request: web.BaseRequest, transport: asyncio.Transport, path: str, raw: bytes, now: float
    ) -> bool:
        service, arrived = self._service, asyncio.get_running_loop().time()
        turn = service.open(path, request.headers, raw, now)
        delivered = False
        try:
            exchange = self._exchange(transport, turn.reply, now)
            if turn.delay:
                # latency counts from the arrival, so making two hundred vectors does not come on top of it
                spent = asyncio.get_running_loop().time() - arrived
                await self._wait(exchange, turn, max(0.0, turn.delay - spent))
            compress = service.scenario.gzip and not exchange.committed
            reply = self._compressed(request, turn.reply) if compress else turn.reply
            reusable = await deliver(exchange, reply, service.scenario.drip_interval)
            delivered = True
        finally:
            service.close(turn, self._clock(), delivered=delivered)
        if reply.delivery is Delivery.STALE:
            self._stale.add(transport)
        return reusable

    async def _wait(self, exchange: Exchange, turn: Turn, seconds: float) -> None:
        scenario = self._service.scenario
        if scenario.drip_after is None:
            await asyncio.sleep(seconds)
        else:
            stream = bool(turn.reply.parts)
            await drip(exchange, seconds, scenario.drip_after, scenario.drip_interval, stream=stream)

    def _exchange(self, transport: asyncio.Transport, reply: Reply, now: float) -> Exchange:
        generation_id = reply.generation_id or self._service.next_id(now)
        return Exchange(transport, stamp(now, self._served, generation_id))

    def _compressed(self, request: web.BaseRequest, reply: Reply) -> Reply:
        accepted = "gzip" in request.headers.get("Accept-Encoding", "")
        if not accepted or not reply.body or "Content-Encoding" in reply.headers:
            return reply
        headers = {**reply.headers, "Content-Encoding": "gzip"}
        return replace(reply, body=gzip.compress(reply.body, 1, mtime=0), headers=headers)

    def _simple(self, request: web.BaseRequest, raw: bytes, now: float) -> Reply:
        path = request.path
        if path.startswith(_CONTROL):
            return control(self._service, request.method, path.removeprefix(_CONTROL), raw)
        self._service.ledger.other_requests += 1
        if not path.startswith(f"{API}/"):
            return error_reply(404, "Not Found")
        if request.method != "GET":
            return error_reply(405, "Method Not Allowed")
        query: Any = request.query
        return look_up(
            self._service, path.removeprefix(API), query, request.headers.get("Authorization"), now
        )
