"""The scenario: validated once, the same in Python and in JSON; latency as a pure function of it."""

from __future__ import annotations

import subprocess
import sys
from statistics import fmean
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.errors import SettingsError
from duck_or.simulator import FAULTS, Scenario
from duck_or.simulator.draws import canonical, fingerprint, fraction, number
from duck_or.simulator.timing import latency, writing


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"latency": -1}, "latency = -1 is out of range"),
        ({"latency": "1"}, "latency is a number"),
        ({"latency": None}, "latency is a number"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed is a whole number"),
        ({"drip_interval": 0}, "drip_interval"),
        ({"poison": 1.01}, "poison"),
        ({"rpm": 0}, "rpm"),
        ({"rpm": True}, "rpm is a number"),
        ({"burst": 0}, "burst"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"faults": {"no-such": 0.1}}, "no such fault: no-such"),
        ({"faults": {"429": 1.5}}, "from 0 to 1"),
        ({"faults": {"429": 0.6, "500": 0.6}}, "together"),
        ({"fault_script": ("nope",)}, "no such fault: nope"),
        ({"fault_script": "429"}, "not one string"),
        ({"fault_script_scope": "row"}, "fault_script_scope"),
        ({"poison_fault": "nope"}, "no such fault"),
        ({"key_limit_status": 429}, "key_limit_status"),
    ],
)
def test_a_knob_out_of_range_is_named(knobs: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Scenario(**knobs)


def test_an_unknown_knob_is_named() -> None:
    with pytest.raises(SettingsError, match="no such knob: latencyy"):
        Scenario.from_json({"latencyy": 1})


def test_json_brings_back_the_same_scenario() -> None:
    scenario = Scenario(seed=7, faults={"429": 0.25}, fault_script=("500", None), keys=("sk-or-a",), rpm=60.5)
    assert Scenario.from_json(orjson.loads(orjson.dumps(scenario.to_json()))) == scenario


def test_but_turns_one_knob_and_checks_it() -> None:
    assert Scenario(seed=3).but(latency=2.0) == Scenario(seed=3, latency=2.0)
    with pytest.raises(SettingsError):
        Scenario().but(latency=-2.0)


def test_every_fault_is_filed_under_its_own_name() -> None:
    assert all(name == fault.name and fault.says for name, fault in FAULTS.items())
    assert len(FAULTS) > 80


@given(st.dictionaries(st.text(max_size=5), st.integers(-5, 5)), st.integers(0, 2**63 - 1))
def test_the_order_of_keys_does_not_change_the_fingerprint(body: dict[str, int], seed: int) -> None:
    backwards = dict(reversed(body.items()))
    assert fingerprint(seed, canonical(body)) == fingerprint(seed, canonical(backwards))
    assert fingerprint(seed, canonical(body)) != fingerprint(seed ^ 1, canonical(body))


@given(st.binary(min_size=16, max_size=16), st.text(max_size=40), st.integers(1, 50))
def test_draws_stay_in_range(of: bytes, label: str, below: int) -> None:
    assert 0 <= fraction(of, label) < 1
    assert 0 <= number(of, label, below) < below


def test_draws_are_uniform_enough() -> None:
    drawn = [fraction(fingerprint(0, str(index).encode()), "label") for index in range(4000)]
    assert fmean(drawn) == pytest.approx(0.5, abs=0.02)
    assert sum(value < 0.1 for value in drawn) / 4000 == pytest.approx(0.1, abs=0.02)


def test_lognormal_latency_has_the_mean_that_was_asked_for() -> None:
    scenario = Scenario(latency=1.0, latency_sigma=0.8)
    drawn = [latency(scenario, fingerprint(0, str(index).encode())) for index in range(20_000)]
    assert fmean(drawn) == pytest.approx(1.0, rel=0.05)
    assert min(drawn) > 0
    assert max(drawn) > 5


def test_constant_latency_and_writing_time() -> None:
    assert latency(Scenario(latency=0.25), b"x" * 16) == 0.25
    assert latency(Scenario(latency_sigma=0.8), b"x" * 16) == 0
    assert writing(Scenario(tokens_per_second=50), 100) == 2
    assert writing(Scenario(), 100) == 0


def test_importing_the_simulator_loads_no_http_library() -> None:
    code = "import sys, duck_or.simulator; print([m for m in ('aiohttp', 'openai', 'jsonschema') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
