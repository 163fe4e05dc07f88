"""A llama.cpp server for one model, on loopback, for as long as it is wanted and no longer.

It is started through `attached`, so that it ends with this process even if that is killed, and in a session of its own,
so that Ctrl-C in a terminal reaches this process alone, which then stops it. Must not know what is asked of it.
"""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self

from duck_or.local_model import attached
from duck_or.local_model.finding import LocalModel, LocalModelError

HOST = "127.0.0.1"
SLOTS = 4
"""Requests that the server works on at the same time; more of them wait there."""
SLOT_TOKENS = 2048
"""Of one request, question and answer together."""
ANSWER_TOKENS = 256
"""Of an answer, where the request does not bound it."""

_READY_AFTER = 120.0  # seconds; the weights come from a disk
_POLL = 0.05
_GRACE = 5.0  # seconds; `attached` needs none of them
_TAIL = 8  # lines of its log


class ServerFailed(LocalModelError):
    """The server ended, or was not ready in time. The message holds the last lines of its log."""


class LocalServer:
    """Runs inside a `with`; entering it raises ServerFailed. model: the name to ask for; base_url and api_key: for
    `register`.

    threads: that compute, half of the machine's processors if None. ready_after: seconds for loading the weights.
    """

    def __init__(
        self,
        model: LocalModel,
        *,
        threads: int | None = None,
        ready_after: float = _READY_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model.name
        # Without one every process of this machine could ask it, and every web page.
        self.api_key = secrets.token_urlsafe(24)
        self._local = model
        self._threads = threads or max(1, (os.cpu_count() or 2) // 2)
        self._ready_after = ready_after
        self._clock = clock
        self._port = 0
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self._port = _free_port()
        with ExitStack() as stack:
            log = stack.enter_context(tempfile.TemporaryFile())
            child = self._start(log)
            stack.callback(_end, child)
            self._wait(child, log)
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._port}/v1"

    def close(self) -> None:
        """Stop the server and wait for its end. Does nothing the second time."""
        self._running.close()

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", attached.__file__, *self._command()],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(os.environ, self.api_key),
            start_new_session=True,
        )

    def _command(self) -> list[str]:
        options = {
            "--model": self._local.weights,
            "--alias": self.model,
            "--host": HOST,
            "--port": self._port,
            "--threads": self._threads,
            "--parallel": SLOTS,
            "--ctx-size": SLOTS * SLOT_TOKENS,
            # Of requests that do not say it themselves: the same question gets the same answer, and one who repeats
            # himself comes to an end.
            "--temp": 0,
            "--predict": ANSWER_TOKENS,
        }
        pairs = [str(part) for pair in options.items() for part in pair]
        return [str(self._local.server), *pairs, "--offline", "--no-ui"]

    def _wait(self, child: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        """Until the weights are loaded. Before that it takes no connections, then answers 503."""
        deadline = self._clock() + self._ready_after
        while self._clock() < deadline:
            code = child.poll()
            if code is not None:
                raise ServerFailed(f"{self._named()} ended with exit code {code}.{_tail(log)}")
            if _health(self._port) == http.client.OK:
                return
            time.sleep(_POLL)
        _end(child)  # its place in the log is ours as well
        raise ServerFailed(f"{self._named()} was not ready within {self._ready_after:g} s.{_tail(log)}")

    def _named(self) -> str:
        return f"the local model's server ({self._local.server} with {self._local.weights})"


def _free_port() -> int:
    """A port that was free a moment ago. Should another process take it meanwhile, the server ends and says so."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _environment(environ: Mapping[str, str], api_key: str) -> dict[str, str]:
    """Without LLAMA_ARG_…, which would change the server behind our back. The key is not for a command line, which other
    users see."""
    kept = {name: value for name, value in environ.items() if not name.startswith("LLAMA_")}
    return {**kept, "LLAMA_API_KEY": api_key}


def _health(port: int) -> int | None:
    """The HTTP status of the server's health: 200 when it is ready. None while it does not listen."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _tail(log: IO[bytes]) -> str:
    """The last lines of the log of a server that has ended."""
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()[-_TAIL:]
    return (
        "".join(f"\n    {line}" for line in ["Its log ends with:", *lines])
        if lines
        else " It logged nothing."
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the server and wait for that. Does nothing the second time."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        _kill(child)
        child.wait()


def _kill(child: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        child.kill()
    else:
        os.killpg(child.pid, signal.SIGKILL)  # it leads a group of two: the server as well
