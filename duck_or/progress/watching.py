"""The line of a statement that is answered chunk by chunk: nobody knows how many there will be, so it has no total."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from duck_or.progress.line import Figures, Progress, surface
from duck_or.stats import Stats


class Watched:
    """Entered while a chunk waits; `look` is called every now and then meanwhile.

    setting: as in `surface`. stats: the session's counters; what they say beyond the first look is this statement's (and
    that of others which run at the same time).
    """

    def __init__(self, setting: str, stats: Callable[[], Stats], budget_usd: float | None) -> None:
        self._progress = Progress(surface(setting))
        self._stats = stats
        self._before: Stats | None = None
        self._budget_usd = budget_usd

    def __enter__(self) -> Watched:
        self._before = self._before or self._stats()
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._update()  # the words to remember it by speak of the end, not of the last look
        self._progress.__exit__(kind, error, trace)

    def look(self) -> None:
        if self._progress.due:
            self._update()

    def _update(self) -> None:
        if self._before is not None:
            self._progress.update(figures_between(self._before, self._stats(), self._budget_usd))


def figures_between(before: Stats, now: Stats, budget_usd: float | None) -> Figures:
    """What a session did meanwhile. budget_usd: what it may spend from then on."""
    return Figures(
        answered=now.answered - before.answered,
        from_cache=now.cache_hits - before.cache_hits,
        failed=now.failed - before.failed,
        in_flight=now.under_way,
        prompt_tokens=now.prompt_tokens - before.prompt_tokens,
        completion_tokens=now.completion_tokens - before.completion_tokens,
        cost_usd=now.cost_usd - before.cost_usd,
        budget_usd=budget_usd,
    )
