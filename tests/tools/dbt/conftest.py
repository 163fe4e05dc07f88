"""Real dbt, and a simulator on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from duck_or.simulator import Simulator
from support.dbt_project import Project


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(record=True) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, simulator: Simulator) -> Project:
    """An empty one with a profile."""
    made = Project(tmp_path, simulator)
    made.configure()
    return made
