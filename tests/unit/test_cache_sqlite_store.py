"""What the SQLite store promises beyond the contract: its file, its size, damage, and refusing what is not its own."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from duck_or.cache.contract import Kept, StoreError
from duck_or.cache.sqlite_errors import MEANINGS, store_error
from duck_or.cache.sqlite_file import SCHEMA_VERSION
from duck_or.cache.sqlite_store import SqliteStore

NOW = 1_790_000_000.0


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def noise(number: int, size: int = 1000) -> bytes:
    """Bytes that compression cannot make fewer, so that sizes are what they seem."""
    return random.Random(number).randbytes(size)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path, busy_timeout=0.05)) as opened:
        yield opened


def change(path: Path, statement: str, *parameters: object) -> None:
    """Change the file behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, parameters)


# --- the file --------------------------------------------------------------------------------------------------------


def test_nothing_is_opened_before_the_first_call(path: Path) -> None:
    store = SqliteStore(path / "below" / "it")
    store.close()
    assert not path.exists()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "made" / "cache.sqlite"
    with closing(SqliteStore(path)) as store:
        store.put_many({key(1): b"a"}, NOW)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes.pop("cache.sqlite") == 0o600
    assert set(modes.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_an_empty_file_becomes_a_cache(path: Path, store: SqliteStore) -> None:
    path.touch()
    store.put_many({key(1): b"a"}, NOW)
    assert store.info().schema_version == SCHEMA_VERSION
    assert store.info().location == str(path)


def test_answers_outlive_the_store(path: Path, store: SqliteStore) -> None:
    store.put_many({key(1): b"a"}, NOW)
    store.close()
    with closing(SqliteStore(path)) as another:
        assert another.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


def test_vacuum_gives_space_back(store: SqliteStore) -> None:
    store.put_many({key(number): noise(number) for number in range(500)}, NOW)
    store.clear()
    before = store.info().bytes_on_disk
    store.vacuum()
    assert store.info().bytes_on_disk < before / 5


# --- files that are not ours to use ----------------------------------------------------------------------------------


def test_another_programs_database_is_refused_and_left_as_it_is(path: Path, store: SqliteStore) -> None:
    change(path, "CREATE TABLE accounts (name TEXT)")
    before = path.read_bytes()
    for call in (lambda: store.get_many([key(1)], NOW), lambda: store.put_many({key(1): b"a"}, NOW)):
        with pytest.raises(StoreError, match=r"not an answer cache of duck_or.*Set cache_path"):
            call()
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_and_left_as_it_is(path: Path, store: SqliteStore) -> None:
    store.put_many({key(1): b"a"}, NOW)
    store.close()
    change(path, f"PRAGMA user_version = {SCHEMA_VERSION + 6}")
    before = path.read_bytes()
    with pytest.raises(
        StoreError, match=rf"version {SCHEMA_VERSION + 6}.*knows {SCHEMA_VERSION}.*Upgrade duck_or"
    ):
        store.get_many([key(1)], NOW)
    assert path.read_bytes() == before


# --- faults ----------------------------------------------------------------------------------------------------------


def _a_text_file(path: Path) -> None:
    path.write_text("Dear diary, " * 1000)


def _a_directory(path: Path) -> None:
    path.mkdir()


def _cut_in_the_header(path: Path) -> None:
    _fill(path)
    path.write_bytes(path.read_bytes()[:50])


def _cut_in_half(path: Path) -> None:
    _fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _overwritten_pages(path: Path) -> None:
    _fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))


def _fill(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.put_many({key(number): noise(number) for number in range(300)}, NOW)


BROKEN: dict[Callable[[Path], None], str] = {
    _a_text_file: "not a SQLite database",
    _a_directory: "cannot be opened",
    _cut_in_the_header: "damaged",
    _cut_in_half: "damaged",
    _overwritten_pages: "damaged",
}


@pytest.mark.parametrize(("breaking", "what"), BROKEN.items(), ids=[one.__name__ for one in BROKEN])
def test_a_broken_file_is_said_to_be_and_not_removed(
    path: Path, store: SqliteStore, breaking: Callable[[Path], None], what: str
) -> None:
    breaking(path)
    with pytest.raises(StoreError) as caught:
        store.get_many([key(number) for number in range(300)], NOW)
    message = str(caught.value)
    assert "cannot read the answer cache" in message
    assert str(path) in message
    assert what in message
    assert "cache_path" in message
    with pytest.raises(StoreError, match="cannot write"):
        store.put_many({key(number): b"a" for number in range(300)}, NOW)
    assert path.exists()


def test_once_a_broken_file_is_moved_away_the_same_store_works(path: Path, store: SqliteStore) -> None:
    _a_text_file(path)
    with pytest.raises(StoreError):
        store.put_many({key(1): b"a"}, NOW)
    path.rename(path.with_suffix(".broken"))
    store.put_many({key(1): b"a"}, NOW)
    assert store.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


def test_a_parent_that_is_a_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="directory"):
        SqliteStore(tmp_path / "file" / "cache.sqlite").get_many([key(1)], NOW)


def test_another_writers_lock_stops_writing_only(path: Path, store: SqliteStore) -> None:
    store.put_many({key(1): b"a"}, NOW)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"cannot write.*another process holds its lock"):
            store.put_many({key(2): b"b"}, NOW)
        assert store.get_many([key(1), key(2)], NOW) == {key(1): Kept(b"a", NOW)}
        other.execute("ROLLBACK")
    store.put_many({key(2): b"b"}, NOW)
    assert len(store.get_many([key(1), key(2)], NOW)) == 2


def test_a_file_someone_holds_alone_cannot_be_read(path: Path, store: SqliteStore) -> None:
    store.put_many({key(1): b"a"}, NOW)
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"cannot read.*another process holds its lock"):
            store.get_many([key(1)], NOW)


def test_a_full_disk_stores_none_of_the_items_and_keeps_the_old_ones(path: Path) -> None:
    with closing(SqliteStore(path, max_pages=20)) as store:
        store.put_many({key(1): noise(1)}, NOW)
        with pytest.raises(StoreError, match=r"no room left.*duck-or cache prune"):
            store.put_many({key(number): noise(number) for number in range(2, 500)}, NOW)
        assert set(store.get_many([key(number) for number in range(500)], NOW)) == {key(1)}
        store.put_many({key(2): noise(2)}, NOW)
        assert len(store.get_many([key(1), key(2)], NOW)) == 2


def test_a_file_that_may_only_be_read_says_so(path: Path, store: SqliteStore) -> None:
    store.put_many({key(1): b"a"}, NOW)
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reading,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        reading.execute("DELETE FROM answer")
    message = str(store_error(caught.value, path, "write"))
    assert "may not be written" in message
    assert "make it and its directory writable" in message


@pytest.mark.parametrize("code", [*MEANINGS, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_IOERR_FSYNC])
def test_every_meaning_names_file_and_cure_extended_codes_too(code: int) -> None:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    message = str(store_error(error, Path("/somewhere/cache"), "write"))
    what, cure = MEANINGS[code & 0xFF]
    assert all(part in message for part in ("/somewhere/cache", "as SQLite says it", what, cure))


def test_an_error_of_no_known_kind_still_becomes_a_store_error() -> None:
    assert "as Python says it" in str(
        store_error(sqlite3.ProgrammingError("as Python says it"), Path("x"), "read")
    )


# --- damaged rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "body = x'28b52ffd00'",
        "body = 'text'",
        "body = CAST(x'ff' AS TEXT)",
        "size = size + 1",
        "format = 77",
        "stored = 'yesterday'",
        "stored = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_damaged_row_is_a_miss_reported_once_and_mended_by_the_next_put(path: Path, damage: str) -> None:
    reports: list[str] = []
    items = {key(number): b'{"choices":[]}' * 20 for number in range(5)}
    with closing(SqliteStore(path, ttl=60, report=reports.append)) as store:
        store.put_many(items, NOW)
        change(path, f"UPDATE answer SET {damage} WHERE key IN (?, ?)", key(1), key(3))
        assert set(store.get_many([*items], NOW)) == {key(0), key(2), key(4)}
        assert store.damaged == 2
        assert len(reports) == 1
        assert str(path) in reports[0]
        store.put_many({key(1): b"again", key(3): b"again"}, NOW)
        assert len(store.get_many([*items], NOW)) == 5


# --- the size cap ----------------------------------------------------------------------------------------------------


def test_the_cap_holds_while_writing_and_the_newest_stay(path: Path) -> None:
    cap = 1_000_000
    with closing(SqliteStore(path, max_bytes=cap)) as store:
        for batch in range(60):
            store.put_many(
                {key(number): noise(number) for number in range(batch * 50, batch * 50 + 50)}, NOW + batch
            )
        there = store.get_many([key(number) for number in range(3000)], NOW)
        held = [number for number in range(3000) if key(number) in there]
        store.vacuum()
        assert path.stat().st_size <= cap * 1.02  # between two looks at the size a little may be written
    assert held == list(range(3000 - len(held), 3000))
    assert len(held) * 1000 > cap * 0.7


def test_pruning_goes_by_age_not_by_order_of_writing(path: Path) -> None:
    with closing(SqliteStore(path)) as uncapped:
        for number in range(400):
            uncapped.put_many({key(number): noise(number)}, NOW - number)
    with closing(SqliteStore(path, max_bytes=300_000)) as store:
        removed = store.prune(NOW)
        assert 0 < removed < 400
        there = store.get_many([key(number) for number in range(400)], NOW)
        assert set(there) == {key(number) for number in range(400 - removed)}
        assert store.prune(NOW) == 0


def test_a_cap_below_the_smallest_file_keeps_nothing_and_ends(path: Path) -> None:
    with closing(SqliteStore(path, max_bytes=1)) as store:
        store.put_many({key(1): b"a"}, NOW)
        assert store.info().entries == 0


# --- threads ---------------------------------------------------------------------------------------------------------


def test_several_threads_may_call_it(store: SqliteStore) -> None:
    def work(thread: int) -> bool:
        items = {key(thread * 1000 + number): b"%d" % number for number in range(100)}
        store.put_many(items, NOW)
        return {one: kept.body for one, kept in store.get_many([*items], NOW).items()} == items

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
    assert store.info().entries == 600
