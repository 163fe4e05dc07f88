"""`duck-or doctor`: what it finds out, what it says, what it never shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from duck_or.cache.contract import Kept
from duck_or.cassette import parquet
from duck_or.cli import checks
from duck_or.models import Model
from duck_or.outcome import RawResponse
from duck_or.settings import Settings, explain
from duck_or.simulator import Scenario, Simulator
from support.bridge import KEY
from support.command_line import duck_or, pointing_at


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def answer(status: int, **data: Any) -> RawResponse:
    return RawResponse(status, {}, orjson.dumps({"data": data}))


def listed(name: str, prompt: float | None = None, completion: float | None = None) -> Model:
    return Model(name, None, None, None, prompt, completion, None, None, [], None)


def test_all_is_well(simulator: Simulator, tmp_path: Path) -> None:
    cache = tmp_path / "answers.sqlite"
    result = duck_or("doctor", **pointing_at(simulator.base_url, DUCK_OR_CACHE=str(cache)))
    assert result.exit_code == 0, result.output
    assert "wrong" not in result.stdout
    for said in (
        "OPENROUTER_API_KEY",
        simulator.base_url,
        "no limit",
        "fake/echo",
        f"{cache}: 0 answers",
        "duckdb",
    ):
        assert said in result.stdout
    assert KEY not in result.output
    assert simulator.stats().requests == 0, "a check that costs money"


def test_a_key_that_is_refused(simulator: Simulator) -> None:
    result = duck_or(
        "doctor", **pointing_at(simulator.base_url, OPENROUTER_API_KEY="sk-or-invalid-0123456789")
    )
    assert result.exit_code == 1
    assert "wrong key       the service refuses it" in result.stdout
    assert "settings/keys" in result.stdout
    assert "sk-or-invalid" not in result.output


def test_a_limit_that_is_used_up(simulator: Simulator) -> None:
    simulator.scenario = Scenario(key_limit_usd=0)
    result = duck_or("doctor", **pointing_at(simulator.base_url))
    assert result.exit_code == 1
    assert "wrong credits" in result.stdout


def test_a_service_that_is_not_there_and_no_key_at_all() -> None:
    with Simulator() as gone:
        base_url = gone.base_url
    result = duck_or("doctor", OPENROUTER_BASE_URL=base_url)
    assert result.exit_code == 1
    assert f"wrong service   {base_url}" in result.stdout
    assert "note  key       none; 127.0.0.1 may not want one" in result.stdout


def test_a_cache_that_cannot_be_written(simulator: Simulator, tmp_path: Path) -> None:
    result = duck_or("doctor", **pointing_at(simulator.base_url, DUCK_OR_CACHE=str(tmp_path)))
    assert result.exit_code == 1
    assert "wrong cache" in result.stdout
    assert str(tmp_path) in result.stdout


def test_calls_that_cannot_be_written_down(simulator: Simulator, tmp_path: Path) -> None:
    result = duck_or("doctor", **pointing_at(simulator.base_url, DUCK_OR_CALLS=str(tmp_path)))
    assert result.exit_code == 0, "answers do not depend on it"
    assert f"note  calls     cannot write the calls file {tmp_path}" in result.stdout
    fine = duck_or("doctor", **pointing_at(simulator.base_url, DUCK_OR_CALLS=str(tmp_path / "calls.sqlite")))
    assert "ok    calls" in fine.stdout


def test_a_cassette_needs_neither_key_nor_service(tmp_path: Path) -> None:
    tape = tmp_path / "calls.parquet"
    parquet.write(tape, [{bytes([n]) * 32: Kept(b"{}", 0.0)} for n in range(3)])
    result = duck_or("doctor", DUCK_OR_CASSETTE=str(tape))
    assert result.exit_code == 0, result.output
    assert f"ok    cassette  {tape}: 3 answers" in result.stdout
    assert "service   " not in result.stdout
    tape.write_bytes(b"no Parquet")
    spoiled = duck_or("doctor", DUCK_OR_CASSETTE=str(tape))
    assert spoiled.exit_code == 1
    assert "wrong cassette" in spoiled.stdout


def test_a_setting_that_is_wrong_is_named() -> None:
    result = duck_or("doctor", DUCK_OR_ATTEMPTS="many")
    assert result.exit_code == 1
    assert "wrong settings  DUCK_OR_ATTEMPTS" in result.stdout


def test_openrouter_without_a_key() -> None:
    finding = checks.key(Settings(), explain())
    assert finding.level == "wrong"
    assert "OPENROUTER_API_KEY" in finding.remedy


@pytest.mark.parametrize(
    ("response", "level", "said"),
    [
        (answer(200, usage=1.5, limit=None, limit_remaining=None), "ok", "$1.50 used"),
        (answer(200, usage=7, limit=10, limit_remaining=3), "ok", "$3.00 of the key's limit of $10.00 left"),
        (answer(200, usage=10, limit=10, limit_remaining=0), "wrong", "used up"),
        (answer(200, usage=0, limit=None, limit_remaining=None, is_free_tier=True), "ok", "free tier"),
        (RawResponse(200, {}, b"<html>"), "ok", "no limit"),
        (RawResponse(404, {}, b""), "note", "does not tell"),
        (
            RawResponse(401, {}, b'{"error":{"message":"User not found.","code":401}}'),
            "wrong",
            "User not found",
        ),
        (RawResponse(502, {}, b"Bad gateway"), "wrong", "Bad gateway"),
    ],
)
def test_what_the_service_says_about_a_key(response: RawResponse, level: str, said: str) -> None:
    finding = checks.credit(response, wall_now=0.0)
    assert finding.level == level
    assert said in finding.text


@pytest.mark.parametrize(
    ("name", "level", "said"),
    [
        (None, "note", "no default model"),
        ("a/priced", "ok", "$0.25 per million tokens in, $2.00 out"),
        ("a/priced:nitro", "ok", "$0.25"),
        ("a/unpriced", "ok", "not listed"),
        ("~a/latest", "ok", "not listed"),
        ("openrouter/auto", "ok", "not listed"),
        ("a/prized", "wrong", "a/prized"),
    ],
)
def test_the_default_model(name: str | None, level: str, said: str) -> None:
    models = {"a/priced": listed("a/priced", 0.25e-6, 2e-6), "a/unpriced": listed("a/unpriced")}
    finding = checks.model(name, models)
    assert finding.level == level
    assert said in finding.text


def test_what_is_wrong_says_what_to_do() -> None:
    finding = checks.Finding("wrong", "key", "none", "make one")
    assert str(finding).splitlines() == ["wrong key       none", "                → make one"]
