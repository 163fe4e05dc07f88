"""Keeps a session within its budget: money for a request's worst case is held back before it is sent.

The hold becomes the real cost when the answer comes. An attempt that brings no answer gives its hold back: most services
charge nothing for it, and what one that was cut off did cost, nobody tells us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from duck_or.models import Model, worst_case_usd
from duck_or.outcome import Action, Failure
from duck_or.policy.budget import Budget
from duck_or.request import Request


class Funds(Enum):
    HELD = auto()  # it may be sent
    WAIT = auto()  # when an answer under way turns out cheaper than feared, there may be enough


@dataclass(eq=False, slots=True)
class Spending:
    """limit_usd: the setting `budget_usd`. prices: the model list, put here before the first request is sent."""

    limit_usd: float
    prices: Mapping[str, Model] = field(default_factory=dict)
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(self.limit_usd)

    def hold(self, request: Request) -> tuple[Funds | Failure, float]:
        """Whether the request may be sent, and the US dollars held back for it."""
        worst = worst_case_usd(request, self.prices)
        if worst is None:
            return self._unpriced(request), 0.0
        if worst > self.limit_usd:
            return self._exhausted(worst), 0.0  # whatever comes back of the others
        if self.budget.reserve(worst):
            return Funds.HELD, worst
        return (Funds.WAIT if self.budget.reserved_usd > 0 else self._exhausted(worst)), 0.0

    def _unpriced(self, request: Request) -> Failure:
        return Failure(
            "budget_unknown_price",
            f"budget_usd is set, but the service's list has no price for {request.model or 'this request'}: it could "
            "cost any amount. Name a model with a price (FROM openrouter_models()), or unset budget_usd",
            action=Action.STOP,
        )

    def _exhausted(self, worst: float) -> Failure:
        return Failure(
            "budget_exhausted",
            f"the budget of ${self.limit_usd:.6g} does not allow the next request: ${self.budget.spent_usd:.6g} is spent "
            f"and it can cost up to ${worst:.6g}. Raise budget_usd and run the statement again, it pays only for the "
            "rest; or lower max_tokens, which is most of what a request can cost",
            action=Action.STOP,
        )
