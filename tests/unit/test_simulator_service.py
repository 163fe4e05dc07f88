"""The service without sockets: keys, faults by plan, money, its response cache, what it counts."""

from __future__ import annotations

import orjson
import pytest
from simulator_clients import HELLO, KEY, NOW, Account, struck_by

from duck_or.simulator import FAULTS, Scenario
from duck_or.simulator.paths import CHAT


def test_a_completion_has_the_recorded_shape() -> None:
    completion = Account().answer(model="anthropic/claude-sonnet-4.5")
    assert list(completion) == [
        "id",
        "object",
        "created",
        "model",
        "provider",
        "system_fingerprint",
        "choices",
        "usage",
    ]
    assert completion["model"] == "anthropic/claude-4.5-sonnet-20250929"
    assert completion["provider"] == "Anthropic"
    assert completion["choices"][0]["native_finish_reason"] == "end_turn"
    gen, born, tail = completion["id"].split("-")
    assert (gen, born, len(tail), tail.isalnum()) == ("gen", str(int(NOW)), 20, True)
    assert completion["usage"]["total_tokens"] == sum(
        completion["usage"][f"{side}_tokens"] for side in ("prompt", "completion")
    )


def test_the_same_seed_gives_equal_choices_and_another_seed_does_not() -> None:
    first, second, other = (orjson.dumps(Account(seed=seed).answer()["choices"]) for seed in (1, 1, 2))
    assert first == second != other


def test_ids_are_never_repeated() -> None:
    account = Account()
    assert len({account.answer()["id"] for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("authorization", "says"),
    [
        (None, "No auth credentials found"),
        ("Bearer ", "No auth credentials found"),
        ("Basic sk-or-v1-test", "No auth credentials found"),
        ("Bearer sk-proj-1", "User not found."),
        ("Bearer sk-or-invalid-1", "User not found."),
    ],
)
def test_a_wrong_key_is_refused_first(authorization: str | None, says: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    error = Account().error(headers=headers, raw=b"not even JSON")
    assert (error["code"], error["message"]) == (401, says)


def test_a_list_of_keys_is_exhaustive() -> None:
    account = Account(keys=("local-key",))
    assert account.turn(headers={"Authorization": "Bearer local-key"}).reply.status == 200
    assert account.status() == 401


def test_a_fault_by_model_name_strikes_always_or_once_per_body() -> None:
    account = Account()
    assert [account.status(model="fake/err-500") for _ in range(3)] == [500, 500, 500]
    assert [account.status(model="fake/err-once-500") for _ in range(3)] == [500, 200, 200]
    assert account.status(model="fake/err-once-500", seed=2) == 500


def test_a_script_is_played_for_each_body() -> None:
    account = Account(fault_script=("429", None, "503"))
    assert [account.status(seed=1) for _ in range(4)] == [429, 200, 503, 200]
    assert account.status(seed=2) == 429


def test_a_global_script_is_played_once() -> None:
    account = Account(fault_script=("429", None, "503"), fault_script_scope="global")
    assert [account.status(seed=seed) for seed in (1, 1, 2, 3)] == [429, 200, 503, 200]


def test_rates_are_met_and_a_rerun_has_the_same_luck() -> None:
    def statuses() -> list[int]:
        account = Account(faults={"429": 0.3, "500": 0.2})
        return [account.status(seed=seed) for seed in range(1000)]

    first = statuses()
    assert first == statuses()
    assert first.count(429) / 1000 == pytest.approx(0.3, abs=0.05)
    assert first.count(500) / 1000 == pytest.approx(0.2, abs=0.05)


def test_a_retry_has_new_luck() -> None:
    account = Account(faults={"500": 0.5})
    assert {account.status() for _ in range(30)} == {200, 500}


def test_poison_is_for_ever() -> None:
    account = Account(poison=0.3, poison_fault="503")
    once, again = ([account.status(seed=seed) for seed in range(200)] for _ in range(2))
    assert once == again
    assert 30 < once.count(503) < 90


def test_every_fault_but_those_of_the_connection_can_be_made() -> None:
    account = Account()
    for name in FAULTS:
        path, body = struck_by(name)
        turn = account.turn(path, **body)
        assert turn.fault is FAULTS[name], name
    stats = account.service.ledger.stats()
    assert (stats.faulted, stats.answered, stats.by_fault) == (len(FAULTS), 0, dict.fromkeys(FAULTS, 1))


def test_faults_cost_nothing_unless_the_answer_was_written() -> None:
    account = Account()
    assert account.turn(model="fake/err-503").cost == 0
    assert account.turn(model="fake/err-truncated-json").cost > 0


def test_latency_is_for_answers_not_for_refusals_at_the_door() -> None:
    account = Account(latency=2.0, tokens_per_second=10)
    assert account.turn(messages=[{"role": "user", "content": "echo: " + "x" * 40}]).delay == 3.0
    assert account.turn(model="fake/err-429").delay == 0
    assert account.turn(model="fake/err-504").delay == 2.0
    assert account.turn(messages=[]).delay == 0


def test_the_money_runs_out_after_answers_not_before() -> None:
    account = Account(credits_usd=0.00001)
    assert [account.status(seed=seed) for seed in range(2)] == [200, 402]
    spent = account.service.ledger.stats().cost_usd
    assert spent > 0.00001
    account.service.reset()
    assert account.status() == 200


def test_an_abandoned_request_frees_its_hold_and_is_not_charged() -> None:
    account = Account(in_flight_budget_usd=0.01)
    body = orjson.dumps({"model": "fake/model", "messages": HELLO, "max_tokens": 4000})
    first = account.service.open(CHAT, KEY, body, NOW)
    refused = account.service.open(CHAT, KEY, body, NOW)
    assert (first.reply.status, refused.reply.status) == (200, 402)
    account.service.close(refused, NOW, delivered=True)
    account.service.close(first, NOW, delivered=False)
    assert account.status(max_tokens=4000) == 200
    stats = account.service.ledger.stats()
    assert (stats.abandoned, stats.refused, stats.answered, stats.in_flight) == (1, 1, 1, 0)


def test_a_change_of_scenario_does_not_mix_up_the_holds() -> None:
    account = Account()
    turn = account.service.open(CHAT, KEY, orjson.dumps({"model": "fake/model", "messages": HELLO}), NOW)
    account.service.use(Scenario(in_flight_budget_usd=1.0))
    account.service.close(turn, NOW, delivered=True)
    assert account.service.limits.spent_usd == 0
    assert account.status() == 200


def test_the_counters_add_up() -> None:
    account = Account(rpm=60, burst=8)
    for seed in (1, 1, 2):
        account.status(seed=seed)
    account.status(model="fake/err-500")
    account.status(messages=[])
    for _ in range(6):
        account.status(seed=3)
    stats = account.service.ledger.stats()
    assert (
        stats.requests == stats.answered + stats.refused + stats.faulted + stats.abandoned + stats.in_flight
    )
    assert (stats.requests, stats.answered, stats.faulted, stats.refused) == (11, 7, 1, 3)
    assert (stats.distinct, stats.duplicates, stats.max_per_body) == (4, 6, 6)
    assert stats.answered_again == 4
    assert stats.max_per_second == 11
    assert stats.by_status == {200: 7, 500: 1, 400: 1, 429: 2}


def test_the_response_cache_is_free_and_minds_the_order_of_properties() -> None:
    account = Account()
    headers = {**KEY, "X-OpenRouter-Cache": "true", "X-OpenRouter-Cache-TTL": "60"}
    miss = account.turn(headers=headers)
    account.now += 10
    hit = account.turn(headers=headers)
    first, second = orjson.loads(miss.reply.body), orjson.loads(hit.reply.body)
    assert miss.reply.headers["X-OpenRouter-Cache-Status"] == "MISS"
    assert hit.reply.headers == {
        "X-OpenRouter-Cache-Status": "HIT",
        "X-OpenRouter-Cache-Age": "10",
        "X-OpenRouter-Cache-TTL": "60",
        "X-OpenRouter-Cache-Source-Id": first["id"],
    }
    assert (second["choices"], second["usage"]["cost"], hit.cost) == (first["choices"], 0, 0)
    assert second["id"] != first["id"]
    swapped = account.turn(headers=headers, raw=orjson.dumps({"messages": HELLO, "model": "fake/model"}))
    assert swapped.reply.headers["X-OpenRouter-Cache-Status"] == "MISS"
    account.now += 51
    assert account.turn(headers=headers).reply.headers["X-OpenRouter-Cache-Status"] == "MISS"


def test_a_cached_tool_call_comes_back_whole() -> None:
    account = Account()
    headers = {**KEY, "X-OpenRouter-Cache": "true"}
    tools = [{"type": "function", "function": {"name": "f"}}]
    turns = [account.turn(headers=headers, tools=tools) for _ in range(2)]
    first, second = (orjson.loads(turn.reply.body)["choices"] for turn in turns)
    assert first == second
    assert account.service.ledger.stats().cache_hits == 1
