"""One simulator for the tests of a module, as new for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from duck_or.simulator import Scenario, Simulator


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    shared.scenario = Scenario()
    shared.reset()
    return shared
