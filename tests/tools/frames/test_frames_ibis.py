"""Ibis: the page, every function with its type, what asks all at once, and what does not work."""

from __future__ import annotations

import gc
import inspect
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import pyarrow as pa
import pytest
from ibis import _

import duck_or
from duck_or.integrations import ibis as ours
from duck_or.simulator import Simulator
from duck_or.sql.family import FAMILY, asking_scripts
from support.asked import REVIEWS, SLOW, asked
from support.how_to import HOW_TO, as_a_user, run_page

PAGES = ("ibis.md",)

# Ibis calls what DuckDB has renamed; a relation still answers to the old names.
pytestmark = [
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option"),
]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with as_a_user(tmp_path_factory.mktemp("ibis"), SLOW) as running:
        yield running


@pytest.fixture(scope="module")
def con(simulator: Simulator) -> Iterator[Any]:
    """Over a planned connection to a file, with the table `reviews`."""
    with duck_or.connect("shop.duckdb") as planned, planned.session:
        planned.execute(REVIEWS)
        yield ibis.duckdb.from_connection(planned)


@pytest.fixture
def few(con: Any) -> Any:
    """The rows that are to be asked about, each time about something else."""
    reviews = con.table("reviews")
    return reviews.filter(reviews.id % 205 == 0).select("id", review=reviews.review + f" {next(NUMBERS)}")


def test_the_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with as_a_user(tmp_path):
        found = run_page(HOW_TO / PAGES[0], {})
        # Ibis names columns and aliases as the page names its variables: tables of Ibis, which are streams.
        expected = eval("con.con.session.estimate(ibis.to_sql(asked))", found)
        assert (expected.requests, expected.to_send) == (4, 0)
        assert "chunk by chunk" not in caplog.text
        assert set(found["frame"]["mood"]) <= {"good", "bad", "neither"}
        assert found["fast"].sort("text").equals(found["slow"].sort("text"))
        assert [table.num_rows for table in found["tables"]][-2:] == [1, 3]
        own, con = found["own"], found["con"]
        found.clear()
        gc.collect()  # what is left of a memtable wants its connection open
        own.disconnect()
        con.disconnect()


TEXT = _.review
NUMBERS = count()
CASES: dict[str, tuple[Callable[[], Any], Any]] = {
    "prompt": (lambda: ours.prompt(TEXT, system="Be brief."), pa.string()),
    "prompt, the options are columns": (
        lambda: ours.prompt(
            TEXT, model=ibis.literal("fake/echo"), model_kwargs={"seed": _.id, "stop": ["x"]}
        ),
        pa.string(),
    ),
    "prompt_as, a DuckDB type": (
        lambda: ours.prompt_as(TEXT, "STRUCT(mood ENUM('good', 'bad'), days UTINYINT)"),
        pa.struct({"mood": pa.string(), "days": pa.uint8()}),
    ),
    "prompt_as, an Ibis type": (lambda: ours.prompt_as(TEXT, dt.Array(dt.int32)), pa.list_(pa.int32())),
    "classify": (lambda: ours.classify(TEXT, ["good", "bad"]), pa.string()),
    "classify, several": (
        lambda: ours.classify(TEXT, {"good": "it is", "bad": "it is not"}, multi=True),
        pa.list_(pa.string()),
    ),
    "classify, labels in a column": (lambda: ours.classify(TEXT, ibis.array([TEXT, "b"])), pa.string()),
    "extract": (
        lambda: ours.extract(TEXT, {"price": "DECIMAL(8, 2)", "bought": dt.date}),
        pa.struct({"price": pa.decimal128(8, 2), "bought": pa.date32()}),
    ),
    "llm_filter": (lambda: ours.llm_filter(TEXT, "Is it?"), pa.bool_()),
    "score": (lambda: ours.score(TEXT, "Is it?"), pa.float64()),
    "summarize": (lambda: ours.summarize(TEXT), pa.string()),
    "translate": (lambda: ours.translate(TEXT, "French", model="fake/echo"), pa.string()),
    "embed": (lambda: ours.embed(TEXT, model="fake/embedding"), pa.list_(pa.float32())),
    "embed, so many": (
        lambda: ours.embed(TEXT, model="fake/embedding", dimensions=8),
        pa.list_(pa.float32(), 8),
    ),
    "rerank": (
        lambda: ours.rerank(TEXT, ibis.array([TEXT, "b"]), model="fake/rerank", top_n=1),
        pa.list_(pa.struct({"index": pa.int32(), "score": pa.float64()})),
    ),
    "chat_completions": (
        lambda: ours.chat_text(ours.chat_completions([{"role": "user", "content": TEXT}], model="fake/echo")),
        pa.string(),
    ),
    "chat_completions, a constant": (
        lambda: ours.chat_text(
            ours.chat_completions([{"role": "user", "content": "1"}], provider={"sort": "price"})
        ),
        pa.string(),
    ),
    "chat_json": (
        lambda: ours.chat_json(
            ours.chat_completions([{"role": "user", "content": "[1]"}], model="fake/echo")
        ).cast("string"),
        pa.string(),
    ),
    "llm_reduce": (lambda: ours.llm_reduce(ibis.array([TEXT, "b"]), "What is it about?"), pa.string()),
}


@pytest.mark.parametrize(("make", "arrow"), CASES.values(), ids=CASES)
def test_a_function_gives_its_type(few: Any, make: Callable[[], Any], arrow: Any) -> None:
    column = few.limit(2).mutate(answer=make()).to_pyarrow()["answer"]
    assert column.null_count == 0
    assert _unnamed(column.type) == _unnamed(arrow)


def test_every_function_that_asks_is_there_with_all_its_options() -> None:
    for asking in FAMILY:
        name = {"extract": "llm_extract", "summarize": "llm_summarize"}.get(asking.script, asking.script)
        script = re.sub(r"--.*", "", asking_scripts()[name])
        [options, *_] = re.findall(r"\(\s*(text.*?|query.*?|messages.*?)\) AS", script, re.DOTALL)
        wanted = [part.split(":=")[0].split()[0] for part in options.split(",")]
        theirs = list(inspect.signature(getattr(ours, asking.script)).parameters)
        assert theirs == [option for option in wanted if option != "only_by_name"], asking.script


def test_what_is_asked_is_what_was_said(simulator: Simulator, con: Any) -> None:
    simulator.reset()
    response = ours.chat_completions(
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": _.review}],
        model="fake/model",
        model_kwargs={"temperature": 0.5},
        tools=[{"name": "look_up", "parameters": {"type": "object", "properties": {}}}],
        tool_choice="auto",
        provider={"sort": "price"},
    )
    con.table("reviews").limit(1).select(response=response).execute()
    [request] = [request for request in simulator.requests if request.path.endswith("/chat/completions")]
    body = request.body
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"].startswith("review ")
    assert (body["model"], body["temperature"], body["tool_choice"]) == ("fake/model", 0.5, "auto")
    assert body["provider"] == {"sort": "price"}
    assert body["tools"][0]["function"]["name"] == "look_up"


@pytest.mark.parametrize(
    "act",
    [
        lambda con, few: few.execute(),
        lambda con, few: few.to_pyarrow(),
        lambda con, few: few.to_polars(),
        lambda con, few: con.create_table("replies", few),
        lambda con, few: con.insert("old", few.select("id", "reply")),
        lambda con, few: few.to_parquet("replies.parquet"),
        lambda con, few: few.cache().execute(),
        lambda con, few: con.raw_sql(ibis.to_sql(few)).fetchall(),
    ],
    ids=["execute", "pyarrow", "polars", "create_table", "insert", "parquet", "cache", "raw_sql"],
)
def test_all_at_once(simulator: Simulator, con: Any, few: Any, act: Callable[[Any, Any], Any]) -> None:
    con.create_table("old", schema={"id": "int64", "reply": "string"}, overwrite=True)
    replies = few.mutate(reply=ours.prompt(few.review, model="fake/echo"))
    assert asked(simulator, lambda: act(con, replies)).at_once


def test_chunk_by_chunk_over_a_registered_connection(simulator: Simulator) -> None:
    own = ibis.duckdb.connect()
    with duck_or.register(own.con) as session:
        own.raw_sql(REVIEWS)
        reviews = own.table("reviews")
        few = reviews.filter(reviews.id % 205 == 0)
        assert asked(simulator, few.mutate(reply=ours.prompt(reviews.review)).to_polars).by_chunks
        other = few.mutate(reply=ours.prompt(reviews.review.upper()))
        assert asked(simulator, lambda: session.sql(ibis.to_sql(other)).pl()).at_once
    own.disconnect()


@pytest.mark.parametrize(
    "act",
    [
        lambda con: con.list_tables(),
        lambda con: con.sql("SELECT 1"),
        lambda con: con.table("reviews").sql("SELECT id FROM reviews"),
        lambda con: con.table("reviews").to_pyarrow_batches().read_all(),
    ],
    ids=["list_tables", "sql", "table.sql", "batches"],
)
def test_what_ibis_cannot_do_on_duckdb_2(con: Any, act: Callable[[Any], Any]) -> None:
    with pytest.raises(AttributeError, match=r"fetch_(arrow_table|record_batch)"):
        act(con)
    con.raw_sql("SELECT 1").fetchall()  # Ibis leaves its result open


def test_what_the_page_says_instead(con: Any) -> None:
    assert con.sql("SELECT 1 AS a", schema={"a": "int64"}).execute()["a"].tolist() == [1]
    asked_whole = (
        con.table("reviews").limit(1).mutate(r=ours.chat_completions([{"role": "user", "content": "x"}]))
    )
    with pytest.raises(NotImplementedError, match="json"):
        asked_whole.to_polars()
    assert asked_whole.execute()["r"][0]["object"] == "chat.completion"


def _unnamed(type_: Any) -> str:
    """Whatever the elements of lists are called."""
    return re.sub(r"<\w*: ", "<: ", str(type_)) if pa.types.is_nested(type_) else str(type_)
