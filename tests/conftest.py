"""Settings for every test: no network but loopback, no configuration of the person who runs them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Deadlines measure the machine, not the code.
settings.register_profile("duck_or", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("duck_or")

_OURS = ("OPENROUTER_", "DUCK_OR_", "OPENAI_")
_LOCAL = "DUCK_OR_LOCAL_"  # where a model on this machine is: see tests/integration/test_local_model.py
for _name in [name for name in os.environ if name.startswith(_OURS) and not name.startswith(_LOCAL)]:
    del os.environ[_name]
os.environ["DUCK_OR_CONFIG"] = "none"
os.environ["DUCK_OR_CACHE"] = "none"
