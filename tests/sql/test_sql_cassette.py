"""Statements that a cassette answers: nothing else is asked, read or written, and what is not on it says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest

import duck_or
from duck_or.cache.sqlite_store import SqliteStore
from duck_or.cassette.transfer import Selection, export
from duck_or.errors import RequestFailed, SettingsError, TransportError
from duck_or.simulator import Simulator
from duck_or.statements.connection import Connection
from support.bridge import Bridge
from support.how_to import HOW_TO, as_a_user, blocks, run_page

PAGES = ["cassettes.md"]

EMBEDDINGS = "openai/text-embedding-3-small"
QUERIES = [
    "SELECT i, prompt('number ' || i) FROM range(300) AS t(i) ORDER BY i",
    f"SELECT i, embed('text ' || i, model := '{EMBEDDINGS}') FROM range(40) AS t(i) ORDER BY i",
    "SELECT prompt('again: ' || prompt('number 1'))",  # a question about an answer
    "SELECT classify('number ' || i, ['a', 'b'], model := 'openai/gpt-5-mini') FROM range(3) AS t(i) ORDER BY i",
    "SELECT llm_reduce(list('text ' || i), 'sum up', model := 'openai/gpt-5-mini') FROM range(30) AS t(i)",
    "SELECT id FROM (SELECT i AS id FROM range(20) AS t(i)) WHERE prompt('keep ' || id) LIKE '%7'",
]


@pytest.fixture
def recorded(connect: Callable[..., Bridge], tmp_path: Path) -> Path:
    """The answers to QUERIES."""
    live = connect(cache_path=tmp_path / "answers.sqlite")
    for query in QUERIES:
        live.rows(query)
    live.session.close()
    return taken(tmp_path)


def taken(directory: Path) -> Path:
    store = SqliteStore(directory / "answers.sqlite")
    export(store, directory / "calls.parquet", Selection())
    store.close()
    return directory / "calls.parquet"


@pytest.fixture
def play(simulator: Simulator, recorded: Path) -> Iterator[Callable[..., Connection]]:
    """Opens connections that the cassette answers: with its service's address, which is not there any more."""
    opened: list[Connection] = []
    simulator.close()

    def make(**settings: Any) -> Connection:
        given: dict[str, Any] = {
            "base_url": simulator.base_url,
            "model": "fake/echo",
            "cassette": recorded,
        } | settings
        opened.append(duck_or.connect(**given))
        return opened[-1]

    yield make
    for con in opened:
        con.session.close()
        con.close()


def test_every_statement_has_the_answers_it_had(
    connect: Callable[..., Bridge], simulator: Simulator, tmp_path: Path, recorded: Path
) -> None:
    live = connect(cache_path=tmp_path / "answers.sqlite")
    expected = [live.rows(query) for query in QUERIES]
    sent = simulator.stats().requests
    played = connect(cassette=recorded, api_key=None)
    planned = duck_or.connect(base_url=simulator.base_url, model="fake/echo", cassette=recorded)
    assert [played.rows(query) for query in QUERIES] == expected
    assert [planned.sql(query).fetchall() for query in QUERIES] == expected
    for stats in (played.session.stats(), planned.session.stats()):
        assert (stats.sent, stats.withdrawn, stats.cost_usd) == (0, 0, 0.0)
    assert simulator.stats().requests == sent
    planned.session.close()
    planned.close()


def test_neither_the_service_nor_a_thread_is_needed(play: Callable[..., Connection]) -> None:
    before = set(threading.enumerate())
    con = play()
    assert len(con.execute(QUERIES[0]).fetchall()) == 300
    assert con.session.stats().cache_hits == 300
    assert {thread.name for thread in set(threading.enumerate()) - before} <= {"duck_or"}


def test_no_other_cache_is_read_or_written(
    play: Callable[..., Connection], recorded: Path, tmp_path: Path
) -> None:
    answers = tmp_path / "answers.sqlite"
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path != answers}
    answers.unlink()
    con = play(cache_path=answers)
    con.execute(QUERIES[0]).fetchall()
    con.session.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_old_answers_are_good_on_a_cassette(play: Callable[..., Connection]) -> None:
    con = play(cache_ttl=1e-9)
    assert len(con.execute(QUERIES[0]).fetchall()) == 300
    assert con.session.stats().withdrawn == 0


# --- what is not on it -----------------------------------------------------------------------------------------------


def key_of(con: Any, text: str) -> str:
    [[key]] = con.sql(f"SELECT openrouter_key([{{'role': 'user', 'content': '{text}'}}])").fetchall()
    return str(key)


@pytest.mark.parametrize("prefetch", ["auto", "off"])
def test_an_unknown_request_ends_the_statement(
    play: Callable[..., Connection], recorded: Path, prefetch: str
) -> None:
    con = play(prefetch=prefetch)
    con.sql("SELECT prompt('number 1')").fetchall()
    with pytest.raises((RequestFailed, duckdb.Error)) as raised:
        con.sql("SELECT prompt('unheard of')").fetchall()
    message = str(raised.value)
    assert (
        f"is not on the cassette {recorded}; its key is {key_of(con, 'unheard of')}. To record it" in message
    )
    assert "code not_on_cassette" in message
    assert "running the statement again" not in message
    assert "No answer that was asked for is on it" not in message


@pytest.mark.parametrize("prefetch", ["auto", "off"])
def test_on_error_decides_about_a_row(play: Callable[..., Connection], prefetch: str) -> None:
    con = play(prefetch=prefetch)
    rows = con.sql(
        "SELECT i, try_prompt(CASE i WHEN 1 THEN 'unheard of' ELSE 'number ' || i END) FROM range(3) AS t(i) ORDER BY i"
    ).fetchall()
    assert rows == [(0, "number 0"), (1, None), (2, "number 2")]
    query = "SELECT try_chat_completions([{'role': 'user', 'content': 'unheard of'}])"
    [[value]] = con.sql(query).fetchall()
    told = orjson.loads(value)["error"]
    assert (told["code"], told["retryable"], told["attempts"]) == ("not_on_cassette", False, 0)
    codes = [(row["code"], row["cache_key"]) for row in con.session.errors()[-1:]]
    assert codes == [("not_on_cassette", key_of(con, "unheard of"))]
    assert con.session.stats().sent == 0


def test_another_address_is_told_as_what_may_be_wrong(play: Callable[..., Connection]) -> None:
    con = play(base_url="http://elsewhere.example/v1")
    with pytest.raises(RequestFailed) as raised:
        con.sql("SELECT prompt('number 1')").fetchall()
    assert "now http://elsewhere.example/v1, which must be the one" in str(raised.value)


def test_budgets_do_not_stand_in_the_way(play: Callable[..., Connection]) -> None:
    con = play(budget_usd=0.0)
    assert len(con.sql(QUERIES[0]).fetchall()) == 300
    with pytest.raises(RequestFailed, match="not_on_cassette"):
        con.session.sql("SELECT prompt('unheard of')", budget_usd=1e-9).fetchall()


def test_an_estimate_says_what_is_missing(play: Callable[..., Connection]) -> None:
    estimate = play(budget_usd=1.0).session.estimate("SELECT prompt('number ' || i) FROM range(305) AS t(i)")
    assert (estimate.already_answered, estimate.to_send, estimate.cost_usd) == (300, 5, None)


def test_the_list_of_models_cannot_be_asked_for(play: Callable[..., Connection]) -> None:
    con = play()
    with pytest.raises(TransportError, match="answers come from the cassette") as raised:
        con.session.models()
    assert "llm_reduce" not in str(raised.value)
    long = "SELECT llm_reduce(list(repeat('text ', 100) || i), 'sum up') FROM range(100) AS t(i)"
    with pytest.raises(
        Exception,
        match=r"llm_reduce has to know .*from the cassette .*Say context_length := .*also when it is recorded",
    ):
        con.sql(long).fetchall()


# --- the file --------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_told_when_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cassette: there is no file"):
        duck_or.connect(cassette=tmp_path / "none.parquet")


def test_a_foreign_file_is_told_when_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "foreign.parquet"
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT 1 AS id) TO '{path}'")
    with pytest.raises(SettingsError, match=r"cassette: .* is no cassette: it needs the columns"):
        duck_or.connect(cassette=path)


def test_a_damaged_part_ends_the_statement_and_is_not_taken_for_a_missing_answer(
    play: Callable[..., Connection], recorded: Path
) -> None:
    with pq.ParquetFile(recorded) as file:
        bodies = file.metadata.row_group(0).column(3)
    content = bytearray(recorded.read_bytes())
    content[bodies.data_page_offset + bodies.total_compressed_size // 2] ^= 1
    recorded.write_bytes(content)
    con = play()
    with pytest.raises(Exception, match="cannot be read as a cassette"):
        con.sql("SELECT try_prompt('number 1')").fetchall()


def test_a_session_beside_it_goes_on_asking(
    connect: Callable[..., Bridge], simulator: Simulator, recorded: Path
) -> None:
    live, played = connect(), connect(cassette=recorded)
    with pytest.raises(duckdb.Error, match="not_on_cassette"):
        played.rows("SELECT prompt('new')")
    assert live.value("SELECT prompt('new')") == "new"
    played.session.close()
    assert live.value("SELECT prompt('newer')") == "newer"


# --- the how-to page -------------------------------------------------------------------------------------------------


def test_the_page(tmp_path: Path) -> None:
    [page] = PAGES
    with as_a_user(tmp_path, DUCK_OR_CACHE=str(tmp_path / "answers.sqlite")) as simulator:
        record = blocks(HOW_TO / page)[0]
        exec(record.code, {})
        taken(tmp_path)  # what the page does with `duck-or cache export`
        sent = simulator.stats().requests
        assert sent > 0
        run_page(HOW_TO / page, {})
        assert simulator.stats().requests == sent
