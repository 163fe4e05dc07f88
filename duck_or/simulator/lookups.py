"""Everything that is looked up rather than generated: models, providers, key, credits, generation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from duck_or.simulator.catalog import ALIASES, MODELS, PROVIDERS, find_model
from duck_or.simulator.reply import USER_ID, Reply, error_reply, json_reply
from duck_or.simulator.service import Service

_MANAGEMENT = "sk-or-management"
_SETTLING = 0.5  # seconds before `/generation` knows an answer
_INITIAL_CREDITS = 100.0  # shown where the scenario sets no balance


_LISTS: dict[str, dict[str, str]] = {  # path → what it says by itself
    "/models": {},
    "/embeddings/models": {"output_modalities": "embeddings"},
}


def look_up(
    service: Service, path: str, query: Mapping[str, str], authorization: str | None, now: float
) -> Reply:
    """The reply to `GET path` (path without `/api/v1`)."""
    if path in _LISTS:
        return _models({**query, **_LISTS[path]})
    if path == "/providers":
        return json_reply({"data": [{"name": name, "slug": slug} for slug, name in PROVIDERS.items()]})
    if path.startswith(("/models/", "/model/")):
        return _model(path)
    private = _PRIVATE.get(path)
    if private is None:
        return error_reply(404, "Not Found")
    return service.unauthorised(authorization) or private(service, query, authorization or "", now)


def _models(query: Mapping[str, str]) -> Reply:
    """Those that produce text unless `output_modalities` says otherwise; prices in `pricing` (rerank: per `request`)."""
    outputs = query.get("output_modalities", "text").split(",")
    wanted = query.get("supported_parameters", "")
    listed = [
        model.listing()
        for model in MODELS.values()
        if (model.output in outputs or "all" in outputs)
        and (not wanted or set(wanted.split(",")) <= set(model.parameters))
    ]
    return json_reply({"data": listed, "total_count": len(listed), "links": {"next": None}})


def _model(path: str) -> Reply:
    name = path.split("/", 2)[2].removesuffix("/endpoints")
    model = MODELS.get(ALIASES.get(name, name)) or find_model(name)
    if model is None:
        return error_reply(404, f"Model {name} not found")
    if not path.endswith("/endpoints"):
        return json_reply({"data": model.listing()})
    shown = {
        key: value
        for key, value in model.listing().items()
        if key in ("id", "name", "created", "description", "architecture")
    }
    return json_reply({"data": {**shown, "endpoints": model.endpoints()}})


def _key(service: Service, query: Mapping[str, str], authorization: str, now: float) -> Reply:
    limit, spent = service.scenario.key_limit_usd, service.limits.spent_usd
    management = _is_management(authorization)
    data = {
        "label": f"sk-or-v1-…{authorization[-4:]}",
        "limit": limit,
        "limit_remaining": None if limit is None else max(0.0, limit - spent),
        "limit_reset": None,
        "include_byok_in_limit": False,
        **dict.fromkeys(("usage", "usage_daily", "usage_weekly", "usage_monthly"), spent),
        **dict.fromkeys(("byok_usage", "byok_usage_daily", "byok_usage_weekly", "byok_usage_monthly"), 0),
        "is_free_tier": service.scenario.credits_usd == 0,
        "is_management_key": management,
        "is_provisioning_key": management,
        "expires_at": None,
        "creator_user_id": USER_ID,
        "rate_limit": {
            "requests": -1,
            "interval": "10s",
            "note": "This field is deprecated and safe to ignore.",
        },
    }
    return json_reply({"data": data})


def _credits(service: Service, query: Mapping[str, str], authorization: str, now: float) -> Reply:
    if not _is_management(authorization):
        return error_reply(403, "Only management keys can perform this operation")
    balance = service.scenario.credits_usd
    total = _INITIAL_CREDITS if balance is None else balance
    return json_reply({"data": {"total_credits": total, "total_usage": service.limits.spent_usd}})


def _is_management(authorization: str) -> bool:
    return authorization.partition(" ")[2].startswith(_MANAGEMENT)


def _generation(service: Service, query: Mapping[str, str], authorization: str, now: float) -> Reply:
    wanted = query.get("id", "")
    born, stored = service.generations.get(wanted, (now, b""))
    if now - born < _SETTLING:
        return error_reply(404, f"Generation {wanted} not found")
    completion = orjson.loads(stored)
    usage, choice = completion["usage"], completion["choices"][0]
    data: dict[str, Any] = {
        "id": wanted,
        "model": completion["model"],
        "provider_name": completion["provider"],
        "created_at": completion["created"],
        "total_cost": usage["cost"],
        "usage": usage["cost"],
        "is_byok": False,
        "cancelled": False,
        "cache_discount": None,
        "finish_reason": choice["finish_reason"],
        "native_finish_reason": choice["native_finish_reason"],
    }
    for side in ("prompt", "completion"):
        data[f"tokens_{side}"] = data[f"native_tokens_{side}"] = usage[f"{side}_tokens"]
    return json_reply({"data": data})


_PRIVATE: dict[str, Callable[[Service, Mapping[str, str], str, float], Reply]] = {
    "/key": _key,
    "/auth/key": _key,
    "/credits": _credits,
    "/generation": _generation,
}
