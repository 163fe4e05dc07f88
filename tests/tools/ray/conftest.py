"""One local cluster of two CPUs for all tests here; a simulator for each test."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import ray
from ray.data import DataContext, Dataset

from duck_or.integrations.ray import map_completions
from duck_or.simulator import Simulator
from support.bridge import KEY

MapCompletions = Callable[..., Dataset]


@pytest.fixture(scope="session", autouse=True)
def _cluster() -> Iterator[None]:
    # The actors have the environment that the cluster was started in, and so the key.
    os.environ["OPENROUTER_API_KEY"] = KEY
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=80 * 2**20,
    )
    DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()
    del os.environ["OPENROUTER_API_KEY"]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(record=True) as running:
        yield running


@pytest.fixture
def answered(simulator: Simulator, tmp_path: Path) -> MapCompletions:
    """`map_completions` that leads to the simulator. A file keeps the answers, there is no rate limit."""
    store = tmp_path / "answers.sqlite"
    there = {"base_url": simulator.base_url, "rate_limit": 0, "cache_path": store, "transport": "http"}
    return partial(map_completions, **{"model": "fake/echo", **there})
