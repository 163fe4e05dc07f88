"""The service's list of models and prices, asked for at most once an hour, and what a request can cost at the worst.

Parsing is lenient (a model without a price is listed without one); how the list is fetched is passed in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import orjson

from duck_or.errors import RequestFailed
from duck_or.lenient import mapping_of, number_of, text_of
from duck_or.outcome import RawResponse
from duck_or.request import Request

MODELS_PATH = "/models?output_modalities=all"
"""OpenRouter lists only models that write text unless told otherwise; other servers ignore the query."""
KEEP_SECONDS = 3600.0

NO_LIST = frozenset({404, 405, 501})
"""Statuses of a server that has no such list at all."""

IMAGE_TOKENS = 10_000
"""Prompt tokens allowed for one image, file or audio part whose size the request does not show (a URL)."""

DYNAMIC_VARIANTS = frozenset({"nitro", "floor", "exacto", "online"})


class NoModelList(RequestFailed):
    """The server does not list its models, now or ever."""


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the list. Prices are US dollars per token (`request_usd`: per request), None where not listed."""

    id: str
    name: str | None
    context_length: int | None
    max_completion_tokens: int | None
    prompt_usd: float | None
    completion_usd: float | None
    request_usd: float | None
    modality: str | None
    supported_parameters: list[str]
    created: float | None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Model:
        pricing, top = mapping_of(entry.get("pricing")), mapping_of(entry.get("top_provider"))
        parameters = entry.get("supported_parameters")
        return cls(
            id=str(entry["id"]),
            name=text_of(entry.get("name")),
            context_length=_context_length(entry),
            max_completion_tokens=_whole(top.get("max_completion_tokens")),
            prompt_usd=_price(pricing.get("prompt")),
            completion_usd=_price(pricing.get("completion")),
            request_usd=_price(pricing.get("request")),
            modality=text_of(mapping_of(entry.get("architecture")).get("modality")),
            supported_parameters=[str(name) for name in parameters] if isinstance(parameters, list) else [],
            created=number_of(entry.get("created")),
        )

    @property
    def longest_answer(self) -> int | None:
        """Tokens; None where nothing is listed that bounds it."""
        longest = self.max_completion_tokens or self.context_length
        return None if longest is None else max(0, longest)


def _context_length(entry: Mapping[str, Any]) -> int | None:
    """As OpenRouter says it, vLLM (max_model_len), or llama.cpp (meta.n_ctx, what one request has)."""
    said = (
        entry.get("context_length"),
        entry.get("max_model_len"),
        mapping_of(entry.get("meta")).get("n_ctx"),
    )
    return next((length for length in map(_whole, said) if length), None)


def _whole(value: object) -> int | None:
    number = number_of(value)
    return None if number is None else int(number)


def _price(value: object) -> float | None:
    """A router's price is "-1": it depends on where the request goes, so it is not known."""
    number = number_of(value)
    return number if number is not None and number >= 0 else None


class ModelList:
    """Fetched when first needed and then kept for an hour. fetch: one GET; raises what the transport raises."""

    def __init__(
        self, fetch: Callable[[str], RawResponse], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._guard = threading.Lock()
        self._models: dict[str, Model] = {}
        self._fetched: float | None = None

    def models(self) -> dict[str, Model]:
        """By id. Raises RequestFailed when the service does not give the list."""
        with self._guard:
            if self._fetched is None or self._clock() - self._fetched > KEEP_SECONDS:
                self._models = _parse(self._fetch(MODELS_PATH))
                self._fetched = self._clock()
            return self._models


def _parse(response: RawResponse) -> dict[str, Model]:
    if response.status != 200:
        error = NoModelList if response.status in NO_LIST else RequestFailed
        raise error(f"the list of models could not be had: HTTP {response.status} at {MODELS_PATH}")
    try:
        entries = orjson.loads(response.body)["data"]
        return {model.id: model for model in map(Model.of, entries)}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise RequestFailed(f"the list of models is not one: {error}") from error


@dataclass(slots=True)
class Volume:
    """How much some requests ask of one model, in sums, so that a million requests take no more room than one.

    media: parts that count as IMAGE_TOKENS. max_tokens: the sum of the caps. uncapped: those that set none and get text.
    """

    requests: int = 0
    body_bytes: int = 0
    media: int = 0
    max_tokens: int = 0
    uncapped: int = 0

    def add(self, request: Request) -> None:
        body, cap = request.body, request.max_tokens
        self.requests += 1
        self.body_bytes += len(body)
        self.media += body.count(b'_url":{"') + body.count(b'"type":"file"')
        if cap:
            self.max_tokens += max(0, cap)  # a negative cap is the service's to refuse, and no discount
        elif request.wanted.kind == "chat":  # a vector and a ranking take no tokens
            self.uncapped += 1

    def __add__(self, other: Volume) -> Volume:
        sums = (getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        return Volume(*sums)

    def longest_answers(self, model: Model | None) -> int | None:
        """Tokens of all the answers if each is as long as it can be; None where nothing bounds them."""
        if not self.uncapped:
            return self.max_tokens
        longest = None if model is None else model.longest_answer
        return None if longest is None else self.max_tokens + self.uncapped * longest

    def worst_case_usd(self, model: Model | None) -> float | None:
        """The most that these requests can cost at this model; None where its price is not known.

        Every byte of a body counts as a prompt token (a token is never shorter), every media part as IMAGE_TOKENS more;
        an answer as its `max_tokens`, or as the longest the model gives where none is set.
        """
        answers = self.longest_answers(model)
        if model is None or model.prompt_usd is None or answers is None:
            return None
        if answers and model.completion_usd is None:
            return None
        prompt_tokens = self.body_bytes + IMAGE_TOKENS * self.media
        per_request = (model.request_usd or 0.0) * self.requests
        return prompt_tokens * model.prompt_usd + answers * (model.completion_usd or 0.0) + per_request


def worst_case_usd(request: Request, models: Mapping[str, Model]) -> float | None:
    """The most this request can cost in US dollars (see `Volume`); of fallbacks, the dearest counts.

    None where a price is not known.
    """
    volume = Volume()
    volume.add(request)
    costs = [volume.worst_case_usd(listed(name, models)) for name in named_models(request)]
    return None if not costs or None in costs else max(cost for cost in costs if cost is not None)


def named_models(request: Request) -> tuple[str, ...]:
    """The model and its fallbacks, each once; none where a preset or the account decides."""
    fallbacks: Any = None
    if b'"models":' in request.body:  # inside a text the quotes are escaped, so most bodies need no parsing
        fallbacks = orjson.loads(request.body).get("models")
    named = [request.model, *(fallbacks if isinstance(fallbacks, list) else [fallbacks])]
    return tuple(dict.fromkeys(str(name) for name in named if name is not None))


def listed(model: str, models: Mapping[str, Model]) -> Model | None:
    """The list's row for the name of a model as a request has it."""
    return models.get(_base_id(model))


def _base_id(model: str) -> str:
    """Without a routing variant (`:nitro`, `:floor`), which the list does not hold. Static ones (`:free`) stay."""
    name, _, variant = model.rpartition(":")
    return _base_id(name) if variant in DYNAMIC_VARIANTS else model
