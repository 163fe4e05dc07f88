"""The functions on Ray Data: a column of answers on a dataset, by actors that each find an engine in their process.

    ds = duck_or.integrations.ray.map_completions(ds, model="openai/gpt-5-mini", cache_path="redis://cache:6379/0")

Decides what travels to Ray's actors: settings without their key, and constants. How anything is asked, it must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from duck_or.arrow import Column, complete
from duck_or.arrow.travel import travelling
from duck_or.session import OnError
from duck_or.settings import Settings

try:
    import ray
    from ray.data import ActorPoolStrategy, Dataset
except ImportError as error:
    raise ImportError('this needs Ray Data: pip install "duck_or[ray]"') from error

__all__ = ["Column", "map_completions"]

AT_ONCE = 2
"""Blocks that an actor answers at once: the requests of one do not run out before another one's begin."""


class Completer:
    """What runs in an actor: batches of Arrow rows in, the same with the answers out. Several threads call it."""

    def __init__(self, settings: Settings, arguments: Mapping[str, Any]) -> None:
        self._settings = settings
        self._arguments = arguments

    def __call__(self, batch: pa.Table) -> pa.Table:
        return complete(batch, settings=self._settings, **self._arguments)


def map_completions(
    ds: Dataset,
    *,
    messages: str = "messages",
    model: object = None,
    model_kwargs: object = None,
    tools: object = None,
    tool_choice: object = None,
    provider: object = None,
    transforms: object = None,
    output: str = "response",
    on_error: OnError | None = None,
    settings: Settings | None = None,
    concurrency: int = 2,
    num_cpus: float = 0.25,
    batch_size: int | None = None,
    ray_remote_args: Mapping[str, Any] | None = None,
    **overrides: object,
) -> Dataset:
    """The dataset with one column more, `output`: the responses as JSON text. Lazy, as all of Ray Data.

    messages … overrides: as in `duck_or.arrow.complete`; an argument that is a column is a `Column("its name")`.
    concurrency: actors. num_cpus: of each; they wait for the network, so a fraction does, and whole ones can take the CPUs
    that the tasks before them need. batch_size: rows, whole blocks if None. ray_remote_args: for the actors, such as
    {"runtime_env": …}.
    Raises SettingsError.
    """
    chosen = settings.overridden(overrides) if settings else Settings.load(overrides)
    arguments = {
        "messages": messages,
        "model": model,
        "model_kwargs": model_kwargs,
        "tools": tools,
        "tool_choice": tool_choice,
        "provider": provider,
        "transforms": transforms,
        "output": output,
        "on_error": on_error,
    }
    return ds.map_batches(
        Completer,
        fn_constructor_args=(travelling(chosen, "Ray's actors", one_machine=_one_machine()), arguments),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ActorPoolStrategy(
            size=concurrency,
            max_concurrent_calls_per_actor=AT_ONCE,
            max_tasks_in_flight_per_actor=AT_ONCE,  # a queue of its own would keep few blocks from the others
            enable_true_multi_threading=True,
        ),
        num_cpus=num_cpus,
        **(ray_remote_args or {}),
    )


def _one_machine() -> bool:
    """Whether the cluster is one node; one that is not started yet will be."""
    nodes: Callable[[], list[dict[str, Any]]] = ray.nodes  # it declares no types
    return not ray.is_initialized() or sum(node["Alive"] for node in nodes()) == 1
