"""How long a model thinks before it answers: a pure function of the request apart from its limits.

Asking the same again with more room is thus thought over equally long, and then answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duck_or.simulator.catalog import Model
from duck_or.simulator.draws import canonical, fingerprint, number

_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


def thought_tokens(body: Mapping[str, Any], model: Model) -> int:
    """Tokens of reasoning, if nothing cuts it off. `reasoning` may switch it off or bound it."""
    if model.thinks is None:
        return 0
    asked = body.get("reasoning")
    wishes: Mapping[str, Any] = asked if isinstance(asked, dict) else {}
    if wishes.get("enabled") is False or "none" in (wishes.get("effort"), body.get("reasoning_effort")):
        return 0
    fewest, most = model.thinks
    of = fingerprint(0, canonical({name: value for name, value in body.items() if name not in _LIMITS}))
    drawn = fewest + number(of, "thought", most - fewest + 1)
    bound = wishes.get("max_tokens")
    return min(drawn, bound) if isinstance(bound, int) else drawn
