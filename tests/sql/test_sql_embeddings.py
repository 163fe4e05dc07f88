"""embed and rerank in SQL: vectors of their type, several texts to a request, each text its own row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.bridge import Bridge
from support.family import family_bridge, last_error, raised

EMBED = "embed(x, model := 'fake/embedding', dimensions := 16)"
RANK = "model := 'fake/rerank'"


@pytest.fixture(scope="module")
def family() -> Iterator[Bridge]:
    with family_bridge() as bridge:
        bridge.rows("CREATE TABLE texts AS SELECT i AS id, 'text ' || i % 250 AS x FROM range(300) r(i)")
        yield bridge


# --- embed -------------------------------------------------------------------------------------------------------------


def test_equal_texts_are_embedded_once_and_many_in_one_request(family: Bridge) -> None:
    before, requests = family.simulator.stats().texts_embedded, family.sent
    query = f"SELECT count(DISTINCT v), count(v), any_value(typeof(v)) FROM (SELECT {EMBED} AS v FROM texts)"
    assert family.rows(query) == [(250, 300, "FLOAT[16]")]
    assert family.simulator.stats().texts_embedded - before == 250
    assert family.sent - requests <= 3
    requests = family.sent
    assert family.rows(query) == [(250, 300, "FLOAT[16]")]
    assert family.sent == requests


def test_each_row_has_the_vector_of_its_own_text(family: Bridge) -> None:
    nearest = f"""SELECT a.id, arg_max(b.id, array_cosine_similarity(a.v, b.v)) FROM (SELECT id, {EMBED} AS v FROM texts
        WHERE id % 50 = 7 AND id < 250) a, (SELECT id, {EMBED} AS v FROM texts WHERE id < 250) b GROUP BY a.id ORDER BY a.id"""
    assert family.rows(nearest) == [(i, i) for i in (7, 57, 107, 157, 207)]
    same = f"SELECT array_cosine_distance({EMBED}, embed('text 7', 'fake/embedding', 16)) FROM texts WHERE id = 7"
    assert family.value(same) == pytest.approx(0, abs=1e-6)


def test_vectors_of_several_chunks_stay_with_their_rows(family: Bridge) -> None:
    family.rows("""CREATE TABLE long AS SELECT i AS id, CASE WHEN i % 11 > 0 THEN 'row ' || (i * 7919 % 3000) END AS x
        FROM range(5000) r(i)""")
    for order in ("id", "hash(id)"):
        family.rows(
            f"CREATE OR REPLACE TABLE v{order[0]} AS SELECT id, x, {EMBED} AS v FROM long ORDER BY {order}"
        )
    wrong = "vi.v IS DISTINCT FROM vh.v OR (vi.v IS NULL) <> (vi.x IS NULL)"
    assert family.value(f"SELECT count(*) FROM vi JOIN vh USING (id) WHERE {wrong}") == 0


def test_one_text_that_is_refused_fails_alone(family: Bridge) -> None:
    texts = "SELECT i AS id, CASE WHEN i = 100 THEN repeat('word ', 9000) ELSE 'good ' || i END AS x FROM range(300) r(i)"
    assert family.column(f"SELECT id FROM ({texts}) WHERE try_{EMBED} IS NULL") == [100]
    code, message, _, model = last_error(family)
    assert (code, model) == ("context_length", "fake/embedding")
    assert "8192 tokens" in message
    requests = family.sent
    assert family.column(f"SELECT id FROM ({texts}) WHERE try_{EMBED} IS NULL") == [100]
    assert family.sent - requests == 1, "only that text is asked again"
    assert "8192 tokens" in raised(family, f"SELECT count({EMBED}) FROM ({texts})")


def test_a_text_that_says_nothing_fails_alone(family: Bridge) -> None:
    texts = "(VALUES (1, 'one'), (2, ''), (3, NULL), (4, ' '), (5, 'five')) v(id, x)"
    before = family.simulator.stats().texts_asked
    assert family.column(f"SELECT try_{EMBED} IS NOT NULL FROM {texts} ORDER BY id") == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert family.simulator.stats().texts_asked - before == 2
    assert "embed: a text that says something is needed" in last_error(family)[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("'fake/embedding', 0", "must be at least 1|can not be converted"),
        ("'fake/embedding', -1", "can not be converted"),
        ("'fake/embedding', 2.5", "can not be converted"),
        ("'fake/embedding', 70000", "expected 1 to"),
        ("'fake/model'", "not a valid model ID"),
        ("model_kwargs := {'input': 'y'}, model := 'fake/embedding'", "must not hold input"),
    ],
)
def test_what_a_model_cannot_give_is_an_error(family: Bridge, options: str, says: str) -> None:
    message = raised(family, f"SELECT embed('x', {options})")
    assert any(each in message for each in says.split("|")), message


def test_vectors_are_kept_in_the_file(connect: Callable[..., Bridge], tmp_path: Path) -> None:
    query = f"SELECT {EMBED} FROM (SELECT 'text ' || i AS x FROM range(40) r(i))"
    first, second = (connect(cache_path=tmp_path / "cache.sqlite") for _ in range(2))
    found = first.rows(query)
    sent = first.sent
    assert second.rows(query) == found
    assert second.sent == sent
    assert second.session.stats().store_hits == 40


# --- rerank ------------------------------------------------------------------------------------------------------------


def test_places_count_from_one_and_the_best_is_first(family: Bridge) -> None:
    documents = "['a dog', 'a duck', 'duck duck duck', 'a cat']"
    ranked = family.value(f"SELECT rerank('duck', {documents}, {RANK})")
    assert [each["index"] for each in ranked][:2] == [3, 2]
    assert sorted(each["index"] for each in ranked) == [1, 2, 3, 4]
    assert [each["score"] for each in ranked] == sorted((each["score"] for each in ranked), reverse=True)
    best = f"SELECT {documents}[rerank('duck', {documents}, {RANK}, top_n := 1)[1].index]"
    assert family.value(best) == "duck duck duck"


@pytest.mark.parametrize(("top", "found"), [(1, 1), (3, 3), (9, 3)])
def test_no_more_than_the_first_few(family: Bridge, top: int, found: int) -> None:
    assert family.value(f"SELECT len(rerank('b', ['a', 'b', 'c'], {RANK}, top_n := {top}))") == found


def test_each_list_of_a_column_is_ranked_by_itself(family: Bridge) -> None:
    lists = (
        "(VALUES (1, ['x', 'duck']), (2, []), (3, NULL), (4, ['y', NULL]), (5, ['duck', 'x'])) v(id, docs)"
    )
    before = family.sent
    query = f"SELECT id, try_rerank('duck', docs, {RANK})[1].index FROM {lists} ORDER BY id"
    assert family.rows(query) == [(1, 2), (2, None), (3, None), (4, None), (5, 1)]
    assert family.sent - before == 2
    assert "documents[2] must be text; got null" in last_error(family)[1]
    assert family.rows(f"SELECT id, len(try_rerank('duck', docs, {RANK})) FROM {lists} WHERE id < 4 ORDER BY id") == [
        (1, 2), (2, 0), (3, None),
    ]  # fmt: skip


@pytest.mark.parametrize("documents", ["[0.5, 'nan'::DOUBLE]", "[1, 2]", "'a'"])
def test_documents_that_are_no_texts_fail_their_row(family: Bridge, documents: str) -> None:
    assert family.value(f"SELECT try_rerank('duck', {documents}, {RANK})") is None
    code, message, *_ = last_error(family)
    assert (code, message[:17]) == ("bad_argument", "rerank: documents")


def test_documents_of_a_group(family: Bridge) -> None:
    ranked = f"SELECT id % 2 AS k, rerank('text', list(x ORDER BY id), {RANK}, top_n := 2) AS r FROM texts WHERE id < 8 GROUP BY k"
    assert family.rows(f"SELECT k, len(r), r[1].score >= r[2].score FROM ({ranked}) ORDER BY k") == [
        (0, 2, True),
        (1, 2, True),
    ]
