"""The control plane: look at and change a running simulator over HTTP (`/__sim/…`)."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from duck_or.errors import SettingsError
from duck_or.simulator.reply import Reply, error_reply, json_reply
from duck_or.simulator.scenario import Scenario
from duck_or.simulator.service import Service


def control(service: Service, method: str, name: str, raw: bytes) -> Reply:
    """`GET stats`, `GET requests`, `GET scenario`, `POST scenario` (an object of knobs), `POST reset`."""
    act = _ACTIONS.get((method, name))
    if act is None:
        known = ", ".join(f"{verb} {what}" for verb, what in _ACTIONS)
        return error_reply(404, f"no such control: {method} {name}; there are {known}")
    return act(service, raw)


def _stats(service: Service, raw: bytes) -> Reply:
    return json_reply(service.ledger.stats().to_json())


def _requests(service: Service, raw: bytes) -> Reply:
    return json_reply([request.to_json() for request in service.ledger.kept])


def _scenario(service: Service, raw: bytes) -> Reply:
    return json_reply(service.scenario.to_json())


def _set_scenario(service: Service, raw: bytes) -> Reply:
    try:
        service.use(Scenario.from_json(orjson.loads(raw)))
    except (orjson.JSONDecodeError, SettingsError) as problem:
        return error_reply(400, str(problem))
    return json_reply(service.scenario.to_json())


def _reset(service: Service, raw: bytes) -> Reply:
    service.reset()
    return json_reply({})


_ACTIONS: dict[tuple[str, str], Callable[[Service, bytes], Reply]] = {
    ("GET", "stats"): _stats,
    ("GET", "requests"): _requests,
    ("GET", "scenario"): _scenario,
    ("POST", "scenario"): _set_scenario,
    ("POST", "reset"): _reset,
}
