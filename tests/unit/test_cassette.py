"""A cassette as a file: written whole or not at all, checked when it is read, looked up by key."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.contract import Kept, StoreError
from duck_or.cassette import parquet
from duck_or.cassette.transfer import Imported, Selection, export, import_into, is_model
from duck_or.cassette.unpacked import Unpacked
from support.dict_store import DictStore

NOW = 1_790_000_000.25


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def answer(text: str, model: str = "openai/gpt-5-mini-2025-08-07", stored: float = NOW) -> Kept:
    return Kept(b'{"model":"%s","text":"%s"}' % (model.encode(), text.encode()), stored)


def read(path: Path) -> dict[bytes, Kept]:
    return {k: kept for part in parquet.read(path) for k, kept in part.items()}


def written(path: Path, query: str) -> Path:
    """A file that somebody else's DuckDB wrote."""
    with duckdb.connect() as con:
        con.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.parquet"


# --- the file --------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_again(path: Path) -> None:
    answers = {key(number): answer(f"größer {number}", stored=NOW + number) for number in range(3000)}
    assert parquet.write(path, [answers]) == 3000
    assert read(path) == answers
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_a_table_to_duckdb(path: Path) -> None:
    parquet.write(path, [{key(1): answer("yes")}])
    with duckdb.connect() as con:
        rows = con.execute(
            f"SELECT key, epoch(stored), model, body ->> 'text', typeof(body) FROM '{path}'"
        ).fetchall()
    assert rows == [(key(1).hex(), NOW, "openai/gpt-5-mini-2025-08-07", "yes", "JSON")]


def test_a_part_of_one_that_duckdb_wrote_is_one_too(path: Path, tmp_path: Path) -> None:
    parquet.write(path, [{key(number): answer(f"{number}") for number in range(10)}])
    part = written(
        tmp_path / "part.parquet", f"SELECT * EXCLUDE model FROM '{path}' WHERE body ->> 'text' IN ('3', '4')"
    )
    assert read(part) == {key(3): answer("3"), key(4): answer("4")}


def test_large_answers_go_into_several_row_groups(path: Path) -> None:
    body = b'{"vector":"%s"}' % os.urandom(2**20).hex().encode()
    parquet.write(path, ({key(number): Kept(body, NOW)} for number in range(20)))
    with pq.ParquetFile(path) as file:
        assert file.num_row_groups == 3
    assert len(read(path)) == 20


def test_equal_answers_make_equal_files(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        parquet.write(tmp_path / name, [{key(number): answer(f"{number}") for number in range(50)}])
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_what_breaks_off_leaves_the_old_file_and_nothing_beside_it(path: Path) -> None:
    parquet.write(path, [{key(1): answer("old")}])

    def breaking() -> Iterator[Mapping[bytes, Kept]]:
        yield {key(2): answer("new")}
        raise StoreError("the disk is gone")

    with pytest.raises(StoreError, match="the disk is gone"):
        parquet.write(path, breaking())
    assert read(path) == {key(1): answer("old")}
    assert os.listdir(path.parent) == [path.name]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "calls.parquet"
    with pytest.raises(StoreError) as raised:
        parquet.write(path, [{key(1): answer("a")}])
    assert str(raised.value) == (
        f"the cassette {path} cannot be written: there is no directory {path.parent}"
    )


@given(st.floats(0, 4e9))
def test_a_time_is_never_later_than_it_was(stored: float) -> None:
    microseconds = parquet._microseconds(stored)
    assert stored - 2e-6 < microseconds / parquet.MICROSECONDS <= stored


# --- what is no cassette ---------------------------------------------------------------------------------------------

KEY = key(1).hex()
FOREIGN = {
    "another table": ("SELECT 1 AS id", "is no cassette: it needs the columns key"),
    "a key of another type": (
        f"SELECT '{KEY}'::BLOB AS key, now() AS stored, '{{}}' AS body",
        "is no cassette",
    ),
    "a time of another type": (f"SELECT '{KEY}' AS key, 1 AS stored, '{{}}' AS body", "stored int32"),
    "a short key": ("SELECT 'abc0' AS key, now() AS stored, '{}' AS body", "'abc0' is no cache key"),
    "a key of words": (f"SELECT '{'x' * 64}' AS key, now() AS stored, '{{}}' AS body", "is no cache key"),
    "no key": ("SELECT NULL::VARCHAR AS key, now() AS stored, '{}' AS body", "NULL is no cache key"),
    "no time": (
        f"SELECT '{KEY}' AS key, NULL::TIMESTAMP AS stored, '{{}}' AS body",
        f"{KEY} does not say when",
    ),
    "no JSON": (f"SELECT '{KEY}' AS key, now() AS stored, '{{' AS body", f"{KEY} is no JSON object"),
    "no object": (f"SELECT '{KEY}' AS key, now() AS stored, '[]' AS body", f"{KEY} is no JSON object"),
    "no answer": (f"SELECT '{KEY}' AS key, now() AS stored, NULL::VARCHAR AS body", "is no JSON object"),
}


@pytest.mark.parametrize(("query", "complaint"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_cassette_is_refused_by_name(path: Path, query: str, complaint: str) -> None:
    written(path, query)
    with pytest.raises(StoreError) as raised:
        read(path)
    assert str(path) in str(raised.value)
    assert complaint in str(raised.value)


def test_a_newer_format_is_refused(path: Path) -> None:
    written(path, f"SELECT '{KEY}' AS key, now() AS stored, '{{}}' AS body")
    with duckdb.connect() as con:
        con.execute(
            f"COPY (FROM '{path}') TO '{path}2' (FORMAT parquet, KV_METADATA {{duck_or_cassette: '2'}})"
        )
    with pytest.raises(StoreError, match="format 2, made by a newer duck_or"):
        parquet.check(Path(f"{path}2"))


def test_a_changed_byte_is_found(path: Path) -> None:
    parquet.write(path, [{key(number): answer(os.urandom(30).hex()) for number in range(200)}])
    with pq.ParquetFile(path) as file:
        bodies = file.metadata.row_group(0).column(3)
    content = bytearray(path.read_bytes())
    content[bodies.data_page_offset + bodies.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read as a cassette"):
        read(path)


def test_a_cut_off_file_is_refused_at_once(path: Path) -> None:
    parquet.write(path, [{key(1): answer("a")}])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match="cannot be read as a cassette"):
        parquet.check(path)


# --- looking up ------------------------------------------------------------------------------------------------------

KEYS = st.integers(0, 20).map(key) | st.sampled_from([b"\0" * 32, b"\xff" * 32, b"a" + b"\0" * 31])
PARTS = st.lists(
    st.dictionaries(KEYS, st.builds(Kept, st.binary(max_size=9), st.integers(0, 9).map(float)), max_size=9),
    max_size=5,
)


@given(PARTS, st.lists(KEYS, max_size=20))
def test_it_finds_what_a_dict_would(parts: list[dict[bytes, Kept]], wanted: list[bytes]) -> None:
    known: dict[bytes, Kept] = {}
    for part in parts:
        for k, kept in part.items():
            if k not in known or kept.stored >= known[k].stored:
                known[k] = kept
    unpacked = Unpacked(parts)
    assert unpacked.get_many(wanted) == {k: known[k] for k in wanted if k in known}


# --- from a store and into one ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "served", "expected"),
    [
        ("openai/gpt-5-mini", "openai/gpt-5-mini", True),
        ("openai/gpt-5-mini", "openai/gpt-5-mini-2025-08-07", True),
        ("openai/gpt-5-mini", "openai/gpt-5-mini-20250807", True),
        ("openai/gpt-5-mini:free", "openai/gpt-5-mini-20250807:free", True),
        ("openai/gpt-5-mini-2025-08-07", "openai/gpt-5-mini-2025-08-07", True),
        ("openai/*", "openai/gpt-5-mini-2025-08-07", True),
        ("openai/gpt-5", "openai/gpt-5-mini", False),
        ("openai/gpt-5-mini", "openai/gpt-5-mini-2025", False),
        ("*", None, False),
    ],
)
def test_a_model_is_meant_with_or_without_its_date(wanted: str, served: str | None, expected: bool) -> None:
    assert is_model(wanted, served) is expected


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), {1, 2, 3}),
        (Selection(model="openai/gpt-5-mini"), {1, 3}),
        (Selection(since=NOW), {2, 3}),
        (Selection(model="openai/gpt-5-mini", since=NOW), {3}),
    ],
)
def test_a_selection_is_exported(path: Path, selection: Selection, expected: set[int]) -> None:
    store = DictStore()
    store.add_many({key(1): answer("a", stored=NOW - 1), key(2): answer("b", "other"), key(3): answer("c")})
    assert export(store, path, selection) == len(expected)
    assert set(read(path)) == set(map(key, expected))


def test_nothing_chosen_writes_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="no answer was chosen"):
        export(DictStore(), path, Selection())
    assert not path.exists()


def test_an_import_says_what_was_new(path: Path) -> None:
    store = DictStore()
    store.add_many({key(1): answer("mine")})
    parquet.write(path, [{key(1): answer("theirs"), key(2): answer("theirs")}])
    assert import_into(store, path) == Imported(new=1, known=1)
    assert store.answers == {key(1): answer("mine"), key(2): answer("theirs")}
    assert import_into(store, path) == Imported(new=0, known=2)


def test_of_a_damaged_cassette_nothing_is_imported(path: Path) -> None:
    good = "SELECT sha256(i::VARCHAR) AS key, now() AS stored, '{}' AS body FROM range(5000) AS t(i)"
    written(path, f"{good} UNION ALL SELECT 'bad', now(), '{{}}'")
    store = DictStore()
    with pytest.raises(StoreError, match="'bad' is no cache key"):
        import_into(store, path)
    assert store.answers == {}


def test_a_cassette_of_a_store_brings_nothing_new_to_it(path: Path, tmp_path: Path) -> None:
    store = DictStore()
    store.add_many({key(number): answer("a", stored=NOW + number / 7e6) for number in range(2000)})
    export(store, path, Selection())
    assert import_into(store, path) == Imported(new=0, known=2000)
