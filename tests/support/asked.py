"""A table of four chunks, few of whose rows are asked about; and what arrived at the service meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duck_or.simulator import Scenario, Simulator

REVIEWS = "CREATE TABLE reviews AS SELECT i AS id, 'review ' || i AS review FROM range(8192) t(i)"
FEW = "id % 205 = 0"
QUESTIONS = 40
IN_A_CHUNK = 10

SLOW = Scenario(latency=0.1)
"""Long enough for all questions to leave before the first is answered."""


@dataclass(frozen=True)
class Asked:
    """requests: that arrived. peak: how many of them the service had at the same time."""

    requests: int
    peak: int

    @property
    def at_once(self) -> bool:
        return self.requests == QUESTIONS and self.peak > IN_A_CHUNK

    @property
    def by_chunks(self) -> bool:
        return self.requests == QUESTIONS and self.peak <= IN_A_CHUNK


def asked(simulator: Simulator, act: Callable[[], object]) -> Asked:
    """What `act` asks."""
    simulator.reset()
    act()
    seen = simulator.stats()
    return Asked(seen.requests, seen.max_in_flight)
