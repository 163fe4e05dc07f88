"""A local OpenRouter: test SQL pipelines over real sockets, offline, without paying.

    with Simulator(Scenario(latency=0.3, faults={"429": 0.1})) as sim:
        duck_or.register(con, base_url=sim.base_url, api_key="sk-or-v1-test")

Answers are deterministic, every limit and every way to fail can be switched on (`Scenario`, `FAULTS`), and what happened
can be read back (`stats()`, `requests`). Importing this loads no HTTP library; starting a simulator does.
"""

from __future__ import annotations

from duck_or.simulator.catalog import MODELS
from duck_or.simulator.faults import FAULTS
from duck_or.simulator.process import SimulatorProcess
from duck_or.simulator.record import RecordedRequest, Stats
from duck_or.simulator.running import Simulator, serve
from duck_or.simulator.scenario import Scenario

__all__ = [
    "FAULTS",
    "MODELS",
    "RecordedRequest",
    "Scenario",
    "Simulator",
    "SimulatorProcess",
    "Stats",
    "serve",
]
