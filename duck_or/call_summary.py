"""What one answer says about itself: the columns of the calls table that come from the response.

Pure; believes no type: services send null usage, costs as text, and fields that are not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from duck_or.lenient import mapping_of, number_of, text_of
from duck_or.outcome import Completion, Outcome


@dataclass(frozen=True, slots=True)
class CallSummary:
    """None where the service does not say. Tokens are counts; cost_usd is what the account was charged, in US dollars."""

    model_served: str | None = None  # the dated slug, not the one asked for
    provider: str | None = None
    generation_id: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None

    def after(self, earlier: CallSummary | None) -> CallSummary:
        """This one's answer, with the tokens and the cost of the earlier ones that were of no use."""
        if earlier is None:
            return self
        sums: dict[str, Any] = {name: _sum(getattr(self, name), getattr(earlier, name)) for name in _COUNTED}
        return replace(self, **sums)


_COUNTED = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cost_usd")


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one + (other or 0)


def summary_of(completion: Completion) -> CallSummary:
    """The summary of an answer, parsed again only where it does not come with one."""
    return completion.summary or summary(completion.parsed)


def cost_of(outcome: Outcome) -> float | None:
    """US dollars that an attempt cost; None where an answer does not say. One that brought no response cost nothing."""
    if isinstance(outcome, Completion):
        return summary_of(outcome).cost_usd
    return 0.0 if outcome.summary is None else outcome.summary.cost_usd or 0.0


def summary(parsed: Mapping[str, Any]) -> CallSummary:
    """The summary of a parsed response body, whatever it holds. Never raises."""
    usage = mapping_of(parsed.get("usage"))
    choices = parsed.get("choices")
    first = mapping_of(choices[0]) if isinstance(choices, list) and choices else {}
    cost = number_of(usage.get("cost"))
    return CallSummary(
        model_served=text_of(parsed.get("model")),
        provider=text_of(parsed.get("provider")),
        generation_id=text_of(parsed.get("id")),
        finish_reason=text_of(first.get("finish_reason")),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(mapping_of(usage.get("prompt_tokens_details")).get("cached_tokens")),
        reasoning_tokens=_count(mapping_of(usage.get("completion_tokens_details")).get("reasoning_tokens")),
        cost_usd=cost if cost is not None and cost >= 0 else None,
    )


def _count(value: object) -> int | None:
    """A whole number that a BIGINT column and a float can both hold; anything larger is nonsense."""
    number = number_of(value)
    return int(number) if number is not None and 0 <= number <= 2**53 else None
