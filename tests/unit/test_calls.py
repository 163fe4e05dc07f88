from __future__ import annotations

import threading
from collections.abc import Sequence

import orjson
from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.contract import Kept
from duck_or.call_summary import CallSummary
from duck_or.calls import CacheHits, Call, CallLog, FailedRow
from duck_or.outcome import Failure

SUMMARY = CallSummary("m-2", "P", "gen-1", "stop", 3, 2, 1, 0, 0.5)


def call(n: int = 0, hit: bool = False, prompt: bytes | None = None) -> Call:
    return Call(float(n), "m", b"%032d" % n, hit, 1, 0.2, None, 200, SUMMARY, prompt)


def hits(keys: Sequence[bytes], known: dict[bytes, bytes] | None = None, time: float = 7.0) -> CacheHits:
    bodies = known or {}
    return CacheHits(
        time, "m", len(keys), lambda: [(k, Kept(bodies[k], 0.0) if k in bodies else None) for k in keys]
    )


def test_a_call_is_a_row_with_what_the_answer_says_of_itself() -> None:
    log = CallLog()
    log.add(call(1, prompt=b'{"messages":"hi"}'))
    assert log.calls() == [
        {
            "time": 1.0,
            "model": "m",
            "served_model": "m-2",
            "provider": "P",
            "generation_id": "gen-1",
            "finish_reason": "stop",
            "attempts": 1,
            "latency_s": 0.2,
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "cached_tokens": 1,
            "reasoning_tokens": 0,
            "cost_usd": 0.5,
            "cache_hit": False,
            "http_status": 200,
            "error_code": None,
            "cache_key": (b"%032d" % 1).hex(),
            "prompt": '{"messages":"hi"}',
        }
    ]


def test_hits_of_the_cache_cost_nothing_and_know_what_memory_still_knows() -> None:
    log = CallLog()
    log.add_hits(hits([b"a", b"b"], {b"a": orjson.dumps({"model": "m-2", "usage": {"cost": 0.5}})}))
    first, second = log.calls()
    assert (first["cache_hit"], first["cost_usd"], first["served_model"]) == (True, 0.0, "m-2")
    assert (second["cache_hit"], second["cost_usd"], second["served_model"]) == (True, 0.0, None)
    assert first.keys() == second.keys() == call().row().keys()


entries = st.one_of(st.none(), st.integers(1, 12))  # a call, or hits of so many keys


@given(st.lists(entries, max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_the_newest_are_kept_and_hits_displace_no_call(
    added: list[int | None], room: int, details: int
) -> None:
    log, calls, chunks = CallLog(room, max_details=details), list[str](), list[list[str]]()
    for n, size in enumerate(added):
        if size is None:
            log.add(call(n))
            calls.append((b"%032d" % n).hex())
        else:
            keys = [b"%d-%d" % (n, i) for i in range(size)]
            log.add_hits(hits(keys, time=float(n)))
            chunks.append([key.hex() for key in keys])
    rows = log.calls()
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert [row["cache_key"] for row in rows if not row["cache_hit"]] == calls[-room:]
    cached = [row["cache_key"] for row in rows if row["cache_hit"]]
    assert len(cached) == sum(map(len, newest(chunks, room)))
    known = [key for chunk in newest(chunks, min(room, details)) for key in chunk]
    assert cached == [None] * (len(cached) - len(known)) + known


def newest(chunks: list[list[str]], room: int) -> list[list[str]]:
    """As many of the last chunks as fit, but at least one."""
    kept = chunks[-1:]
    for chunk in reversed(chunks[:-1]):
        if sum(map(len, kept)) + len(chunk) > room:
            break
        kept.insert(0, chunk)
    return kept


def test_a_failed_row_tells_everything_the_failure_does() -> None:
    log = CallLog(max_failures=2)
    failure = Failure("bad_request", "no", True, 2, 400, "P")
    for n in range(3):
        log.add_failure(FailedRow(float(n), failure, "m", b"\x01"))
    newest = log.failures()
    assert [row["time"] for row in newest] == [1.0, 2.0]
    assert newest[0] == {
        "time": 1.0,
        "code": "bad_request",
        "message": "no",
        "retryable": True,
        "attempts": 2,
        "http_status": 400,
        "provider": "P",
        "model": "m",
        "cache_key": "01",
    }


def test_reading_while_others_write_is_safe() -> None:
    log = CallLog(max_calls=500, max_failures=500)
    failed = FailedRow(0.0, Failure("x", "y"), None, None)

    def write() -> None:
        for n in range(1500):
            log.add(call(n))
            log.add_failure(failed)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert len(log.calls()) <= 500
        assert len(log.failures()) <= 500
    for thread in threads:
        thread.join()
    assert len(log.calls()) == 500
