"""A statement without a known total: its line shows what happened since it began to wait."""

from __future__ import annotations

from duck_or.progress.line import Figures
from duck_or.progress.watching import Watched, figures_between
from duck_or.stats import Stats

BEFORE = Stats(answered=10, cache_hits=5, failed=1, prompt_tokens=100, completion_tokens=50, cost_usd=0.25)
NOW = Stats(
    answered=30, cache_hits=8, failed=2, under_way=4, prompt_tokens=300, completion_tokens=90, cost_usd=1.0
)


def test_only_what_happened_since_counts() -> None:
    assert figures_between(BEFORE, NOW, 5.0) == Figures(
        total=None,
        answered=20,
        from_cache=3,
        failed=1,
        in_flight=4,
        prompt_tokens=200,
        completion_tokens=40,
        cost_usd=0.75,
        budget_usd=5.0,
    )


def test_off_shows_nothing_and_disturbs_nobody() -> None:
    with Watched("off", lambda: BEFORE, None) as watched:
        watched.look()
        with watched:  # another chunk of the same statement, on another thread
            watched.look()
