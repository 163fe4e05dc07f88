"""Which model and which provider serve a request: fallbacks, variants, provider preferences, and OpenRouter's refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from duck_or.simulator.catalog import PROVIDERS, Model, find_model
from duck_or.simulator.faults.statuses import STATUS_FAULTS
from duck_or.simulator.reply import Reply, error_reply

_DOCS = "https://openrouter.ai/docs"
# a model that fails with a status fails before its first byte, so OpenRouter tries the next one of the list
_FALLS_BACK = frozenset(fault.name for fault in STATUS_FAULTS)


@dataclass(frozen=True, slots=True)
class Route:
    """The model that answers and the slug of its provider."""

    model: Model
    provider: str


def route(body: Mapping[str, Any], any_model: bool) -> Route | Reply:
    """The first of `model`, `models[…]` that can serve the request, or the refusal of the last one."""
    asked = body.get("model")
    names = [asked] if asked else []
    names += body.get("models") or []
    if len(names) <= 1:
        return _try(names[0] if names else "openrouter/auto", body, any_model)
    outcome: Route | Reply = error_reply(400, "No models provided")
    for name in names:
        outcome = _try(name, body, any_model)
        if isinstance(outcome, Route) and outcome.model.fault not in _FALLS_BACK:
            return outcome
    return outcome


def _try(name: str, body: Mapping[str, Any], any_model: bool) -> Route | Reply:
    model = find_model(name, any_model)
    if model is None or model.output != "text":
        return model_not_found(name)
    if body.get("tools") and "tools" not in model.parameters:
        return error_reply(
            404,
            f"No endpoints found that support tool use. To learn more about provider routing, visit: {_DOCS}/provider-routing",
        )
    if (unable := _unable(body, model)) is not None:
        return unable
    preferences = body.get("provider")
    return _with_provider(model, preferences) if preferences else Route(model, model.providers[0])


def model_not_found(name: str) -> Reply:
    availability = {
        "code": "model_not_found",
        "retryable": False,
        "requested_models": [name],
        "docs_url": f"{_DOCS}/api-reference/errors-and-debugging",
    }
    return error_reply(400, f"{name} is not a valid model ID", availability=availability)


def _unable(body: Mapping[str, Any], model: Model) -> Reply | None:
    """The 404 for a model that would ignore what the request insists on: the form of the answer."""
    required = (body.get("provider") or {}).get("require_parameters")
    if not required or not body.get("response_format") or "response_format" in model.parameters:
        return None
    return error_reply(
        404,
        "No endpoints found that can handle the requested parameters. To learn more about provider routing, "
        f"visit: {_DOCS}/provider-routing",
    )


def _with_provider(model: Model, preferences: Mapping[str, Any]) -> Route | Reply:
    only, ignore = preferences.get("only"), preferences.get("ignore") or ()
    left = [slug for slug in model.providers if (not only or _named(slug, only)) and not _named(slug, ignore)]
    if not left:
        return _nobody(
            "No allowed providers are available for the selected model.",
            model,
            "provider.only" if only else "provider.ignore",
        )
    if _too_dear(model, preferences.get("max_price") or {}):
        return _nobody(
            f"No endpoints found for {model.id} within the maximum price.", model, "provider.max_price"
        )
    order = [slug for wanted in preferences.get("order") or () for slug in left if _named(slug, [wanted])]
    if not order and preferences.get("order") and preferences.get("allow_fallbacks") is False:
        return _nobody("No allowed providers are available for the selected model.", model, "provider.order")
    return Route(model, (order or left)[0])


def _named(slug: str, wanted: Any) -> bool:
    """A base slug matches all its endpoints (`openai/priority` is one of `openai`'s); names match too."""
    return any(name.partition("/")[0].lower() in (slug, PROVIDERS[slug].lower()) for name in wanted)


def _too_dear(model: Model, limits: Mapping[str, Any]) -> bool:
    prices = {"prompt": model.prompt, "completion": model.completion}
    return any(float(price) * 1e6 > float(limits[kind]) for kind, price in prices.items() if kind in limits)


def _nobody(message: str, model: Model, field: str) -> Reply:
    availability = {
        "code": "constraint_filtered",
        "retryable": False,
        "requested_models": [model.id],
        "affected_providers": list(model.providers),
        "constraint": {"field": field},
    }
    return error_reply(404, message, availability=availability)
