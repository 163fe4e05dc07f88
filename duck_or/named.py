"""What one session knows by name: its prompts and its models.

Lives as long as the session, in memory only. Must not know SQL or Arrow.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from duck_or.named_models import ModelAliases
from duck_or.named_prompts import Prompts


class Named:
    """Safe to use from several threads. clock: seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.prompts = Prompts(clock)
        self.models = ModelAliases(clock)

    def resolve(self, options_json: str, default_model: str | None) -> str:
        """The arguments of a call with what a model's alias in them stands for; the same text where none is named.

        Cheap: asked once for each distinct text of a chunk, before anything is looked up by it.
        """
        return self.models.resolve(options_json, default_model)
