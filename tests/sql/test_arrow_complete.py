"""Arrow in, Arrow out: the same answers as from DuckDB, for the same requests, each asked once."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duck_or.arrow import Column, chat_completions, close_sessions, complete, session_of
from duck_or.errors import ArgumentError, RequestFailed, SettingsError
from duck_or.settings import Settings
from duck_or.simulator import Simulator
from support.bridge import KEY, Bridge, failure_of
from support.family import family_bridge


@pytest.fixture(autouse=True)
def _no_session_is_left() -> Iterator[None]:
    yield
    close_sessions()


@pytest.fixture(scope="module")
def shared() -> Iterator[Bridge]:
    with family_bridge(model="fake/echo") as bridge:
        yield bridge


def said(*contents: str | None) -> list[list[dict[str, str]] | None]:
    return [None if each is None else [{"role": "user", "content": each}] for each in contents]


def texts(column: pa.ChunkedArray | pa.Array) -> list[str | None]:
    return [
        None if body is None else orjson.loads(body)["choices"][0]["message"]["content"]
        for body in column.to_pylist()
    ]


def settings_for(simulator: Simulator, **more: Any) -> Settings:
    given: dict[str, Any] = {"base_url": simulator.base_url, "api_key": KEY, "model": "fake/echo"}
    return Settings(**{**given, "rate_limit": 0, "cache_path": None, **more})


# --- the same requests as in SQL ----------------------------------------------------------------------------------------

content = st.text(max_size=20).map("q{}".format)  # what is empty may not be stored, and is asked again
ASKED = {"role": "user", "content": "and now?"}
message = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "system", "assistant"]),
        "content": content,
        "name": st.none() | content,
    }
)
kwargs = st.none() | st.fixed_dictionaries(
    {
        "temperature": st.none() | st.floats(0, 2),
        "seed": st.none() | st.integers(-(2**63), 2**63 - 1),
        "stop": st.none() | st.just(["no such word"]),
        "metadata": st.none()
        | st.fixed_dictionaries({"on": st.none() | st.dates(), "share": st.decimals(0, 1, places=2)}),
    }
)
row = st.fixed_dictionaries(
    {
        "messages": st.none() | st.lists(message, max_size=2).map(lambda before: [*before, ASKED]),
        "model": st.sampled_from(["fake/echo", "fake/model", None]),
        "kwargs": kwargs,
        "tools": st.none() | st.just([{"name": "f", "parameters": {"type": "object"}}]),
        "tool_choice": st.sampled_from(["none", None]),
    }
)
TOOL = pa.struct([("name", pa.string()), ("parameters", pa.struct([("type", pa.string())]))])
SCHEMA = pa.schema(
    {
        "messages": pa.list_(pa.struct([(name, pa.string()) for name in ("role", "content", "name")])),
        "model": pa.string(),
        "kwargs": pa.struct(
            [
                ("temperature", pa.float64()),
                ("seed", pa.int64()),
                ("stop", pa.list_(pa.string())),
                ("metadata", pa.struct([("on", pa.date32()), ("share", pa.decimal128(5, 2))])),
            ]
        ),
        "tools": pa.list_(TOOL),
        "tool_choice": pa.string(),
    }
)


@settings(max_examples=25)
@given(st.lists(row, min_size=1, max_size=8))
def test_what_duckdb_has_asked_is_not_asked_again(shared: Bridge, rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    shared.con.register("given", table)
    options = "model := model, model_kwargs := kwargs, tools := tools, tool_choice := tool_choice"
    from_sql = shared.column(f"SELECT try_chat_completions(messages, {options}) FROM given")
    sent = shared.sent
    named = {name: Column(name) for name in ("model", "tools", "tool_choice")}
    answered = complete(table, model_kwargs=table["kwargs"], **named, on_error="json", session=shared.session)  # type: ignore[arg-type]
    assert [body if body is None else orjson.loads(body) for body in answered["response"].to_pylist()] == [
        body if body is None else orjson.loads(body) for body in from_sql
    ]
    assert shared.sent == sent


@pytest.mark.parametrize(
    "messages",
    [
        pa.array(said("hi")),
        pa.array(['[{"role": "user", "content": "hi"}]']),
        pa.array(['[{"role": "user", "content": "hi"}]'], pa.large_string()),
        pa.array(['[{"role": "user", "content": "hi"}]'], pa.string_view()),
        pa.array(['[{"role": "user", "content": "hi"}]']).dictionary_encode(),
        pa.ExtensionArray.from_storage(pa.json_(), pa.array(['[{"content": "hi", "role": "user"}]'])),
        pa.array([[[("role", "user"), ("content", "hi")]]], pa.list_(pa.map_(pa.string(), pa.string()))),
        pa.array(said("hi"), pa.large_list(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    ],
    ids=lambda messages: str(messages.type)[:30],
)
def test_a_conversation_may_be_written_in_many_ways(shared: Bridge, messages: pa.Array) -> None:
    shared.rows("SELECT chat_completions([{'role': 'user', 'content': 'hi'}])")
    sent = shared.sent
    assert texts(chat_completions(messages, session=shared.session)) == ["hi"]
    assert shared.sent == sent


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": 0.5, "logit_bias": {50256: -100}},
        '{"temperature": 0.5, "logit_bias": {"50256": -100}}',
        pa.array(['{"temperature": 0.5, "logit_bias": {"50256": -100}}'] * 2),
        pa.array([{"temperature": decimal.Decimal("0.5"), "logit_bias": [(50256, -100)]}] * 2,
                 pa.struct([("temperature", pa.decimal128(3, 1)), ("logit_bias", pa.map_(pa.int32(), pa.int8()))])),
    ],
    ids=["dict", "text", "texts", "structs"],
)  # fmt: skip
def test_options_may_be_constants_or_vectors(shared: Bridge, given: object) -> None:
    asked = "[{'role': 'user', 'content': 'a' || i}]"
    shared.rows(
        f"SELECT chat_completions({asked}, model_kwargs := {{'temperature': 0.5, 'logit_bias': MAP {{50256: -100}}}}) "
        "FROM range(2) t(i)"
    )
    sent = shared.sent
    vector = pa.array(said("a0", "a1"))
    assert texts(chat_completions(vector, model_kwargs=given, session=shared.session)) == ["a0", "a1"]
    assert shared.sent == sent


# --- tables in, tables out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, 3, 10_000])
def test_a_table_comes_back_with_one_column_more(simulator: Simulator, rows: int) -> None:
    contents = [None if n % 7 == 3 else f"q{n % 50}" for n in range(rows)]
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    table = pa.table({"id": range(rows), "messages": pa.array(said(*contents), kind)})
    chosen = settings_for(simulator)
    answered = complete(table, settings=chosen)
    assert answered.schema.names == ["id", "messages", "response"]
    assert answered.schema.field("response").type == pa.string()
    assert texts(answered["response"]) == contents
    assert answered.drop_columns("response").equals(table)
    assert simulator.stats().requests == len({each for each in contents if each is not None})
    stats = session_of(chosen).stats()
    assert stats.requests == sum(each is not None for each in contents)
    assert stats.requests == stats.cache_hits + stats.joined + stats.sent


def test_a_record_batch_stays_one(simulator: Simulator) -> None:
    batch = pa.RecordBatch.from_pydict(
        {"m": said("a", None, "b"), "model": ["fake/echo", None, "fake/model"]}
    )
    answered = complete(
        batch, messages="m", model=Column("model"), output="o", settings=settings_for(simulator)
    )
    assert isinstance(answered, pa.RecordBatch)
    assert texts(answered["o"])[:2] == ["a", None]
    assert {request.body["model"] for request in simulator.requests} == {"fake/echo", "fake/model"}


@pytest.mark.parametrize(
    "handed_over",
    [
        lambda table: pa.RecordBatchReader.from_batches(table.schema, table.to_batches(1)),
        lambda table: duckdb.from_arrow(table),
    ],
    ids=["reader", "relation"],
)
def test_what_hands_arrow_data_over_comes_back_as_a_table(
    simulator: Simulator, handed_over: Callable[[pa.Table], Any]
) -> None:
    table = pa.table({"id": [1, 2, 3], "messages": said("a", None, "b")})
    answered = complete(handed_over(table), settings=settings_for(simulator))
    assert isinstance(answered, pa.Table)
    assert answered["id"].to_pylist() == [1, 2, 3]
    assert texts(answered["response"]) == ["a", None, "b"]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"messages": said("a")}, r"not a builtins\.dict: pa\.Table\.from_pandas\(df\), df\.to_arrow\(\)"),
        (None, r"not a builtins\.NoneType"),
        (pa.chunked_array([["a"]]), r"cannot read this pyarrow\.lib\.ChunkedArray as a table"),
    ],
)
def test_what_is_no_table_is_refused(simulator: Simulator, data: Any, complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        complete(data, settings=settings_for(simulator))


def test_all_calls_share_one_engine(simulator: Simulator) -> None:
    for _ in range(3):
        assert texts(chat_completions(pa.array(said("again")), settings=settings_for(simulator))) == ["again"]
    assert simulator.stats().requests == 1


def test_the_default_model_is_the_settings_own(simulator: Simulator) -> None:
    given = {"base_url": simulator.base_url, "api_key": KEY, "rate_limit": 0, "cache_path": None}
    chat_completions(pa.array(said("hi")), model="fake/echo", **given)
    with pytest.raises(ArgumentError, match="no model"):
        chat_completions(pa.array(said("hi")), **given)
    with pytest.raises(SettingsError, match="did you mean rate_limit"):
        chat_completions(pa.array(said("hi")), rate_limits=1, **given)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            {"output": "o", "messages": "prompts"},
            "there is no column 'prompts'; there are messages, response",
        ),
        ({}, "there is a column 'response' already"),
        ({"output": "o", "model": Column("m")}, "there is no column 'm'"),
        ({"output": "o", "model": pa.array(["a", "b"])}, "a vector of 2 values was given for 1 rows"),
        ({"output": "o", "model_kwargs": {"seed": {1}}}, "a value of type set cannot be written as JSON"),
        ({"output": "o", "tools": "nothing"}, "tools must be a non-empty list"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_sent(
    simulator: Simulator, arguments: dict[str, Any], complaint: str
) -> None:
    table = pa.table({"messages": said("hi"), "response": ["x"]})
    with pytest.raises(ArgumentError, match=complaint):
        complete(table, settings=settings_for(simulator), **arguments)
    assert simulator.stats().requests == 0


# --- rows that fail -------------------------------------------------------------------------------------------------------

MIXED = {"model": pa.array(["fake/echo", "fake/err-400", "fake/echo"])}


def test_a_failed_row_ends_it_and_says_which_request_it_was(simulator: Simulator) -> None:
    chosen = settings_for(simulator)
    with pytest.raises(
        RequestFailed, match=r"code bad_request.*model fake/err-400, cache key [0-9a-f]{64}\.$"
    ) as raised:
        chat_completions(pa.array(said("a", "b", "c")), settings=chosen, **MIXED)
    assert session_of(chosen).errors()[-1]["cache_key"] in str(raised.value)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_failed_row_may_leave_the_others_alone(simulator: Simulator, as_json: bool) -> None:
    vector = pa.array(said("a", "b", "c"))
    mode: Any = "json" if as_json else "null"
    answered = chat_completions(vector, settings=settings_for(simulator), on_error=mode, **MIXED)
    assert texts(answered.take(pa.array([0, 2]))) == ["a", "c"]
    failed = answered[1].as_py()
    assert failure_of(failed)["code"] == "bad_request" if as_json else failed is None


def test_what_came_back_before_a_failure_is_kept(simulator: Simulator) -> None:
    chosen = settings_for(simulator)
    ask: Callable[..., Any] = chat_completions
    with pytest.raises(RequestFailed):
        ask(pa.array(said("a", "b", "c")), settings=chosen, **MIXED)
    ask(pa.array(said("a", "b", "c")), settings=chosen, on_error="null", **MIXED)
    asked = [r.body["messages"][0]["content"] for r in simulator.requests if r.body["model"] == "fake/echo"]
    assert sorted(asked) == ["a", "c"]


def test_what_was_given_survives_in_another_session(simulator: Simulator, tmp_path: Any) -> None:
    chosen = settings_for(simulator, cache_path=tmp_path / "answers.sqlite")
    for _ in range(2):
        chat_completions(pa.array(said("kept")), settings=chosen)
        close_sessions()
    assert simulator.stats().requests == 1
