"""The simulated service without its sockets: a request's bytes and headers in, a Turn (reply, delay, price) out.

Knows the order of the checks: key, JSON, schema, route, response cache, limits, fault, answer. Time is an argument; it
never waits and never writes. One thread at a time.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from duck_or.simulator.answers import Answer, answer_to
from duck_or.simulator.catalog import find_model
from duck_or.simulator.completions import completion_of, free_copy
from duck_or.simulator.draws import canonical, fingerprint
from duck_or.simulator.faults.fault import Fault, Situation
from duck_or.simulator.faults.plan import FaultPlan
from duck_or.simulator.limits import Limits
from duck_or.simulator.record import Ledger
from duck_or.simulator.reply import EVENT_STREAM, Reply, error_reply, json_reply
from duck_or.simulator.response_cache import ResponseCache, wish_of
from duck_or.simulator.routing import Route, model_not_found, route
from duck_or.simulator.scenario import Scenario
from duck_or.simulator.schema_scalars import UnsatisfiableError
from duck_or.simulator.stream import events_of
from duck_or.simulator.timing import latency, writing
from duck_or.simulator.usage import hold_usd
from duck_or.simulator.validation import refusal_of
from duck_or.simulator.vectors import embeddings, rerank

CHAT, EMBEDDINGS, RERANK = "/api/v1/chat/completions", "/api/v1/embeddings", "/api/v1/rerank"
_GENERATIONS = 10_000  # how many `/generation` remembers
_INVALID = "sk-or-invalid"


@dataclass(slots=True)
class Turn:
    """One model call: what to reply, after how many seconds, and what it costs once it is delivered.

    limits: whose hold `hold` is, because the scenario may change meanwhile. fault: what struck, if anything did.
    """

    reply: Reply
    delay: float = 0.0
    of: bytes | None = None
    answered: bool = False
    fault: Fault | None = None
    limits: Limits | None = None
    hold: float = 0.0
    cost: float = 0.0
    completion: dict[str, Any] | None = None


class Service:
    """The state behind one simulated account."""

    def __init__(self, scenario: Scenario, keep: int) -> None:
        self.ledger = Ledger(keep)
        self._prefix = secrets.token_hex(5)
        self._issued = 0
        self.use(scenario)

    def use(self, scenario: Scenario) -> None:
        """From now on this scenario, with fresh limits and scripts."""
        self.scenario = scenario
        self.limits = Limits(scenario)
        self._plan = FaultPlan(scenario)
        self._cache = ResponseCache()
        self.generations: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def reset(self) -> None:
        """As if just started with the same scenario."""
        self.ledger.reset()
        self.use(self.scenario)

    def open(self, path: str, headers: Mapping[str, str], raw: bytes, now: float) -> Turn:
        """Decide one model call. Every Turn must come back through `close`."""
        self.ledger.arrived(now)
        try:
            return self._decide(path, headers, raw, now)
        except BaseException:
            self.ledger.in_flight -= 1  # there is no Turn to close
            raise

    def _decide(self, path: str, headers: Mapping[str, str], raw: bytes, now: float) -> Turn:
        refused = self.unauthorised(headers.get("Authorization"))
        if refused is not None:
            return Turn(refused)
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as problem:
            return Turn(error_reply(400, f"Invalid JSON body: {problem}"))
        if path == CHAT:
            return self._chat(headers, body, now)
        return self._other(path, body, now)

    def close(self, turn: Turn, now: float, *, delivered: bool) -> None:
        """The reply was sent (or the client left before it)."""
        ledger = self.ledger
        ledger.in_flight -= 1
        cost = turn.cost if delivered else 0.0
        if turn.limits is not None:
            turn.limits.settle(now, turn.hold, cost)
        ledger.cost_usd += cost
        if not delivered and turn.fault is None:
            ledger.abandoned += 1
            return
        if turn.fault is not None:
            ledger.faulted += 1
            ledger.by_fault[turn.fault.name] += 1
        elif turn.answered and turn.of is not None:
            ledger.answered_body(turn.of)
        else:
            ledger.refused += 1
        ledger.by_status[turn.reply.status] += 1
        if turn.completion is not None:
            # as bytes, because ten thousand nested dicts would keep the garbage collector busy
            self.generations[turn.completion["id"]] = (now, turn.reply.body or orjson.dumps(turn.completion))
            if len(self.generations) > _GENERATIONS:
                self.generations.popitem(last=False)

    def unauthorised(self, authorization: str | None) -> Reply | None:
        """The 401 for this Authorization header; None if the key is good."""
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            return error_reply(401, "No auth credentials found")
        keys = self.scenario.keys
        good = key in keys if keys else key.startswith("sk-or-") and not key.startswith(_INVALID)
        return None if good else error_reply(401, "User not found.")

    def next_id(self, now: float) -> str:
        """`gen-<unix seconds>-<20 alphanumeric characters>`."""
        self._issued += 1
        return f"gen-{int(now)}-{self._prefix}{self._issued:010d}"

    def _chat(self, headers: Mapping[str, str], body: Any, now: float) -> Turn:
        if (refused := refusal_of(body)) is not None:
            return Turn(refused)
        of = fingerprint(self.scenario.seed, canonical(body))
        self.ledger.asked(of)
        routed = route(body, self.scenario.any_model)
        if isinstance(routed, Reply):
            return Turn(routed, of=of)
        if (hit := self._cached(headers, body, of, now)) is not None:
            return hit
        hold = hold_usd(body, routed.model) if self.limits.wants_hold else 0.0
        refused = self.limits.admit(now, free=routed.model.free, in_flight=self.ledger.in_flight, hold=hold)
        if refused is not None:
            return Turn(refused, of=of)
        turn = self._struck_or_answered(routed, body, of, now)
        turn.of, turn.limits, turn.hold = of, self.limits, hold
        return self._stored(turn, headers, body, now)

    def _struck_or_answered(self, routed: Route, body: dict[str, Any], of: bytes, now: float) -> Turn:
        fault = self._plan.choose(routed.model, of)
        if fault is not None and fault.at_the_door:
            return Turn(fault.reply(Situation(routed.model.id, now, dict)), fault=fault)
        try:
            answer = answer_to(body, routed.model, of)
        except UnsatisfiableError as problem:
            return Turn(error_reply(400, f"Invalid schema: {problem}"))
        generation_id = self.next_id(now)
        if fault is None:
            return self._answered(completion_of(routed, body, answer, generation_id, now), body, answer, of)
        return self._struck(fault, routed, body, answer, of, generation_id, now)

    def _answered(self, completion: dict[str, Any], body: dict[str, Any], answer: Answer, of: bytes) -> Turn:
        delay, writes = latency(self.scenario, of), writing(self.scenario, answer.tokens)
        if body.get("stream"):
            parts = tuple(events_of(completion))
            reply = Reply(
                200,
                b"",
                content_type=EVENT_STREAM,
                parts=parts,
                pace=writes / len(parts),
                generation_id=completion["id"],
            )
        else:
            reply = Reply(200, orjson.dumps(completion), generation_id=completion["id"])
            delay += writes
        return Turn(reply, delay, answered=True, cost=completion["usage"]["cost"], completion=completion)

    def _struck(
        self,
        fault: Fault,
        routed: Route,
        body: dict[str, Any],
        answer: Answer,
        of: bytes,
        generation_id: str,
        now: float,
    ) -> Turn:
        def completion() -> dict[str, Any]:
            return completion_of(routed, body, answer, generation_id, now)

        reply = replace(fault.reply(Situation(routed.model.id, now, completion)), generation_id=generation_id)
        cost = completion()["usage"]["cost"] if fault.billed else 0.0
        return Turn(reply, latency(self.scenario, of), fault=fault, cost=cost)

    def _cached(self, headers: Mapping[str, str], body: dict[str, Any], of: bytes, now: float) -> Turn | None:
        wish = wish_of(headers, CHAT, body) if self.scenario.response_cache else None
        found = self._cache.get(wish, now) if wish is not None else None
        if found is None:
            return None
        self.ledger.cache_hits += 1
        stored, said = found
        turn = self._answered(free_copy(stored, self.next_id(now), now), body, Answer(None, "stop", 0), of)
        turn.of, turn.delay, turn.reply = of, 0.0, replace(turn.reply, headers=said)
        return turn

    def _stored(self, turn: Turn, headers: Mapping[str, str], body: dict[str, Any], now: float) -> Turn:
        wish = wish_of(headers, CHAT, body) if self.scenario.response_cache else None
        if wish is not None and turn.completion is not None:
            turn.reply = replace(turn.reply, headers=self._cache.put(wish, turn.completion, now))
        return turn

    def _other(self, path: str, body: Any, now: float) -> Turn:
        """Embeddings and rerank: the same key, limits and latency; no faults."""
        kind, make = ("embeddings", embeddings) if path == EMBEDDINGS else ("rerank", rerank)
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            return Turn(error_reply(400, "model: Invalid input: expected string"))
        of = fingerprint(self.scenario.seed, canonical(body))
        self.ledger.asked(of)
        model = find_model(body["model"])
        if model is None or model.output != kind:
            return Turn(model_not_found(body["model"]), of=of)
        refused = self.limits.admit(now, free=False, in_flight=self.ledger.in_flight, hold=0.0)
        value = make(body, model) if refused is None else refused
        if isinstance(value, Reply):
            return Turn(value, of=of)
        reply = json_reply({"id": self.next_id(now), **value})
        cost = value["usage"]["cost"]
        return Turn(reply, latency(self.scenario, of), of, answered=True, limits=self.limits, cost=cost)
