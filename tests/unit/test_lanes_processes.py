"""What only a process of its own can show: forks, and the interpreter's exit while requests are in flight."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ASK = """
import os, sys, threading, time
from duck_or.engine.chunk import Group
from duck_or.session import SessionCore
from duck_or.settings import Settings

def ask(session, *contents, on_error="raise"):
    texts = ['[{"role":"user","content":"%s"}]' % content for content in contents]
    return session.answer([Group("{}", texts, len(texts), lambda: [1] * len(texts))], None, on_error).cells

def settings(**more):
    return Settings.load({"api_key": "k", "model": "m", "rate_limit": 0, **more})
"""

FORK = (
    ASK
    + """
from duck_or.engine.lane import Lane
from duck_or.engine import lanes
from duck_or.engine.loop_thread import loop_thread
from duck_or.outcome import RawResponse
import asyncio, dataclasses

class Echo:
    async def send(self, method, path, body=None):
        await asyncio.sleep(0.3)
        text = '{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"%d"}}]}' % os.getpid()
        return RawResponse(200, {}, text.encode())
    async def close(self):
        pass

session = SessionCore(settings(base_url="http://127.0.0.1:9", cache_path=sys.argv[1]))
def echo(parts):
    parts.membership.connect = lambda endpoint, connections: Echo()
    return parts
echo(session._live())
before = ask(session, "a")[0]
in_flight = []
thread = threading.Thread(target=lambda: in_flight.append(ask(session, "b")[0]))
thread.start()
while session.stats().sent < 2:
    time.sleep(0.01)
parents_loop = loop_thread()

child = os.fork()
if child == 0:
    try:
        echo(session._live())
        answer = ask(session, "c")[0]
        stats = session.stats()
        assert str(os.getpid()).encode() in answer, answer
        assert loop_thread() is not parents_loop
        assert (stats.sent, stats.answered) == (1, 1), stats
        assert ask(session, "a")[0] == before  # from the file both share
        assert session.stats().store_hits == 1
        assert len(session.calls()) == 2
        session.close()
        os._exit(7)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
thread.join()
assert str(os.getpid()).encode() in in_flight[0]
assert ask(session, "d")
session.close()
print("well")
"""
)

EXIT = (
    ASK
    + """
session = SessionCore(settings(base_url=sys.argv[1], cache_path=sys.argv[2], transport=sys.argv[3]))
ask(session, "one")
def wait():
    try:
        ask(session, *map(str, range(500)))
    except Exception as error:
        assert error.code in ("session_closed", "statement_stopped"), error
threading.Thread(target=wait, daemon=True).start()
while session.stats().sent < 20:
    time.sleep(0.01)
print("well", time.time(), flush=True)
"""
)


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )


ANSWER = b'{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"ok"}}]}'


@pytest.fixture
def falling_silent() -> Iterator[str]:
    """A server that answers one request and then accepts connections without ever answering again."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        thread = threading.Thread(target=_answer_one, args=(server,))
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def _answer_one(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        received = b""
        while b'"one"' not in received:
            received += connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER)


def test_a_forked_child_answers_on_its_own_and_leaves_the_parent_in_peace(tmp_path: Path) -> None:
    done = run(FORK, str(tmp_path / "answers.db"))
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "well", "")


@pytest.mark.parametrize("transport", ["http", "openai"])
def test_the_interpreter_ends_soon_and_silently_with_requests_in_flight(
    transport: str, falling_silent: str, tmp_path: Path
) -> None:
    done = run(EXIT, falling_silent, str(tmp_path / "answers.db"), transport)
    ended = time.time()
    assert (done.returncode, done.stderr) == (0, "")
    word, began = done.stdout.split()
    assert word == "well"
    assert ended - float(began) < 3.0
