"""How the package is told to behave: keyword > environment > config file > default.

Decides what each setting is and where it came from. Must not know what a setting does. Everything is
validated once, here; the rules stand in `setting_rules`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

from duck_or.errors import SettingsError
from duck_or.setting_rules import NO_VALUE, RULES, checked, displayed, has_password, parsed

OPENROUTER_URL = "https://openrouter.ai/api/v1"
CONFIG_VARIABLE = "DUCK_OR_CONFIG"
CONFIG_SECTION = "openrouter"
CALLS_FILE = "calls.sqlite"


def default_cache_path() -> Path | None:
    """A file in the user's cache directory; None (memory only) where there is no such directory."""
    from platformdirs import user_cache_path

    path = user_cache_path("duck_or") / "answers.sqlite"
    return path if path.is_absolute() else None  # without a home directory `~` stays as it is


def default_config_path() -> Path | None:
    try:
        return Path("~/.config/duck_or/config.toml").expanduser()
    except RuntimeError:  # a user without a home directory has no configuration in it
        return None


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """Validated settings. Every problem raises SettingsError. The key never shows in `repr`, nor in a pickle.

    rate_limit: requests per minute, None = unlimited. timeout: seconds, wall clock, one attempt. attempts:
    HTTP attempts per request. max_wait: seconds that a request may spend waiting between its attempts, in
    all. on_error: what a failed row becomes. transport: 'openai' is the client, 'http' is cheaper per call.
    cache_path: a file, or the address of a Redis or PostgreSQL server that many machines share, and with it the rate;
    None = memory only. cache_ttl: seconds, None = for ever. cache_max_bytes: size cap of what is kept there,
    None = none: every answer in it was paid for, and a gigabyte holds about a million short ones.
    cassette: a Parquet file that `duck-or cache export` wrote: answers come from it alone, no other cache, no key, no
    network. calls_path: where calls are kept for `duck-or report`, 'auto' as `calls_file` says; None = memory only.
    memory_cache_bytes: 0 = none. budget_usd: None = no budget, 0 = only what is known already. site_url,
    app_name: for OpenRouter's attribution. log_prompts: whether openrouter_calls() keeps prompts. prefetch:
    whether `duck_or.connect` plans whole statements, 'off' asks chunk by chunk. progress: whether long work
    shows a line about itself where somebody can see it, in a terminal or a notebook.
    """

    api_key: str | None = None
    base_url: str = OPENROUTER_URL
    model: str | None = None
    rate_limit: float | None = 600.0
    max_in_flight: int = 256
    timeout: float = 120.0
    attempts: int = 6
    max_wait: float = 300.0
    on_error: Literal["raise", "null", "json"] = "raise"
    transport: Literal["openai", "http"] = "openai"
    cache_path: Path | str | None = field(default_factory=default_cache_path)
    cache_ttl: float | None = None
    cache_max_bytes: int | None = None
    cassette: Path | None = None
    calls_path: Path | Literal["auto"] | None = "auto"
    memory_cache_bytes: int = 256 * 2**20
    budget_usd: float | None = None
    site_url: str | None = None
    app_name: str | None = None
    log_prompts: bool = False
    prefetch: Literal["auto", "off"] = "auto"
    progress: Literal["auto", "off"] = "auto"

    def __post_init__(self) -> None:
        for setting in RULES:
            value = getattr(self, setting)
            object.__setattr__(self, setting, checked(setting, value, _said_by_keyword(setting, value)))

    def __repr__(self) -> str:
        shown = (f"{setting}={displayed(setting, getattr(self, setting))}" for setting in RULES)
        return f"Settings({', '.join(shown)})"

    def __reduce__(self) -> tuple[Callable[..., Settings], tuple[dict[str, Any]]]:
        """A pickle may end up in a file or on another machine, so what is secret stays behind."""
        secret = {"api_key"} | ({"cache_path"} if has_password(self.cache_path) else set())
        return _unpickled, ({name: getattr(self, name) for name in RULES if name not in secret},)

    def __copy__(self) -> Settings:
        return self  # immutable; and copying must not go through the pickle, which has no key

    def __deepcopy__(self, memo: dict[int, Any]) -> Settings:
        return self

    @property
    def calls_file(self) -> Path | None:
        """Where calls are kept. 'auto': beside the cache's file; where a server is the cache, in the user's cache directory;
        nowhere without a cache or with a cassette, since who wants no file gets none."""
        if self.calls_path != "auto":
            return self.calls_path
        if self.cassette is not None:
            return None
        cache = default_cache_path() if isinstance(self.cache_path, str) else self.cache_path
        return cache and cache.with_name(CALLS_FILE)

    @classmethod
    def load(
        cls,
        overrides: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        config_path: Path | None = None,
    ) -> Settings:
        """Settings from keywords, the environment, the config file and the defaults, in this order.

        environ: the process's own if None. config_path: if None the file that DUCK_OR_CONFIG names ('none':
        no file), else ~/.config/duck_or/config.toml if it is there. Raises SettingsError.
        """
        found = _found(overrides or {}, os.environ if environ is None else environ, config_path)
        return cls(**{setting: given.value for setting, given in found.items()})

    def overridden(self, overrides: Mapping[str, object]) -> Settings:
        """These settings with some replaced. Raises SettingsError."""
        _refuse_unknown(overrides, RULES, "settings")
        kept: dict[str, Any] = {setting: getattr(self, setting) for setting in RULES}
        return Settings(**{**kept, **overrides})


class Given(NamedTuple):
    """A value and where it came from: 'keyword', a variable's name or the config file's path."""

    value: Any
    source: str


class Explained(NamedTuple):
    """A setting as it may be shown. source: as in `Given`, or 'default'."""

    name: str
    value: str
    source: str


def explain(
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    config_path: Path | None = None,
) -> list[Explained]:
    """Each setting that `Settings.load` finds with the same arguments, and where. Raises SettingsError."""
    found = _found(overrides or {}, os.environ if environ is None else environ, config_path)
    settings = Settings(**{setting: given.value for setting, given in found.items()})
    return [
        Explained(
            setting,
            displayed(setting, getattr(settings, setting)),
            found[setting].source if setting in found else "default",
        )
        for setting in RULES
    ]


def _found(
    overrides: Mapping[str, object], environ: Mapping[str, str], config_path: Path | None
) -> dict[str, Given]:
    return {
        **_from_file(environ, config_path),
        **_from_environment(environ),
        **_from_keywords(overrides),
    }


def _from_keywords(overrides: Mapping[str, object]) -> dict[str, Given]:
    _refuse_unknown(overrides, RULES, "settings")
    return {
        setting: Given(checked(setting, value, _said_by_keyword(setting, value)), "keyword")
        for setting, value in overrides.items()
    }


def _said_by_keyword(setting: str, value: object) -> str:
    return f"{setting}={displayed(setting, value)}"


def _from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    found = {}
    for setting, rule in RULES.items():
        text = environ.get(rule.environment)
        # Set but empty means unset, as in most tools; only for the cache does it say something: no file.
        if text is not None and (text.strip() or setting == "cache_path"):
            said = f"{rule.environment}={displayed(setting, text)}"
            value = checked(setting, parsed(setting, text, said), said)
            found[setting] = Given(value, rule.environment)
    return found


def _from_file(environ: Mapping[str, str], config_path: Path | None) -> dict[str, Given]:
    path, table = _read_config(environ, config_path)
    found = {}
    for setting, value in table.items():
        said = f"{setting} = {displayed(setting, value)} in {path}"
        parsed_value = parsed(setting, value, said) if isinstance(value, str) else value
        found[setting] = Given(checked(setting, parsed_value, said), str(path))
    return found


def _read_config(environ: Mapping[str, str], config_path: Path | None) -> tuple[Path | None, dict[str, Any]]:
    """The config file's path and its section, both empty if there is none."""
    named = environ.get(CONFIG_VARIABLE)
    if config_path is None and named is not None:
        if named.strip().lower() in NO_VALUE:
            return None, {}
        config_path = Path(os.path.expanduser(named))
    path = config_path or default_config_path()
    if path is None:
        return None, {}
    try:
        return path, _section(path, path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if config_path is None:
            return None, {}
        raise SettingsError(f"the config file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the config file {path} cannot be read: {error}") from error


def _section(path: Path, text: str) -> dict[str, Any]:
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # its message names line and column
        raise SettingsError(f"the config file {path} is not valid TOML: {error}") from error
    stray = [setting for setting in document if setting in RULES]
    if stray:
        raise SettingsError(f"{path}: {stray[0]} must stand under the heading [{CONFIG_SECTION}]")
    _refuse_unknown(document, [CONFIG_SECTION], str(path))
    table = document.get(CONFIG_SECTION, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {CONFIG_SECTION} must be a section, [{CONFIG_SECTION}]")
    _refuse_unknown(table, RULES, str(path))
    return table


def _refuse_unknown(given: Iterable[str], known: Iterable[str], where: str) -> None:
    known = list(known)
    for name in given:
        if name not in known:
            _refuse(name, known, where)


def _refuse(name: str, known: list[str], where: str) -> NoReturn:
    from difflib import get_close_matches

    closest = get_close_matches(name, known, n=1)
    cure = f"did you mean {closest[0]}?" if closest else f"there are {', '.join(known)}"
    raise SettingsError(f"{where}: there is no setting {name!r}; {cure}")


def _unpickled(values: dict[str, Any]) -> Settings:
    """What is secret comes from the environment of the process that unpickles. Raises SettingsError."""
    api_key = os.environ.get(RULES["api_key"].environment) or None
    if "cache_path" not in values:
        values = values | {"cache_path": _address_here()}
    return Settings(**values, api_key=api_key)


def _address_here() -> str:
    """Of the answers' store, in this process's environment. Anything else there would end the sharing without a word."""
    variable = RULES["cache_path"].environment
    text = os.environ.get(variable, "")
    said = f"{variable}={displayed('cache_path', text)}"
    place = checked("cache_path", parsed("cache_path", text, said), said)
    if not isinstance(place, str):
        raise SettingsError(
            f"the address of the answers' store has a password, so it does not travel with the settings: "
            f"set {variable} where they arrive, to a redis:// or postgresql:// address"
            + (f"; there it is {displayed('cache_path', text)}" if text else "")
        )
    return place
