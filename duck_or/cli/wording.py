"""The line that sums a statement up. How single figures read is decided in `duck_or.wording`."""

from __future__ import annotations

from duck_or.stats import Stats
from duck_or.wording import counted, dollars, moment, size

__all__ = ["counted", "dollars", "moment", "since", "size", "summary_line"]


def summary_line(stats: Stats) -> str:
    """One line for one statement: where its answers came from and what they cost."""
    facts = [
        (stats.cache_hits, "from the cache", True),
        (stats.joined, "shared with an equal one", False),
        (stats.sent, "sent", True),
        (stats.retries, "retried", False),
        (stats.failed, "failed", True),
        (stats.rejected, "rejected", False),
        (stats.withdrawn, "withdrawn", False),
    ]
    shown = ", ".join(f"{count:,} {words}" for count, words, always in facts if count or always)
    return f"{counted(stats.requests, 'request')}: {shown}; {dollars(stats.cost_usd)}"


def since(before: Stats, now: Stats) -> Stats:
    """What was counted between two looks at one session's counters."""
    earlier = before.as_dict()
    return Stats(**{name: count - earlier[name] for name, count in now.as_dict().items()})  # type: ignore[arg-type]
