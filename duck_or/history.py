"""What earlier calls tell of each model: how long its answers are, how long they take, what they cost.

Estimates rest on it. Pure: which calls there were, it is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from duck_or.calls import Call


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """Of one model's answers, None where none of them tells.

    count: distinct requests. mean_completion_tokens, p90_completion_tokens: the answers' tokens, their mean and their 90th
    percentile. prompt_tokens_per_byte: of the canonical body that was sent. mean_latency_s: seconds of the attempt that
    brought the answer. mean_cost_usd: US dollars, as billed.
    """

    count: int
    mean_completion_tokens: float | None
    p90_completion_tokens: int | None
    prompt_tokens_per_byte: float | None
    mean_latency_s: float | None
    mean_cost_usd: float | None


def history_of(calls: Iterable[Call]) -> dict[str, ModelHistory]:
    """By model, as it was asked for. Only answered calls count, and each request once: the first of its calls."""
    by_model: dict[str, dict[bytes, Call]] = {}
    for call in calls:
        if call.model is not None and call.cache_key is not None and call.summary is not None:
            by_model.setdefault(call.model, {}).setdefault(call.cache_key, call)
    return {model: _of_model(list(known.values())) for model, known in by_model.items()}


def _of_model(calls: Sequence[Call]) -> ModelHistory:
    summaries = [call.summary for call in calls if call.summary is not None]
    completions = [each.completion_tokens for each in summaries if each.completion_tokens is not None]
    return ModelHistory(
        count=len(calls),
        mean_completion_tokens=_mean(completions),
        p90_completion_tokens=_p90(completions),
        prompt_tokens_per_byte=_per_byte(calls),
        mean_latency_s=_mean([call.latency for call in calls if call.latency is not None]),
        mean_cost_usd=_mean([each.cost_usd for each in summaries if each.cost_usd is not None]),
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _p90(values: Sequence[int]) -> int | None:
    """The smallest value that nine of ten do not pass (nearest rank)."""
    return sorted(values)[math.ceil(0.9 * len(values)) - 1] if values else None


def _per_byte(calls: Iterable[Call]) -> float | None:
    told = [
        (call.summary.prompt_tokens, call.body_bytes)
        for call in calls
        if call.body_bytes and call.summary is not None and call.summary.prompt_tokens is not None
    ]
    return sum(tokens for tokens, _ in told) / sum(size for _, size in told) if told else None
