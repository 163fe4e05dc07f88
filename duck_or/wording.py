"""Figures for people: dollars, sizes, counts, times. Decides how a number reads; must not know what it counts."""

from __future__ import annotations

from datetime import datetime


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


def rough_dollars(usd: float) -> str:
    """As `dollars`, with two figures that count below a dollar: `$0.0026`, `$0.43`, `$12.34`. For what is estimated
    or still growing."""
    return dollars(float(f"{usd:.2g}") if usd < 1 else usd)


def size(count: int) -> str:
    """Bytes in the unit that fits: `812 bytes`, `1.2 MB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def short_count(count: int) -> str:
    """About how many: `9,999`, `812k`, `1.2M`, `34M`, `5.6G`."""
    if count < 10_000:
        return f"{count:,}"
    units = (("k", 10**3), ("M", 10**6))
    unit, factor = next((known for known in units if count < 999.5 * known[1]), ("G", 10**9))
    figure = count / factor
    return f"{figure:.1f}{unit}" if figure < 9.95 else f"{figure:,.0f}{unit}"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 answer`, `2 answers`, `1,204 entries`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def moment(seconds: float) -> str:
    """Seconds since the epoch as local date and time."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """How long: `0:07`, `1:32`, `27:46:40`, and from 100 hours on `12 days`."""
    whole = max(0, round(seconds))
    if whole >= 100 * 3600:
        return f"{whole / 86400:,.0f} days"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rough_time(seconds: float) -> str:
    """About how long: `under a second`, `40 seconds`, `6.5 minutes`, `28 hours`, `3.5 days`."""
    if seconds < 1:
        return "under a second"
    units = (("seconds", 1, 100), ("minutes", 60, 100 * 60), ("hours", 3600, 48 * 3600))
    unit, factor, _ = next((known for known in units if seconds < known[2]), ("days", 86400, 0))
    figure = f"{float(f'{seconds / factor:.2g}'):,g}"
    return f"{figure} {unit if figure != '1' else unit.removesuffix('s')}"


def span(low: str, high: str) -> str:
    """`2 to 3 hours`, `40 seconds to 3 hours`, and only once what is said of both."""
    figure, _, unit = low.rpartition(" ")
    if low == high:
        return low
    return f"{figure if figure and high.endswith(' ' + unit) else low} to {high}"
