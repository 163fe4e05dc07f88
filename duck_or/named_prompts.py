"""Prompts by name: texts with `{placeholders}`, each in as many versions as were set.

Decides what a placeholder is, what a name and a version stand for, and what is missing where they stand for nothing.
Must not know what becomes of a filled text, nor SQL or Arrow.

    {name}       a placeholder; name is a letter or `_`, then letters, digits, `_`
    {{ and }}    one brace; so {{name}} is the text {name}
    { and }      themselves, wherever they are no placeholder: {"a": {"b": 1}} needs no doubling, for a `}}` that
                 closes two single braces is two braces
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from duck_or.errors import ArgumentError
from duck_or.json_values import read_json, shown

_TOKEN = re.compile(r"\{\{|\{([^\W\d]\w*)\}|[{}]")
_LISTED = 10  # names shown in a message
_EXPECTED = "placeholders must be an object, for example {'text': body}"

# A number's digits are what DuckDB wrote: as a float, a DECIMAL or HUGEINT would lose some.
_VALUES = json.JSONDecoder(
    parse_int=orjson.Fragment, parse_float=orjson.Fragment, parse_constant=orjson.Fragment
)


@dataclass(frozen=True, slots=True)
class PromptText:
    """A text ready to be filled. pattern: for `%`, one `%s` for each of `slots`, the placeholders as they come."""

    pattern: str
    slots: tuple[str, ...]
    names: frozenset[str]

    def fill(self, values: Mapping[str, Any]) -> str | None:
        """The text with `values` in it; None if one of them is. Its placeholders must be just the values' names.

        values: as `read_values` makes them: what is not text is written as JSON.
        """
        texts = []
        for name in self.slots:
            value = values[name]
            if value is None:
                return None
            texts.append(value if type(value) is str else _written(value))
        return self.pattern % tuple(texts)


def parse_prompt(text: str) -> PromptText:
    """Read the placeholders and double braces of a prompt. Every text is one: nothing raises."""
    pieces: list[str] = []
    slots: list[str] = []
    doubled: list[bool] = []  # the opening braces that are not closed yet
    at = 0
    while token := _TOKEN.search(text, at):
        pieces.append(text[at : token.start()].replace("%", "%%"))
        at = token.end()
        if token[1] is not None:
            slots.append(token[1])
            pieces.append("%s")
        elif token[0] == "}":
            is_pair = (doubled.pop() if doubled else True) and text.startswith("}", at)
            at += is_pair
            pieces.append("}")
        else:
            doubled.append(token[0] == "{{")
            pieces.append("{")
    pieces.append(text[at:].replace("%", "%%"))
    return PromptText("".join(pieces), tuple(slots), frozenset(slots))


def read_values(text: str) -> dict[str, Any]:
    """The values for placeholders, from a JSON object (or from JSON text that holds one) as DuckDB's to_json writes it.

    Numbers keep their digits, as `orjson.Fragment`. Raises ArgumentError.
    """
    try:
        values = _decoded(text)
        if isinstance(values, str):
            read_json(values)  # DuckDB has seen to the outer text only
            values = _decoded(values)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{_EXPECTED}; got {shown(text)} ({error})") from error
    if not isinstance(values, dict):
        raise ArgumentError(f"{_EXPECTED}; got {shown(read_json(text))}")
    return values


def _decoded(text: str) -> Any:
    return _VALUES.raw_decode(text.lstrip())[
        0
    ]  # half the time of `decode`, which looks for white space itself


def _written(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise ArgumentError(f"the value of a placeholder cannot be written as JSON: {error}") from error


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of a named prompt. created: seconds since the epoch."""

    name: str
    version: int
    text: str
    created: float
    parsed: PromptText

    def fill(self, values: Mapping[str, Any]) -> str | None:
        """The text with a value for each placeholder, None where one is None. Raises ArgumentError if one is missing
        or left over."""
        if values.keys() != self.parsed.names:
            raise ArgumentError(self._mismatch(values))
        return self.parsed.fill(values)

    def row(self) -> dict[str, Any]:
        """As a row of openrouter_prompts(); its placeholders in the order of the text."""
        return {
            "name": self.name,
            "version": self.version,
            "text": self.text,
            "placeholders": list(dict.fromkeys(self.parsed.slots)),
            "created": self.created,
        }

    def _mismatch(self, values: Mapping[str, Any]) -> str:
        names = dict.fromkeys(self.parsed.slots)
        missing = [name for name in names if name not in values]
        strange = [name for name in values if name not in names]
        said = f"the prompt {self.name!r} (version {self.version}) "
        said += f"has the placeholders {_braced(names)}" if names else "has no placeholders"
        if missing:
            first = missing[0]
            said += f"; no value is given for {_braced(missing)} (write {{{{{first}}}}} in the prompt for the mere text {{{first}}})"
        return said + (f"; there is none called {', '.join(map(repr, strange))}" if strange else "")


def _braced(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


class Prompts:
    """The prompts of one session. Safe to use from several threads; `find` takes no lock.

    clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._versions: Mapping[str, tuple[Prompt, ...]] = MappingProxyType({})  # replaced, never changed

    def set(self, name: str | None, text: str | None) -> int:
        """Make `text` the newest version of the prompt `name`; returns its number, from 1.

        The newest version's own text makes no new one. Raises ArgumentError.
        """
        if name is None or not name.strip() or name != name.strip():
            raise ArgumentError(
                f"a prompt's name must be a text without white space around it; got {shown(name)}"
            )
        if text is None:
            raise ArgumentError(f"the text of the prompt {name!r} must not be NULL")
        parsed = parse_prompt(text)
        with self._guard:
            versions = self._versions.get(name, ())
            if not versions or versions[-1].text != text:
                versions = (*versions, Prompt(name, len(versions) + 1, text, self._clock(), parsed))
                self._versions = MappingProxyType({**self._versions, name: versions})
            return len(versions)

    def find(self, name: str, version: int | None = None) -> Prompt:
        """That version of the prompt, the newest for None. Raises ArgumentError, which names those there are."""
        known = self._versions
        versions = known.get(name)
        if versions is None:
            raise ArgumentError(_unknown(name, list(known)))
        if version is None:
            return versions[-1]
        if not 1 <= version <= len(versions):
            there = "1" if len(versions) == 1 else f"1 to {len(versions)}"
            raise ArgumentError(f"the prompt {name!r} has no version {version}, only {there}")
        return versions[version - 1]

    def rows(self) -> list[dict[str, Any]]:
        """Every version of every prompt, as the rows of openrouter_prompts()."""
        return [prompt.row() for versions in self._versions.values() for prompt in versions]


def _unknown(name: str, known: Sequence[str]) -> str:
    said = f"there is no prompt {name!r}"
    if not known:
        return f"{said}, nor any other: set one with CALL openrouter_set_prompt(name, text)"
    from difflib import get_close_matches  # for an error only

    nearest = get_close_matches(name, known, 1)
    guess = f"; did you mean {nearest[0]!r}?" if nearest else "."
    listed = ", ".join(map(repr, known[:_LISTED])) + (", …" if len(known) > _LISTED else "")
    return f"{said}{guess} The prompts are {listed}"
