"""The functions against a real, small model through a real server: types and plumbing, and no more sense than it has.

The one module whose tests may be skipped: they run where a model is installed, or where DUCK_OR_LOCAL_MODEL and
DUCK_OR_LOCAL_SERVER name one (see README, "Without an account").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

import duck_or
from duck_or import Session
from duck_or.local_model import SERVER_VARIABLE, LocalModel, LocalServer, NotInstalled, find
from support.command_line import start

# Answering takes its time where other tests run at the same time.
pytestmark = pytest.mark.timeout(600)

REVIEWS = (
    "I love this phone, it is the best one I ever had.",
    "Terrible. It broke on the first day and nobody helped me.",
    "The soup was wonderful and the waiter was very kind.",
)
AS_STRUCT = "STRUCT(sentiment VARCHAR, score DOUBLE)"
JUDGE = "Give the sentiment of this review, positive or negative, and a score from 0 to 1."


@pytest.fixture(scope="module")
def model() -> LocalModel:
    try:
        return find()
    except NotInstalled as why:
        pytest.skip(str(why).partition("\n")[0])


@pytest.fixture(scope="module")
def server(model: LocalModel) -> Iterator[LocalServer]:
    with LocalServer(model) as running:
        yield running


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("CREATE TABLE reviews AS SELECT unnest(?) AS review", [list(REVIEWS)])
        yield con


@pytest.fixture
def register(con: duckdb.DuckDBPyConnection, server: LocalServer) -> Iterator[Callable[..., Session]]:
    """Registers with the server and, where they are given, other settings."""
    local: dict[str, Any] = {"base_url": server.base_url, "api_key": server.api_key, "model": server.model}
    with ExitStack() as ends:

        def make(**settings: Any) -> Session:
            given = {**local, "cache_path": None, "rate_limit": None, **settings}
            return ends.enter_context(duck_or.register(con, **given))

        yield make


@pytest.fixture
def session(register: Callable[..., Session]) -> Session:
    return register()


def ask(con: duckdb.DuckDBPyConnection, session: Session, call: str) -> list[Any]:
    """The call's value for each review. Asked a second time, and then nothing is sent."""
    sql = f"SELECT review, {call} FROM reviews"
    rows = con.execute(sql).fetchall()
    sent = session.stats().sent
    assert 0 < sent <= len(REVIEWS)
    assert con.execute(sql).fetchall() == rows
    assert session.stats().sent == sent
    return [value for _, value in sorted(rows)]


def test_prompt(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    question = "What is the capital of France? Answer in one sentence."
    sql = f"SELECT prompt('{question}', model_kwargs := {{'temperature': 0, 'max_tokens': 40}})"
    [(answer,)] = con.execute(sql).fetchall()
    assert "Paris" in answer
    assert con.execute(sql).fetchall() == [(answer,)]
    assert session.stats().sent == 1


def test_prompt_as(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    call = f"prompt_as(review, '{AS_STRUCT}', system := '{JUDGE}', model_kwargs := {{'temperature': 0}})"
    assert con.execute(f"SELECT DISTINCT typeof({call}) FROM reviews").fetchall() == [(AS_STRUCT,)]
    for judged in ask(con, session, call):
        assert isinstance(judged["sentiment"], str)
        assert isinstance(judged["score"], float)


def test_classify(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    labels = ["positive", "negative", 'it\'s "neither"']
    listed = ", ".join("'" + label.replace("'", "''") + "'" for label in labels)
    found = ask(con, session, f"classify(review, [{listed}], model_kwargs := {{'temperature': 0}})")
    assert set(found) <= set(labels)


def test_extract(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    con.execute("UPDATE reviews SET review = ['Rome', 'London', 'Berlin'][rowid + 1] || ': ' || review")
    call = "\"extract\"(review, {'city': 'VARCHAR', 'angry': 'BOOLEAN'}, model_kwargs := {'temperature': 0})"
    assert con.execute(f"SELECT DISTINCT typeof({call}) FROM reviews").fetchall() == [
        ("STRUCT(city VARCHAR, angry BOOLEAN)",)
    ]
    for extracted in ask(con, session, call):
        assert isinstance(extracted["city"], str | None)
        assert extracted["angry"] in (True, False, None)


def test_llm_filter(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    call = "llm_filter(review, 'Is the customer happy?', model_kwargs := {'temperature': 0})"
    verdicts = ask(con, session, call)
    assert set(verdicts) <= {True, False}
    kept = con.execute(f"SELECT review FROM reviews WHERE {call}").fetchall()
    assert len(kept) == sum(verdicts)
    assert session.stats().sent == len(REVIEWS), "the answers of the SELECT are those of the WHERE"


def test_a_whole_statement_whose_prompts_are_made_of_answers(
    con: duckdb.DuckDBPyConnection, session: Session
) -> None:
    sql = """
        SELECT classify(review, ['positive', 'negative']) AS mood,
               prompt('Say in one word: ' || mood, model_kwargs := {'max_tokens': 5}) AS said
        FROM reviews
    """
    rows = session.sql(sql).fetchall()
    moods = {mood for mood, _ in rows}
    assert moods <= {"positive", "negative"}
    assert all(isinstance(said, str) for _, said in rows)
    assert session.stats().sent == len(REVIEWS) + len(moods)


def test_a_text_beyond_the_context_is_its_rows_failure(
    con: duckdb.DuckDBPyConnection, register: Callable[..., Session]
) -> None:
    register()
    call = "prompt(repeat('word ', 3000) || review)"
    with pytest.raises(duckdb.Error, match="context size"):
        con.execute(f"SELECT {call} FROM reviews LIMIT 1").fetchall()
    assert con.execute(f"SELECT try_{call} FROM reviews LIMIT 1").fetchall() == [(None,)]


def test_what_the_server_does_not_do_stops_the_statement_at_once(
    con: duckdb.DuckDBPyConnection, register: Callable[..., Session]
) -> None:
    session = register()
    with pytest.raises(duckdb.Error, match="--embeddings"):
        con.execute("SELECT try_embed(review, model := 'any') FROM reviews LIMIT 1").fetchall()
    assert session.stats().attempts == 1


def test_a_wrong_key_stops_the_statement(
    con: duckdb.DuckDBPyConnection, register: Callable[..., Session]
) -> None:
    session = register(api_key="wrong", max_in_flight=1)
    with pytest.raises(duckdb.Error, match="Invalid API Key"):
        con.execute("SELECT prompt(review) FROM reviews").fetchall()
    assert session.stats().attempts == 1


def test_another_process_sends_nothing(
    con: duckdb.DuckDBPyConnection, register: Callable[..., Session], tmp_path: Path
) -> None:
    """What another session finds in the file, another process does."""
    sql = "SELECT classify(review, ['positive', 'negative']) FROM reviews"
    first = register(cache_path=tmp_path / "answers.sqlite")
    rows = con.execute(sql).fetchall()
    assert first.stats().sent == len(REVIEWS)
    second = register(cache_path=tmp_path / "answers.sqlite")
    assert con.execute(sql).fetchall() == rows
    assert second.stats().sent == 0


def test_its_list_of_models_has_no_prices(session: Session, server: LocalServer) -> None:
    [listed] = session.models()
    assert listed.id == server.model
    assert (listed.prompt_usd, listed.completion_usd) == (None, None)
    assert session.stats().cost_usd == 0


def test_the_demo(model: LocalModel, tmp_path: Path) -> None:
    file = tmp_path / "demo.duckdb"
    arguments = ("demo", "--local-model", str(model.weights), "--database", str(file))
    with start(*arguments, HOME=str(tmp_path), **{SERVER_VARIABLE: str(model.server)}) as process:
        stdout, stderr = process.communicate(timeout=500)
    assert (process.returncode, stderr) == (0, "")
    assert "20 requests: 0 from the cache, 20 sent, 0 failed; $0" in stdout
    assert "20 requests: 20 from the cache, 0 sent, 0 failed; $0" in stdout
    with duckdb.connect(str(file)) as con:
        moods = con.execute("SELECT DISTINCT mood FROM duck_or_demo").fetchall()
    assert {mood for (mood,) in moods} <= {"positive", "negative"}
