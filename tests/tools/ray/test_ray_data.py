"""`map_completions(ds)` on a local cluster, with actors in processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
import ray
from ray.cloudpickle import dumps
from ray.data import Dataset

from duck_or.errors import SettingsError
from duck_or.integrations.ray import Column, Completer, map_completions
from duck_or.settings import Settings
from duck_or.simulator import Simulator
from support.bridge import KEY, failure_of

pytestmark = [
    pytest.mark.timeout(300),  # each actor imports for seconds where cores are few
    pytest.mark.filterwarnings("ignore:::ray[.]"),  # Ray warns of its own settings
]

MapCompletions = Callable[..., Dataset]


def questions(count: int, blocks: int) -> Dataset:
    rows = [{"id": n, "messages": [{"role": "user", "content": f"q{n}"}]} for n in range(count)]
    return ray.data.from_items(rows, override_num_blocks=blocks)


def contents(ds: Dataset, output: str = "response") -> list[str]:
    found = sorted(ds.take_all(), key=lambda row: row["id"])
    return [orjson.loads(row[output])["choices"][0]["message"]["content"] for row in found]


def test_every_row_is_answered_and_asked_once(answered: MapCompletions, simulator: Simulator) -> None:
    for _ in range(2):  # the second time from the store that the actors share
        assert contents(answered(questions(40, blocks=4))) == [f"q{n}" for n in range(40)]
        assert simulator.stats().requests == 40


def test_arguments_may_be_constants_and_columns(answered: MapCompletions, simulator: Simulator) -> None:
    ds = questions(2, blocks=1).map(lambda row: {**row, "m": ["fake/echo", "fake/model"][row["id"]]})
    answered(ds, model=Column("m"), model_kwargs={"seed": 7}, output="o", concurrency=1).take_all()
    assert sorted(request.body["model"] for request in simulator.requests) == ["fake/echo", "fake/model"]
    assert [request.body["seed"] for request in simulator.requests] == [7, 7]


def test_a_failed_row_fails_the_job_readably(answered: MapCompletions) -> None:
    asked = answered(questions(2, blocks=1), model="fake/err-400", concurrency=1)
    with pytest.raises(ray.exceptions.RayTaskError, match=r"code bad_request.*cache key [0-9a-f]{64}"):
        asked.take_all()


def test_a_failed_row_may_leave_the_others_alone(answered: MapCompletions) -> None:
    ds = questions(3, blocks=1).map(
        lambda row: {**row, "m": "fake/err-400" if row["id"] == 1 else "fake/echo"}
    )
    found = answered(ds, model=Column("m"), on_error="json", concurrency=1).take_all()
    assert [failure_of(row["response"])["code"] for row in found if row["id"] == 1] == ["bad_request"]
    assert sum("choices" in orjson.loads(row["response"]) for row in found) == 2


def test_the_key_does_not_travel() -> None:
    given: dict[str, Any] = {"model": "fake/echo"}
    assert KEY.encode() not in dumps(Completer(Settings(api_key=KEY), given))
    with pytest.raises(SettingsError, match="api_key does not travel to Ray's actors"):
        map_completions(questions(1, blocks=1), api_key=KEY.replace("0", "1"))
