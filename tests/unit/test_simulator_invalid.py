"""Structured answers that break their schema: at a rate, until corrected, or for ever."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from simulator_clients import HELLO, MOOD, Account, as_schema

VALID = Draft202012Validator(MOOD)


def asked(row: int, **more: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": f"row {row}"}],
        "response_format": as_schema(MOOD),
        **more,
    }


def said(completion: dict[str, Any]) -> str:
    choice = completion["choices"][0]
    assert choice["finish_reason"] == "stop"
    content: str = choice["message"]["content"]
    return content


def is_valid(text: str) -> bool:
    try:
        return bool(VALID.is_valid(orjson.loads(text)))
    except orjson.JSONDecodeError:
        return False


def corrected(body: dict[str, Any], wrong: str) -> dict[str, Any]:
    complaint = [
        {"role": "assistant", "content": wrong},
        {"role": "user", "content": "That breaks the schema."},
    ]
    return {**body, "messages": [*body["messages"], *complaint]}


def test_one_in_ten_is_invalid_at_first_and_none_after_a_complaint() -> None:
    account = Account(faults={"invalid-answer": 0.1})
    wrong = {row: text for row in range(500) if not is_valid(text := said(account.answer(**asked(row))))}
    assert 30 <= len(wrong) <= 70
    assert account.service.ledger.stats().by_fault == {"invalid-answer": len(wrong)}
    for row, text in wrong.items():
        assert is_valid(said(account.answer(**corrected(asked(row), text))))
    assert account.service.ledger.stats().requests == 500 + len(wrong)


def test_the_same_rows_are_struck_again() -> None:
    first, second = (
        [said(account.answer(**asked(row))) for row in range(100)]
        for account in (Account(faults={"invalid-answer": 0.2}), Account(faults={"invalid-answer": 0.2}))
    )
    assert first == second


def test_answers_are_broken_in_every_way() -> None:
    account, ways = Account(), set()
    for row in range(200):
        text = said(account.answer(**asked(row, model="fake/err-invalid-answer")))
        assert not is_valid(text)
        ways.add(_way(text))
    assert ways == {"prose", "missing", "enum", "type"}


def _way(text: str) -> str:
    if not text.startswith("{"):
        return "prose"
    value = orjson.loads(text)
    if value.keys() != MOOD["properties"].keys():
        return "missing"
    return "enum" if isinstance(value["mood"], str) and value["mood"] not in ("good", "bad") else "type"


def test_an_earlier_conversation_is_no_correction() -> None:
    account = Account(faults={"invalid-answer": 1.0})
    history = [
        *HELLO,
        {"role": "assistant", "content": "Hi."},
        {"role": "system", "content": "Be brief."},
        *HELLO,
    ]
    assert not is_valid(said(account.answer(**asked(1, messages=history))))


def test_never_valid_stays_invalid_and_is_paid_for() -> None:
    account, body = Account(), asked(1, model="fake/never-valid")
    for _ in range(4):
        turn = account.turn(**body)
        assert turn.cost > 0
        text = said(orjson.loads(turn.reply.body))
        assert not is_valid(text)
        body = corrected(body, text)


@pytest.mark.parametrize("model", ["fake/never-valid", "fake/err-invalid-answer"])
def test_answers_without_a_schema_are_left_alone(model: str) -> None:
    turn = Account().turn(model=model)
    assert (turn.answered, turn.fault) == (True, None)


def test_a_member_that_may_be_null_is_not_the_one_left_out() -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
        "required": ["name"],
        "additionalProperties": False,
    }
    account = Account()
    for row in range(60):
        body = asked(row, model="fake/never-valid", response_format=as_schema(schema))
        text = said(account.answer(**body))
        assert not text.startswith("{") or isinstance(orjson.loads(text)["name"], dict)


def test_what_no_change_can_break_becomes_prose() -> None:
    body = asked(1, model="fake/never-valid", response_format=as_schema({}))
    assert not said(Account().answer(**body)).startswith(("{", '"'))
