"""What the simulated OpenRouter is like: one frozen, validated value, the same in Python, in JSON and on a command line.

Says what should happen; how it is made to happen is elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from duck_or.errors import SettingsError
from duck_or.simulator.faults import FAULTS


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Every knob of the simulator. The default is a fast, patient, unlimited OpenRouter.

    Durations are seconds, money is USD, rates are fractions from 0 to 1. `None` switches a limit off.

    seed: answers, latencies and faults are pure functions of (seed, request body).
    latency: mean seconds until the first token; 0 answers at once.
    latency_sigma: 0 keeps the latency constant; above it is lognormal with that sigma and that arithmetic mean.
    tokens_per_second: adds the time the answer takes to write.
    drip_after: a request slower than this gets status 200 and white space first, as OpenRouter does.
    drip_interval: between two keep-alive units.

    faults: fault name → probability, drawn per (seed, body, attempt): a retry has new luck, a re-run has the same.
    fault_script: fault names (None: answer normally), consumed one per attempt; after its end all is well.
    fault_script_scope: `body` plays the script for each distinct body, `global` once over all requests.
    poison: fraction of distinct bodies that fail every time, with `poison_fault`.

    rpm, burst: token bucket over all requests (429 with Retry-After); burst None is one second's worth.
    max_concurrency: more requests than this at once earn a 429 from the provider.
    free_rpm, free_rpd: limits of `:free` models per minute and per UTC day.
    credits_usd: balance; 402 when it is spent. key_limit_usd: the same for the key, with `key_limit_status` 402 or 403.
    in_flight_budget_usd: the sum of all holds (prompt + max_tokens, priced); over it 402 with Retry-After.
    settle_after: how long the real cost keeps counting against the in-flight budget after the answer.

    check_context: refuse a chat whose prompt and max_tokens exceed its model's context_length, as real services do.
    max_texts: an embeddings request with more is a 400. max_texts_tokens: likewise for all its texts together.

    keys: accepted API keys; empty accepts every `sk-or-…` except `sk-or-invalid…`.
    any_model: accept every `author/slug`, at the price of `fake/model`.
    response_cache: honour `X-OpenRouter-Cache: true`. gzip: compress when the client accepts it.
    """

    seed: int = 0
    latency: float = 0.0
    latency_sigma: float = 0.0
    tokens_per_second: float | None = None
    drip_after: float | None = None
    drip_interval: float = 1.0

    faults: Mapping[str, float] = field(default_factory=dict)
    fault_script: tuple[str | None, ...] = ()
    fault_script_scope: Literal["body", "global"] = "body"
    poison: float = 0.0
    poison_fault: str = "502"

    rpm: float | None = None
    burst: int | None = None
    max_concurrency: int | None = None
    free_rpm: int | None = 20
    free_rpd: int | None = 1000
    credits_usd: float | None = None
    key_limit_usd: float | None = None
    key_limit_status: Literal[402, 403] = 403
    in_flight_budget_usd: float | None = None
    settle_after: float = 2.0

    check_context: bool = False
    max_texts: int = 2048
    max_texts_tokens: int = 300_000

    keys: tuple[str, ...] = ()
    any_model: bool = False
    response_cache: bool = True
    gzip: bool = False

    def __post_init__(self) -> None:
        for name in ("fault_script", "keys"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise SettingsError(f"{name} is a sequence of names, not one string: {value!r}")
            object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "faults", dict(self.faults))
        _check_numbers(self)
        _check_faults(self)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Scenario:
        """From an object of knob names. Raises SettingsError naming the knob that does not exist."""
        if not isinstance(value, dict):
            raise SettingsError("a scenario is a JSON object of knob names")
        known = {knob.name for knob in fields(cls)}
        if unknown := sorted(set(value) - known):
            raise SettingsError(f"no such knob: {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return cls(**value)

    def but(self, **changes: Any) -> Scenario:
        """The same scenario with some knobs turned."""
        return replace(self, **changes)


# knob → (lowest allowed, is the lowest itself allowed, highest allowed)
_RANGES: dict[str, tuple[float, bool, float]] = {
    "seed": (0, True, float((1 << 63) - 1)),
    "latency": (0, True, 86_400),
    "latency_sigma": (0, True, 10),
    "tokens_per_second": (0, False, 1e9),
    "drip_after": (0, True, 86_400),
    "drip_interval": (0, False, 86_400),
    "poison": (0, True, 1),
    "rpm": (0, False, 1e9),
    "burst": (1, True, 1e9),
    "max_concurrency": (1, True, 1e9),
    "free_rpm": (1, True, 1e9),
    "free_rpd": (1, True, 1e9),
    "credits_usd": (0, True, 1e12),
    "key_limit_usd": (0, True, 1e12),
    "in_flight_budget_usd": (0, False, 1e12),
    "settle_after": (0, True, 86_400),
    "max_texts": (1, True, 1e9),
    "max_texts_tokens": (1, True, 1e12),
}
_MAY_BE_NONE = frozenset(knob.name for knob in fields(Scenario) if "None" in str(knob.type))


def _check_numbers(scenario: Scenario) -> None:
    for name, (lowest, inclusive, highest) in _RANGES.items():
        value = getattr(scenario, name)
        if value is None and name in _MAY_BE_NONE:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SettingsError(f"{name} is a number, not {value!r}")
        if not (lowest <= value if inclusive else lowest < value) or not value <= highest:
            raise SettingsError(f"{name} = {value!r} is out of range: {lowest:g} to {highest:g}")
    if not isinstance(scenario.seed, int):
        raise SettingsError(f"seed is a whole number, not {scenario.seed!r}")


def _check_faults(scenario: Scenario) -> None:
    named = [
        *scenario.faults,
        *(name for name in scenario.fault_script if name is not None),
        scenario.poison_fault,
    ]
    if unknown := sorted({name for name in named if name not in FAULTS}):
        raise SettingsError(f"no such fault: {', '.join(unknown)}; see duck_or.simulator.FAULTS")
    rates = list(scenario.faults.values())
    if any(
        isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1 for rate in rates
    ):
        raise SettingsError(f"a fault's rate is a number from 0 to 1: {scenario.faults!r}")
    if sum(rates) > 1 + 1e-9:
        raise SettingsError(f"the rates of all faults together are at most 1, not {sum(rates):g}")
    if scenario.fault_script_scope not in ("body", "global"):
        raise SettingsError(f"fault_script_scope is 'body' or 'global', not {scenario.fault_script_scope!r}")
    if scenario.key_limit_status not in (402, 403):
        raise SettingsError(f"key_limit_status is 402 or 403, not {scenario.key_limit_status!r}")
