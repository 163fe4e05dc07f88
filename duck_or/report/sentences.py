"""What a report's figures say in words: one sentence for each chart, and the head. Pure; how it is shown, it must not know."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from duck_or.report.figures import Figures, Share, Totals
from duck_or.wording import counted, duration, rough_dollars, short_count


class Tile(NamedTuple):
    """One total: its name, its figure, and what is worth knowing beside it."""

    name: str
    figure: str
    beside: str


def heading(totals: Totals) -> str:
    """`24 October to 23 November 2026`, or with the times where it is one day."""
    first, last = totals.first, totals.last
    if first is None or last is None:
        return "No calls"
    if first.date() == last.date():
        return f"{_day(first)}, {first:%H:%M} to {last:%H:%M}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%B}{year} to {_day(last)}"


def tiles(totals: Totals) -> list[Tile]:
    return [
        Tile("Requests", f"{totals.requests:,}", f"{totals.sent:,} sent, {totals.hits:,} from the cache"),
        Tile("Spent", rough_dollars(totals.cost_usd), _unpriced(totals)),
        Tile("Saved by the cache", _saved(totals), _unvalued(totals)),
        Tile("Errors", f"{totals.failed + totals.rejected:,}", _errors_beside(totals)),
        Tile("Tokens", short_count(totals.tokens), _tokens_beside(totals)),
        Tile("Median latency", seconds(totals.latency_p50), f"95 % within {seconds(totals.latency_p95)}"),
    ]


def spend(figures: Figures) -> str:
    by_bin: dict[datetime, float] = defaultdict(float)
    by_model: dict[str, float] = defaultdict(float)
    for part in figures.spend:
        by_bin[part.start] += part.value
        by_model[part.series] += part.value
    if not figures.totals.cost_usd:
        return "Nothing was spent, or no answer said what it cost."
    moment, most = max(by_bin.items(), key=lambda each: each[1])
    model, share = max(by_model.items(), key=lambda each: each[1])
    return (
        f"{rough_dollars(figures.totals.cost_usd)} in all, {percent(share, figures.totals.cost_usd)} of it for {model}; "
        f"the dearest {unit(figures.bin)} was {when(moment, figures.bin)} with {rough_dollars(most)}."
    )


def costs(figures: Figures) -> str:
    by_provider: dict[str, float] = defaultdict(float)
    for share in figures.costs:
        by_provider[share.series] += share.value
    if not by_provider:
        return "No call cost anything, or none said so."
    provider, cost = max(by_provider.items(), key=lambda each: each[1])
    models = len({line.model for line in figures.lines if line.cost_usd})
    return (
        f"{counted(models, 'model')}, colours are providers: {provider} was paid "
        f"{percent(cost, figures.totals.cost_usd)} ({rough_dollars(cost)})."
    )


def latencies(figures: Figures) -> str:
    totals = figures.totals
    if totals.latency_p50 is None:
        return "No call was answered."
    return (
        f"Half of the answers came within {seconds(totals.latency_p50)}, 95 % within {seconds(totals.latency_p95)}, from "
        "sending the attempt that brought them; waiting for the rate limit and for retries is not in it."
    )


def savings(figures: Figures) -> str:
    totals = figures.totals
    if not totals.hits:
        return "No request was answered from the cache."
    told = (
        f"{totals.hits:,} of {counted(totals.requests, 'request')} ({percent(totals.hits, totals.requests)}) were answered "
        f"from the cache. By what a call of the same model costs on average, about {rough_dollars(totals.saved_usd)} was saved"
    )
    left = f"; not in it: {_unvalued(totals)}" if totals.unvalued_hits else ""
    return f"{told}{left}."


def errors(figures: Figures) -> str:
    totals = figures.totals
    failed = [share for share in figures.errors if share.series == "failed"]
    if not totals.failed and not totals.rejected:
        return "Every request that was sent was answered."
    told = []
    if failed:
        told.append(
            f"{totals.failed:,} of {counted(totals.sent, 'sent request')} ({percent(totals.failed, totals.sent)}) have no "
            f"answer after all attempts, {_mostly(failed[0], totals.failed)}"
        )
    if totals.rejected:
        told.append(f"{counted(totals.rejected, 'row')} could not become a request, and nothing was sent")
    return "; ".join(told) + "."


def _mostly(first: Share, failed: int) -> str:
    """What the commonest of the failures was."""
    if first.value >= failed:
        return f"all of them for {first.name}" if failed > 1 else f"for {first.name}"
    return f"{first.value:,.0f} of them for {first.name}"


def tokens(figures: Figures) -> str:
    totals = figures.totals
    if not totals.tokens:
        return "No answer said how many tokens it took."
    return (
        f"{short_count(totals.prompt_tokens)} of prompts, {percent(totals.cached_tokens, totals.prompt_tokens)} of them read "
        f"from a provider's cache at a lower price, and {short_count(totals.completion_tokens)} of answers, "
        f"{percent(totals.reasoning_tokens, totals.completion_tokens)} of them reasoning."
    )


def when(moment: datetime, bin_: str) -> str:
    """A bin's start: `14:05` where bins are short, else the day."""
    if unit(bin_) in ("minute", "5 minutes"):
        return f"{moment:%H:%M}"
    if unit(bin_) == "hour":
        return f"{moment.day} {moment:%B}, {moment:%H:%M}"
    return f"{moment:%B %Y}" if unit(bin_) == "month" else _day(moment)


def unit(bin_: str) -> str:
    """`1 day` → `day`, `5 minutes` as it is."""
    return bin_.removeprefix("1 ")


def percent(part: float, whole: float) -> str:
    """`0 %`, `0.3 %`, `12 %`; never rounded to nothing, nor to all."""
    if not part or not whole:
        return "0 %"
    share = 100 * part / whole
    if share < 0.1:
        return "under 0.1 %"
    if share < 9.95 or 99 < share < 100:
        return f"{min(share, 99.9):.2g} %" if share < 9.95 else f"{min(share, 99.9):.1f} %"
    return f"{share:.0f} %"


def seconds(value: float | None) -> str:
    """`0.45 s`, `12 s`, `2:05 min`; a hyphen where nothing is known."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{duration(value)} min"
    return f"{float(f'{value:.2g}'):g} s"


def short_names(models: Iterable[str]) -> Mapping[str, str]:
    """Each model without its author, `gpt-5-mini`, where that is no other's name too."""
    full = set(models)
    tails = Counter(name.rpartition("/")[2] for name in full)
    return {name: tail if tails[tail := name.rpartition("/")[2]] == 1 else name for name in full}


def dollars_or_dash(usd: float | None) -> str:
    return "-" if usd is None else rough_dollars(usd)


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _unpriced(totals: Totals) -> str:
    if totals.unpriced:
        return f"{counted(totals.unpriced, 'answer')} did not say what it cost"
    return (
        f"{rough_dollars(totals.cost_usd / totals.answered)} an answer"
        if totals.answered and totals.cost_usd
        else ""
    )


def _saved(totals: Totals) -> str:
    return f"about {rough_dollars(totals.saved_usd)}" if totals.saved_usd else "$0"


def _unvalued(totals: Totals) -> str:
    if not totals.unvalued_hits:
        return f"{percent(totals.hits, totals.requests)} of requests"
    return f"{counted(totals.unvalued_hits, 'hit')} of models without a price"


def _errors_beside(totals: Totals) -> str:
    refused = f", {counted(totals.rejected, 'row')} refused" if totals.rejected else ""
    return f"{percent(totals.failed, totals.sent)} of those sent{refused}"


def _tokens_beside(totals: Totals) -> str:
    return f"{short_count(totals.prompt_tokens)} in, {short_count(totals.completion_tokens)} out"
