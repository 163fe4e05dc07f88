"""What must be true of settings before several worker processes ask by them.

Decides what holds over workers and what does not, and says how to mend it. Which engine has the workers, it must not know.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from duck_or.errors import SettingsError
from duck_or.setting_rules import RULES
from duck_or.settings import Settings

log = logging.getLogger("duck_or")

SHARED = "cache_path='redis://…' or 'postgresql://…'"


def travelling(
    settings: Settings, workers: str, *, one_machine: bool, environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings, if several workers may ask by them. workers: whose, as a message says it ("Spark's workers").
    environ: this process's own if None.

    A file is a store that processes of one machine can share, but no home for a rate: a warning says so. Raises SettingsError.
    """
    variable = RULES["api_key"].environment
    if settings.api_key not in (None, (os.environ if environ is None else environ).get(variable)):
        raise SettingsError(
            f"api_key does not travel to {workers}, where a plan or a log could show it: set {variable} in their "
            "environment and in this one"
        )
    if settings.budget_usd is not None:
        raise SettingsError(
            f"budget_usd is kept by one process, and {workers} are several: give the key itself a limit, at "
            "https://openrouter.ai/settings/keys"
        )
    if not isinstance(settings.cache_path, str):
        if not one_machine:
            raise SettingsError(
                f"{workers} on several machines share their answers and the rate only through a server: {SHARED}"
            )
        log.warning(
            "each of %s keeps rate_limit and max_in_flight for itself, and two may ask the same at once; %s has them share",
            workers,
            SHARED,
        )
    return settings
