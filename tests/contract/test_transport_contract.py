"""What every Transport promises, over real sockets: one table of cases, run against each of them.

The server here speaks raw bytes, because most of these cases are things no honest HTTP server would do.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duck_or.engine.transport import Endpoint, Transport
from duck_or.engine.transports import SPARE_CONNECTIONS, TRANSPORTS, open_transport
from duck_or.errors import DeadlineExceeded, TransportError
from duck_or.outcome import RawResponse

KEY = "sk-or-v1-0123456789abcdef"
PATH = "/chat/completions"
ASK = b'{"messages":[{"content":"hi","role":"user"}],"model":"m"}'
T = TypeVar("T")


@pytest.fixture(params=sorted(TRANSPORTS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- a server that answers with whatever bytes a test wants --------------------------------------------------------


@dataclass
class Heard:
    """One request as it came in. `headers` has lower-case names; a name that came twice is kept twice."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        (value,) = [v for n, v in self.headers if n == name]
        return value


Answer: TypeAlias = Callable[[Heard, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Listens on loopback; `answer` writes each response. Counts what it saw."""

    answer: Answer
    heard: list[Heard] = field(default_factory=list)
    accepted: int = 0
    open_now: int = 0
    most_open: int = 0
    base_url: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        self.changed.set()
        try:
            while not writer.is_closing():
                self.heard.append(await _read_request(reader))
                self.changed.set()
                await self.answer(self.heard[-1], writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client hung up, which is its right
        finally:
            self.open_now -= 1
            self.changed.set()
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Heard:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = [line.split(": ", 1) for line in lines]
    headers = [(name.lower(), value) for name, value in pairs]
    length = int(dict(headers).get("content-length", "0"))
    return Heard(method, target, headers, await reader.readexactly(length))


@contextlib.asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.base_url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/api/v1"
    try:
        yield server
    finally:
        listener.close()
        await server.until(lambda: server.open_now == 0)


def response(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    named = {"Content-Length": str(len(body)), **{n.replace("_", "-"): v for n, v in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def says(*parts: bytes, close: bool = False) -> Answer:
    """Each part is written by itself, the loop turning once in between."""

    async def answer(_: Heard, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if close:
            writer.close()

    return answer


def resets_after(sent: bytes) -> Answer:
    async def answer(_: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        linger = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    return answer


hangs = says()  # nothing, and then waits for the next request or for the client to hang up


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


# --- running a test ------------------------------------------------------------------------------------------------


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run on a fresh loop; a task or callback that failed unseen fails the test."""
    complaints: list[dict[str, Any]] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        result = await asyncio.wait_for(main, 30)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        done, pending = await asyncio.wait(others, timeout=1) if others else (set(), set())
        assert not pending, pending
        assert not [task for task in done if not task.cancelled() and task.exception()]
        return result

    result = asyncio.run(watched())
    assert complaints == []
    return result


@contextlib.asynccontextmanager
async def opened(kind: str, base_url: str, cap: int = 16, **more: Any) -> AsyncIterator[Transport]:
    transport = open_transport(Endpoint(base_url, KEY, transport=kind, **more), cap)  # type: ignore[arg-type]
    try:
        yield transport
    finally:
        await transport.close()


def exchange(kind: str, answer: Answer, body: bytes = ASK, **more: Any) -> tuple[RawResponse, Server]:
    """One POST to a server that answers so."""

    async def main() -> tuple[RawResponse, Server]:
        async with listening(answer) as server, opened(kind, server.base_url, **more) as transport:
            return await transport.send("POST", PATH, body), server

    return run(main())


def failure(kind: str, answer: Answer) -> TransportError:
    with pytest.raises(TransportError) as caught:
        exchange(kind, answer)
    return caught.value


# --- responses -----------------------------------------------------------------------------------------------------

UNICODE = '{"content":"\U0001f986 čaj \\ud800 \u2028"}'.encode()
FIVE_MB = random.Random(1).randbytes(5 << 20)

BODIES: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
    "whole": (b'{"a": 1}', (response(b'{"a": 1}'),)),
    "empty": (b"", (response(b""),)),
    "not JSON": (b"<html>", (response(b"<html>", Content_Type="text/html; charset=nonsense"),)),
    "unicode": (UNICODE, (response(UNICODE),)),
    "not UTF-8": (b"\xff\x00\xfe", (response(b"\xff\x00\xfe"),)),
    "5 MB": (FIVE_MB, (response(FIVE_MB),)),
    "byte by byte": (b"{}", tuple(bytes([b]) for b in response(b"{}"))),
    "chunked drip": (
        b"\n  " * 9 + b"{}",
        (CHUNKED_HEAD, *[chunk(b"\n  ")] * 9, chunk(b"{}") + chunk(b"")),
    ),
    "gzip": (
        b"z" * 9000,
        (response(gzip.compress(b"z" * 9000), Content_Encoding="gzip"),),
    ),
    "after 100 Continue": (b"{}", (b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"{}"),)),
}


@pytest.mark.parametrize("case", BODIES)
def test_the_body_comes_back_byte_for_byte(kind: str, case: str) -> None:
    body, parts = BODIES[case]
    got, _ = exchange(kind, says(*parts))
    assert (got.status, got.body) == (200, body)
    assert type(got.body) is bytes


def test_a_body_without_a_length_ends_where_the_connection_does(kind: str) -> None:
    got, _ = exchange(kind, says(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", close=True))
    assert got.body == b"{}"


STATUSES = [200, 201, 202, 300, 304, 400, 401, 402, 403, 404, 408, 409, 413, 421, 422, 429, 499]
STATUSES += [500, 502, 503, 504, 520, 522, 524, 529, 599]


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_passes_through_with_its_headers_and_body(kind: str, status: int) -> None:
    body = b"" if status == 304 else b'{"error":{"message":"no","code":1}}'
    sent = response(body, f"{status} X", Retry_After="17", X_Generation_Id="gen-1", X_Should_Retry="true")
    got, server = exchange(kind, says(sent))
    assert (got.status, got.body) == (status, body)
    assert (got.headers["retry-after"], got.headers["x-generation-id"]) == ("17", "gen-1")
    assert len(server.heard) == 1, "a transport does not retry"


def test_header_names_are_lower_case_and_values_survive(kind: str) -> None:
    got, _ = exchange(kind, says(response(X_MiXeD="A b", X_Empty="", X_Name="café")))
    assert all(name == name.lower() for name in got.headers)
    assert (got.headers["x-mixed"], got.headers["x-empty"], got.headers["x-name"]) == ("A b", "", "café")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_not_followed(kind: str, status: int) -> None:
    got, server = exchange(kind, says(response(b"", f"{status} Moved", Location="/elsewhere")))
    assert (got.status, got.headers["location"]) == (status, "/elsewhere")
    assert len(server.heard) == 1


# --- requests ------------------------------------------------------------------------------------------------------

ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-other",
    "OPENAI_ADMIN_KEY": "sk-admin",
    "OPENAI_ORG_ID": "org-secret",
    "OPENAI_PROJECT_ID": "proj-secret",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/wrong",
    "OPENAI_CUSTOM_HEADERS": "X-Leak: 1\nAuthorization: Bearer sk-leak\nuser-agent: leak",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_our_headers_are_sent_whatever_the_environment_says(
    kind: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    async def main() -> Heard:
        async with listening(says(response())) as server, opened(kind, server.base_url) as transport:
            await transport.send(method, PATH, ASK if method == "POST" else None)  # type: ignore[arg-type]
            return server.heard[0]

    heard = run(main())
    allowed = {"host", "accept", "accept-encoding", "authorization", "connection", "user-agent"}
    with_body = {"content-type", "content-length"} if method == "POST" else set()
    assert {name for name, _ in heard.headers} - {"connection"} == (allowed - {"connection"}) | with_body
    assert (heard.method, heard.target) == (method, "/api/v1" + PATH)
    assert heard["authorization"] == f"Bearer {KEY}"
    assert heard["user-agent"].startswith("duck_or/")
    assert heard["accept-encoding"] == "gzip, deflate"


def test_the_body_is_sent_as_it_is(kind: str) -> None:
    body = '{"messages": [{"content":"\U0001f986\\ud800"}],"seed":18446744073709551616}'.encode()
    _, server = exchange(kind, says(response()), body)
    assert server.heard[0].body == body
    assert server.heard[0]["content-type"] == "application/json"


def test_a_5_MB_prompt_goes_out_whole_and_without_a_warning(kind: str) -> None:  # noqa: N802
    _, server = exchange(kind, says(response()), FIVE_MB)
    assert server.heard[0].body == FIVE_MB
    assert server.heard[0]["content-type"] == "application/json"
    assert "transfer-encoding" not in dict(server.heard[0].headers)


def test_attribution_headers(kind: str) -> None:
    _, server = exchange(kind, says(response()), site_url="https://example.org/a", app_name="Tea & 50%")
    assert server.heard[0]["http-referer"] == "https://example.org/a"
    assert server.heard[0]["x-openrouter-title"] == "Tea & 50%"


def test_a_server_that_needs_no_key_gets_none(kind: str) -> None:
    async def main() -> Heard:
        async with listening(says(response())) as server:
            transport = open_transport(Endpoint(server.base_url, "", transport=kind), 1)  # type: ignore[arg-type]
            await transport.send("POST", PATH, ASK)
            await transport.close()
            return server.heard[0]

    assert "authorization" not in dict(run(main()).headers)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_named_by_the_environment_is_used(
    kind: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    async def main() -> tuple[RawResponse, Heard]:
        async with listening(says(response(b"by proxy"))) as proxy:
            monkeypatch.setenv(variable, proxy.base_url.removesuffix("/api/v1"))
            async with opened(kind, "http://service.invalid/v1") as transport:
                return await transport.send("POST", PATH, ASK), proxy.heard[0]

    got, heard = run(main())
    assert got.body == b"by proxy"
    assert heard.target == "http://service.invalid/v1" + PATH


# --- no response ---------------------------------------------------------------------------------------------------

GZIPPED = gzip.compress(FIVE_MB[:9000])
GONE = "the connection was closed before the response came"
BROKE_OFF = "the response broke off"
UNDECODED = "the compressed response could not be decoded"
NOT_HTTP = "the reply was not valid HTTP"

CUT = f"{GONE}|{BROKE_OFF}"  # which of them depends on what the kernel had handed over before the reset

BROKEN: dict[str, tuple[Answer, str]] = {
    "reset before headers": (resets_after(b""), GONE),
    "reset within headers": (resets_after(b"HTTP/1.1 200 OK\r\nContent-"), GONE),
    "reset after headers": (resets_after(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), CUT),
    "reset mid-body": (resets_after(response(b"{}", Content_Length="9")), CUT),
    "closed before headers": (says(close=True), GONE),
    "content-length too long": (says(response(b"{}", Content_Length="9"), close=True), BROKE_OFF),
    "chunks without an end": (says(CHUNKED_HEAD + chunk(b"{}"), close=True), BROKE_OFF),
    "chunk size is no number": (says(CHUNKED_HEAD + b"zz\r\n{}"), f"{NOT_HTTP}|{BROKE_OFF}"),
    "gzip garbage": (says(response(b"not gzip at all", Content_Encoding="gzip")), UNDECODED),
    "gzip damaged": (
        says(response(GZIPPED[:4000] + b"\0" * 99 + GZIPPED[4099:], Content_Encoding="gzip")),
        UNDECODED,
    ),
    "error status with gzip garbage": (
        says(response(b"not gzip at all", "500 X", Content_Encoding="gzip")),
        UNDECODED,
    ),
    "not HTTP": (says(b"SSH-2.0-OpenSSH_9.6\r\n", close=True), NOT_HTTP),
    "header garbage": (says(b"HTTP/1.1 200 OK\r\n\x00\x01: \x02\r\n\r\n", close=True), NOT_HTTP),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_a_response_is_a_transport_error_that_says_so(kind: str, case: str) -> None:
    answer, told = BROKEN[case]
    error = failure(kind, answer)
    assert re.search(told, str(error))
    assert error.code == "network"
    assert "http://127.0.0.1:" in str(error), "names the endpoint"


@pytest.mark.parametrize("case", BROKEN)
def test_the_key_is_in_no_error_nor_anything_chained_to_it(kind: str, case: str) -> None:
    error = failure(kind, BROKEN[case][0])
    assert KEY not in repr(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_connection_refused(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # free again once closed

    async def main() -> None:
        async with opened(kind, f"http://127.0.0.1:{port}/v1") as transport:
            await transport.send("POST", PATH, ASK)

    with pytest.raises(
        TransportError, match=f":{port}/v1: no connection could be made.*ConnectionRefusedError"
    ):
        run(main())


def test_unknown_host(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")

    async def main() -> None:
        async with opened(kind, "https://nowhere.invalid/v1") as transport:
            await transport.send("GET", "/models")

    with pytest.raises(TransportError, match=r"nowhere\.invalid/v1: the host name could not be resolved"):
        run(main())


def test_https_to_a_server_that_speaks_http(kind: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(response(b"", "400 The plain HTTP request was expected"))
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            async with opened(kind, f"https://127.0.0.1:{port}/v1") as transport:
                await transport.send("GET", "/models")

    with pytest.raises(TransportError, match="no TLS connection could be made"):
        run(main())


def test_after_close_nothing_is_sent(kind: str) -> None:
    async def main() -> None:
        async with listening(says(response())) as server:
            async with opened(kind, server.base_url) as transport:
                await transport.send("POST", PATH, ASK)
            with pytest.raises(TransportError, match="closed"):
                await transport.send("POST", PATH, ASK)
            assert len(server.heard) == 1

    run(main())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", response(b"{}"), CHUNKED_HEAD]),
    tail=st.binary(max_size=60),
)
def test_whatever_bytes_come_it_is_a_response_or_a_transport_error(
    kind: str, head: bytes, tail: bytes
) -> None:
    try:
        got, _ = exchange(kind, says(head + tail, close=True))
    except TransportError:
        return
    assert isinstance(got, RawResponse)


# --- connections ---------------------------------------------------------------------------------------------------


def test_sequential_calls_share_one_connection(kind: str) -> None:
    async def main() -> int:
        async with listening(says(response(b"{}"))) as server, opened(kind, server.base_url) as transport:
            for status in range(20):
                await transport.send("POST", PATH, b"%d" % status)
            return server.accepted

    assert run(main()) == 1


def test_an_error_status_keeps_the_connection(kind: str) -> None:
    async def main() -> int:
        async with listening(says(response(b"no", "429 X"))) as server:
            async with opened(kind, server.base_url) as transport:
                for _ in range(3):
                    assert (await transport.send("POST", PATH, ASK)).status == 429
            return server.accepted

    assert run(main()) == 1


def test_concurrent_calls_use_no_more_connections_than_the_cap(kind: str) -> None:
    cap, calls = 32, 256
    gate = asyncio.Event()

    async def waits(_: Heard, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(response(b"{}"))

    async def main() -> Server:
        async with listening(waits) as server, opened(kind, server.base_url, cap) as transport:
            tasks = [asyncio.create_task(transport.send("POST", PATH, ASK)) for _ in range(calls)]
            await server.until(lambda: len(server.heard) >= cap)
            gate.set()
            assert [r.status for r in await asyncio.gather(*tasks)] == [200] * calls
            return server

    server = run(main())
    assert cap <= server.most_open <= cap + SPARE_CONNECTIONS
    assert server.accepted == server.most_open, "connections are kept, not made anew"
    assert len(server.heard) == calls


def test_a_connection_closed_while_idle_is_replaced_unseen(kind: str) -> None:
    async def main() -> Server:
        async with listening(says(response(b"{}"), close=True)) as server:
            async with opened(kind, server.base_url) as transport:
                for sent in range(1, 4):
                    assert (await transport.send("POST", PATH, ASK)).status == 200
                    await server.until(lambda: server.open_now == 0)
                    for _ in range(10):  # turns of the loop, for the client to hear of it
                        await asyncio.sleep(0)
                    assert server.accepted == sent
            return server

    assert len(run(main()).heard) == 3


def test_a_kept_connection_that_dies_with_the_request_is_a_network_error_not_a_timeout(kind: str) -> None:
    async def only_once(_: Heard, writer: asyncio.StreamWriter) -> None:
        if writer.get_extra_info("peername") in served:
            writer.close()
        else:
            served.add(writer.get_extra_info("peername"))
            writer.write(response(b"{}"))

    served: set[Any] = set()

    async def main() -> tuple[TransportError, RawResponse, int]:
        async with listening(only_once) as server, opened(kind, server.base_url) as transport:
            await transport.send("POST", PATH, ASK)
            with pytest.raises(TransportError) as caught:
                await transport.send("POST", PATH, ASK)
            again = await transport.send("POST", PATH, ASK)
            return caught.value, again, len(server.heard)

    error, again, heard = run(main())
    assert not isinstance(error, DeadlineExceeded)
    assert error.code == "network"
    assert GONE in str(error)
    assert again.status == 200
    assert heard == 3, "a POST is not repeated behind the engine's back"


# --- cancellation --------------------------------------------------------------------------------------------------

SILENCES = {
    "no byte": b"",
    "within headers": b"HTTP/1.1 200 OK\r\n",
    "after headers": CHUNKED_HEAD,
    "mid-body": CHUNKED_HEAD + chunk(b"  "),
}


@pytest.mark.parametrize("case", SILENCES)
def test_cancelling_a_hung_call_frees_its_connection(kind: str, case: str) -> None:
    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if heard.body == b"quick":
            writer.write(response(b"{}"))
            return
        await says(SILENCES[case])(heard, writer)

    async def main() -> None:
        async with listening(answer) as server, opened(kind, server.base_url, 1) as transport:
            for _ in range(3 * (1 + SPARE_CONNECTIONS)):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await transport.send("POST", PATH, ASK)
            assert (await transport.send("POST", PATH, b"quick")).status == 200
            assert len(server.heard) > 1

    run(main())


def test_cancelling_many_calls_waiting_for_a_connection(kind: str) -> None:
    async def main() -> None:
        async with listening(hangs) as server, opened(kind, server.base_url, 4) as transport:
            tasks = [asyncio.create_task(transport.send("POST", PATH, ASK)) for _ in range(64)]
            await server.until(lambda: len(server.heard) >= 4)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(e) for e in ended} == {asyncio.CancelledError}
            async with asyncio.timeout(5):
                await server.until(lambda: server.open_now == 0)

    run(main())
