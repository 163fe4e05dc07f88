"""How a reply's bytes reach the client: at once, in drips, in pieces, or not at all.

One coroutine per `Delivery`. Each returns whether the connection may be used again. Waits on the event loop's clock.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from duck_or.simulator.faults.bodies import KEEP_ALIVE_UNIT
from duck_or.simulator.reply import JSON, Delivery, Reply
from duck_or.simulator.wire import LAST_CHUNK, chunk, head

_STREAM_DRIP = b": OPENROUTER PROCESSING\n\n"
_SOON = 0.02  # seconds between the pieces of a fault that need not be slow
_HEAD_PIECE = 32  # bytes
_MISSING = 100  # bytes that a wrong content-length promises too many


@dataclass(slots=True)
class Exchange:
    """The response side of one request. committed: status 200 and headers are already out."""

    transport: asyncio.Transport
    stamp: bytes
    committed: bool = False

    def commit(self, reply: Reply) -> None:
        if not self.committed:
            self.committed = True
            self.transport.write(head(reply.status, reply.content_type, reply.headers, self.stamp))

    def reset(self) -> bool:
        """Cut the connection with RST rather than FIN."""
        peer = self.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        return False


async def drip(exchange: Exchange, delay: float, after: float, interval: float, *, stream: bool) -> None:
    """Spend `delay` seconds; from `after` on with status 200 committed and a keep-alive unit every `interval`."""
    clock = asyncio.get_running_loop().time
    ready = clock() + delay
    await asyncio.sleep(min(after, delay))
    if delay <= after:
        return
    content_type = "text/event-stream" if stream else JSON
    exchange.commit(Reply(200, b"", content_type=content_type))
    while (left := ready - clock()) > 0:
        exchange.transport.write(chunk(_STREAM_DRIP if stream else KEEP_ALIVE_UNIT))
        await asyncio.sleep(min(interval, left))


async def deliver(exchange: Exchange, reply: Reply, drip_interval: float) -> bool:
    """Send the reply its own way. True if the connection may be used again."""
    return await _DELIVERIES[reply.delivery](exchange, reply, drip_interval)


async def _whole(exchange: Exchange, reply: Reply, interval: float) -> bool:
    if reply.parts:
        return await _parts(exchange, reply)
    body = chunk(reply.body) + LAST_CHUNK
    if not exchange.committed:
        body = head(reply.status, reply.content_type, reply.headers, exchange.stamp) + body
    exchange.transport.write(body)
    return True


async def _parts(exchange: Exchange, reply: Reply) -> bool:
    exchange.commit(reply)
    if not reply.pace:
        exchange.transport.write(chunk(b"".join(reply.parts)) + LAST_CHUNK)
        return True
    for part in reply.parts:
        exchange.transport.write(chunk(part))
        await asyncio.sleep(reply.pace)
    exchange.transport.write(LAST_CHUNK)
    return True


async def _wrong_length(exchange: Exchange, reply: Reply, interval: float) -> bool:
    length = len(reply.body) + _MISSING
    exchange.transport.write(
        head(reply.status, reply.content_type, reply.headers, exchange.stamp, length) + reply.body
    )
    return False


async def _reset_before_headers(exchange: Exchange, reply: Reply, interval: float) -> bool:
    return exchange.reset()


async def _reset_after_headers(exchange: Exchange, reply: Reply, interval: float) -> bool:
    exchange.commit(reply)
    await asyncio.sleep(_SOON)
    return exchange.reset()


async def _reset_mid_body(exchange: Exchange, reply: Reply, interval: float) -> bool:
    await _half(exchange, reply)
    return exchange.reset()


async def _close_mid_body(exchange: Exchange, reply: Reply, interval: float) -> bool:
    await _half(exchange, reply)
    return False


async def _half(exchange: Exchange, reply: Reply) -> None:
    exchange.commit(reply)
    exchange.transport.write(chunk(reply.body[: len(reply.body) // 2]))
    # a reset throws away what the kernel has not sent yet, so give it the time to
    await asyncio.sleep(_SOON)


async def _hang(exchange: Exchange, reply: Reply, interval: float) -> bool:
    await asyncio.get_running_loop().create_future()  # ends when the client leaves or the server stops
    return False


async def _drip_forever(exchange: Exchange, reply: Reply, interval: float) -> bool:
    exchange.commit(reply)
    while True:
        exchange.transport.write(chunk(KEEP_ALIVE_UNIT))
        await asyncio.sleep(interval)


async def _drip_first(exchange: Exchange, reply: Reply, interval: float) -> bool:
    exchange.commit(reply)
    for _ in range(3):
        exchange.transport.write(chunk(KEEP_ALIVE_UNIT))
        await asyncio.sleep(min(interval, _SOON))
    return await _whole(exchange, reply, interval)


async def _slow_headers(exchange: Exchange, reply: Reply, interval: float) -> bool:
    if not exchange.committed:
        whole = head(reply.status, reply.content_type, reply.headers, exchange.stamp)
        for start in range(0, len(whole), _HEAD_PIECE):
            exchange.transport.write(whole[start : start + _HEAD_PIECE])
            await asyncio.sleep(_SOON)
        exchange.committed = True
    return await _whole(exchange, reply, interval)


_DELIVERIES: dict[Delivery, Callable[[Exchange, Reply, float], Awaitable[bool]]] = {
    Delivery.WHOLE: _whole,
    Delivery.STALE: _whole,
    Delivery.WRONG_LENGTH: _wrong_length,
    Delivery.RESET_BEFORE_HEADERS: _reset_before_headers,
    Delivery.RESET_AFTER_HEADERS: _reset_after_headers,
    Delivery.RESET_MID_BODY: _reset_mid_body,
    Delivery.CLOSE_MID_BODY: _close_mid_body,
    Delivery.HANG: _hang,
    Delivery.DRIP_FOREVER: _drip_forever,
    Delivery.DRIP_FIRST: _drip_first,
    Delivery.SLOW_HEADERS: _slow_headers,
}
