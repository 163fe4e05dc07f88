"""What each setting may be: its environment variable, its words for people, its range.

Decides whether one value is right and how it is written down. Must not know where values come from or what
they do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from duck_or import store_address
from duck_or.errors import SettingsError

NO_VALUE = ("", "none")  # how text (the environment, the config file) says None
_FLAGS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}

_PLACES = ("cache_path", "cassette", "calls_path")
_LOOKS_LIKE_KEY = re.compile(r"\bsk-\w")
_HAS_USER = re.compile("://.*@", re.DOTALL)
"""An address with a user and, most often, a password: anything may stand in one by mistake."""


class Rule(NamedTuple):
    """One setting. environment: its variable. expected: how the sentence "… must be" ends.

    check: the value normalised; ValueError when it is not allowed. parse: from text; ValueError when it is
    not one. optional: whether None is a value. why: what else to say about a value that is not allowed, which must not
    quote it.
    """

    environment: str
    expected: str
    check: Callable[[Any], Any]
    parse: Callable[[str], Any] = str
    optional: bool = False
    why: Callable[[Any], str | None] = lambda _: None


def whole(minimum: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ValueError
        return value

    return check


def number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        raise ValueError
    return float(value)


def positive(value: Any) -> float:
    if not number(value):
        raise ValueError
    return float(value)


def one_of(*words: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    return check


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def flag_text(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError
    return _FLAGS[text.lower()]


def name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def header_text(value: Any) -> str:
    """Printable ASCII, because it travels in an HTTP header: a line break could smuggle in another header."""
    text = name(value)
    if not text.isascii() or not text.isprintable():
        raise ValueError
    return text


def key(value: Any) -> str:
    text = header_text(value)
    if " " in text:
        raise ValueError
    return text


def address(value: Any) -> str:
    """An http(s) URL without trailing slash, host in lower case: one spelling, since it is in the cache key."""
    parts = urlsplit(header_text(value))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError
    if " " in value.strip() or parts.username is not None or parts.query or parts.fragment:
        raise ValueError
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), "", ""))


def file_path(value: Any) -> Path:
    """Absolute, so that a later change of directory does not move it."""
    if not isinstance(value, str | Path) or not str(value).strip() or store_address.is_meant(str(value)):
        raise ValueError
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # `~` of a user without a home directory
        raise ValueError from error


def store_place(value: Any) -> Path | str:
    """A file's path, or the address of a server that keeps answers for several machines. What its ValueError says about an
    address quotes nothing of it."""
    if not isinstance(value, str) or not store_address.is_meant(value):
        return file_path(value)
    if fault := store_address.fault(value.strip()):
        raise ValueError(fault)
    return store_address.normal(value)


def fault_of_place(value: Any) -> str | None:
    """What is wrong with what was meant as a server's address, in words that quote nothing of it."""
    meant = isinstance(value, str | Path) and store_address.is_meant(str(value))
    return store_address.fault(str(value).strip()) if meant else None


def file_path_or_auto(value: Any) -> Path | str:
    return "auto" if value == "auto" else file_path(value)


def has_password(place: Path | str | None) -> bool:
    """Whether a store's address holds a secret: its password, or whatever its options may say."""
    return isinstance(place, str) and store_address.holds_secret(place)


def rate(value: Any) -> float | None:
    return number(value) or None


RULES = {
    "api_key": Rule("OPENROUTER_API_KEY", "a key without spaces or line breaks", key, optional=True),
    "base_url": Rule(
        "OPENROUTER_BASE_URL", "an http:// or https:// address without user, query and fragment", address
    ),
    "model": Rule("OPENROUTER_MODEL", "the name of a model, such as openai/gpt-5-mini", name, optional=True),
    "rate_limit": Rule(
        "OPENROUTER_RATE_LIMIT", "a number of requests per minute, 0 for no limit", rate, float, optional=True
    ),
    "max_in_flight": Rule("DUCK_OR_MAX_IN_FLIGHT", "a whole number of requests, at least 1", whole(1), int),
    "timeout": Rule("DUCK_OR_TIMEOUT", "a number of seconds above 0", positive, float),
    "attempts": Rule("DUCK_OR_ATTEMPTS", "a whole number of attempts, at least 1", whole(1), int),
    "max_wait": Rule("DUCK_OR_MAX_WAIT", "a number of seconds, 0 or more", number, float),
    "on_error": Rule("DUCK_OR_ON_ERROR", "one of raise, null, json", one_of("raise", "null", "json")),
    "transport": Rule("DUCK_OR_TRANSPORT", "one of openai, http", one_of("openai", "http")),
    "cache_path": Rule(
        "DUCK_OR_CACHE",
        "the path of a file, a redis:// or postgresql:// address, or none to remember in memory only",
        store_place,
        optional=True,
        why=fault_of_place,
    ),
    "cache_ttl": Rule(
        "DUCK_OR_CACHE_TTL", "a number of seconds above 0, or none", positive, float, optional=True
    ),
    "cache_max_bytes": Rule(
        "DUCK_OR_CACHE_MAX_BYTES",
        "a whole number of bytes, at least 1, or none",
        whole(1),
        int,
        optional=True,
    ),
    "cassette": Rule(
        "DUCK_OR_CASSETTE",
        "the path of a file that `duck-or cache export` wrote, or none",
        file_path,
        optional=True,
    ),
    "calls_path": Rule(
        "DUCK_OR_CALLS",
        "the path of a file, auto for one beside the cache, or none to remember in memory only",
        file_path_or_auto,
        optional=True,
    ),
    "memory_cache_bytes": Rule(
        "DUCK_OR_MEMORY_CACHE_BYTES", "a whole number of bytes, 0 or more", whole(0), int
    ),
    "budget_usd": Rule(
        "DUCK_OR_BUDGET_USD", "a number of US dollars, 0 or more, or none", number, float, optional=True
    ),
    "site_url": Rule("OPENROUTER_SITE_URL", "an address in printable ASCII", header_text, optional=True),
    "app_name": Rule("OPENROUTER_APP_NAME", "a name in printable ASCII", header_text, optional=True),
    "log_prompts": Rule("DUCK_OR_LOG_PROMPTS", "true or false", flag, flag_text),
    "prefetch": Rule("DUCK_OR_PREFETCH", "one of auto, off", one_of("auto", "off")),
    "progress": Rule("DUCK_OR_PROGRESS", "one of auto, off", one_of("auto", "off")),
}


def checked(setting: str, value: Any, said: str) -> Any:
    """The normalised value. said: how the value was given, for the message. Raises SettingsError."""
    rule = RULES[setting]
    if value is None and rule.optional:
        return None
    with suppress(ValueError):  # its message may quote the value, which may be a key: it must not be chained
        return rule.check(value)
    why = rule.why(value)
    raise SettingsError(f"{said}: {setting} must be {rule.expected}{f' ({why})' if why else ''}")


def parsed(setting: str, text: str, said: str) -> Any:
    """The value that a text stands for, not yet checked. Raises SettingsError."""
    rule = RULES[setting]
    if rule.optional and text.strip().lower() in NO_VALUE:
        return None
    with suppress(ValueError):  # as in `checked`
        return rule.parse(text.strip())
    raise SettingsError(f"{said}: {setting} must be {rule.expected}")


def displayed(setting: str, value: Any) -> str:
    """The value as it may be shown: never a key or an address with a password, wherever they were put by mistake."""
    text = str(value)
    if value is not None and (setting == "api_key" or _LOOKS_LIKE_KEY.search(text)):
        return f"…{text[-4:]}" if len(text) >= 24 else "…"
    if setting in ("base_url", "site_url") and ("@" in text or "?" in text):
        return "'…'"  # a user's password or a key may stand in it
    if setting in _PLACES and isinstance(value, str | Path) and store_address.is_meant(text):
        return repr(store_address.shown(text))
    if _HAS_USER.search(text):
        return "'…'"
    return repr(text) if isinstance(value, Path) else repr(value)
