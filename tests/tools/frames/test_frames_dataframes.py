"""Polars, pandas, Arrow, Narwhals and DuckDB's relations: the page, what asks all at once, and what does not work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import duck_or
from duck_or.simulator import Simulator
from duck_or.statements.connection import Connection
from support.asked import FEW, REVIEWS, SLOW, asked
from support.how_to import HOW_TO, as_a_user, run_page

PAGES = ("dataframes.md",)
QUERY = f"SELECT id, prompt(review, model := 'fake/echo') AS reply FROM reviews WHERE {FEW}"

# It says so for every connection but SQLAlchemy's, and the page does, too.
pandas_warns = pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy")


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with as_a_user(tmp_path, SLOW) as running:
        yield running


@pytest.fixture
def con(simulator: Simulator) -> Iterator[Connection]:
    with duck_or.connect() as con:
        con.execute(REVIEWS)
        yield con
    con.session.close()


@pandas_warns
def test_the_page(tmp_path: Path) -> None:
    with as_a_user(tmp_path):
        run_page(HOW_TO / PAGES[0], {})
        found = run_page(HOW_TO / PAGES[0], {})  # once more, in the same directory
        assert set(found["joined"]["mood"]) <= {"good", "bad", "neither"}
        assert found["joined"].height == 3
        assert list(found["typed"].columns) == ["id", "rings", "neighbour"]
        assert found["table"].schema.field("french").type == pa.string()
        assert found["slow"].sort("id").equals(found["fast"].sort("id"))
        assert found["frame"].columns == ["id", "reply"]
        assert found["short"].columns == ["id", "review", "reply"]


@pandas_warns
@pytest.mark.parametrize(
    "act",
    [
        lambda con: con.sql(QUERY).df(),
        lambda con: con.sql(QUERY).pl(),
        lambda con: con.sql(QUERY).pl(lazy=True).collect(),
        lambda con: con.sql(QUERY).to_arrow_table(),
        lambda con: con.sql(QUERY).to_arrow_reader().read_all(),
        lambda con: pa.table(con.sql(QUERY)),
        lambda con: pl.DataFrame(con.sql(QUERY)),
        lambda con: pd.read_sql(QUERY, con),
        lambda con: pl.read_database(QUERY, con),
        lambda con: con.session.sql(_relation(con).sql_query()).pl(),
        lambda con: nw.from_native(con.session.sql(QUERY)).collect("polars"),
    ],
    ids=[
        "df",
        "pl",
        "lazy",
        "arrow",
        "reader",
        "table",
        "frame",
        "read_sql",
        "read_database",
        "relation",
        "nw",
    ],
)
def test_all_at_once_with_a_planned_connection(
    simulator: Simulator, con: Any, act: Callable[[Any], Any]
) -> None:
    assert asked(simulator, lambda: act(con)).at_once


@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "arrow"])
def test_all_at_once_over_every_kind_of_frame(simulator: Simulator, con: Any, kind: str) -> None:
    relation = con.sql("FROM reviews")
    makes: dict[str, Callable[[], Any]] = {
        "pandas": relation.df,
        "polars": relation.pl,
        "lazy": lambda: relation.pl().lazy(),
        "arrow": relation.to_arrow_table,
    }
    frame = makes[kind]()
    assert asked(simulator, lambda: _over(con, frame)).at_once


def test_chunk_by_chunk_with_a_plain_connection_unless_the_session_is_asked(simulator: Simulator) -> None:
    with duckdb.connect() as con, duck_or.register(con) as session:
        con.execute(REVIEWS)
        assert asked(simulator, lambda: con.sql(QUERY).pl()).by_chunks
        other = QUERY.replace("review,", "upper(review),")
        assert asked(simulator, lambda: session.sql(other).pl()).at_once


def test_a_relation_made_step_by_step_goes_chunk_by_chunk(simulator: Simulator, con: Any) -> None:
    assert asked(simulator, lambda: _relation(con).pl()).by_chunks


@pandas_warns
def test_readers_on_cursors_of_a_file_find_the_qualified_names(simulator: Simulator) -> None:
    query = QUERY.replace("prompt(", "duck_or.prompt(")
    with duck_or.connect("shop.duckdb") as con, con.session:
        con.execute(REVIEWS)
        assert asked(simulator, lambda: pl.read_database(query, con)).at_once
        assert asked(simulator, lambda: pd.read_sql(query, con)).requests == 0


def test_a_stream_that_can_be_read_once_goes_chunk_by_chunk(
    simulator: Simulator, con: Any, caplog: pytest.LogCaptureFixture
) -> None:
    table = con.sql("FROM reviews").to_arrow_table()
    reader = table.to_reader()
    with caplog.at_level(logging.INFO, "duck_or"):
        assert asked(simulator, lambda: _over(con, reader)).by_chunks
    assert "reader may be read only once" in caplog.text


def test_narwhals_does_not_take_a_planned_relation(con: Any) -> None:
    with pytest.raises(TypeError, match="Unsupported dataframe type"):
        nw.from_native(con.sql(QUERY))


def test_duckdb_has_no_result_as_polars_of_a_connection(con: Any) -> None:
    with pytest.raises(AttributeError, match="no attribute 'pl'"):
        con.execute("SELECT 1").pl()


def test_narwhals_adds_no_literal_text(con: Any) -> None:
    texts = nw.from_native(con.table("reviews"))
    with pytest.raises(duckdb.BinderException, match="STRING_LITERAL"):
        texts.select(nw.col("review") + nw.lit("!")).collect("polars")
    assert (
        texts.select(nw.concat_str(nw.col("review"), nw.lit("!"))).collect("polars")["review"][0]
        == "review 0!"
    )


def _relation(con: Any) -> Any:
    return con.table("reviews").filter(FEW).project("id, prompt(review, 'fake/echo') AS reply")


def _over(con: Any, reader: object) -> Any:
    """The query over a variable, which is called `reader`."""
    return con.sql(QUERY.replace("reviews", "reader")).to_arrow_table()
