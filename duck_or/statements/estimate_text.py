"""How an estimate reads: a few aligned lines, a small table for notebooks, and the notes. What the figures are is decided
in `estimate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from duck_or.html import facts_table
from duck_or.wording import counted, rough_dollars, rough_time, short_count, span

if TYPE_CHECKING:
    from duck_or.statements.estimate import Estimate, ModelEstimate, Surveyed

MODELS_SHOWN = 8  # of many models, those with lines of their own
MODELS_NAMED = 3  # and those that notes name


def names_of(names: Sequence[str]) -> str:
    """`a/b`, `a/b (or c/d)`: a model and its fallbacks."""
    if not names:
        return "the account's default"
    return names[0] + (f" (or {', '.join(names[1:])})" if len(names) > 1 else "")


def text_of(estimate: Estimate) -> str:
    facts = _facts(estimate)
    width = max(len(label) for label, _ in facts)
    return "\n".join([_title(estimate), *(f"  {label:<{width}}  {words}" for label, words in facts)])


def html_of(estimate: Estimate) -> str:
    return facts_table(_title(estimate), _facts(estimate))


def _title(estimate: Estimate) -> str:
    if not estimate.complete:
        return "Estimate, at least:"
    if estimate.to_send or estimate.notes:  # a note speaks of rows or parts that are not among the requests
        return "Estimate"
    if estimate.requests:
        return "Estimate: nothing to send, everything is answered already"
    return "Estimate: nothing to send, no row asks anything"


def _facts(estimate: Estimate) -> list[tuple[str, str]]:
    """Label and words, from top to bottom."""
    facts = [("rows", f"{estimate.rows:,} reach the function"), ("requests", _requests(estimate))]
    if estimate.to_send:
        low, high = estimate.minutes
        facts += [
            ("tokens in", f"about {short_count(estimate.prompt_tokens)} ({estimate.prompt_tokens_method})"),
            ("tokens out", _tokens(estimate.completion_tokens)),
            ("cost", _cost(estimate.cost_usd)),
            ("time", f"{span(rough_time(low * 60), rough_time(high * 60))} at the configured limits"),
        ]
    else:
        facts.append(("cost", _cost(estimate.cost_usd)))
    return [*facts, *_by_model(estimate.models), *(("note", note) for note in estimate.notes)]


def _requests(estimate: Estimate) -> str:
    answered, sent = f"{estimate.already_answered:,} answered already", f"{estimate.to_send:,} to send"
    return f"{estimate.requests:,} distinct: {answered}, {sent}"


def _tokens(tokens: tuple[int, int | None]) -> str:
    low, high = tokens
    return (
        f"{short_count(low)} or more"
        if high is None
        else span(short_count(low), f"at most {short_count(high)}")
    )


def _cost(cost: tuple[float, float] | None) -> str:
    return "not known" if cost is None else span(*map(rough_dollars, cost))


def _by_model(models: Sequence[ModelEstimate]) -> Iterator[tuple[str, str]]:
    """A line for each model where there are several, the busiest first."""
    if len(models) < 2:
        return
    busiest = sorted(models, key=lambda model: -model.to_send)
    for model in busiest[:MODELS_SHOWN]:
        tokens = f"{short_count(model.prompt_tokens)} tokens in, {_tokens(model.completion_tokens)} out"
        yield "model", f"{model.model}: {model.to_send:,} to send, {tokens}, cost {_cost(model.cost_usd)}"
    if rest := busiest[MODELS_SHOWN:]:
        yield "model", f"{counted(len(rest), 'more model')}: {sum(model.to_send for model in rest):,} to send"


def notes_of(surveyed: Surveyed, models: Sequence[ModelEstimate], prices_known: bool) -> Iterator[str]:
    """What somebody should know before spending, the gravest first."""
    if not surveyed.complete:
        yield "later calls depend on answers that are not known yet: every figure is 'at least'"
    yield from (f"not counted, because it is asked chunk by chunk: {part}" for part in surveyed.live)
    if surveyed.rejected:
        rows = counted(surveyed.rejected, "row")
        yield f"{rows} cannot become a request: {surveyed.first_rejection or 'the arguments are wrong'}"
    yield from _price_notes(models, prices_known)
    uncapped = sorted((model for model in models if model.uncapped), key=lambda model: -model.uncapped)
    yield from map(_length_note, uncapped[:MODELS_NAMED])
    if media := sum(model.media for model in models):
        parts = counted(media, "image, file or video", "images, files or videos")
        yield f"{parts}: tokens in count only the bytes of the request, the high end of the cost allows for more"
    if unheard := [model.model for model in models if model.latency_s is None]:
        yield f"how long answers take is a guess, for want of earlier calls of {_list(unheard)}"


def _price_notes(models: Sequence[ModelEstimate], prices_known: bool) -> Iterator[str]:
    if not prices_known and models:
        yield "the service's list of models could not be had, so no price is known"
    elif unpriced := [model.model for model in models if model.cost_usd is None]:
        yield f"the service's list has no price for {_list(unpriced)}"


def _length_note(model: ModelEstimate) -> str:
    """Where no cap is set, the high end is far above what anybody will see: says what is usual, and the cure."""
    usual = model.p90_completion_tokens
    seen = "" if usual is None else f"; 9 of 10 earlier ones had at most {short_count(round(usual))} tokens"
    high = model.completion_tokens[1]
    allowed = "has no high end" if high is None else "allows each the longest answer the model gives"
    requests = counted(model.uncapped, "request")
    return f"{requests} to {model.model} set no max_tokens: the estimate {allowed}{seen}"


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - MODELS_NAMED:,} more" if len(names) > MODELS_NAMED else ""
    return ", ".join(names[:MODELS_NAMED]) + more
