"""How long an answer takes: a pure function of the scenario and the request's fingerprint."""

from __future__ import annotations

import math
from statistics import NormalDist

from duck_or.simulator.draws import fraction
from duck_or.simulator.scenario import Scenario

_NORMAL = NormalDist()


def latency(scenario: Scenario, of: bytes) -> float:
    """Seconds until the first token."""
    mean, sigma = scenario.latency, scenario.latency_sigma
    if not mean or not sigma:
        return mean
    # the underlying normal's mean is set so that the lognormal's arithmetic mean is `mean`
    drawn = min(max(fraction(of, "latency"), 1e-12), 1 - 1e-12)
    return math.exp(math.log(mean) - sigma * sigma / 2 + sigma * _NORMAL.inv_cdf(drawn))


def writing(scenario: Scenario, tokens: int) -> float:
    """Seconds from the first token to the last."""
    return tokens / scenario.tokens_per_second if scenario.tokens_per_second else 0.0
