"""OpenTelemetry: a span for each statement, a span for each request below it, and the two metrics of the conventions.

    from duck_or.integrations import otel

    otel.instrument()

Needs the extra `otel`, which is OpenTelemetry's API; where spans go is decided by the SDK that the program sets up. What the
attributes are called is decided in `otel_attributes`. Spans are made when a request is over, with the times it had: the event
loop is busy enough while it is under way.

A statement of DuckDB does not say when it is over. Its span ends when nothing was heard of it for `BETWEEN_CHUNKS` seconds, or
at `flush()`, with the time of the last that was heard.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import orjson

from duck_or.calls import Call
from duck_or.engine.batch import Statement
from duck_or.engine.cancellation import BETWEEN_CHUNKS
from duck_or.errors import Cancelled, DuckOrError
from duck_or.integrations import otel_attributes as names
from duck_or.integrations.otel_attributes import Attributes
from duck_or.observation import observe
from duck_or.outcome import Failure, Outcome
from duck_or.request import Request
from duck_or.version import __version__

try:
    from opentelemetry import context as contexts
    from opentelemetry import metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
except ImportError as error:
    raise ImportError('this needs OpenTelemetry: pip install "duck_or[otel]"') from error

STATEMENT = "duck_or.statement"
"""The name of a statement's span. Its text is in no span: it may hold what others must not read."""

CAPTURE_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CAPTURE_WORDS = frozenset({"true", "1", "span_only", "span_and_event"})

NANOSECONDS = 1_000_000_000

log = logging.getLogger("duck_or")


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    capture_content: bool = False,
    *,
    idle: float = BETWEEN_CHUNKS,
) -> None:
    """From now on every statement and every request of this process is told to OpenTelemetry. Again: with these instead.

    tracer_provider, meter_provider: the global ones if None. capture_content: whether messages, answers and messages of errors
    are told as well; also where the environment variable OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says so. idle:
    seconds of silence after which a statement is taken to be over.
    """
    global _telemetry
    uninstrument()
    capture = capture_content or os.environ.get(CAPTURE_VARIABLE, "").strip().lower() in CAPTURE_WORDS
    _telemetry = _Telemetry(tracer_provider, meter_provider, capture, idle)
    observe(_telemetry.begin)
    # The last to register is the first to run: before the SDK's own, which takes no span any more.
    atexit.unregister(uninstrument)
    atexit.register(uninstrument)


def uninstrument() -> None:
    """Nothing is told any more; the spans of statements end now. Idempotent."""
    global _telemetry
    observe(None)
    telemetry, _telemetry = _telemetry, None
    if telemetry is not None:
        telemetry.close()


def flush() -> None:
    """End the spans of all statements that no thread works for just now, without waiting for a while of silence."""
    if _telemetry is not None:
        _telemetry.end_idle(0.0)


ROWS = {name: f"duck_or.rows.{name}" for name in ("cached", "joined", "rejected")} | {
    "rows": "duck_or.rows.evaluated"
}
SENT = "duck_or.requests.sent"


class _Telemetry:
    """Where spans and figures go, and the statements whose spans have not ended."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        capture_content: bool,
        idle: float,
    ) -> None:
        self._tracer = trace.get_tracer("duck_or", __version__, tracer_provider)
        meter = metrics.get_meter("duck_or", __version__, meter_provider)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=names.BUCKETS_S,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=names.BUCKETS_TOKENS,
        )
        self.closed = False
        self._capture = capture_content
        self._idle = idle
        self._guard = threading.Lock()
        self._open: set[_Statement] = set()
        self._timer: threading.Timer | None = None

    def begin(self, statement: Statement) -> _Statement:
        return _Statement(self, statement)

    def start(self, context: Context, start_ns: int) -> Span:
        return self._tracer.start_span(STATEMENT, context, SpanKind.INTERNAL, start_time=start_ns)

    def opened(self, statement: _Statement) -> None:
        with self._guard:
            self._open.add(statement)

    def idle(self) -> None:
        """Some statement has nobody at work: look again when it may be over."""
        with self._guard:
            # A forked child has the timer, but not its thread.
            if self._open and (self._timer is None or not self._timer.is_alive()):
                self._timer = threading.Timer(self._idle, self._look)
                self._timer.daemon = True
                self._timer.start()

    def _look(self) -> None:
        self.end_idle(self._idle)
        with self._guard:
            self._timer = None
        self.idle()

    def end_idle(self, idle: float) -> None:
        """End the spans of statements of which nothing was heard for so many seconds."""
        before = time.time_ns() - int(idle * NANOSECONDS)
        with self._guard:
            found, self._open = self._open, set()
        # Not inside: a statement that opens holds its own lock, and then wants this one.
        for statement in found:
            if statement.is_idle_since(before):
                statement.end()
            else:
                self.opened(statement)

    def close(self) -> None:
        """End all of them; what is told from now on is nobody's."""
        self.closed = True
        with self._guard:
            found, self._open = self._open, set()
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for statement in found:
            statement.end()

    def request(self, parent: Context, call: Call, request: Request, outcome: Outcome, base_url: str) -> None:
        """One request's span and figures."""
        end_ns = time.time_ns()
        start_ns = min(int(call.time * NANOSECONDS), end_ns)
        identity, came = names.identity_of(request, base_url), names.outcome_of(call)
        span = self._tracer.start_span(
            names.name_of(identity), parent, SpanKind.CLIENT, identity, start_time=start_ns
        )
        if span.is_recording():
            span.set_attributes(self._said(request, outcome) | came)
            if isinstance(outcome, Failure):  # its message may quote what the model said
                span.set_status(Status(StatusCode.ERROR, outcome.message if self._capture else None))
        span.end(end_ns)
        context = trace.set_span_in_context(span, parent)  # so that a figure can lead to an example of it
        told = identity | {name: came[name] for name in names.METRIC_ATTRIBUTES if name in came}
        self._duration.record((end_ns - start_ns) / NANOSECONDS, told, context)
        for kind, count in names.tokens_of(call):
            self._tokens.record(count, told | {"gen_ai.token.type": kind}, context)

    def _said(self, request: Request, outcome: Outcome) -> Attributes:
        body = orjson.loads(request.body)
        said = names.options_of(body)
        return said | names.messages_of(body, outcome) if self._capture else said


class _Statement:
    """One statement's observer (see `observation`). Its span begins when there is something to tell: many ask nothing."""

    def __init__(self, telemetry: _Telemetry, statement: Statement) -> None:
        # The statement begins on the caller's thread, or on DuckDB's worker, which knows nothing of the caller's span.
        self._context = contexts.get_current()
        self._telemetry = telemetry
        self._statement = statement
        self._guard = threading.Lock()
        self._at_work = 0
        self._begun_ns: int | None = None
        self._heard_ns = 0
        self._span: Span | None = None
        self._counts: Counter[str] = Counter()
        self._cost_usd = 0.0
        self._error: str | None = None

    def __enter__(self) -> None:
        with self._guard:
            self._at_work += 1
            self._hear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._at_work -= 1
            self._hear()
            if isinstance(error, DuckOrError):  # DuckDB's own, of a trial run, may be none of the statement's
                self._error = self._error or error.code
            idle = not self._at_work
        if idle:
            self._telemetry.idle()

    def count(self, **rows: int) -> None:
        with self._guard:
            self._hear()
            for name, count in rows.items():
                self._counts[ROWS[name]] += count

    def landed(self, call: Call, request: Request, outcome: Outcome, base_url: str) -> None:
        if self._telemetry.closed:
            return
        with _harmless():
            with self._guard:
                self._hear()
                self._counts[SENT] += 1
                self._counts["duck_or.requests.failed"] += call.error_code is not None
                self._counts["duck_or.attempts"] += call.attempts
                self._cost_usd += (call.summary and call.summary.cost_usd) or 0.0
                parent = trace.set_span_in_context(self._started(), self._context)
            self._telemetry.request(parent, call, request, outcome, base_url)

    def is_idle_since(self, moment_ns: int) -> bool:
        with self._guard:
            return not self._at_work and self._heard_ns <= moment_ns

    def end(self) -> None:
        """What is heard after that is told in a span of its own."""
        with self._guard:
            if self._counts.total():
                with _harmless():
                    self._tell(self._started())
            self._span = self._begun_ns = self._error = None
            self._counts.clear()
            self._cost_usd = 0.0

    def _hear(self) -> None:
        self._heard_ns = time.time_ns()
        if self._begun_ns is None and not self._telemetry.closed:
            self._begun_ns = self._heard_ns
            self._telemetry.opened(self)

    def _started(self) -> Span:
        if self._span is None:
            self._span = self._telemetry.start(self._context, self._begun_ns or self._heard_ns)
        return self._span

    def _tell(self, span: Span) -> None:
        told: Attributes = dict(self._counts)
        if self._counts[SENT]:
            told["duck_or.cost_usd"] = round(self._cost_usd, 10)  # a sum of floats, without its dust
        if (error := self._ended_by()) is not None:
            told["error.type"] = error
            span.set_status(Status(StatusCode.ERROR))
        span.set_attributes(told)
        span.end(self._heard_ns)

    def _ended_by(self) -> str | None:
        stopped = self._statement.stopped
        if stopped is not None:
            return stopped.code
        return Cancelled.code if self._statement.cancelled else self._error


@contextmanager
def _harmless() -> Iterator[None]:
    """Whatever the program's own span processors do: no row waits for that, and none fails for it."""
    try:
        yield
    except Exception:
        log.exception("OpenTelemetry broke; the statement goes on")


_telemetry: _Telemetry | None = None
