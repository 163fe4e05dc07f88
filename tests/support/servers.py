"""A real Redis and a real PostgreSQL server: on loopback, on a free port, in a directory that is removed.

`redis_server` and `postgres_server` run one of one's own, to be stopped and killed. `fresh_redis` and `fresh_postgres` empty
one that the tests of this process share. Where the server is not installed, all of them skip the test; where CI is set it must be.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
import redis

STARTING = 30.0
"""Seconds a server may take until it answers."""


class ServerMissing(pytest.skip.Exception):
    """A server is not installed: a test that wants it is skipped. The message names its package."""


class Server(NamedTuple):
    """process: the server's, to be stopped, continued or killed."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def redis_server(*options: str, port: int | None = None) -> Iterator[Server]:
    """Without persistence. options: further command line arguments."""
    binary = _binary("redis-server", "redis-server")
    port = port or free_port()
    settings = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", *options]
    with (
        tempfile.TemporaryDirectory() as directory,
        _running([binary, *settings, "--dir", directory]) as process,
    ):
        url = f"redis://127.0.0.1:{port}/0"
        _wait_for(lambda: _redis_answers(url), process)
        yield Server(url, process)


@contextmanager
def postgres_server(*options: str) -> Iterator[Server]:
    """Durable against nothing, which makes it fast. As root it runs as the user postgres: the server refuses root.

    options: further command line arguments.
    """
    initdb, postgres = (_binary(name, "postgresql") for name in ("initdb", "postgres"))
    port = free_port()
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory, "data")
        if user:
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        made = [initdb, "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(made, check=True, user=user, cwd=directory, stdout=subprocess.DEVNULL)
        settings = [
            f"-cport={port}",
            "-clisten_addresses=127.0.0.1",
            "-cunix_socket_directories=",
            "-cfsync=off",
        ]
        settings += ["-cshared_buffers=64MB", "-cmax_connections=30", "-clogging_collector=off"]
        with _running([postgres, "-D", str(data), *settings, *options], user, directory) as process:
            url = f"postgresql://tester@127.0.0.1:{port}/postgres"
            _wait_for(lambda: _postgres_answers(url), process)
            yield Server(url, process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def fresh_redis() -> str:
    """The address of a server without a key."""
    url = _started(redis_server)
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


def fresh_postgres() -> str:
    """The address of a database without a table of ours."""
    url = _started(postgres_server)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("DROP SCHEMA IF EXISTS duck_or CASCADE")
    return url


@cache
def _started(start: Callable[[], AbstractContextManager[Server]]) -> str:
    """Runs until this process ends: a fixture would start one for every module that has it."""
    return _UNTIL_EXIT.enter_context(start()).url


_UNTIL_EXIT = ExitStack()
atexit.register(_UNTIL_EXIT.close)


def _binary(name: str, package: str) -> str:
    # Debian keeps PostgreSQL's off the PATH.
    versions = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *versions]))
    if found is None:
        message = f"there is no {name}: it is in the package {package}"
        if os.environ.get("CI"):
            pytest.fail(message)
        raise ServerMissing(message)
    return found


@contextmanager
def _running(
    command: Sequence[str], user: str | None = None, directory: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        command, user=user, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)  # to both it means: do not wait for clients
            process.send_signal(signal.SIGCONT)  # a test may have stopped it
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(answers: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTING
    while not answers():
        assert process.poll() is None, f"the server ended at once: {process.args!r}"
        assert time.monotonic() < deadline, f"the server does not answer: {process.args!r}"
        time.sleep(0.02)


def _redis_answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
