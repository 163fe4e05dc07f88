"""The SQLite store among processes: several at once, one killed at any moment, one forked from another."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

import duck_or
from duck_or.cache.sqlite_store import SqliteStore

NOW = 1_790_000_000.0

PRELUDE = """
import hashlib, os, sys
from duck_or.cache.sqlite_store import SqliteStore

NOW = 1_790_000_000.0
store = SqliteStore(sys.argv[1])

def key(name):
    return hashlib.sha256(name.encode()).digest()
"""

WRITE_FOR_EVER = """
number = 0
while True:
    names = [f"{number + place}" for place in range(20)]
    store.put_many({key(name): name.encode() * 300 for name in names}, NOW)
    number += 20
    print(number, flush=True)
"""

WRITE_AMONG_OTHERS = """
print("ready", flush=True)
sys.stdin.readline()
for batch in range(40):
    names = [f"{sys.argv[2]}/{batch}/{place}" for place in range(10)]
    store.put_many({key(name): name.encode() for name in names}, NOW)
    assert len(store.get_many([key(name) for name in names], NOW)) == 10
print("done", flush=True)
"""

FORK = """
import threading
store.put_many({key("before"): b"1"}, NOW)
held = store._lock.acquire()  # as if another thread were in a call at the moment of the fork
child = os.fork()
if child == 0:
    assert len(store.get_many([key("before")], NOW)) == 1
    store.put_many({key("child"): b"2"}, NOW)
    store.close()
    os._exit(0)
store._lock.release()
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
store.put_many({key("parent"): b"3"}, NOW)
assert len(store.get_many([key("before"), key("child"), key("parent")], NOW)) == 3
print("done", flush=True)
"""


def key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@contextmanager
def running(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that is gone, by force if need be, when the block is left."""
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script, *map(str, arguments)],
        cwd=Path(duck_or.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("acknowledgements", [1, 30])
def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path, acknowledgements: int) -> None:
    path = tmp_path / "cache.sqlite"
    with running(WRITE_FOR_EVER, path) as process:
        for _ in range(acknowledgements):
            read(process)
        process.kill()
        assert process.stdout is not None
        last = [acknowledgements * 20, *map(int, process.stdout.read().split())][-1]
    with closing(SqliteStore(path)) as store:
        found = store.get_many([key(str(number)) for number in range(last)], NOW)
        assert {number for number in range(last) if key(str(number)) not in found} == set()
        assert all(found[key(str(number))].body == b"%d" % number * 300 for number in range(last))
        store.put_many({key("after"): b"a"}, NOW)  # nothing half-written, no lock left behind
        assert store.info().entries % 20 == 1


def test_four_processes_begin_and_write_one_file_together(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with ExitStack() as stack:
        writers = [stack.enter_context(running(WRITE_AMONG_OTHERS, path, name)) for name in range(4)]
        assert [read(writer) for writer in writers] == ["ready"] * 4
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        assert [read(writer) for writer in writers] == ["done"] * 4
    with closing(SqliteStore(path)) as store:
        assert store.info().entries == 4 * 40 * 10


def test_a_forked_child_opens_the_file_for_itself(tmp_path: Path) -> None:
    with running(FORK, tmp_path / "cache.sqlite") as process:
        assert read(process) == "done"
