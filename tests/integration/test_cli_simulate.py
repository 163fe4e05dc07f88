"""`duck-or simulate`: it says how to point duck_or at it, does what the options say, and ends on Ctrl-C."""

from __future__ import annotations

import http.client
import re
import signal
from urllib.parse import urlsplit

import orjson
import pytest

from duck_or.cli.simulate import KNOBS, announcement
from duck_or.setting_rules import RULES
from duck_or.simulator import FAULTS, Scenario, Simulator
from support.command_line import duck_or, start


def test_from_start_to_ctrl_c() -> None:
    process = start(
        "simulate", "--port", "0", "--latency", "0.01", "--fault", "429=0.5", "--rpm", "60", "--any-model"
    )
    assert process.stdout is not None
    base_url = process.stdout.readline().split()[-1]
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("GET", "/__sim/scenario")
    scenario = Scenario.from_json(orjson.loads(connection.getresponse().read()))
    connection.close()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert scenario == Scenario(latency=0.01, faults={"429": 0.5}, rpm=60, any_model=True)
    assert (process.returncode, stderr) == (0, "")


def test_what_it_says_can_be_pasted_and_is_spelt_right() -> None:
    text = announcement("http://127.0.0.1:1/api/v1")
    exported = re.findall(r"^ +export (\w+)=\S+$", text, re.MULTILINE)
    assert len(exported) == 4
    assert set(exported) <= {rule.environment for rule in RULES.values()}


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_is_one_of_the_scenarios(knob: str) -> None:
    assert Scenario.from_json({knob: 1})


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fault", "no-such=0.1"),
        ("--fault", "429"),
        ("--fault", "429=often"),
        ("--fault", "429=2"),
        ("--latency", "-1"),
    ],
)
def test_what_cannot_be_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    result = duck_or("simulate", "--port", "0", *arguments)
    assert result.exit_code == 2
    assert arguments[1].partition("=")[0] in result.stderr or arguments[0].strip("-") in result.stderr


def test_a_port_that_is_taken() -> None:
    with Simulator() as running:
        port = urlsplit(running.base_url).port
        result = duck_or("simulate", "--port", str(port))
    assert result.exit_code == 1
    assert "--port 0" in result.stderr


def test_the_faults_are_listed() -> None:
    result = duck_or("simulate", "--list-faults")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(FAULTS)
