"""What `duck-or doctor` finds out, as pure functions: from facts to findings, each with what to do about it.

How the facts are had (the network, the disk), this module must not know. No finding holds the key.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import orjson

from duck_or.cache.contract import StoreInfo
from duck_or.classify import classify
from duck_or.cli.wording import counted, dollars, size
from duck_or.lenient import mapping_of, number_of
from duck_or.models import Model
from duck_or.outcome import Failure, RawResponse
from duck_or.settings import Explained, Settings
from duck_or.version import __version__

KEY_HELP = "make one at https://openrouter.ai/settings/keys and set OPENROUTER_API_KEY"
LISTED = ("duckdb", "openai", "aiohttp", "pyarrow")


class Finding(NamedTuple):
    """level: ok; note: works, but worth knowing; wrong: it will not work. remedy: what to do, empty if nothing is."""

    level: Literal["ok", "note", "wrong"]
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<6}{self.subject:<10}{self.text}"
        return f"{line}\n{'':<16}→ {self.remedy}" if self.remedy else line


def versions() -> Finding:
    found = [f"duck_or {__version__}", f"Python {platform.python_version()}"]
    found += [f"{name} {_version(name)}" for name in LISTED]
    return Finding("ok", "versions", ", ".join(found))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def key(settings: Settings, explained: Iterable[Explained]) -> Finding:
    if settings.api_key is not None:
        source = next(each.source for each in explained if each.name == "api_key")
        return Finding("ok", "key", f"set by {source}")
    host = urlsplit(settings.base_url).hostname or ""
    if host == "openrouter.ai" or host.endswith(".openrouter.ai"):
        return Finding("wrong", "key", "none: OpenRouter answers nobody without one", KEY_HELP)
    return Finding("note", "key", f"none; {host} may not want one", "if it does, set OPENROUTER_API_KEY")


def service(base_url: str, models: Collection[str]) -> Finding:
    return Finding("ok", "service", f"{base_url} answers and lists {counted(len(models), 'model')}")


def unreachable(base_url: str, problem: str) -> Finding:
    remedy = "check the network, any proxy, and base_url (OPENROUTER_BASE_URL)"
    return Finding("wrong", "service", problem if base_url in problem else f"{base_url}: {problem}", remedy)


def credit(response: RawResponse, wall_now: float) -> Finding:
    """What `GET /key` says about the key that was sent."""
    if response.status == 404:
        return Finding("note", "credits", "this server does not tell what a key may spend")
    if response.status == 200:
        return _limit(_data(response.body))
    failure = classify(response, wall_now=wall_now)
    said = failure.message if isinstance(failure, Failure) else f"HTTP {response.status}"
    if response.status == 401:
        return Finding("wrong", "key", f"the service refuses it: {said}", KEY_HELP)
    return Finding("wrong", "credits", said, "try again later")


def _data(body: bytes) -> Mapping[str, Any]:
    try:
        return mapping_of(mapping_of(orjson.loads(body)).get("data"))
    except orjson.JSONDecodeError:
        return {}


def _limit(data: Mapping[str, Any]) -> Finding:
    used = dollars(number_of(data.get("usage")) or 0.0)
    limit, left = number_of(data.get("limit")), number_of(data.get("limit_remaining"))
    free = " (free tier: few requests a day)" if data.get("is_free_tier") else ""
    if limit is None or left is None:
        return Finding("ok", "credits", f"{used} used; the key has no limit of its own{free}")
    if left <= 0:
        remedy = "raise it at https://openrouter.ai/settings/keys"
        return Finding("wrong", "credits", f"the key's limit of {dollars(limit)} is used up", remedy)
    return Finding("ok", "credits", f"{dollars(left)} of the key's limit of {dollars(limit)} left{free}")


def model(name: str | None, models: Mapping[str, Model]) -> Finding:
    """The default model: is it set, is it listed, what does it cost."""
    if name is None:
        remedy = "say model := '…' in each call, or set OPENROUTER_MODEL"
        return Finding("note", "model", "no default model", remedy)
    listed = models.get(name) or models.get(name.partition(":")[0])
    if listed is None and not _routed(name):
        remedy = "check the spelling: SELECT id FROM openrouter_models()"
        return Finding("wrong", "model", f"{name} is not in the service's list", remedy)
    return Finding("ok", "model", name + _price(listed))


def _routed(name: str) -> bool:
    """An alias, a preset or a router: valid, but not listed."""
    return name.startswith(("~", "@", "openrouter/")) or "@preset/" in name


def _price(listed: Model | None) -> str:
    if listed is None or listed.prompt_usd is None or listed.completion_usd is None:
        return "; its price is not listed"
    million = 1_000_000
    return f": {dollars(listed.prompt_usd * million)} per million tokens in, {dollars(listed.completion_usd * million)} out"


def cache(info: StoreInfo | None) -> Finding:
    """info: of a file that could just be written to; None where there is none by choice."""
    if info is None:
        remedy = "set DUCK_OR_CACHE to a file, and no answer is paid for twice"
        return Finding("note", "cache", "in memory only", remedy)
    return Finding(
        "ok",
        "cache",
        f"{info.location}: {counted(info.entries, 'answer')}, {size(info.bytes_on_disk)}, writable",
    )


def calls(path: Path, problems: list[str]) -> Finding:
    """What became of an attempt to write to the calls file."""
    if problems:
        return Finding("note", "calls", problems[0])
    return Finding("ok", "calls", f"{path}: writable; duck-or report shows what is in it")


def cassette(path: Path, answers: int) -> Finding:
    said = f"{path}: {counted(answers, 'answer')}; no service is asked, nothing is sent and nothing is kept"
    return Finding("ok", "cassette", said, "unset DUCK_OR_CASSETTE to ask the service again")


def settings_table(explained: Iterable[Explained]) -> list[str]:
    """Every setting, its value (never the key) and where it comes from."""
    return [f"  {each.name:<20}{each.value:<42}{each.source}" for each in explained]
