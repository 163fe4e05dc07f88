"""A little sense for structured answers: labels, dates, numbers and names that the user's text holds, and yes where text
and question share words.

A pure function of the messages and the schema. It looks, it does not understand; where it finds nothing, chance decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from duck_or.simulator.draws import number

_WORD = re.compile(r"[^\W\d_]{4,}")
_NUMBER = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w-]|\.\d)")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_NAME = re.compile(r"\b[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.I)
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_SHORT = 4  # letters of a word that is capital because a sentence begins
_STEM = 5  # letters that tell a word: `complain` and `complaint` are one
_SMALL_WORDS = frozenset(
    {
        *("about", "answer", "does", "false", "from", "have", "question", "text", "that", "their", "there"),
        *("they", "this", "true", "user", "what", "which", "with"),
    }
)


class Sense:
    """What is to be found in one conversation. system: the instructions, of which the part after a colon is the question."""

    def __init__(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self.text = "\n".join(_texts(messages, ("user",)))
        instructions = "\n".join(_texts(messages, ("system", "developer")))
        _, colon, question = instructions.partition(":")
        self._question = question if colon else instructions

    def label(self, options: Sequence[Any]) -> Any:
        """The option that the text names most often, the first of several; None if it names all or none."""
        named = self._named(options)
        return min(named, key=lambda label: (-len(named[label]), named[label][0])) if named else None

    def all_labels(self, options: Sequence[Any]) -> list[Any]:
        """Every option that the text names, in their order."""
        return list(self._named(options))

    def _named(self, options: Sequence[Any]) -> dict[str, list[int]]:
        """Where the text names which; nothing if it names all equally often, which is how choices are listed."""
        folded = self.text.casefold()
        found = {label: _places(label, folded) for label in options if isinstance(label, str)}
        listed = len({len(places) for places in found.values()}) == 1 and len(found) > 1
        return {} if listed else {label: places for label, places in found.items() if places}

    def agrees(self) -> bool | None:
        """Whether the text shares a word with the question; None if there is no question."""
        share = self.share()
        return None if share is None else share > 0

    def share(self) -> float | None:
        """How many of the question's words the text holds, from 0 to 1; None if there is no question."""
        asked = _stems(self._question)
        return round(len(asked & _stems(self.text)) / len(asked), 2) if asked and self.text else None

    def value(self, schema: Mapping[str, Any], of: bytes, path: str) -> Any:
        """A value for a plain schema (with its hints); None where there is none to be found."""
        if "enum" in schema:
            return self.label(schema["enum"])
        kind, low, high = schema.get("type"), schema.get("minimum"), schema.get("maximum")
        if kind == "boolean":
            name = path.removeprefix("$.")
            return self.agrees() if name in ("value", "$") else bool(_places(name, self.text.casefold()))
        if kind == "number" and (low, high) == (0, 1):
            return self.share()
        if kind in ("integer", "number"):
            return _one(self._numbers(schema), of, path)
        look = _LOOKED_FOR.get(schema.get("format")) if kind == "string" else None
        return _one(look(self.text), of, path) if look and not _PICKY & set(schema) else None

    def _numbers(self, schema: Mapping[str, Any]) -> list[float]:
        whole = schema["type"] == "integer"
        found = [float(text) if "." in text else int(text) for text in _NUMBER.findall(self.text)]
        low, high = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
        odd = {"multipleOf", "exclusiveMinimum", "exclusiveMaximum"} & set(schema)
        places = schema.get("decimals", 15)
        fit = (value for value in found if low <= value <= high and not (whole and isinstance(value, float)))
        return [] if odd else [value for value in fit if round(value, places) == value]


def _texts(messages: Sequence[Mapping[str, Any]], roles: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for message in messages:
        if message.get("role") in roles:
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"text": content}]
            found += [text for part in parts if isinstance(text := part.get("text"), str)]
    return found


def _places(label: str, folded: str) -> list[int]:
    wanted = label.strip().casefold()
    return (
        [found.start() for found in re.finditer(rf"(?<!\w){re.escape(wanted)}(?!\w)", folded)]
        if wanted
        else []
    )


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in _WORD.findall(text.casefold()) if word not in _SMALL_WORDS}


def _one(found: list[Any], of: bytes, path: str) -> Any:
    return found[number(of, f"{path} found", len(found))] if found else None


def _dates(text: str) -> list[str]:
    return [found for found in _DATE.findall(text) if _is_date(found)]


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


_PICKY = frozenset({"pattern", "minLength", "maxLength"})
_LOOKED_FOR: dict[str | None, Callable[[str], list[str]]] = {  # format → all that are there
    None: lambda text: [name for name in _NAME.findall(text) if len(name) > _SHORT],
    "date": _dates,
    "uuid": _UUID.findall,
    "email": _EMAIL.findall,
}
