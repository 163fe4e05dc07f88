"""Which fault strikes which attempt: by the model's name, by poison, by script, by rate, in this order.

Decides only; what the fault does is the fault's. Holds the numbers of attempts, as little else as it can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from duck_or.simulator.catalog import Model
from duck_or.simulator.draws import fraction
from duck_or.simulator.faults import FAULTS
from duck_or.simulator.faults.fault import Fault
from duck_or.simulator.scenario import Scenario


class FaultPlan:
    """Chooses faults for one scenario. `of` is the fingerprint of a request body under the scenario's seed."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._idle = not (scenario.faults or scenario.fault_script or scenario.poison)
        self._attempts: Counter[bytes] = Counter()
        self._played = 0

    def choose(self, model: Model, of: bytes, path: str, body: Mapping[str, Any]) -> Fault | None:
        """The fault for this attempt, and count the attempt. None: answer it."""
        if self._idle and model.fault is None:
            return None
        attempt = self._attempts[of]
        self._attempts[of] += 1
        name = self._name(model, of, attempt)
        fault = FAULTS[name] if name is not None else None
        return fault if fault is not None and fault.strikes(path, body) else None

    def _name(self, model: Model, of: bytes, attempt: int) -> str | None:
        scenario = self._scenario
        if model.fault is not None:
            return model.fault if attempt == 0 or not model.fault_once else None
        if scenario.poison and fraction(of, "poison") < scenario.poison:
            return scenario.poison_fault
        if scenario.fault_script:
            return self._from_script(attempt)
        return self._by_rate(of, attempt)

    def _from_script(self, attempt: int) -> str | None:
        script = self._scenario.fault_script
        position = attempt if self._scenario.fault_script_scope == "body" else self._played
        self._played += 1
        return script[position] if position < len(script) else None

    def _by_rate(self, of: bytes, attempt: int) -> str | None:
        drawn = fraction(of, f"fault {attempt}")
        for name, rate in self._scenario.faults.items():
            if drawn < rate:
                return name
            drawn -= rate
        return None
