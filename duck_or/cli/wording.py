"""Figures for people: dollars, sizes, dates, and the line that sums a statement up."""

from __future__ import annotations

from datetime import datetime

from duck_or.stats import Stats


def dollars(usd: float) -> str:
    """`$0`, `$0.002609`, `$0.50`, `$12.34`: never rounded to nothing."""
    if usd == 0:
        return "$0"
    if usd < 0.000001:
        return "less than $0.000001"
    if usd >= 1:
        return f"${usd:,.2f}"
    whole, _, cents = f"{usd:.6f}".partition(".")
    return f"${whole}.{cents.rstrip('0'):0<2}"


def size(count: int) -> str:
    """Bytes in the unit that fits: `812 bytes`, `1.2 MB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 answer`, `2 answers`, `1,204 entries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def moment(seconds: float) -> str:
    """Seconds since the epoch as local date and time."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


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
