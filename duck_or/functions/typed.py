"""The functions whose value has a type of its own: prompt_as, classify, extract, llm_filter, score.

Each demands an answer of one shape and reads it; what the shapes are is `shapes`' business. The schema goes out as strict
structured output, with `require_parameters`, so that no provider that ignores it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from duck_or.errors import ArgumentError
from duck_or.functions.conversation import conversing
from duck_or.functions.scalars import label as label_of
from duck_or.functions.shapes import Misfit, Shape, shape_of, struct_of
from duck_or.functions.template import Call, Template
from duck_or.functions.typed_answer import TypedAnswer
from duck_or.json_values import JsonObject, shown
from duck_or.wanted import Wanted

CLASSIFY = "Classify the user's text. {how}\n{labels}"
ONE = "Give the one label of these that fits best, exactly as it is written:"
EACH = "Say of each of these labels whether it applies, true or false:"
EXTRACT = "Extract these values from the user's text. Give null for what the text does not say; invent nothing.\n{fields}"
FILTER = "Answer this question about the user's text, by true or false: {question}"
SCORE = "Judge how far this is so for the user's text, by a number from 0 (not at all) to 1 (entirely): {question}"


def prompt_as(call: Call) -> Template:
    answer = TypedAnswer(shape_of(call.text("type")), "answer")
    system = call.own.get("system")
    return _typed(call, answer, system if system is None else call.text("system"))


def classify(call: Call) -> Template:
    labels = _labels(call)
    multi = call.own.get("multi") is True
    one = _one_of(labels)
    answer = TypedAnswer(_chosen(labels, one), "labels") if multi else TypedAnswer(one, "label")
    listed = "\n".join(f"- {label}: {said}" if said else f"- {label}" for label, said in labels.items())
    how = EACH if multi else ONE
    return _typed(call, answer, CLASSIFY.format(how=how, labels=listed))


def extract(call: Call) -> Template:
    fields = call.own.get("fields")
    if (
        not isinstance(fields, dict)
        or not fields
        or not all(isinstance(each, str) for each in fields.values())
    ):
        raise ArgumentError(
            "extract: the second argument must name the fields and their types, for example "
            f"{{'name': 'VARCHAR', 'born': 'DATE'}}; got {shown(fields)}"
        )
    shape = struct_of(fields)
    listed = "\n".join(f"- {name}: {_said_of(shape.schema['properties'][name])}" for name in fields)
    return _typed(call, TypedAnswer(shape, "fields"), EXTRACT.format(fields=listed))


def llm_filter(call: Call) -> Template:
    answer = TypedAnswer(shape_of("BOOLEAN"), "verdict")
    return _typed(call, answer, FILTER.format(question=call.text("question")))


def score(call: Call) -> Template:
    return _typed(call, TypedAnswer(_SHARE, "score"), SCORE.format(question=call.text("question")))


def _share(value: object) -> float:
    number: float = _DOUBLE.read(value)
    if not 0 <= number <= 1:
        raise Misfit(f"{number:g} is not from 0 to 1")
    return number


_DOUBLE = shape_of("DOUBLE")
_SHARE = replace(_DOUBLE, schema={**_DOUBLE.schema, "description": "a number from 0 to 1"}, read=_share)


def _typed(call: Call, answer: TypedAnswer, system: str | None) -> Template:
    body = call.body()
    if "response_format" in body:
        raise ArgumentError(
            f"{call.function} writes response_format itself; leave it out of model_kwargs, or use chat_completions"
        )
    body["response_format"] = answer.response_format
    body["provider"] = {"require_parameters": True, **body.get("provider", {})}
    return conversing(call.chat(body, Wanted(demand=answer.breach)), system, answer.read)


def _labels(call: Call) -> Mapping[str, str]:
    """The labels and what is said of each: a list of texts, of {'label', 'description'}, or {label: description}."""
    given = call.own.get("labels")
    pairs = list(given.items()) if isinstance(given, dict) else [_pair(each) for each in given or ()]
    labels = {
        label: said
        for label, said in ((label, said or "") for label, said in pairs)
        if isinstance(label, str) and label.strip() and isinstance(said, str)
    }
    if not isinstance(given, list | dict) or not labels or len(labels) < len(pairs):
        raise ArgumentError(
            "classify: labels must be different texts, for example ['bug', 'praise'] or {'bug': 'something is broken', "
            f"'praise': 'somebody is glad'}}; got {shown(given)}"
        )
    return labels


def _pair(label: object) -> tuple[object, object]:
    return (label.get("label"), label.get("description")) if isinstance(label, dict) else (label, "")


def _one_of(labels: Mapping[str, str]) -> Shape:
    """An ENUM's shape without the ENUM, whose text could not hold every label."""
    part = label_of(tuple(labels))
    return Shape(part.schema, part.read, "enum")


def _chosen(labels: Mapping[str, str], one: Shape) -> Shape:
    """Several labels: yes or no to each. A list of them has no end for some models, and strict mode cannot bound it."""
    yes_or_no: JsonObject = {
        "type": "object",
        "properties": {label: {"type": "boolean"} for label in labels},
        "required": list(labels),
        "additionalProperties": False,
    }

    def read(value: Any) -> list[str]:
        if isinstance(value, list):  # from a model that is not held to the schema
            return list(dict.fromkeys(map(one.read, value)))
        if not isinstance(value, dict) or not all(isinstance(value.get(label), bool) for label in labels):
            raise Misfit(f"{shown(value)} does not say true or false to each of {', '.join(labels)}")
        return [label for label in labels if value[label]]

    return Shape(yes_or_no, read)


def _said_of(schema: JsonObject) -> str:
    """A field's type in words: a weak model gives the name of a SQL type back as the value."""
    plain = schema.get("anyOf", [schema])[0]
    return str(plain.get("description") or _WORDS.get(plain.get("type"), "a value"))


_WORDS = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "an object",
}
