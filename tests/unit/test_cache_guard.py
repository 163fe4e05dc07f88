"""A broken store costs no row: it is counted, reported once for each kind, and answered with "nothing"."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pytest

from duck_or.cache.contract import Kept, StoreError
from duck_or.cache.guard import GuardedStore
from support.dict_store import DictStore


class BrokenStore(DictStore):
    """Raises `error` for whatever is asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        raise self.error

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        raise self.error


def test_a_sound_store_is_passed_through() -> None:
    reports: list[str] = []
    guarded = GuardedStore(DictStore(), reports.append)
    assert guarded.put_many({b"k": b"v"}, 1.0) is True
    assert guarded.get_many([b"k", b"l"], 2.0) == {b"k": Kept(b"v", 1.0)}
    assert (reports, guarded.errors.total()) == ([], 0)


def test_failures_are_counted_and_reported_once_for_each_kind() -> None:
    reports: list[str] = []
    guarded = GuardedStore(BrokenStore(StoreError("the file is locked")), reports.append)
    for _ in range(3):
        assert guarded.get_many([b"k"], 1.0) == {}
    for _ in range(2):
        assert guarded.put_many({b"k": b"v"}, 1.0) is False
    assert guarded.errors == {"read": 3, "write": 2}
    assert len(reports) == 2
    assert all("the file is locked" in report for report in reports)
    assert "asked for again" in reports[0]
    assert "memory only" in reports[1]


def test_a_bug_is_not_hidden() -> None:
    guarded = GuardedStore(BrokenStore(ZeroDivisionError("bug")))
    with pytest.raises(ZeroDivisionError):
        guarded.get_many([b"k"], 1.0)
    assert guarded.errors.total() == 0


def test_unless_told_otherwise_it_warns_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    guarded = GuardedStore(BrokenStore(StoreError("100 % full")))
    with caplog.at_level(logging.WARNING, logger="duck_or"):
        guarded.put_many({b"k": b"v"}, 1.0)
    assert [(record.name, record.levelname) for record in caplog.records] == [("duck_or", "WARNING")]
    assert "100 % full" in caplog.text
