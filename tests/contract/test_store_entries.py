"""What every store does with all of its answers at once: hand them out, and take in those of another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duck_or.cache.contract import Kept, Store, StoreError
from duck_or.cache.sqlite_store import WALKED_ROWS, SqliteStore
from support.dict_store import DictStore

Factory = Callable[..., Store]
NOW = 1_790_000_000.0


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


@pytest.fixture(params=["sqlite", "dict"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Factory]:
    made: list[Store] = []

    def factory(ttl: float | None = None) -> Store:
        path = tmp_path / f"{len(made)}.sqlite"
        made.append(DictStore(ttl) if request.param == "dict" else SqliteStore(path, ttl=ttl))
        return made[-1]

    yield factory
    for store in made:
        store.close()


def everything(store: Store) -> dict[bytes, Kept]:
    found: dict[bytes, Kept] = {}
    for part in store.entries():
        assert found.keys().isdisjoint(part), "each answer comes once"
        found.update(part)
    return found


def test_an_empty_store_has_no_entries(make: Factory) -> None:
    assert list(make().entries()) == []


@pytest.mark.parametrize("count", [1, WALKED_ROWS - 1, WALKED_ROWS, WALKED_ROWS + 1, 3 * WALKED_ROWS])
def test_all_answers_come_each_once_with_its_time(make: Factory, count: int) -> None:
    store = make()
    put = {key(number): Kept(b"%d" % number, NOW + number % 3) for number in range(count)}
    for age in range(3):
        store.put_many({k: kept.body for k, kept in put.items() if kept.stored == NOW + age}, NOW + age)
    assert everything(store) == put


def test_answers_past_their_ttl_are_among_them(make: Factory) -> None:
    store = make(ttl=60.0)
    store.put_many({key(1): b"old"}, NOW - 1000)
    assert store.get_many([key(1)], NOW) == {}
    assert everything(store) == {key(1): Kept(b"old", NOW - 1000)}


def test_a_store_may_be_written_to_while_its_entries_are_read(make: Factory) -> None:
    store = make()
    before = {key(number): b"a" for number in range(2 * WALKED_ROWS)}
    store.put_many(before, NOW)
    seen: dict[bytes, Kept] = {}
    for part in store.entries():
        store.put_many({key(-len(seen) - 1): b"new", **dict.fromkeys(part, b"b")}, NOW + 1)
        seen.update(part)
    assert before.keys() <= seen.keys()


def test_added_answers_keep_their_own_times(make: Factory) -> None:
    store = make()
    added = {key(number): Kept(b"%d" % number, NOW - number) for number in range(5000)}
    assert store.add_many(added) == 5000
    assert everything(store) == added
    assert store.get_many([key(7)], NOW) == {key(7): Kept(b"7", NOW - 7)}


def test_adding_nothing_is_fine(make: Factory) -> None:
    assert make().add_many({}) == 0


def test_adding_them_again_adds_nothing(make: Factory) -> None:
    store, added = make(), {key(number): Kept(b"a", NOW) for number in range(3)}
    assert [store.add_many(added), store.add_many(added)] == [3, 0]


def test_an_added_answer_past_its_ttl_is_not_found(make: Factory) -> None:
    store = make(ttl=60.0)
    store.add_many({key(1): Kept(b"old", NOW - 61), key(2): Kept(b"young", NOW - 59)})
    assert store.get_many([key(1), key(2)], NOW) == {key(2): Kept(b"young", NOW - 59)}


ANSWERS = st.dictionaries(
    st.integers(0, 5).map(key),
    st.builds(Kept, st.binary(max_size=3), st.integers(0, 3).map(float)),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(parts=st.lists(ANSWERS, min_size=1, max_size=4))
def test_of_two_answers_to_one_request_the_newer_stays(make: Factory, parts: list[dict[bytes, Kept]]) -> None:
    expected: dict[bytes, Kept] = {}
    store = make()  # a new one for each example
    for part in parts:
        newer = {k: kept for k, kept in part.items() if k not in expected or kept.stored > expected[k].stored}
        assert store.add_many(part) == len(newer)
        expected.update(newer)
    assert everything(store) == expected
    store.close()


def test_a_store_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database" * 1000)
    with pytest.raises(StoreError, match=str(path)):
        list(SqliteStore(path).entries())


def test_a_damaged_answer_is_left_out(tmp_path: Path) -> None:
    import sqlite3

    said: list[str] = []
    store = SqliteStore(tmp_path / "cache.sqlite", report=said.append)
    store.put_many({key(number): b"{}" for number in range(3)}, NOW)
    store.close()
    with sqlite3.connect(store.path) as other:
        other.execute("UPDATE answer SET body = x'00' WHERE key = ?", (key(1),))
    other.close()
    assert set(everything(store)) == {key(0), key(2)}
    assert (store.damaged, len(said)) == (1, 1)
    store.close()
