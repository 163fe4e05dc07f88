"""The calls file among processes: several that begin at once, one that forks, one that just ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from duck_or.calls_file import COLUMNS, read_calls

PRELUDE = """
import os, sys
from pathlib import Path
from duck_or.calls import CacheHits, Call
from duck_or.calls_file import CallsFile, calls_file

def call(model):
    return Call(1_790_000_000.0, model, None, False, 1, 0.2, None, 200, None)

path = Path(sys.argv[1])
"""
TOGETHER = """
file = CallsFile(path)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    for _ in range(10):
        file.add(call(sys.argv[2]))
    assert file.flush()
"""
FORK = """
file = calls_file(path)
file.add(call("before"))
file._guard.acquire()  # as if other threads were at work at the moment of the fork
file._writing.acquire()
child = os.fork()
if child == 0:
    mine = calls_file(path)
    assert mine is file
    mine.add(call("child"))
    assert mine.flush()
    os._exit(0)
file._writing.release()
file._guard.release()
_, status = os.waitpid(child, 0)
assert status == 0, status
file.add(call("parent"))
"""
ENDS = """
file = calls_file(path)
file.add(call("last words"))
file.add_hits(CacheHits(0.0, "m", 3, None))
"""


def start(script: str, path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PRELUDE + script, str(path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def models(path: Path) -> list[str]:
    place = list(COLUMNS).index("model")
    return sorted(row[place] for rows in read_calls(path) for row in rows)


def test_several_processes_begin_and_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    writers = [start(TOGETHER, path, name) for name in ("a", "b", "c")]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert models(path) == ["a"] * 200 + ["b"] * 200 + ["c"] * 200
    assert sorted(each.name for each in tmp_path.iterdir()) == ["calls.sqlite"]


def test_a_forked_child_writes_its_own_and_nothing_of_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    process = start(FORK, path)
    process.communicate()
    assert process.returncode == 0
    assert models(path) == ["before", "child", "parent"]


def test_a_process_that_ends_writes_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    process = start(ENDS, path)
    process.communicate()
    assert process.returncode == 0
    assert models(path) == ["last words", "m"]
