"""The calls file: what gets into it, how much of it stays, and that its troubles are nobody else's."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duck_or.cache.contract import StoreError
from duck_or.cache.sqlite_store import SqliteStore
from duck_or.call_summary import CallSummary
from duck_or.calls import CacheHits, Call, CallLog, FailedRow
from duck_or.calls_file import COLUMNS, CallsFile, calls_file, read_calls, write_what_is_due
from duck_or.outcome import Failure
from duck_or.settings import Settings, default_cache_path

NOW = 1_790_000_000.0
SUMMARY = CallSummary("m-2", "P", "gen-1", "stop", 3, 2, 1, 0, 0.5)
REFUSED = FailedRow(NOW, Failure("bad_argument", "this message quotes a prompt"), None, None)


def call(n: int = 0, error: str | None = None, prompt: bytes | None = None, model: str | None = "m") -> Call:
    summary = None if error else SUMMARY
    return Call(NOW + n, model, b"%032d" % n, False, 1, 0.2, error, 200, summary, prompt)


def hits(count: int, model: str | None = "m") -> CacheHits:
    return CacheHits(NOW, model, count, None)


class World:
    """A calls file, what it announced and what it reported. Whatever is written later is written at NOW."""

    def __init__(self, path: Path, max_rows: int = 1000, max_pending: int = 1000) -> None:
        self.reports: list[str] = []
        self.announced: SimpleQueue[CallsFile] = SimpleQueue()
        self.file = CallsFile(
            path,
            max_rows=max_rows,
            max_pending=max_pending,
            announce=self.announced.put,
            report=self.reports.append,
            clock=lambda: NOW,
        )

    def rows(self) -> list[dict[str, Any]]:
        return [dict(zip(COLUMNS, row, strict=True)) for some in read_calls(self.file.path) for row in some]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "there" / "calls.sqlite")


def test_a_call_is_a_row_without_prompt_and_key(world: World) -> None:
    world.file.add(call(prompt=b"a prompt"))
    assert world.file.flush()
    assert world.rows() == [
        {
            "time": NOW,
            "requests": 1,
            "model": "m",
            "served_model": "m-2",
            "provider": "P",
            "generation_id": "gen-1",
            "finish_reason": "stop",
            "attempts": 1,
            "latency_s": 0.2,
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "cached_tokens": 1,
            "reasoning_tokens": 0,
            "cost_usd": 0.5,
            "cache_hit": 0,
            "http_status": 200,
            "error_code": None,
        }
    ]


def test_hits_and_refused_rows_are_counted_in_one_row_each(world: World) -> None:
    for count in (3, 4):
        world.file.add_hits(hits(count))
        world.file.add_failure(REFUSED)
    world.file.add_hits(hits(5, "other"))
    world.file.flush()
    told = [
        (row["model"], row["error_code"], row["cache_hit"], row["requests"], row["attempts"], row["cost_usd"])
        for row in world.rows()
    ]
    assert told == [
        ("m", None, 1, 7, 0, 0.0),
        (None, "bad_argument", 0, 2, 0, 0.0),
        ("other", None, 1, 5, 0, 0.0),
    ]


def test_the_failure_of_a_call_is_its_call(world: World) -> None:
    log = CallLog().telling(world.file)
    failed = call(error="timeout")
    log.add(failed)
    log.add_failure(FailedRow(NOW, Failure("timeout", "too late"), "m", failed.cache_key))
    log.flush()
    assert [(row["error_code"], row["requests"]) for row in world.rows()] == [("timeout", 1)]


def test_no_prompt_and_no_message_gets_onto_the_disk(world: World) -> None:
    log = CallLog().telling(world.file)
    log.add(call(prompt=b"a prompt"))
    log.add_failure(REFUSED)
    log.flush()
    written = b"".join(path.read_bytes() for path in world.file.path.parent.iterdir())
    assert b"bad_argument" in written
    assert b"prompt" not in written.replace(b"prompt_tokens", b"")


def test_only_its_owner_reads_it(world: World) -> None:
    world.file.add(call())
    world.file.flush()
    assert (world.file.path.stat().st_mode & 0o777, world.file.path.parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )
    world.file.path.unlink()
    world.file.add(call())
    world.file.flush()
    assert world.file.path.stat().st_mode & 0o777 == 0o600


def test_a_directory_that_was_removed_is_not_made_again(world: World) -> None:
    world.file.add(call())
    world.file.flush()
    world.file.path.unlink()
    world.file.path.parent.rmdir()
    world.file.add(call())
    assert not world.file.flush()
    assert not world.file.path.parent.exists()


def test_a_log_tells_only_those_who_asked(world: World) -> None:
    log = CallLog()
    log.telling(world.file).add(call(1))
    log.telling(None).add(call(2))
    log.add(call(3))
    log.flush()
    world.file.flush()
    assert [row["time"] for row in world.rows()] == [NOW + 1]
    assert [row["time"] for row in log.calls()] == [NOW + 1, NOW + 2, NOW + 3]


def test_the_oldest_rows_go_first(tmp_path: Path) -> None:
    world = World(tmp_path / "calls.sqlite", max_rows=10)
    for start in range(0, 35, 5):
        for n in range(start, start + 5):
            world.file.add(call(n))
        world.file.flush()
    assert [row["time"] for row in world.rows()] == [NOW + n for n in range(25, 35)]


def test_long_texts_are_cut(world: World) -> None:
    world.file.add(call(model="m" * 5000))
    world.file.flush()
    assert [len(row["model"]) for row in world.rows()] == [200]


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), st.just("call"), st.just("flush"))
    )
)
def test_nothing_is_counted_twice_or_lost(steps: list[Any]) -> None:
    with TemporaryDirectory() as directory:
        world = World(Path(directory, "calls.sqlite"))
        expected: Counter[str] = Counter()
        for step in steps:
            if step == "flush":
                assert world.file.flush()
            elif step == "call":
                world.file.add(call())
                expected["sent"] += 1
            else:
                model, count = step
                world.file.add_hits(hits(count, model))
                expected[model] += count
        world.file.flush()
        found: Counter[str] = Counter()
        for row in world.rows() if expected else []:
            found[row["model"] if row["cache_hit"] else "sent"] += row["requests"]
        assert found == expected


# --- who writes, and when ---------------------------------------------------------------------------------------------


def test_it_is_announced_once_until_it_is_written(world: World) -> None:
    for _ in range(3):
        world.file.add(call())
        world.file.add_hits(hits(1))
    assert world.announced.qsize() == 1
    pauses: list[float] = []
    write_what_is_due(world.announced, pauses.append)
    assert (len(world.rows()), pauses, world.announced.qsize()) == (4, [1.0], 0)
    world.file.add(call())
    assert world.announced.qsize() == 1


def test_what_comes_meanwhile_goes_with_it(tmp_path: Path) -> None:
    announced: SimpleQueue[CallsFile] = SimpleQueue()
    one, other = (CallsFile(tmp_path / name, announce=announced.put) for name in ("one", "other"))
    one.add(call(1))

    def pause(seconds: float) -> None:
        one.add(call(2))
        other.add(call(3))

    write_what_is_due(announced, pause)
    assert [len(rows) for path in (one.path, other.path) for rows in read_calls(path)] == [2, 1]


def test_one_file_has_one_writer_in_a_process(tmp_path: Path) -> None:
    first = calls_file(tmp_path / "calls.sqlite")
    assert first is calls_file(tmp_path / "calls.sqlite")
    assert first is not calls_file(tmp_path / "others.sqlite")
    assert calls_file(None) is None


# --- trouble ----------------------------------------------------------------------------------------------------------


def make_directory(path: Path) -> None:
    path.mkdir()


def make_garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def make_other_database(path: Path) -> None:
    with sqlite3.connect(path) as con:
        con.execute("CREATE TABLE mine (x)")
    con.close()


def make_answers(path: Path) -> None:
    store = SqliteStore(path)
    store.put_many({b"k" * 32: b"{}"}, NOW)
    store.close()


def make_newer(path: Path) -> None:
    world = World(path)
    world.file.add(call())
    world.file.flush()
    with sqlite3.connect(path) as con:
        con.execute("PRAGMA user_version = 99")
    con.close()


TROUBLES = {
    "a directory": (make_directory, "unable to open database file|Is a directory"),
    "garbage": (make_garbage, "file is not a database"),
    "somebody's database": (make_other_database, "no calls file of duck_or; it was left as it is"),
    "the cache": (make_answers, "no calls file of duck_or; it was left as it is"),
    "a newer file": (make_newer, r"made by a newer duck_or \(version 99"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_reported_once_and_calls_wait_until_it_is_over(tmp_path: Path, trouble: str) -> None:
    make, said = TROUBLES[trouble]
    path = tmp_path / "calls.sqlite"
    make(path)
    world = World(path)
    for n in range(3):
        world.file.add(call(n))
        world.file.add_hits(hits(2))
        assert not world.file.flush()
    assert (world.file.errors, world.file.lost, len(world.reports)) == (3, 0, 1)
    with pytest.raises(StoreError, match=said):
        list(read_calls(path))
    assert "set calls_path to another" in world.reports[0]
    path.rename(tmp_path / "away")
    assert world.file.flush()
    assert [row["requests"] for row in world.rows()] == [1, 1, 1, 6]


def test_a_file_that_is_locked_is_tried_again(world: World) -> None:
    world.file.add(call(1))
    world.file.flush()
    impatient = CallsFile(world.file.path, busy_timeout=0.0, report=world.reports.append)
    with sqlite3.connect(world.file.path, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        impatient.add(call(2))
        assert not impatient.flush()
        assert len(world.rows()) == 1, "a reader does not wait"
        holder.execute("ROLLBACK")
    holder.close()
    assert impatient.flush()
    assert [row["time"] for row in world.rows()] == [NOW + 1, NOW + 2]


def test_no_more_wait_than_there_is_room_for(tmp_path: Path) -> None:
    world = World(tmp_path / "calls.sqlite", max_pending=5)
    make_directory(world.file.path)
    for n in range(8):
        world.file.add(call(n))
    world.file.flush()
    assert world.file.lost == 3
    world.file.path.rmdir()
    world.file.flush()
    assert [row["time"] for row in world.rows()] == [NOW + n for n in range(5)]


def test_what_is_not_there_cannot_be_read_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot read the calls file"):
        list(read_calls(tmp_path / "none.sqlite"))
    assert list(tmp_path.iterdir()) == []


# --- the setting ------------------------------------------------------------------------------------------------------

HOME = default_cache_path()


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"cache_path": "/a/answers.sqlite"}, Path("/a/calls.sqlite")),
        ({"cache_path": None}, None),
        ({"cache_path": None, "calls_path": "/b/c.sqlite"}, Path("/b/c.sqlite")),
        ({"cache_path": "/a/answers.sqlite", "calls_path": None}, None),
        ({"cache_path": "redis://localhost/0"}, HOME and HOME.with_name("calls.sqlite")),
        ({"cache_path": "/a/answers.sqlite", "cassette": "/a/c.parquet"}, None),
    ],
)
def test_calls_are_kept_where_answers_are(given: dict[str, Any], where: Path | None) -> None:
    assert Settings(**given).calls_file == where


def test_the_setting_is_read_like_all_others() -> None:
    def read(text: str) -> object:
        return Settings.load(environ={"DUCK_OR_CALLS": text, "DUCK_OR_CONFIG": "none"}).calls_path

    assert [read("none"), read("auto"), read(""), read("/a/b")] == [None, "auto", "auto", Path("/a/b")]
