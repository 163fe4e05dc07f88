"""`duck-or cache`: a file with answers, looked at and tidied."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from duck_or.cache.opening import open_store
from duck_or.cache.sqlite_store import SqliteStore
from support.command_line import duck_or
from support.servers import fresh_postgres, fresh_redis

DAY = 86_400.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two answers of today and one of ten days ago."""
    path, now = tmp_path / "answers.sqlite", time.time()
    store = SqliteStore(path)
    store.put_many({bytes([1]) * 32: b'{"old": true}'}, now - 10 * DAY)
    store.put_many({bytes([n]) * 32: b'{"new": true}' for n in (2, 3)}, now)
    store.close()
    return path


def entries(path: Path) -> int:
    store = SqliteStore(path)
    try:
        return store.info().entries
    finally:
        store.close()


def test_info(file: Path) -> None:
    result = duck_or("cache", "info", "--path", str(file))
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["place"] == str(file)
    assert lines["answers"] == "3"
    assert lines["oldest"] < lines["newest"]


def test_the_file_of_the_settings_is_the_default(file: Path) -> None:
    assert str(file) in duck_or("cache", "info", DUCK_OR_CACHE=str(file)).stdout


@pytest.mark.parametrize("command", ["info", "clear", "vacuum"])
def test_looking_makes_no_file(tmp_path: Path, command: str) -> None:
    path = tmp_path / "nothing.sqlite"
    result = duck_or("cache", command, "--path", str(path))
    assert result.exit_code == 0
    assert str(path) in result.stdout
    assert not path.exists()


def test_memory_only_is_said() -> None:
    assert "memory only" in duck_or("cache", "info").stdout


@pytest.mark.parametrize(("said", "left"), [("n\n", 3), ("y\n", 0)])
def test_clear_asks_first(file: Path, said: str, left: int) -> None:
    result = duck_or("cache", "clear", "--path", str(file), stdin=said)
    assert result.exit_code == 0
    assert "3 answers" in result.stdout
    assert entries(file) == left


def test_clear_without_an_answer_removes_nothing(file: Path) -> None:
    assert duck_or("cache", "clear", "--path", str(file), stdin="").exit_code == 130
    assert entries(file) == 3


def test_clear_yes(file: Path) -> None:
    result = duck_or("cache", "clear", "--path", str(file), "--yes")
    assert result.stdout == "3 answers removed.\n"
    assert entries(file) == 0


def test_prune_removes_what_is_too_old(file: Path) -> None:
    result = duck_or("cache", "prune", "--path", str(file), "--ttl", str(DAY))
    assert result.stdout == "1 answer removed; 2 answers kept.\n"
    assert entries(file) == 2


def test_prune_uses_the_setting(file: Path) -> None:
    result = duck_or("cache", "prune", "--path", str(file), DUCK_OR_CACHE_TTL=str(DAY))
    assert result.stdout == "1 answer removed; 2 answers kept.\n"


def test_prune_without_a_rule_says_which_there_are(file: Path) -> None:
    result = duck_or("cache", "prune", "--path", str(file))
    assert result.exit_code == 2
    assert "--ttl" in result.stderr
    assert entries(file) == 3


def test_vacuum_gives_space_back(file: Path) -> None:
    store = SqliteStore(file)
    store.put_many({n.to_bytes(32, "big"): n.to_bytes(3000, "little") * 3 for n in range(500)}, time.time())
    store.clear()
    store.close()
    before = file.stat().st_size
    result = duck_or("cache", "vacuum", "--path", str(file))
    assert result.exit_code == 0
    assert " before, " in result.stdout
    assert file.stat().st_size < before


def test_a_file_that_is_no_cache_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at " * 100)
    result = duck_or("cache", "info", "--path", str(path))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert str(path) in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("fresh", [fresh_redis, fresh_postgres])
def test_a_server(fresh: Callable[[], str], tmp_path: Path) -> None:
    """The same commands, by its address."""
    address, file = fresh(), tmp_path / "calls.parquet"
    with closing(open_store(address)) as store:
        store.put_many({bytes([number]) * 32: b'{"model":"a"}' for number in range(3)}, time.time())
    info = duck_or("cache", "info", "--path", address)
    assert info.exit_code == 0
    assert "answers   3" in info.stdout
    assert "tester" not in info.stdout
    assert duck_or("cache", "export", str(file), "--path", address).exit_code == 0
    assert "3 answers removed" in duck_or("cache", "clear", "--yes", "--path", address).stdout
    assert duck_or("cache", "import", str(file), "--path", address).exit_code == 0
    pruned = duck_or("cache", "prune", "--ttl", "1000", "--path", address)
    assert "0 answers removed; 3 answers kept" in pruned.stdout


def test_an_address_that_means_nothing() -> None:
    result = duck_or("cache", "info", "--path", "mysql://localhost")
    assert result.exit_code == 2
    assert "neither a file's path nor a redis:// or postgresql:// address" in result.stderr
