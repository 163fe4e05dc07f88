"""Keeps a session and its statements within their budgets: money for a request's worst case is held back before it is sent.

The hold becomes the real cost when the answer comes. An attempt that brings none costs what its response says, which is
mostly nothing: what one that was cut off did cost, nobody tells us. Which request comes next, it must not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal, TypeAlias

from duck_or.call_summary import cost_of
from duck_or.models import Model, worst_case_usd
from duck_or.outcome import Action, Failure, Outcome
from duck_or.policy.budget import Budget
from duck_or.request import Request


class Funds(Enum):
    HELD = auto()  # it may be sent
    WAIT = auto()  # when an answer under way turns out cheaper than feared, there may be enough


@dataclass(eq=False, slots=True)
class Spending:
    """One budget and what became of it. Held and settled on the event loop's thread; any thread may read.

    limit_usd: the setting `budget_usd`, or what one statement may cost. whose: what messages call it. prices: the model
    list, put here before the first request is sent.
    """

    limit_usd: float
    prices: Mapping[str, Model] = field(default_factory=dict)
    whose: Literal["session", "statement"] = "session"
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(self.limit_usd)

    @property
    def spent_usd(self) -> float:
        """US dollars that answers have cost so far."""
        return self.budget.spent_usd

    @property
    def remaining_usd(self) -> float:
        """US dollars that are neither spent nor held back for a request under way; never below zero."""
        return max(0.0, self.limit_usd - self.budget.spent_usd - self.budget.reserved_usd)

    def judge(self, worst: float, cure: str) -> Funds | Failure:
        """Whether a request that may cost so many US dollars can be sent. Holds nothing back. cure: what makes it cheaper."""
        if worst > self.limit_usd:
            return self._exhausted(worst, cure)  # whatever comes back of the others
        if self.budget.allows(worst):
            return Funds.HELD
        return Funds.WAIT if self.budget.reserved_usd > 0 else self._exhausted(worst, cure)

    def unpriced(self, request: Request) -> Failure:
        """The request names no model whose price is known."""
        return Failure(
            "budget_unknown_price",
            f"{self._name} is set, but the service's list has no price for {request.model or 'this request'}: it could "
            f"cost any amount. Name a model with a price (FROM openrouter_models()), or unset {self._name}",
            action=Action.STOP,
        )

    def _exhausted(self, worst: float, cure: str) -> Failure:
        return Failure(
            "budget_exhausted",
            f"{self._name} of ${self.limit_usd:.6g} does not allow the next request: ${self.spent_usd:.6g} is spent "
            f"and it can cost up to ${worst:.6g}. Raise {self._name} and run the statement again, it pays only for the "
            f"rest; or {cure}",
            action=Action.STOP,
        )

    @property
    def _name(self) -> str:
        return "the session's budget_usd" if self.whose == "session" else "the statement's own budget"


Budgets: TypeAlias = tuple[Spending, ...]
"""All that one request has to fit in: its session's, its statement's, both or none."""


def hold(budgets: Budgets, request: Request) -> tuple[Funds | Failure, float]:
    """Whether the request may be sent, and the US dollars held back for it: in every budget, or in none."""
    if not budgets:
        return Funds.HELD, 0.0
    worst = worst_case_usd(request, budgets[0].prices)
    if worst is None:
        return budgets[0].unpriced(request), 0.0
    verdict = _strictest([spending.judge(worst, _cure(request)) for spending in budgets])
    if verdict is not Funds.HELD:
        return verdict, 0.0
    for spending in budgets:
        spending.budget.reserve(worst)
    return Funds.HELD, worst


def _cure(request: Request) -> str:
    """What makes this request's worst case smaller."""
    if request.wanted.kind != "chat":
        return "ask about shorter texts"
    change = "lower max_tokens" if request.max_tokens else "set max_tokens (in model_kwargs)"
    return f"{change}, since the longest answer is most of what a request can cost"


def _strictest(verdicts: Sequence[Funds | Failure]) -> Funds | Failure:
    """A budget that refuses does so for ever, so there is no point in waiting for another."""
    refusals = (verdict for verdict in verdicts if isinstance(verdict, Failure))
    return next(refusals, Funds.WAIT if Funds.WAIT in verdicts else Funds.HELD)


def settle(budgets: Budgets, held_usd: float, outcome: Outcome | None) -> None:
    """An attempt is over: what was held back for it becomes what it cost. None: it was cancelled."""
    if not budgets:
        return
    cost = 0.0 if outcome is None else cost_of(outcome)
    for spending in budgets:
        spending.budget.settle(held_usd, held_usd if cost is None else cost)
