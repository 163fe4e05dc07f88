"""What a statement would ask and what that would cost, before anything is sent.

Decides how counts become tokens, dollars and minutes. Pure: who counted (a `Surveyed`), where prices and earlier calls
come from, it must not know. How an estimate reads is decided in `estimate_text`.

    tokens in    bytes of the bodies, times what earlier calls of the model took per byte; a quarter of a token otherwise
    tokens out   low: earlier calls' mean, or one token; high: `max_tokens`, or the longest answer the model gives
    dollars      low: these tokens; high: what the budget would hold back for the requests (`Volume.worst_case_usd`)
    minutes      low: the slower of rate limit and answers over slots; high: one after the other
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from duck_or.models import Model, Volume, listed, named_models
from duck_or.request import Request
from duck_or.statements.estimate_text import html_of, names_of, notes_of, text_of
from duck_or.wording import counted

TOKENS_PER_BYTE = 0.25  # English prose has about four letters to a token
UNMEASURED = "UTF-8 bytes / 4"
ASSUMED_LATENCY_S = (
    0.5,
    30.0,
)  # of a model that nobody has called yet: a word from a small one, a page from a large one


RANGES = ("completion_tokens", "cost_usd", "minutes")


class ModelHistory(Protocol):
    """What this model's earlier calls used, on average; None where nothing is known. Bytes are those of the body."""

    @property
    def count(self) -> int: ...
    @property
    def mean_completion_tokens(self) -> float | None: ...
    @property
    def p90_completion_tokens(self) -> float | None: ...
    @property
    def prompt_tokens_per_byte(self) -> float | None: ...
    @property
    def mean_latency_s(self) -> float | None: ...


class Tally:
    """Adds up requests by the models they name. Takes the same room for ten of them and for ten million."""

    def __init__(self, requests: Iterable[Request] = ()) -> None:
        self.volumes: dict[
            tuple[str, ...], Volume
        ] = {}  # by model and fallbacks; empty where a preset decides
        for request in requests:
            self.add(request)

    def add(self, request: Request) -> None:
        names = named_models(request)
        volume = self.volumes.get(names)
        if volume is None:
            volume = self.volumes[names] = Volume()
        volume.add(request)

    def __len__(self) -> int:
        return sum(volume.requests for volume in self.volumes.values())


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What collecting found. rows: that reached the function. requests: distinct ones; already_answered: those of them
    that a cache knows; to_send: the others. rejected: rows whose arguments are wrong. live: parts of the statement, in
    words, that run chunk by chunk and were not counted. complete: False where later calls depend on answers that are
    not known yet, so that there may be more of everything."""

    rows: int = 0
    requests: int = 0
    already_answered: int = 0
    to_send: Tally = field(default_factory=Tally)
    rejected: int = 0
    first_rejection: str | None = None
    live: tuple[str, ...] = ()
    complete: bool = True


def combined(surveys: Sequence[Surveyed]) -> Surveyed:
    """Several statements as one. What two of them ask is counted for each: only running them could tell."""
    tally = Tally()
    for each in surveys:
        for names, volume in each.to_send.volumes.items():
            tally.volumes[names] = tally.volumes.get(names, Volume()) + volume
    return Surveyed(
        rows=sum(each.rows for each in surveys),
        requests=sum(each.requests for each in surveys),
        already_answered=sum(each.already_answered for each in surveys),
        to_send=tally,
        rejected=sum(each.rejected for each in surveys),
        first_rejection=next((each.first_rejection for each in surveys if each.first_rejection), None),
        live=tuple(reason for each in surveys for reason in each.live),
        complete=all(each.complete for each in surveys),
    )


@dataclass(frozen=True, slots=True)
class ModelEstimate:
    """The part of one model, its fallbacks in brackets. The first fields are as in `Estimate`.

    uncapped: requests without `max_tokens`. media: images, files and the like in them. Of this model's earlier calls,
    None where there are none: p90_completion_tokens: what nine of ten answers kept within; latency_s: mean seconds.
    """

    model: str
    to_send: int
    prompt_tokens: int
    prompt_tokens_method: str
    completion_tokens: tuple[int, int | None]
    cost_usd: tuple[float, float] | None
    uncapped: int = 0
    media: int = 0
    p90_completion_tokens: float | None = None
    latency_s: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Estimate:
    """What a statement would ask. Nothing was sent to find out. Ranges are (low, high), in tokens, US dollars, minutes.

    rows: that reached the function. requests: distinct ones, `already_answered` + `to_send`. rejected: rows whose
    arguments are wrong. completion_tokens: no high end (None) where neither `max_tokens` nor the model bounds an answer.
    cost_usd: None where a price is not known (`unknown_prices` names the models). minutes: at the configured limits.
    complete: False where every figure is 'at least', since later calls depend on answers that are not known yet.
    """

    rows: int
    requests: int
    already_answered: int
    to_send: int
    rejected: int
    prompt_tokens: int
    prompt_tokens_method: str
    completion_tokens: tuple[int, int | None]
    cost_usd: tuple[float, float] | None
    unknown_prices: tuple[str, ...]
    minutes: tuple[float, float]
    complete: bool
    models: tuple[ModelEstimate, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        return html_of(self)

    def as_dict(self) -> dict[str, Any]:
        """All fields as JSON has them."""
        return asdict(self)

    def as_row(self) -> dict[str, Any]:
        """The row of openrouter_estimate(): flat, a range as two columns."""
        row = {
            name: value for name, value in self.as_dict().items() if name not in ("rows", "models", *RANGES)
        }
        for name in RANGES:
            row[f"{name}_low"], row[f"{name}_high"] = getattr(self, name) or (None, None)
        return {"row_count": self.rows, **row}


def estimate_of(
    surveyed: Surveyed,
    prices: Mapping[str, Model] | None,
    history: Mapping[str, ModelHistory],
    rate_limit: float | None,
    max_in_flight: int,
) -> Estimate:
    """prices: the service's list; None if it could not be had. history: by the model's name as it was asked for.
    rate_limit: requests per minute, None for any number."""
    models = tuple(
        _model_estimate(names, volume, prices or {}, history.get(names[0]) if names else None)
        for names, volume in surveyed.to_send.volumes.items()
    )
    methods = dict.fromkeys(model.prompt_tokens_method for model in models)
    return Estimate(
        rows=surveyed.rows,
        requests=surveyed.requests,
        already_answered=surveyed.already_answered,
        to_send=len(surveyed.to_send),
        rejected=surveyed.rejected,
        prompt_tokens=sum(model.prompt_tokens for model in models),
        prompt_tokens_method="; ".join(methods) or UNMEASURED,
        completion_tokens=_all_tokens([model.completion_tokens for model in models]),
        cost_usd=_all_dollars([model.cost_usd for model in models]),
        unknown_prices=tuple(model.model for model in models if model.cost_usd is None),
        minutes=_minutes(models, rate_limit, max_in_flight),
        complete=surveyed.complete,
        models=models,
        notes=tuple(notes_of(surveyed, models, prices is not None)),
    )


def _model_estimate(
    names: tuple[str, ...], volume: Volume, prices: Mapping[str, Model], history: ModelHistory | None
) -> ModelEstimate:
    known = [listed(name, prices) for name in names]
    name = names_of(names)
    prompt_tokens, method = _prompt_tokens(name, volume, history)
    completion_tokens = _completion_tokens(volume, _of_all(known, max), history)
    latency = history.mean_latency_s if history else None
    return ModelEstimate(
        model=name,
        to_send=volume.requests,
        prompt_tokens=prompt_tokens,
        prompt_tokens_method=method,
        completion_tokens=completion_tokens,
        cost_usd=_cost(volume, known, prompt_tokens, completion_tokens[0]),
        uncapped=volume.uncapped,
        media=volume.media,
        p90_completion_tokens=history.p90_completion_tokens if history else None,
        latency_s=latency,
    )


def _prompt_tokens(name: str, volume: Volume, history: ModelHistory | None) -> tuple[int, str]:
    measured = history.prompt_tokens_per_byte if history else None
    if history is None or not measured:
        return round(volume.body_bytes * TOKENS_PER_BYTE), UNMEASURED
    calls = counted(history.count, "earlier call")
    return (
        round(volume.body_bytes * measured),
        f"measured: {measured:.2g} tokens per byte over {calls} of {name}",
    )


def _completion_tokens(
    volume: Volume, dearest: Model | None, history: ModelHistory | None
) -> tuple[int, int | None]:
    """Low: what earlier answers had on average, cut to the caps; without any, one token, since an answer says something."""
    mean = history.mean_completion_tokens if history else None
    usual = 1.0 if mean is None else mean
    capped = volume.requests - volume.uncapped
    low = round(min(usual * capped, volume.max_tokens) + usual * volume.uncapped)
    high = volume.longest_answers(dearest)
    return (low, None) if high is None else (min(low, high), high)


def _cost(
    volume: Volume, known: Sequence[Model | None], prompt_tokens: int, completion_tokens: int
) -> tuple[float, float] | None:
    high, cheapest = volume.worst_case_usd(_of_all(known, max)), _of_all(known, min)
    if high is None or cheapest is None:
        return None
    low = (
        prompt_tokens * (cheapest.prompt_usd or 0.0)
        + completion_tokens * (cheapest.completion_usd or 0.0)
        + volume.requests * (cheapest.request_usd or 0.0)
    )
    return min(low, high), high


def _of_all(models: Sequence[Model | None], pick: Callable[[Iterable[float]], float]) -> Model | None:
    """A model and its fallbacks as one, with the highest (or lowest) of each price and length: a bound for whichever of
    them answers. None where one of them is not listed, or none is named."""
    known = [model for model in models if model is not None]
    if not known or len(known) < len(models):
        return None

    def of(values: Iterable[float | None]) -> float | None:
        found = list(values)
        return None if None in found else pick(value for value in found if value is not None)

    longest = of(model.longest_answer for model in known)
    return replace(
        known[0],
        prompt_usd=of(model.prompt_usd for model in known),
        completion_usd=of(model.completion_usd for model in known),
        request_usd=of(model.request_usd or 0.0 for model in known),
        max_completion_tokens=None if longest is None else int(longest),
        context_length=None,
    )


def _all_tokens(ranges: Sequence[tuple[int, int | None]]) -> tuple[int, int | None]:
    highs = [high for _, high in ranges if high is not None]
    return sum(low for low, _ in ranges), sum(highs) if len(highs) == len(ranges) else None


def _all_dollars(ranges: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    known = [found for found in ranges if found is not None]
    if len(known) < len(ranges):
        return None
    return sum((low for low, _ in known), 0.0), sum((high for _, high in known), 0.0)


def _minutes(
    models: Sequence[ModelEstimate], rate_limit: float | None, max_in_flight: int
) -> tuple[float, float]:
    """Without failures: the limiter lets `rate_limit` a minute go, the slots are busy for as long as answers take."""
    to_send = sum(model.to_send for model in models)
    if not to_send:
        return 0.0, 0.0
    paced = to_send / rate_limit if rate_limit else 0.0
    slots = 60 * min(to_send, max_in_flight)
    quick, slow = (
        sum(model.to_send * (assumed if model.latency_s is None else model.latency_s) for model in models)
        / slots
        for assumed in ASSUMED_LATENCY_S
    )
    return max(paced, quick), paced + slow
