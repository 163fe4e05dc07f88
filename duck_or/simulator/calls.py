"""The three kinds of model call seen alike: is it well formed, who serves it, what may it cost, what is the answer?

Knows nothing of limits, faults, latency or time. A refusal is a Reply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from duck_or.simulator.answers import answer_to
from duck_or.simulator.catalog import Model, find_model
from duck_or.simulator.completions import completion_of
from duck_or.simulator.paths import CHAT, EMBEDDINGS, RERANK
from duck_or.simulator.ranking import read_rerank, rerank
from duck_or.simulator.reply import Reply, error_reply
from duck_or.simulator.routing import model_not_found, route
from duck_or.simulator.scenario import Scenario
from duck_or.simulator.schema_scalars import UnsatisfiableError
from duck_or.simulator.usage import context_problem, hold_usd
from duck_or.simulator.validation import refusal_of
from duck_or.simulator.vectors import embeddings, read_embeddings

Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """make: of (generation id, seconds since the epoch) a fresh response with its usage. tokens: written, one by one."""

    make: Callable[[str, float], dict[str, Any]]
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A well-formed request with a model to serve it.

    hold_usd: what it holds of the in-flight budget. answer: the answer, or the provider's refusal of the content.
    """

    path: str
    model: Model
    hold_usd: Callable[[], float]
    answer: Callable[[], Answered | Reply]


@dataclass(frozen=True, slots=True)
class Kind:
    """One path. malformed: the 400 for a body that breaks the request schema. serve: find a model for it."""

    malformed: Callable[[Any], Reply | None]
    serve: Callable[[Body, bytes, Scenario], Call | Reply]


def _chat(body: Body, of: bytes, scenario: Scenario) -> Call | Reply:
    routed = route(body, scenario.any_model)
    if isinstance(routed, Reply):
        return routed

    def answer() -> Answered | Reply:
        if scenario.check_context and (too_long := context_problem(body, routed.model)) is not None:
            return too_long
        try:
            made = answer_to(body, routed.model, of)
        except UnsatisfiableError as problem:
            return error_reply(400, f"Invalid schema: {problem}")
        return Answered(partial(completion_of, routed, body, made), made.tokens)

    return Call(CHAT, routed.model, partial(hold_usd, body, routed.model), answer)


def _embeddings(body: Body, of: bytes, scenario: Scenario) -> Call | Reply:
    model = _served(body, scenario, "embeddings")
    if isinstance(model, Reply):
        return model
    asked = read_embeddings(body)
    if isinstance(asked, Reply):
        return asked

    def answer() -> Answered | Reply:
        refused = asked.refused(model, scenario.max_texts, scenario.max_texts_tokens)
        return refused or Answered(partial(_stamped, embeddings(asked, model)))

    return Call(EMBEDDINGS, model, lambda: asked.tokens * float(model.prompt), answer)


def _rerank(body: Body, of: bytes, scenario: Scenario) -> Call | Reply:
    model = _served(body, scenario, "rerank")
    if isinstance(model, Reply):
        return model
    asked = read_rerank(body)
    if isinstance(asked, Reply):
        return asked
    return Call(
        RERANK,
        model,
        lambda: asked.search_units * float(model.request),
        lambda: Answered(partial(_stamped, rerank(asked, model))),
    )


def _served(body: Body, scenario: Scenario, output: str) -> Model | Reply:
    model = find_model(body["model"], scenario.any_model, output)
    return model if model is not None and model.output == output else model_not_found(body["model"])


def _stamped(value: Mapping[str, Any], generation_id: str, now: float) -> dict[str, Any]:
    return {"id": generation_id, **value}


def _nameless(body: Any) -> Reply | None:
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        return None
    return error_reply(400, "model: Invalid input: expected string")


KINDS: dict[str, Kind] = {
    CHAT: Kind(refusal_of, _chat),
    EMBEDDINGS: Kind(_nameless, _embeddings),
    RERANK: Kind(_nameless, _rerank),
}
