"""How long the service asks us to wait: the first usable hint, in seconds.

Knows where hints stand and their units. Must not know what happens during the wait, nor what the time is: the wall
clock comes in as an argument.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from duck_or.lenient import mapping_of, number_of, text_of

Reader: TypeAlias = Callable[[object, float], float | None]

# Below: seconds from now. Up to the next: seconds since 1970 (1e9 is in 2001). Above: milliseconds (1e11 is in 1973).
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e11
# X-RateLimit-Reset tells when a window ends, on some servers in every response. Only a refusal makes it a hint.
_RESET_STATUS = 429


def _seconds(value: object, wall_now: float) -> float | None:
    return number_of(value)


def _milliseconds(value: object, wall_now: float) -> float | None:
    number = number_of(value)
    return None if number is None else number / 1000


def _seconds_or_date(value: object, wall_now: float) -> float | None:
    number = number_of(value)
    if number is not None:
        return number
    then = _http_date(text_of(value) or "")
    return None if then is None else then - wall_now


def _reset(value: object, wall_now: float) -> float | None:
    number = number_of(value)
    if number is None or number < _EPOCH_SECONDS:
        return number
    return (number / 1000 if number > _EPOCH_MILLISECONDS else number) - wall_now


def _http_date(text: str) -> float | None:
    """Seconds since the epoch. HTTP dates are GMT, also where the zone is missing."""
    from email.utils import parsedate_tz  # slow to import, and hardly any server sends dates

    # Which of these a nonsensical date raises differs between Python versions.
    try:
        parsed = parsedate_tz(text)
        return None if parsed is None else calendar.timegm((*parsed[:6], 0, 0, 0)) - (parsed[9] or 0)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


# (where, name, how to read it), the order of trust: the most exact and most deliberate first.
_HEADER, _AVAILABILITY, _METADATA, _METADATA_HEADER = "header", "availability", "metadata", "metadata header"
HINTS: tuple[tuple[str, str, Reader], ...] = (
    (_HEADER, "retry-after-ms", _milliseconds),
    (_HEADER, "retry-after", _seconds_or_date),
    (_AVAILABILITY, "retry_after", _seconds),
    (_METADATA, "retry_after_seconds", _seconds),
    (_METADATA_HEADER, "retry-after", _seconds_or_date),
)
RESETS: tuple[tuple[str, str, Reader], ...] = (
    (_HEADER, "x-ratelimit-reset", _reset),
    (_METADATA_HEADER, "x-ratelimit-reset", _reset),
)


def wait_hint(
    headers: Mapping[str, str], error: Mapping[str, Any], status: int, *, wall_now: float
) -> float | None:
    """Seconds to wait, finite and above zero; None if the service does not say.

    headers: lower-case names; error: the body's error object; wall_now: seconds since the epoch. A hint that is
    garbage, zero, negative or in the past is passed over: "come back at once" from a server that has just refused is
    better answered by our own backoff.
    """
    metadata = mapping_of(error.get("metadata"))
    places: dict[str, Mapping[str, Any]] = {
        _HEADER: headers,
        _AVAILABILITY: mapping_of(error.get("availability")),
        _METADATA: metadata,
        _METADATA_HEADER: {
            name.lower(): value for name, value in mapping_of(metadata.get("headers")).items()
        },
    }
    for place, name, read in HINTS + RESETS if status == _RESET_STATUS else HINTS:
        seconds = read(places[place].get(name), wall_now)
        if seconds is not None and seconds > 0:
            return seconds
    return None
