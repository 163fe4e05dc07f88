"""What OpenTelemetry is told of statements and requests, by the SDK's own exporters; and what it must not be told."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

import duck_or
from duck_or.engine.batch import Statement
from duck_or.errors import RequestFailed
from duck_or.integrations import otel
from duck_or.integrations.otel_attributes import messages_of, options_of, provider_of
from duck_or.observation import NOBODY
from duck_or.outcome import Completion
from duck_or.simulator import Scenario, Simulator
from duck_or.statements.connection import Connection
from support.bridge import KEY
from support.how_to import HOW_TO, as_a_user, run_page

PAGES = ["opentelemetry.md"]

EMBEDDING = "openai/text-embedding-3-small"
SECRET_PROMPT, SECRET_ANSWER = "the prompt nobody may read", "the answer nobody may read"


class Told:
    """What came out of the SDK."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.tracer = self.tracers.get_tracer("a test")

    def instrument(self, **options: Any) -> None:
        otel.instrument(self.tracers, self.meters, **options)

    def spans(self) -> list[ReadableSpan]:
        otel.flush()
        return list(self.exporter.get_finished_spans())

    def statements(self) -> list[ReadableSpan]:
        return [span for span in self.spans() if span.name == otel.STATEMENT]

    def requests(self) -> list[ReadableSpan]:
        return [span for span in self.spans() if span.kind is SpanKind.CLIENT]

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def everything(self) -> str:
        spans = "".join(span.to_json() for span in self.spans())
        data = self.reader.get_metrics_data()
        return spans + (data.to_json() if data else "")


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    yield told
    otel.uninstrument()
    told.tracers.shutdown()
    told.meters.shutdown()


Connect = Callable[..., Connection]


@pytest.fixture
def connect(simulator: Simulator) -> Iterator[Connect]:
    with ExitStack() as ends:

        def make(**settings: Any) -> Connection:
            given: dict[str, Any] = {
                "base_url": simulator.base_url,
                "api_key": KEY,
                "model": "fake/echo",
                "rate_limit": 0,
                "cache_path": None,
                "progress": "off",
            }
            con = duck_or.connect(**(given | settings))
            ends.callback(con.close)
            ends.callback(con.session.close)
            return con

        yield make


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def is_inside(span: ReadableSpan, outer: ReadableSpan) -> bool:
    return begin(outer) <= begin(span) <= end(span) <= end(outer)


def begin(span: ReadableSpan) -> int:
    """Nanoseconds since the epoch."""
    assert span.start_time is not None
    return span.start_time


def end(span: ReadableSpan) -> int:
    assert span.end_time is not None
    return span.end_time


# --- statements and requests -----------------------------------------------------------------------------------------

RUNS: dict[str, Callable[[Connection, str], object]] = {
    "a relation": lambda con, query: con.sql(query).fetchall(),
    "execute": lambda con, query: con.execute(query).fetchall(),
    "the session": lambda con, query: con.session.sql(query).fetchall(),
    "plain": lambda con, query: con.con.sql(query).fetchall(),
}


@pytest.mark.parametrize("how", RUNS)
def test_requests_stand_below_their_statement_and_that_below_the_callers_span(
    connect: Connect, told: Told, simulator: Simulator, how: str
) -> None:
    told.instrument()
    with told.tracer.start_as_current_span("the caller's") as caller:
        RUNS[how](connect(), "SELECT prompt('number ' || i % 3) FROM range(6) AS t(i)")
    [statement], requests = told.statements(), told.requests()
    callers = caller.get_span_context().span_id
    # A thread of DuckDB's own, which plain SQL may begin on, knows of no span.
    assert parent_of(statement) in ({callers, None} if how == "plain" else {callers})
    assert {parent_of(span) for span in requests} == {statement.context.span_id}
    assert [span.name for span in requests] == ["chat fake/echo"] * 3
    assert all(is_inside(span, statement) for span in requests)
    assert statement.kind is SpanKind.INTERNAL
    asked = attributes(statement)
    assert (asked["duck_or.rows.evaluated"], asked["duck_or.requests.sent"]) == (6, 3)
    assert asked["duck_or.cost_usd"] == pytest.approx(
        sum(attributes(s)["duck_or.cost_usd"] for s in requests)
    )
    assert "error.type" not in asked
    seen = attributes(requests[0])
    port = simulator.base_url.split(":")[2].split("/")[0]
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "fake/echo",
        "gen_ai.response.model": "fake/echo-20260101",
        "gen_ai.response.finish_reasons": ("stop",),
        "server.address": "127.0.0.1",
        "server.port": int(port),
        "http.response.status_code": 200,
        "duck_or.attempts": 1,
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert seen["gen_ai.response.id"].startswith("gen-")
    assert seen["gen_ai.usage.input_tokens"] > 0
    assert seen["gen_ai.usage.output_tokens"] > 0
    assert len(seen["duck_or.cache_key"]) == 64


def test_every_name_is_the_conventions_or_begins_with_ours(connect: Connect, told: Told) -> None:
    told.instrument(capture_content=True)
    connect().sql("SELECT prompt('a', model_kwargs := {'temperature': 0.5, 'stop': 'x'})").fetchall()
    connect().sql(f"SELECT embed('a', model := '{EMBEDDING}')").fetchall()
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    known |= {"server.address", "server.port", "error.type", "http.response.status_code"}
    said = {name for span in told.spans() for name in attributes(span)}
    assert {name for name in said if not name.startswith("duck_or.")} <= known
    assert {"gen_ai.request.temperature", "gen_ai.request.stop_sequences", "gen_ai.input.messages"} <= said


def test_cached_rows_have_no_request_span(connect: Connect, told: Told) -> None:
    told.instrument()
    con = connect()
    con.sql("SELECT prompt('once')").fetchall()
    assert len(told.requests()) == 1
    told.exporter.clear()
    con.con.sql("SELECT prompt(text) FROM (VALUES ('once'), ('once'), ('once')) AS t(text)").fetchall()
    [statement] = told.spans()
    assert attributes(statement) == {"duck_or.rows.evaluated": 3, "duck_or.rows.cached": 3}


def test_what_asks_nothing_is_not_told(connect: Connect, told: Told) -> None:
    told.instrument()
    con = connect()
    con.sql("SELECT 1").fetchall()
    con.session.estimate("SELECT prompt('never sent')")
    assert told.spans() == []


@pytest.mark.parametrize("plain", [False, True])
def test_a_failed_row_is_an_error_of_its_request_alone(connect: Connect, told: Told, plain: bool) -> None:
    told.instrument()
    con = connect(on_error="null")
    query = "SELECT prompt('a', model := CASE i WHEN 1 THEN 'fake/err-400' END) FROM range(3) AS t(i)"
    (con.con if plain else con).sql(query).fetchall()
    failed = [span for span in told.requests() if span.status.status_code is StatusCode.ERROR]
    assert [attributes(span)["error.type"] for span in failed] == ["bad_request"]
    assert attributes(failed[0])["http.response.status_code"] == 400
    assert failed[0].status.description is None
    [statement] = told.statements()
    assert statement.status.status_code is StatusCode.UNSET
    assert attributes(statement)["duck_or.requests.failed"] == 1


@pytest.mark.parametrize("plain", [False, True])
def test_a_failed_statement_says_by_what(connect: Connect, told: Told, plain: bool) -> None:
    told.instrument()
    con = connect(on_error="raise")
    with pytest.raises((RequestFailed, duckdb.Error)):
        (con.con if plain else con).sql("SELECT prompt('a', model := 'fake/err-401')").fetchall()
    [statement] = told.statements()
    [request] = told.requests()
    assert statement.status.status_code is StatusCode.ERROR
    assert attributes(statement)["error.type"] == attributes(request)["error.type"] == "authentication"


def test_a_retried_request_is_one_span_that_counts_its_attempts(
    connect: Connect, told: Told, simulator: Simulator
) -> None:
    simulator.scenario = Scenario(fault_script=("502", None))
    told.instrument()
    connect().sql("SELECT prompt('again')").fetchall()
    [request], [statement] = told.requests(), told.statements()
    assert attributes(request)["duck_or.attempts"] == attributes(statement)["duck_or.attempts"] == 2
    assert request.status.status_code is StatusCode.UNSET
    [point] = told.points("gen_ai.client.operation.duration")
    assert point.sum == pytest.approx((end(request) - begin(request)) / 1e9)


def test_embeddings_have_a_span_for_each_text(connect: Connect, told: Told, simulator: Simulator) -> None:
    told.instrument()
    con = connect()
    con.sql(f"SELECT embed('text ' || i, model := '{EMBEDDING}') FROM range(5) AS t(i)").fetchall()
    requests = told.requests()
    assert [span.name for span in requests] == [f"embeddings {EMBEDDING}"] * 5
    assert simulator.stats().requests == 1
    used = sum(attributes(span)["gen_ai.usage.input_tokens"] for span in requests)
    assert used == con.session.stats().prompt_tokens > 0
    assert attributes(requests[0])["gen_ai.operation.name"] == "embeddings"


def test_statements_at_the_same_time_keep_their_requests_apart(
    connect: Connect, told: Told, simulator: Simulator
) -> None:
    simulator.scenario = Scenario(latency=0.1)
    told.instrument()
    con = connect()
    callers: dict[str, int] = {}

    def run(cursor: Connection, name: str) -> None:
        with told.tracer.start_as_current_span(name) as span:
            callers[name] = span.get_span_context().span_id
            cursor.sql(f"SELECT prompt('{name} ' || i) FROM range(20) AS t(i)").fetchall()

    threads = [threading.Thread(target=run, args=(con.cursor(), f"thread {n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    parents = {span.context.span_id: parent_of(span) for span in told.statements()}
    assert sorted(parents.values()) == sorted(callers.values())  # type: ignore[type-var]  # each has one
    below = [parent_of(span) for span in told.requests()]
    assert {statement: below.count(statement) for statement in parents} == dict.fromkeys(parents, 20)


def test_the_two_metrics(connect: Connect, told: Told) -> None:
    told.instrument()
    con = connect(on_error="null")
    con.sql("SELECT prompt('number ' || i) FROM range(5) AS t(i)").fetchall()
    con.sql("SELECT prompt('a', model := 'fake/err-400')").fetchall()
    durations = {
        point.attributes.get("error.type"): point for point in told.points("gen_ai.client.operation.duration")
    }
    assert {error: point.count for error, point in durations.items()} == {None: 5, "bad_request": 1}
    assert durations[None].attributes["gen_ai.operation.name"] == "chat"
    assert durations[None].explicit_bounds[:2] == (0.01, 0.02)
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum for point in told.points("gen_ai.client.token.usage")
    }
    stats = con.session.stats()
    assert tokens == {"input": stats.prompt_tokens, "output": stats.completion_tokens}
    names = {name for point in durations.values() for name in point.attributes}
    assert "duck_or.cache_key" not in names


# --- what is told only where it is asked for -------------------------------------------------------------------------


def ask_secretly(con: Connection) -> None:
    """An answer, an answer that an error quotes, and a refusal."""
    con.sql(f"SELECT prompt('{SECRET_PROMPT}')").fetchall()
    shape = "{'type': 'object', 'required': ['x'], 'properties': {'x': {'type': 'string'}}}"
    kwargs = (
        f"{{'response_format': {{'type': 'json_schema', 'json_schema': {{'name': 'n', 'schema': {shape}}}}}}}"
    )
    for model in ("fake/never-valid", "fake/err-400"):
        con.sql(f"SELECT prompt('{SECRET_ANSWER}', model := '{model}', model_kwargs := {kwargs})").fetchall()


def test_no_prompt_no_answer_and_no_key_is_told(connect: Connect, told: Told) -> None:
    told.instrument()
    ask_secretly(connect(on_error="null"))
    assert len(told.requests()) == 3
    everything = told.everything()
    for secret in (SECRET_PROMPT, SECRET_ANSWER, KEY, KEY[-8:], "SELECT"):
        assert secret not in everything
    assert not any("messages" in name for span in told.spans() for name in attributes(span))
    assert not any(span.status.description or span.events for span in told.spans())


@pytest.mark.parametrize("by", ["argument", "true", "SPAN_ONLY"])
def test_messages_are_told_where_they_are_wanted(
    connect: Connect, told: Told, by: str, environment: Callable[[str, str], None]
) -> None:
    if by != "argument":
        environment(otel.CAPTURE_VARIABLE, by)
    told.instrument(capture_content=by == "argument")
    connect().sql(f"SELECT prompt('{SECRET_PROMPT}')").fetchall()
    [request] = told.requests()
    said = attributes(request)
    assert json.loads(said["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": SECRET_PROMPT}]}
    ]
    assert json.loads(said["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": SECRET_PROMPT}],
            "finish_reason": "stop",
        }
    ]
    assert KEY not in told.everything()


@pytest.fixture
def environment() -> Iterator[Callable[[str, str], None]]:
    import os

    before = dict(os.environ)
    yield os.environ.__setitem__
    os.environ.clear()
    os.environ.update(before)


# --- coming and going ------------------------------------------------------------------------------------------------


def test_nothing_is_told_before_and_after(connect: Connect, told: Told) -> None:
    con = connect()
    con.sql("SELECT prompt('before')").fetchall()
    told.instrument()
    otel.uninstrument()
    con.sql("SELECT prompt('after')").fetchall()
    assert Statement().observer is NOBODY
    assert told.spans() == []


def test_uninstrument_ends_the_spans_of_statements(connect: Connect, told: Told) -> None:
    told.instrument()
    connect().sql("SELECT prompt('a')").fetchall()
    otel.uninstrument()
    assert [span.name for span in told.exporter.get_finished_spans()] == ["chat fake/echo", otel.STATEMENT]


def test_a_statement_that_is_silent_for_a_while_is_over(connect: Connect, told: Told) -> None:
    ended = threading.Event()

    class Listening(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            if span.name == otel.STATEMENT:
                ended.set()

    told.tracers.add_span_processor(Listening())
    told.instrument(idle=0.05)
    connect().sql("SELECT prompt('a')").fetchall()
    assert ended.wait(30)
    [statement], [request] = told.statements(), told.requests()
    assert is_inside(request, statement)


def test_a_span_processor_that_breaks_costs_no_row(
    connect: Connect, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaking(SpanProcessor):
        def on_start(self, span: Span, parent_context: object = None) -> None:
            raise RuntimeError("a bug of the program's")

    told.tracers.add_span_processor(Breaking())
    told.instrument()
    con = connect()
    assert con.sql("SELECT prompt('a')").fetchall() == [("a",)]
    otel.flush()
    assert con.con.sql("SELECT prompt('b')").fetchall() == [("b",)]
    assert "OpenTelemetry broke" in caplog.text


def test_importing_duck_or_does_not_import_it() -> None:
    code = "import sys, duck_or; print('opentelemetry' in sys.modules)"
    root = Path(__file__).parents[2]
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert out.stdout == "False\n"


def test_the_spans_of_the_last_statement_are_not_lost_at_exit(simulator: Simulator) -> None:
    code = f"""
import duck_or
from duck_or.integrations import otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.name + "\\n")))
otel.instrument(provider)
con = duck_or.connect(base_url={simulator.base_url!r}, api_key={KEY!r}, model="fake/echo", cache_path=None)
con.sql("SELECT prompt('a')").fetchall()
"""
    root = Path(__file__).parents[2]
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert sorted(out.stdout.split("\n")) == ["", "chat fake/echo", otel.STATEMENT]


# --- names and values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"temperature": 1, "top_p": 0.5, "top_k": 3}, {"temperature": 1.0, "top_p": 0.5, "top_k": 3.0}),
        ({"max_tokens": 7, "seed": 2**63 - 1}, {"max_tokens": 7, "seed": 2**63 - 1}),
        ({"max_completion_tokens": 7, "seed": 2**63}, {"max_tokens": 7}),
        ({"stop": "a"}, {"stop_sequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"stop": [], "temperature": "hot", "seed": True, "n": 1, "max_tokens": None}, {}),
        ({"n": 2}, {"choice.count": 2}),
        (
            {"frequency_penalty": -1, "presence_penalty": 0},
            {"frequency_penalty": -1.0, "presence_penalty": 0.0},
        ),
    ],
)
def test_options_of_a_request(body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert options_of(body) == {f"gen_ai.request.{name}": value for name, value in expected.items()}


@pytest.mark.parametrize(
    ("host", "provider"),
    [("openrouter.ai", "openrouter"), ("eu.openrouter.ai", "openrouter"), ("notopenrouter.ai", "openai")],
)
def test_the_provider_is_known_by_its_host(host: str, provider: str) -> None:
    assert provider_of(host) == provider


def test_messages_of_all_kinds() -> None:
    body = {
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": "data:…"}}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ]
    }  # fmt: skip
    said = messages_of(body, Completion(b'{"choices": []}'))
    assert json.loads(str(said["gen_ai.input.messages"])) == [
        {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
        {"role": "user", "parts": [{"type": "text", "content": "what is it?"}, {"type": "image_url"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f", "arguments": "{}"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "42"}]},
    ]
    assert "gen_ai.output.messages" not in said


# --- the how-to page -------------------------------------------------------------------------------------------------


def test_the_page(tmp_path: Path) -> None:
    [page] = PAGES
    try:
        with as_a_user(tmp_path):
            seen = run_page(HOW_TO / page, {})
    finally:
        otel.uninstrument()
    assert {span.name for span in seen["spans"]} == {"chat fake/model", "duck_or.statement", "nightly report"}
