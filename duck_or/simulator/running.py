"""A simulator in a background thread of this process, and `serve`, the blocking form for a command line."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeVar

from duck_or.simulator.record import ALL, RecordedRequest, Stats
from duck_or.simulator.scenario import Scenario
from duck_or.simulator.service import Service

T = TypeVar("T")


def keep_of(record: bool | int) -> int:
    """How many requests to keep: all (a million), none, or the latest so many."""
    return ALL if record is True else int(record)


class Simulator:
    """A local OpenRouter in a background thread.

    >>> with Simulator(Scenario(latency=0.2)) as sim:
    ...     client = OpenAI(base_url=sim.base_url, api_key="sk-or-v1-test")

    record: which requests `requests` keeps: True all, False none, a number the latest so many. port 0: any free one.
    Starting raises OSError if the port is taken. Every method may be called from any thread while it runs.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        record: bool | int = 10_000,
    ) -> None:
        self._service = Service(scenario or Scenario(), keep_of(record))
        self._address = (host, port)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._base_url = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> Self:
        """Listen; returns when requests are taken."""
        if self._thread is not None:
            raise RuntimeError("this simulator is already running")
        started: Future[str] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(started,), name="duck_or-simulator", daemon=True
        )
        self._thread.start()
        try:
            self._base_url = started.result()
        except BaseException:
            self._thread.join()
            self._thread = None
            raise
        return self

    def close(self) -> None:
        """Stop, cut every connection off, and join the thread. Does nothing the second time."""
        if self._thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = self._loop = self._stop = None

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/api/v1`."""
        return self._base_url

    @property
    def scenario(self) -> Scenario:
        return self._service.scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        """From the next request on, with fresh limits and scripts; the counters go on."""
        self._in_loop(lambda: self._service.use(scenario))

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest requests, oldest first."""
        return self._in_loop(lambda: list(self._service.ledger.kept))

    def stats(self) -> Stats:
        return self._in_loop(self._service.ledger.stats)

    def reset(self) -> None:
        """Counters, recorded requests, limits and scripts start anew; the scenario stays."""
        self._in_loop(self._service.reset)

    def _in_loop(self, act: Callable[[], T]) -> T:
        """Run `act` where the state lives, so that no lock is needed; directly if the loop is not running."""
        if self._loop is None:
            return act()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(act())
            except Exception as problem:  # noqa: BLE001 - handed to the caller, who raises it
                done.set_exception(problem)

        self._loop.call_soon_threadsafe(run)
        return done.result()

    def _run(self, started: Future[str]) -> None:
        asyncio.run(self._main(started))

    async def _main(self, started: Future[str]) -> None:
        from duck_or.simulator.server import Server  # aiohttp takes a third of a second to import

        server = Server(self._service)
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        try:
            base_url = await server.start(*self._address)
        except OSError as problem:
            self._loop = None
            started.set_exception(problem)
            return
        started.set_result(base_url)
        await self._stop.wait()
        await server.stop()


def serve(
    scenario: Scenario,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], None] = lambda base_url: None,
    *,
    record: bool | int = 1_000,
    until_closed: int | None = None,
) -> None:
    """Run a simulator in the main thread until SIGINT or SIGTERM; `ready(base_url)` is called once it listens.

    until_closed: a pipe's file descriptor; its end stops the server too. Raises OSError if the port is taken.
    """
    asyncio.run(_serve(Service(scenario, keep_of(record)), host, port, ready, until_closed))


async def _serve(
    service: Service, host: str, port: int, ready: Callable[[str], None], until_closed: int | None
) -> None:
    from duck_or.simulator.server import Server

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, stop.set)
    if until_closed is not None:
        loop.add_reader(until_closed, _drain, until_closed, stop)
    server = Server(service)
    ready(await server.start(host, port))
    await stop.wait()
    await server.stop()


def _drain(pipe: int, stop: asyncio.Event) -> None:
    if not os.read(pipe, 4096):
        asyncio.get_running_loop().remove_reader(pipe)
        stop.set()
