"""What dates, times, timestamps and intervals take from a model: text, in the notations that mean one thing only.

Decides which instant, day or length of time a text means, and writes it as DuckDB reads it whatever the session's
time zone is. What could mean two things (a time zone left out or too many, half a month) is a Misfit. Must not know
where in an answer the value stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from fractions import Fraction
from typing import Any

from duck_or.functions.scalars import Part
from duck_or.functions.shapes_misfit import Misfit, named

_DAY = r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
_CLOCK = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,12}))?)?"
_ZONE = r"(?:\s?(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_DATE = re.compile(_DAY)
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:\.0+)?)?Z?\Z")
_TIME = re.compile(_CLOCK)
_MOMENT = re.compile(rf"{_DAY}(?:[T ]\s*{_CLOCK}{_ZONE})?", re.I)
_UTC_NAMES = frozenset({"Z", "UTC", "GMT"})
_NANOSECOND_YEARS = range(1678, 2262)  # the whole years of 64 bits of nanoseconds around 1970

_ISO_INTERVAL = re.compile(
    r"(-?)P(?=.)(?:(-?[0-9]+)Y)?(?:(-?[0-9]+)M)?(?:(-?[0-9]+)W)?(?:(-?[0-9]+)D)?"
    r"(?:T(?=.)(?:(-?[0-9.]+)H)?(?:(-?[0-9.]+)M)?(?:(-?[0-9.]+)S)?)?"
)
_INTERVAL_PART = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)\s*([a-zµ]+)[\s,]*(?:and\s+)?", re.I)
_INTERVAL_CLOCK = re.compile(r"([+-]?)([0-9]+):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]+)?))?")
_NUMERAL = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?")

# A unit in months, days or microseconds: the three counts an INTERVAL keeps, none of which is a number of another.
_MONTHS, _DAYS, _MICROSECONDS = range(3)
# fmt: off
_UNITS: dict[str, tuple[int, int]] = {
    word: (count, factor)
    for count, factor, words in (
        (_MONTHS, 12, "y yr yrs year years"), (_MONTHS, 1, "mon mons month months"),
        (_DAYS, 7, "w week weeks"), (_DAYS, 1, "d day days"),
        (_MICROSECONDS, 3_600_000_000, "h hr hrs hour hours"),
        (_MICROSECONDS, 60_000_000, "min mins minute minutes"), (_MICROSECONDS, 1_000_000, "s sec secs second seconds"),
        (_MICROSECONDS, 1_000, "ms millisecond milliseconds"), (_MICROSECONDS, 1, "us µs microsecond microseconds"),
    )
    for word in words.split()
}
# fmt: on
_ISO_UNITS = tuple(_UNITS[word] for word in ("y", "month", "w", "d", "h", "min", "s"))
_INTERVAL_BITS = (32, 32, 64)


def _reader(said: str, read: Callable[[str], str | None], **hints: str) -> Part:
    """A type written as text. read: None or a ValueError for a text that is none. hints: further members of its schema."""

    def checked(value: Any) -> str:
        try:
            found = read(value.strip()) if type(value) is str else None
        except Misfit:
            raise
        except (ValueError, OverflowError) as error:  # no such day, hour, year
            raise Misfit(f"{named(value)} is not {said}: {error}") from error
        if found is None:
            raise Misfit(f"{named(value)} is not {said}")
        return found

    return Part({"type": "string", "description": said, **hints}, checked)


def _date(text: str) -> str | None:
    match = _DATE.fullmatch(_MIDNIGHT.sub("", text))  # a timestamp of that day's beginning says no more
    return date(*map(int, match.groups())).isoformat() if match else None


def _time(text: str) -> str | None:
    match = _TIME.fullmatch(text)
    return _clock(match.groups(), 6) if match else None


def _clock(groups: tuple[str | None, ...], digits: int) -> str:
    """HH:MM:SS with as many digits of a second as the type keeps; further ones may only be zeros."""
    hour, minute, second, fraction = groups
    kept = (fraction or "").rstrip("0")
    if len(kept) > digits:
        raise ValueError(f"it keeps {digits or 'no'} digits of a second's fraction")
    whole = time(int(hour or 0), int(minute or 0), int(second or 0)).isoformat()
    return f"{whole}.{kept}" if kept else whole


def _timestamp(digits: int) -> Callable[[str], str | None]:
    def read(text: str) -> str | None:
        match = _MOMENT.fullmatch(text)
        if match is None:
            return None
        groups = match.groups()
        if (groups[7] or "Z").upper() not in _UTC_NAMES:
            raise ValueError("it has no time zone, so leave the offset away")
        day = date(*map(int, groups[:3]))
        if digits == 9 and day.year not in _NANOSECOND_YEARS:
            raise ValueError("it reaches from 1678 to 2261")
        return f"{day.isoformat()} {_clock(groups[3:7], digits)}"

    return read


def _instant(text: str) -> str | None:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    groups = match.groups()
    if groups[7] is None:
        raise ValueError("the time zone is missing, for example Z or +02:00")
    local = datetime.fromisoformat(f"{date(*map(int, groups[:3]))}T{_clock(groups[3:7], 6)}")
    there = local.replace(tzinfo=_zone(groups[7].upper()))
    return f"{there.astimezone(UTC).replace(tzinfo=None).isoformat(' ')}+00"


def _zone(text: str) -> timezone:
    if text in _UTC_NAMES:
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError("no such offset")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _interval(text: str) -> str | None:
    counts = [Fraction(0)] * 3
    for amount, (count, factor) in _iso_parts(text) or _worded_parts(text):
        if _NUMERAL.fullmatch(amount) is None:
            return None
        counts[count] += Fraction(amount) * factor
    if not text or any(count.denominator != 1 for count in counts):
        return None  # half a day is not always 12 hours, nor half a month 15 days
    if any(abs(count) >= 2 ** (bits - 1) for count, bits in zip(counts, _INTERVAL_BITS, strict=True)):
        raise ValueError("it is too long")
    return "{} months {} days {} microseconds".format(*counts)


def _iso_parts(text: str) -> list[tuple[str, tuple[int, int]]]:
    """P1Y2M3DT4H5M6.5S as amounts and units; nothing if the text is in another notation."""
    match = _ISO_INTERVAL.fullmatch(text)
    if match is None:
        return []
    sign, *amounts = match.groups()
    flip = -1 if sign else 1
    parts = zip(amounts, _ISO_UNITS, strict=True)
    return [(amount, (count, flip * factor)) for amount, (count, factor) in parts if amount]


def _worded_parts(text: str) -> list[tuple[str, tuple[int, int]]]:
    """`2 days 3 hours`, and a clock at the end as DuckDB writes one: `1 day 02:03:04.5`."""
    parts, at = [], 0
    while (match := _INTERVAL_PART.match(text, at)) and match[2].lower() in _UNITS:
        parts.append((match[1], _UNITS[match[2].lower()]))
        at = match.end()
    clock = _INTERVAL_CLOCK.fullmatch(text, at)
    if clock is not None:
        sign, *amounts = clock.groups()
        flip = -1 if sign == "-" else 1
        units = (_UNITS[word] for word in ("h", "min", "s"))
        amounts_and_units = zip(amounts, units, strict=True)
        return parts + [
            (amount, (count, flip * factor)) for amount, (count, factor) in amounts_and_units if amount
        ]
    if at < len(text):
        raise ValueError(f"{named(text[at:])} is no amount and unit")
    return parts


_TIMESTAMP = "a date and time without time zone, YYYY-MM-DD HH:MM:SS"
# What differs between types has to be said: an answer is kept for whoever asks for it in the same words.

TIMES = {
    "date": _reader("a date, YYYY-MM-DD", _date, format="date"),
    "time": _reader("a time of day, HH:MM:SS", _time),
    "timestamp": _reader(_TIMESTAMP, _timestamp(6)),
    "timestamp_s": _reader(f"{_TIMESTAMP}, in whole seconds", _timestamp(0)),
    "timestamp_ms": _reader(f"{_TIMESTAMP}.mmm, in milliseconds at most", _timestamp(3)),
    "timestamp_ns": _reader(f"{_TIMESTAMP}, between the years 1678 and 2261", _timestamp(9)),
    "timestamp with time zone": _reader(
        "a date and time with its time zone, YYYY-MM-DDTHH:MM:SS+00:00", _instant, format="date-time"
    ),
    "interval": _reader("a length of time in words, for example 2 days 3 hours 30 minutes", _interval),
}
"""The scalar types of time, by DuckDB's name for them."""
