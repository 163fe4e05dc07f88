"""A simulator in a process of its own, for benchmarks: it has its own core and its own interpreter lock."""

from __future__ import annotations

import http.client
import subprocess
import sys
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from duck_or.simulator.record import RecordedRequest, Stats
from duck_or.simulator.running import keep_of
from duck_or.simulator.scenario import Scenario

_PATIENCE = 10.0  # seconds for one control call, and for the child to end


class SimulatorProcess:
    """Like `Simulator`, in a child process; talks to it over its control plane.

    Nothing is recorded unless asked, because recording costs time. Raises RuntimeError if the child does not start.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        record: bool | int = False,
    ) -> None:
        self._scenario = scenario or Scenario()
        self._arguments = ["--host", host, "--port", str(port), "--record", str(keep_of(record))]
        self._child: subprocess.Popen[bytes] | None = None
        self._base_url = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> Self:
        """Start the child; returns when requests are taken."""
        if self._child is not None:
            raise RuntimeError("this simulator is already running")
        knobs = orjson.dumps(self._scenario.to_json()).decode()
        command = [
            sys.executable,
            "-m",
            "duck_or.simulator",
            "--until-stdin-closes",
            *self._arguments,
            "--scenario",
            knobs,
        ]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdout is not None
        self._base_url = self._child.stdout.readline().decode().strip()
        if not self._base_url:
            self.close()
            raise RuntimeError(
                "the simulator's process ended before it listened; its standard error says why"
            )
        return self

    def close(self) -> None:
        """Stop the child and wait for its end. Does nothing the second time."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.close()
        try:
            child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/api/v1`."""
        return self._base_url

    @property
    def pid(self) -> int | None:
        """The child's process id, for whoever wants to pin it to a core; None while it is not running."""
        return self._child.pid if self._child is not None else None

    @property
    def scenario(self) -> Scenario:
        return self._scenario

    @scenario.setter
    def scenario(self, scenario: Scenario) -> None:
        """From the next request on, with fresh limits and scripts; the counters go on."""
        self._scenario = Scenario.from_json(self._control("POST", "scenario", scenario.to_json()))

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest requests, oldest first."""
        return [RecordedRequest.from_json(value) for value in self._control("GET", "requests")]

    def stats(self) -> Stats:
        return Stats.from_json(self._control("GET", "stats"))

    def reset(self) -> None:
        """Counters, recorded requests, limits and scripts start anew; the scenario stays."""
        self._control("POST", "reset")

    def _control(self, method: str, name: str, value: Any = None) -> Any:
        address = urlsplit(self._base_url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_PATIENCE)
        try:
            connection.request(method, f"/__sim/{name}", None if value is None else orjson.dumps(value))
            response = connection.getresponse()
            parsed = orjson.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(parsed["error"]["message"])
        return parsed
