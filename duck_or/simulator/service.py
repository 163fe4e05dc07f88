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

from duck_or.simulator.calls import KINDS, Answered, Call
from duck_or.simulator.completions import free_copy
from duck_or.simulator.draws import canonical, fingerprint
from duck_or.simulator.faults.fault import Fault, Situation
from duck_or.simulator.faults.plan import FaultPlan
from duck_or.simulator.limits import Limits
from duck_or.simulator.paths import API, CHAT, EMBEDDINGS, RERANK
from duck_or.simulator.ranking import documents_in
from duck_or.simulator.record import Ledger
from duck_or.simulator.reply import EVENT_STREAM, Reply, error_reply
from duck_or.simulator.response_cache import ResponseCache, wish_of
from duck_or.simulator.scenario import Scenario
from duck_or.simulator.stream import events_of
from duck_or.simulator.timing import latency, writing
from duck_or.simulator.vectors import texts_in

_GENERATIONS = 10_000  # how many `/generation` remembers
_INVALID = "sk-or-invalid"


@dataclass(slots=True)
class Turn:
    """One model call: what to reply, after how many seconds, and what it costs once it is delivered.

    limits: whose hold `hold` is, because the scenario may change meanwhile. fault: what struck, if anything did.
    completion: of a chat, for whoever looks it up. texts, documents: embedded and ranked.
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
    texts: int = 0
    documents: int = 0


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
        self.ledger.arrived(path.removeprefix(API), now)
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
        return self._well_formed(path, headers, body, now)

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
            ledger.texts_embedded += turn.texts
            ledger.documents_ranked += turn.documents
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

    def _well_formed(self, path: str, headers: Mapping[str, str], body: Any, now: float) -> Turn:
        kind = KINDS[path]
        if (refused := kind.malformed(body)) is not None:
            return Turn(refused)
        of = fingerprint(self.scenario.seed, canonical(body))
        self.ledger.asked(of)
        if path == EMBEDDINGS:
            self.ledger.texts_came(texts_in(body))
        call = kind.serve(body, of, self.scenario)
        if isinstance(call, Reply):
            return Turn(call, of=of)
        hit = self._cached(headers, body, of, now) if path == CHAT else None
        return hit or self._admitted(call, headers, body, of, now)

    def _admitted(
        self, call: Call, headers: Mapping[str, str], body: dict[str, Any], of: bytes, now: float
    ) -> Turn:
        hold = call.hold_usd() if self.limits.wants_hold else 0.0
        refused = self.limits.admit(now, free=call.model.free, in_flight=self.ledger.in_flight, hold=hold)
        if refused is not None:
            return Turn(refused, of=of)
        turn = self._struck_or_answered(call, body, of, now)
        turn.of, turn.limits, turn.hold = of, self.limits, hold
        return self._stored(turn, headers, body, now)

    def _struck_or_answered(self, call: Call, body: dict[str, Any], of: bytes, now: float) -> Turn:
        fault = self._plan.choose(call.model, of, call.path, body)
        if fault is not None and fault.at_the_door:
            return Turn(fault.reply(Situation(call.model.id, now, dict, body, of)), fault=fault)
        answered = call.answer()
        if isinstance(answered, Reply):
            return Turn(answered)
        if fault is not None:
            return self._struck(fault, call, answered, body, of, now)
        made = answered.make(self.next_id(now), now)
        if call.path == CHAT:
            return self._chat(made, bool(body.get("stream")), answered.tokens, of)
        reply = Reply(200, orjson.dumps(made), generation_id=made["id"])
        turn = Turn(reply, latency(self.scenario, of), answered=True, cost=made["usage"]["cost"])
        turn.texts = texts_in(body) if call.path == EMBEDDINGS else 0
        turn.documents = documents_in(body) if call.path == RERANK else 0
        return turn

    def _chat(self, completion: dict[str, Any], stream: bool, tokens: int, of: bytes) -> Turn:
        delay, writes = latency(self.scenario, of), writing(self.scenario, tokens)
        if stream:
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
        self, fault: Fault, call: Call, answered: Answered, body: dict[str, Any], of: bytes, now: float
    ) -> Turn:
        generation_id = self.next_id(now)

        def completion() -> dict[str, Any]:
            return answered.make(generation_id, now)

        situation = Situation(call.model.id, now, completion, body, of)
        reply = replace(fault.reply(situation), generation_id=generation_id)
        cost = completion()["usage"]["cost"] if fault.billed else 0.0
        return Turn(reply, latency(self.scenario, of), fault=fault, cost=cost)

    def _cached(self, headers: Mapping[str, str], body: dict[str, Any], of: bytes, now: float) -> Turn | None:
        wish = wish_of(headers, CHAT, body) if self.scenario.response_cache else None
        found = self._cache.get(wish, now) if wish is not None else None
        if found is None:
            return None
        self.ledger.cache_hits += 1
        stored, said = found
        turn = self._chat(free_copy(stored, self.next_id(now), now), bool(body.get("stream")), 0, of)
        turn.of, turn.delay, turn.reply = of, 0.0, replace(turn.reply, headers=said)
        return turn

    def _stored(self, turn: Turn, headers: Mapping[str, str], body: dict[str, Any], now: float) -> Turn:
        wish = wish_of(headers, CHAT, body) if self.scenario.response_cache else None
        if wish is not None and turn.completion is not None:
            turn.reply = replace(turn.reply, headers=self._cache.put(wish, turn.completion, now))
        return turn
