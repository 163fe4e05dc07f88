"""The service's list of models and prices, asked for at most once an hour, and what a request can cost at the worst.

Parsing is lenient (a model without a price is listed without one); how the list is fetched is passed in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from duck_or.errors import RequestFailed
from duck_or.lenient import mapping_of, number_of, text_of
from duck_or.outcome import RawResponse
from duck_or.request import Request

MODELS_PATH = "/models"
KEEP_SECONDS = 3600.0

IMAGE_TOKENS = 10_000
"""Prompt tokens allowed for one image, file or audio part whose size the request does not show (a URL)."""

DYNAMIC_VARIANTS = frozenset({"nitro", "floor", "exacto", "online"})


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
            context_length=_whole(entry.get("context_length")),
            max_completion_tokens=_whole(top.get("max_completion_tokens")),
            prompt_usd=_price(pricing.get("prompt")),
            completion_usd=_price(pricing.get("completion")),
            request_usd=_price(pricing.get("request")),
            modality=text_of(mapping_of(entry.get("architecture")).get("modality")),
            supported_parameters=[str(name) for name in parameters] if isinstance(parameters, list) else [],
            created=number_of(entry.get("created")),
        )


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
        raise RequestFailed(f"the list of models could not be had: HTTP {response.status} at {MODELS_PATH}")
    try:
        entries = orjson.loads(response.body)["data"]
        return {model.id: model for model in map(Model.of, entries)}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise RequestFailed(f"the list of models is not one: {error}") from error


def worst_case_usd(request: Request, models: Mapping[str, Model]) -> float | None:
    """The most this request can cost in US dollars; None where a model's price is not known.

    Every byte of the body counts as a prompt token (a token is never shorter), every media part as IMAGE_TOKENS more;
    the answer as `max_tokens`, or as the longest the model gives where none is set. Of fallbacks, the dearest counts.
    """
    body = orjson.loads(request.body)
    named = [body.get("model"), *(body.get("models") or [])]
    costs = [_worst_case(request, models.get(_base_id(str(name)))) for name in named if name is not None]
    return None if not costs or None in costs else max(cost for cost in costs if cost is not None)


def _worst_case(request: Request, model: Model | None) -> float | None:
    if model is None or model.prompt_usd is None or model.completion_usd is None:
        return None
    media = request.body.count(b'_url":{"') + request.body.count(b'"type":"file"')
    prompt_tokens = len(request.body) + IMAGE_TOKENS * media
    longest = request.max_tokens or model.max_completion_tokens or model.context_length
    if longest is None:
        return None
    longest = max(0, longest)  # a negative cap is the service's to refuse, and no discount
    return prompt_tokens * model.prompt_usd + longest * model.completion_usd + (model.request_usd or 0.0)


def _base_id(model: str) -> str:
    """Without a routing variant (`:nitro`, `:floor`), which the list does not hold. Static ones (`:free`) stay."""
    name, _, variant = model.rpartition(":")
    return _base_id(name) if variant in DYNAMIC_VARIANTS else model
