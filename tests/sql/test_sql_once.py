"""One answer per request: across rows, chunks, threads, statements, connections, sessions and processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from duck_or.simulator import Scenario
from support.bridge import Bridge, ask, call

Q = "'q' || i"
FAKE = "'fake/model'"
ONE_BAD = "if(i = 50, 'fake/err-400', NULL)"
WHOLE, FLOATING = "{'temperature': i}", "{'temperature': i::DOUBLE}"
ADDS_UP = "SELECT requests = cache_hits + joined + sent AND sent = answered + failed FROM openrouter_stats()"


def test_duplicates_within_and_across_chunks(bridge: Bridge) -> None:
    answer = ask("'q' || (i % 50)")
    assert bridge.rows(f"SELECT count(*), count(DISTINCT {answer}) FROM range(10000) t(i)") == [(10_000, 50)]
    assert bridge.sent == 50
    assert bridge.simulator.stats().max_per_body == 1
    assert bridge.session.stats().requests == 10_000


def test_several_row_groups_on_several_threads(bridge: Bridge) -> None:
    bridge.rows("SET threads = 4")
    bridge.rows("CREATE TABLE many AS SELECT i, 'q' || (i * 7 % 1000) AS q FROM range(300000) t(i)")
    wrong = bridge.value(f"SELECT count(*) FROM many WHERE {ask('q')} IS DISTINCT FROM q")
    assert wrong == 0
    assert bridge.sent == 1000
    assert bridge.session.stats().requests == 300_000
    assert bridge.value(ADDS_UP)


def test_a_repeated_statement_sends_nothing(bridge: Bridge) -> None:
    sql = f"SELECT {ask(Q)}, {call(Q, model=FAKE)} FROM range(5) t(i)"
    first = bridge.rows(sql)
    assert bridge.rows(sql) == first
    assert bridge.sent == 10
    assert bridge.session.stats().memory_hits == 10


def test_a_new_session_with_the_same_file_sends_nothing(
    connect: Callable[..., Bridge], tmp_path: Path
) -> None:
    path = tmp_path / "cache.sqlite"
    sql = f"SELECT {call(Q)} FROM range(300) t(i)"
    first = connect(cache_path=path)
    answers = first.rows(sql)
    first.session.close()
    second = connect(cache_path=path)
    assert second.rows(sql) == answers
    assert second.sent == 300
    stats = second.session.stats()
    assert (stats.store_hits, stats.sent, stats.cost_usd) == (300, 0, 0)
    assert second.value(ADDS_UP)


def test_two_databases_in_one_process_share_a_request_under_way(connect: Callable[..., Bridge]) -> None:
    first, second = connect(), connect()
    first.simulator.scenario = Scenario(latency=0.5)
    sql = f"SELECT count({ask(Q)}) FROM range(100) t(i)"
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda bridge=bridge: counts.append(bridge.value(sql)))
        for bridge in (first, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [100, 100]
    assert first.sent == 100
    both = [bridge.session.stats() for bridge in (first, second)]
    assert [stats.requests for stats in both] == [100, 100]
    assert sum(stats.sent for stats in both) == 100
    assert sum(stats.joined + stats.cache_hits for stats in both) == 100


def test_cursors_on_threads_share_a_request_under_way(bridge: Bridge) -> None:
    bridge.simulator.scenario = Scenario(latency=0.3)
    cursors = [bridge.con.cursor() for _ in range(4)]
    rows: list[object] = []
    threads = [
        threading.Thread(
            target=lambda cursor=cursor: rows.extend(
                cursor.execute(f"SELECT {ask(Q)} FROM range(50) t(i)").fetchall()
            )
        )
        for cursor in cursors
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows) == 200
    assert bridge.sent == 50
    assert bridge.session.stats().requests == 200


def test_a_failed_row_in_the_middle_of_a_chunk_leaves_the_others_in_the_cache(
    connect: Callable[..., Bridge], tmp_path: Path
) -> None:
    path = tmp_path / "cache.sqlite"
    first = connect(cache_path=path, on_error="raise")
    sql = f"SELECT {call(Q, model=ONE_BAD)} FROM range(100) t(i)"
    with pytest.raises(Exception, match="bad_request"):
        first.rows(sql)
    answered = first.simulator.stats().answered
    sent = first.sent
    first.session.close()
    again = connect(cache_path=path)
    again.rows(sql.replace("chat_completions", "try_chat_completions"))
    assert again.sent - sent == 100 - answered
    assert again.simulator.stats().answered_again == 0


def test_different_options_are_different_requests(bridge: Bridge) -> None:
    bridge.rows(f"SELECT {call(model_kwargs=WHOLE)} FROM range(3) t(i)")
    bridge.rows(f"SELECT {call(model_kwargs=FLOATING)} FROM range(3) t(i)")
    assert bridge.sent == 3, "0, 1, 2 and 0.0, 1.0, 2.0 are the same numbers"


def test_the_order_of_members_makes_no_difference(bridge: Bridge) -> None:
    bridge.rows(
        "SELECT chat_completions([{'role': 'user', 'content': 'x'}], model_kwargs := {'top_p': 1, 'seed': 2})"
    )
    bridge.rows(
        "SELECT chat_completions([{'content': 'x', 'role': 'user'}], model_kwargs := {'seed': 2, 'top_p': 1})"
    )
    assert bridge.sent == 1


def test_order_by_limit_above_the_call_asks_for_what_is_shown(bridge: Bridge) -> None:
    """Guaranteed where the rows are chosen in a subquery; DuckDB may do so by itself."""
    bridge.rows("CREATE TABLE many AS SELECT i FROM range(10000) t(i)")
    bridge.rows(f"SELECT i, {ask(Q)} FROM (FROM many ORDER BY i DESC LIMIT 5)")
    assert bridge.asked() == [f"q{i}" for i in range(9995, 10_000)]
