"""A cache file that cannot be used costs money at worst, never a row: said once, counted, answered all the same."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.bridge import Bridge, ask

Q, NEW = "'q' || i", "'new' || i"
ASKED = f"SELECT count(DISTINCT {ask(Q)}) FROM range(20) t(i)"


@contextmanager
def corrupt(path: Path) -> Iterator[None]:
    path.write_bytes(b"this is no database" * 1000)
    yield


@contextmanager
def somebody_elses(path: Path) -> Iterator[None]:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE precious (x)")
    other.close()
    yield


@contextmanager
def a_directory(path: Path) -> Iterator[None]:
    path.mkdir()
    yield


@contextmanager
def below_a_file(path: Path) -> Iterator[None]:
    path.parent.rmdir()
    path.parent.write_text("not a directory")
    yield


@contextmanager
def damaged_later(path: Path) -> Iterator[None]:
    path.write_bytes(b"SQLite format 3\x00" + os.urandom(8192))
    yield


TROUBLES = [corrupt, somebody_elses, a_directory, below_a_file, damaged_later]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_answers_still_arrive_and_it_is_said_once(
    connect: Callable[..., Bridge],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[[Path], object],
) -> None:
    caplog.set_level(logging.WARNING, "duck_or")
    path = tmp_path / "place" / "cache.sqlite"
    path.parent.mkdir()
    with trouble(path):  # type: ignore[attr-defined]
        bridge = connect(cache_path=path, calls_path=None)
        for _ in range(2):
            assert bridge.value(ASKED) == 20
        stats = bridge.session.stats()
        bridge.session.close()
    assert bridge.sent == 20, "memory still serves"
    assert stats.store_read_errors >= 1
    assert stats.store_write_errors >= 1
    warnings = [record.getMessage() for record in caplog.records]
    assert 1 <= len(warnings) <= 2, "at most once for reading and once for writing"
    assert str(path) in warnings[0]


def test_a_locked_file(
    connect: Callable[..., Bridge], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "duck_or")
    path = tmp_path / "cache.sqlite"
    first = connect(cache_path=path)
    first.value(ASKED)
    first.session.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    bridge = connect(cache_path=path)
    assert bridge.value(f"SELECT count(DISTINCT {ask(Q)}) FROM range(21) t(i)") == 21
    other.execute("ROLLBACK")
    other.close()
    assert bridge.session.stats().store_write_errors >= 1
    assert len(caplog.records) == 1


def test_a_file_that_is_mended_is_used_again(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"rubbish" * 1000)
    bridge = connect(cache_path=path)
    bridge.value(ASKED)
    path.unlink()
    bridge.value(f"SELECT count(DISTINCT {ask(NEW)}) FROM range(5) t(i)")
    bridge.session.close()
    again = connect(cache_path=path)
    again.value(f"SELECT count(DISTINCT {ask(NEW)}) FROM range(5) t(i)")
    assert again.session.stats().store_hits == 5


def test_without_a_file_memory_serves(connect: Callable[..., Bridge]) -> None:
    bridge = connect(cache_path=None)
    for _ in range(2):
        bridge.value(ASKED)
    assert bridge.sent == 20


def test_without_any_cache_each_statement_asks(connect: Callable[..., Bridge]) -> None:
    bridge = connect(cache_path=None, memory_cache_bytes=0)
    for _ in range(2):
        bridge.value(ASKED)
    assert bridge.sent == 40


def test_an_expired_answer_is_asked_for_again(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    bridge = connect(cache_path=tmp_path / "cache.sqlite", cache_ttl=1e-6)
    for _ in range(2):
        bridge.value(ASKED)
    assert bridge.sent == 40
