"""SQLAlchemy with duckdb_engine: the page, what asks all at once, one session for all connections, and what does not work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa
from sqlalchemy import func, select, text

from duck_or.errors import SettingsError
from duck_or.integrations.sqlalchemy import named, register
from duck_or.simulator import Simulator
from support.asked import FEW, QUESTIONS, REVIEWS, SLOW, asked
from support.how_to import HOW_TO, as_a_user, run_page

PAGES = ("sqlalchemy.md",)

reviews = sa.table("reviews", sa.column("id", sa.Integer), sa.column("review", sa.String))
replies = sa.table("replies", sa.column("id", sa.Integer), sa.column("reply", sa.String))
QUERY = select(reviews.c.id, func.prompt(reviews.c.review, *named(model="fake/echo")).label("reply")).where(
    text(FEW)
)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with as_a_user(tmp_path, SLOW) as running:
        yield running


@pytest.fixture(params=["duckdb:///:memory:", "duckdb:///shop.duckdb"], ids=["memory", "file"])
def engine(request: pytest.FixtureRequest, simulator: Simulator) -> Iterator[sa.Engine]:
    engine = sa.create_engine(request.param)
    yield engine
    engine.dispose()


@pytest.fixture
def shop(simulator: Simulator) -> Iterator[sa.Engine]:
    """Of a database in a file."""
    engine = sa.create_engine("duckdb:///shop.duckdb")
    yield engine
    engine.dispose()


def filled(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        connection.execute(text(REVIEWS))
        connection.execute(text("CREATE TABLE replies (id INTEGER, reply VARCHAR)"))
    return engine


def test_the_page(tmp_path: Path) -> None:
    with as_a_user(tmp_path):
        run_page(HOW_TO / PAGES[0], {})
        found = run_page(HOW_TO / PAGES[0], {})  # once more, in the same directory
        assert [row.id for row in found["rows"]] == [1, 2]
        assert {row.mood for row in found["rows"]} <= {"good", "bad"}
        assert found["spent"] > 0
        assert list(found["frame"].columns) == ["id", "reply", "mood"]


@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")  # Polars: a copy could be spared
@pytest.mark.parametrize(
    "act",
    [
        lambda connection: connection.execute(QUERY).all(),
        lambda connection: connection.execute(
            text(f"CREATE TABLE t AS SELECT id, prompt(review) AS p FROM reviews WHERE {FEW}")
        ),
        lambda connection: connection.execute(replies.insert().from_select(["id", "reply"], QUERY)),
        lambda connection: pd.read_sql(QUERY, connection),
        lambda connection: pl.read_database(QUERY, connection),
    ],
    ids=["execute", "create", "insert", "read_sql", "read_database"],
)
def test_all_at_once(simulator: Simulator, shop: sa.Engine, act: Callable[[Any], Any]) -> None:
    with register(shop), filled(shop).connect() as connection:
        assert asked(simulator, lambda: act(connection)).at_once


def test_chunk_by_chunk_where_planning_is_off(simulator: Simulator, shop: sa.Engine) -> None:
    with register(shop, prefetch="off"), filled(shop).connect() as connection:
        assert asked(simulator, lambda: connection.execute(QUERY).all()).by_chunks


def test_arguments_by_name_may_be_values_and_columns(shop: sa.Engine) -> None:
    with register(shop, model="fake/echo"), filled(shop).connect() as connection:
        row = func.prompt("hello", *named(system=reviews.c.review, model_kwargs=sa.text("{'seed': 1}")))
        assert connection.execute(select(row).limit(2)).scalars().all() == ["hello", "hello"]
        chosen = text("SELECT prompt(review, model := :model) FROM reviews WHERE id < :n ORDER BY id")
        assert connection.execute(chosen, {"model": "fake/echo", "n": 2}).scalars().all() == [
            "review 0",
            "review 1",
        ]


def test_a_response_is_parsed_where_its_type_is_said(shop: sa.Engine) -> None:
    messages = sa.literal('[{"role": "user", "content": "hello"}]')
    with register(shop, model="fake/echo"), shop.connect() as connection:
        response = connection.execute(select(func.chat_completions(messages, type_=sa.JSON))).scalar_one()
        assert response["choices"][0]["message"]["content"] == "hello"


def test_one_session_for_all_threads(engine: sa.Engine) -> None:
    found: list[Any] = []

    def ask(number: int) -> None:
        with engine.connect() as connection:
            query = text(
                f"SELECT count(prompt('question ' || i || ' {number}')) FROM range({QUESTIONS}) t(i)"
            )
            found.append(connection.execute(query).scalar_one())

    with register(engine) as session:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [QUESTIONS] * 3
        assert session.stats().sent == 3 * QUESTIONS


def test_a_result_that_is_not_read_to_its_end_is_in_nobodys_way(shop: sa.Engine) -> None:
    with register(shop), shop.connect() as connection, shop.connect() as other:
        assert connection.execute(text("SELECT 1")).first() is not None
        other.execute(text("CREATE TABLE another (i INTEGER)"))  # so the catalog has to be read again
        other.commit()
        assert connection.execute(text("SELECT 2")).scalar_one() == 2


def test_the_session_stays_when_the_pool_is_emptied(simulator: Simulator, engine: sa.Engine) -> None:
    with register(engine) as session:
        engine.dispose()
        with engine.connect() as connection:
            assert (
                connection.execute(text("SELECT prompt('after', model := 'fake/echo')")).scalar_one()
                == "after"
            )
            assert session.estimate("SELECT prompt('more')").requests == 1
        assert session.stats().sent == 1


def test_registering_again_replaces(shop: sa.Engine) -> None:
    register(shop, model="fake/model")
    shop.dispose()
    with register(shop, model="fake/echo"), shop.connect() as connection:
        assert connection.execute(text("SELECT prompt('hello')")).scalar_one() == "hello"


def test_an_shop_in_use_is_refused_and_goes_on_as_it_was(shop: sa.Engine) -> None:
    first = register(shop, model="fake/echo")
    with pytest.raises(SettingsError, match=r"has connections already"):
        register(shop, model="fake/model")
    shop.dispose()
    with shop.connect() as connection:
        assert connection.execute(text("SELECT prompt('hello')")).scalar_one() == "hello"
    assert first.stats().sent == 1
    first.close()


def test_an_engine_with_a_creator_is_refused(simulator: Simulator) -> None:
    from duckdb_engine import ConnectionWrapper

    engine = sa.create_engine("duckdb://", creator=lambda: ConnectionWrapper(duckdb.connect()))
    with pytest.raises(SettingsError, match="creator"):
        register(engine)
    engine.dispose()


def test_an_engine_of_another_database_is_refused(simulator: Simulator) -> None:
    engine = sa.create_engine("sqlite:///x.db")
    with pytest.raises(SettingsError, match=r"^this engine is for sqlite; make it of a duckdb:/// URL$"):
        register(engine)
    assert not Path("x.db").exists()


def test_a_database_that_cannot_be_opened_leaves_the_engine_alone(simulator: Simulator) -> None:
    engine = sa.create_engine("duckdb:///no/such/folder.duckdb")
    for _ in range(2):
        with pytest.raises(sa.exc.DBAPIError):
            register(engine)


def test_polars_cannot_read_from_an_shop(shop: sa.Engine) -> None:
    with register(shop), pytest.raises(AttributeError, match="'Engine' object has no attribute 'execute'"):
        pl.read_database("SELECT 1", shop)
