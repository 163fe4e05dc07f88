"""Models by name: an alias stands for a model together with its settings.

Decides what may be an alias, and what a call means that names one. Must not know SQL, Arrow, caches of answers, or what
else a call is about.

A call's arguments are the JSON object described in `arguments`. It may have members beyond those: they stay as they are.
What an alias adds goes into `model_kwargs`, which every function takes: a function without an argument `tools` or one of
its own by that name is none the wiser, and what a call says in an argument wins by the rules that hold there anyway.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any

from duck_or.arguments import parse_options
from duck_or.errors import ArgumentError
from duck_or.json_values import JsonObject, canonical_json, read_json, shown
from duck_or.misplaced import CHOICE_WORDS

RESOLVED = 1024
"""Distinct arguments whose meaning is remembered, until an alias is set."""

_MAY_BE_TEXT = (
    "provider",
    "tools",
    "tool_choice",
    "transforms",
)  # arguments, which may be text that holds JSON

_CHOOSERS = frozenset(
    {"models", "preset"}
)  # in model_kwargs they choose, so that no default model comes before them


@dataclass(frozen=True, slots=True)
class ModelAlias:
    """What an alias stands for. settings: everything but the model. created: seconds since the epoch."""

    alias: str
    model: str
    settings: Mapping[str, Any]
    created: float

    def row(self) -> dict[str, Any]:
        """As a row of openrouter_model_aliases(), its settings as JSON text."""
        settings = canonical_json(dict(self.settings)).decode()
        return {"alias": self.alias, "model": self.model, "settings": settings, "created": self.created}


Aliases = Mapping[str, ModelAlias]


class ModelAliases:
    """The model aliases of one session. Safe to use from several threads; `resolve` takes no lock.

    clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._enter(MappingProxyType({}))

    def set(self, alias: str | None, settings_json: str | None) -> str:
        """Let `alias` mean the model and the settings of a JSON object; returns the model. Raises ArgumentError.

        settings_json: as DuckDB's to_json writes it: an object, or text that holds one. What the alias meant before is
        forgotten.
        """
        name = _alias_name(alias)
        made = _alias(name, _settings(name, settings_json), self._clock())
        with self._guard:
            _refuse_chain(made, self._aliases)
            self._enter(MappingProxyType({**self._aliases, name: made}))
        return made.model

    def resolve(self, options_json: str, default_model: str | None) -> str:
        """The arguments with what an alias in them stands for; the same text where none is named.

        default_model: the model of a call that names none. What cannot be read is left for `arguments` to refuse.
        """
        resolved = self._resolved
        return options_json if resolved is None else resolved(options_json, default_model) or options_json

    def rows(self) -> list[dict[str, Any]]:
        """The rows of openrouter_model_aliases()."""
        return [alias.row() for alias in self._aliases.values()]

    def _enter(self, aliases: Aliases) -> None:
        """What is remembered belongs to the aliases it was made of: with new ones it begins anew."""
        self._aliases = aliases
        self._resolved = lru_cache(RESOLVED)(partial(_resolved, aliases)) if aliases else None


# ---- what may be an alias


def _alias_name(alias: str | None) -> str:
    """`alias`, if nothing takes it for a model's id, a preset or another argument."""
    plain = alias is not None and alias == alias.strip() and alias[:1] not in ("", "~", "@", "{", "[")
    if alias is None or not plain or "/" in alias or ":" in alias or alias in CHOICE_WORDS:
        raise ArgumentError(
            f"a model's alias must be a plain name such as 'fast', not a model's id (no '/' or ':' in it, no '~' or '@' "
            f"before it, not 'auto', 'none' or 'required'); got {shown(alias)}"
        )
    return alias


def _settings(alias: str, settings_json: str | None) -> JsonObject:
    """The settings as one object, those in its member `model_kwargs` beside the others."""
    settings = _read("null" if settings_json is None else settings_json)
    if not isinstance(settings, dict):
        raise ArgumentError(
            f"the settings of {alias!r} must be an object, for example {{'model': 'openai/gpt-5-mini', 'temperature': 0}}; "
            f"got {shown(settings)}"
        )
    kwargs = settings.pop("model_kwargs", None)
    kwargs = _read_text(kwargs) if isinstance(kwargs, str) else kwargs
    if not isinstance(kwargs, dict | None):
        raise ArgumentError(f"model_kwargs of {alias!r} must be an object; got {shown(kwargs)}")
    return _given(kwargs or {}) | _given(settings)


def _alias(name: str, settings: JsonObject, created: float) -> ModelAlias:
    model = settings.pop("model", None)
    if not isinstance(model, str) or not model.strip():
        raise ArgumentError(
            f"the settings of {name!r} must name a model, for example 'model': 'openai/gpt-5-mini'; "
            f"got {shown(model)}"
        )
    for member in _MAY_BE_TEXT:
        if member in settings:
            settings[member] = _read_member(settings[member])
    made = ModelAlias(name, model, settings, created)
    try:
        # What no call could use is refused here.
        parse_options(_written({"model": model, "model_kwargs": settings}), None)
    except ArgumentError as error:
        raise ArgumentError(f"the settings of {name!r}: {error}") from error
    return made


def _refuse_chain(made: ModelAlias, aliases: Aliases) -> None:
    """One alias in place of another would need an order in which to read them; the own name is the model itself."""
    if made.model != made.alias and made.model in aliases:
        raise ArgumentError(
            f"{made.alias!r} must name a model, not another alias: {made.model!r} is one, of {aliases[made.model].model!r}"
        )
    for other in aliases.values():
        if other.model == made.alias != other.alias:
            raise ArgumentError(
                f"{made.alias!r} cannot be an alias: it is the model that {other.alias!r} names"
            )


# ---- what a call means that names one


def _resolved(aliases: Aliases, options_json: str, default_model: str | None) -> str | None:
    """The arguments spelled out, None where no alias is named in them."""
    try:
        options = read_json(options_json)
        if not isinstance(options, dict):
            return None
        changed = _spelled_out(aliases, options, default_model)
        return None if changed is None else _written(changed)
    except (ValueError, RecursionError):
        return None  # whoever reads the arguments says what is wrong with them


def _spelled_out(aliases: Aliases, options: JsonObject, default_model: str | None) -> JsonObject | None:
    """The arguments with what the call says itself before what the alias says."""
    kwargs = _call_kwargs(options)
    alias = aliases.get(_named_model(options, kwargs, default_model))
    merged = kwargs if alias is None else {**alias.settings, **kwargs, "model": alias.model}
    merged = _without_aliases(aliases, merged)
    if alias is None:
        return None if merged == kwargs else {**options, "model_kwargs": merged}
    if options.get("model") is None:  # stays empty: some functions do without a default
        return {**options, "model_kwargs": merged}
    return {**options, "model": merged.pop("model"), "model_kwargs": merged}


def _named_model(options: JsonObject, kwargs: JsonObject, default_model: str | None) -> str:
    """The model that `arguments` would take, empty if that is none."""
    named = kwargs.get("model") if options.get("model") is None else options["model"]
    if named is None and not kwargs.keys() & _CHOOSERS:
        named = default_model
    return named if isinstance(named, str) else ""


def _call_kwargs(options: JsonObject) -> JsonObject:
    """The call's own model_kwargs without its NULLs, which mean not given. Raises ValueError if they are no object."""
    kwargs = options.get("model_kwargs")
    if isinstance(kwargs, str):
        kwargs = read_json(kwargs)
    if not isinstance(kwargs, dict | None):
        raise ValueError("model_kwargs is no object")
    return _given(kwargs or {})


def _without_aliases(aliases: Aliases, kwargs: JsonObject) -> JsonObject:
    """With ids for aliases among its fallbacks: settings cannot differ by fallback, so an alias gives its model only."""
    models = kwargs.get("models")
    if not isinstance(models, list):
        return kwargs
    names = (aliases.get(name, name) if isinstance(name, str) else name for name in models)
    return {**kwargs, "models": [name.model if isinstance(name, ModelAlias) else name for name in names]}


# ---- JSON


def _given(members: JsonObject) -> JsonObject:
    return {name: value for name, value in members.items() if value is not None}


def _read(text: str) -> Any:
    return _read_member(_read_text(text))


def _read_member(value: Any) -> Any:
    """Text that holds JSON is read, as everywhere among the arguments."""
    return _read_text(value) if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") else value


def _read_text(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise ArgumentError(
            f"the settings of a model are not valid JSON: {error}; got {shown(text)}"
        ) from error


def _written(options: JsonObject) -> str:
    # Not canonical: the order of members may mean something to whoever put further ones there.
    return json.dumps(options, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
