"""What happened: counters that add up, and the latest requests with the key taken out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

ALL = 1_000_000  # what `record=True` keeps at most


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it arrived: header names in lower case, of Authorization only the last four characters."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The parsed JSON body; None for an empty one. Raises orjson.JSONDecodeError where it is not JSON."""
        return orjson.loads(self.raw) if self.raw else None

    def to_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "raw": self.raw.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RecordedRequest:
        return cls(**{**value, "raw": value["raw"].encode()})


@dataclass(frozen=True)
class Stats:
    """Counters since the start or the last reset, of model calls (chat completions, embeddings, rerank).

    requests = answered + refused + faulted + abandoned + in_flight.
    refused: by limits, key or validation. faulted: struck by a fault. abandoned: the client left before the reply.
    distinct: different bodies among the requests that were well formed; duplicates: requests beyond the first per
    body; answered_again: answers beyond the first per body, each of them paid twice.
    max_per_body, max_per_second: the most requests for one body, and in one clock second.
    max_in_flight: without any latency a request is answered in one go, so this stays at 1.
    by_path: requests by path (`/chat/completions`, `/embeddings`, `/rerank`) that came since.
    texts_asked, max_texts: texts in embeddings requests, altogether and at most in one, whatever became of them;
    texts_embedded: texts in those that were answered. documents_ranked: documents in rerank requests answered.
    connections: TCP connections accepted. other_requests: to `/models`, `/key` and the like. cost_usd: charged.
    """

    requests: int = 0
    answered: int = 0
    refused: int = 0
    faulted: int = 0
    abandoned: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    distinct: int = 0
    duplicates: int = 0
    answered_again: int = 0
    max_per_body: int = 0
    max_per_second: int = 0
    connections: int = 0
    other_requests: int = 0
    cache_hits: int = 0
    cost_usd: float = 0.0
    texts_asked: int = 0
    texts_embedded: int = 0
    max_texts: int = 0
    documents_ranked: int = 0
    by_path: dict[str, int] = field(default_factory=dict)
    by_status: dict[int, int] = field(default_factory=dict)
    by_fault: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "by_status": {str(status): count for status, count in self.by_status.items()}}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Stats:
        return cls(
            **{**value, "by_status": {int(status): count for status, count in value["by_status"].items()}}
        )


class Ledger:
    """Counts while the server runs. Used from the server's thread only."""

    def __init__(self, keep: int) -> None:
        self.kept: deque[RecordedRequest] = deque(maxlen=keep)
        self._keep = keep
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the requests that are still in flight."""
        self.kept.clear()
        self.requests = self.in_flight
        self.max_in_flight = self.in_flight
        self.answered = self.refused = self.faulted = self.abandoned = 0
        self.connections = self.other_requests = self.cache_hits = self.answered_again = 0
        self.cost_usd = 0.0
        self.texts_asked = self.texts_embedded = self.max_texts = self.documents_ranked = 0
        self.by_path: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self.by_fault: Counter[str] = Counter()
        self._bodies: dict[bytes, int] = {}
        self._answered_bodies: set[bytes] = set()
        self._second, self._this_second, self._max_per_second = -1, 0, 0

    def arrived(self, path: str, now: float) -> None:
        """A model call came in."""
        self.requests += 1
        self.by_path[path] += 1
        self.in_flight += 1
        if self.in_flight > self.max_in_flight:
            self.max_in_flight = self.in_flight
        second = int(now)
        if second != self._second:
            self._second, self._this_second = second, 0
        self._this_second += 1
        if self._this_second > self._max_per_second:
            self._max_per_second = self._this_second

    def asked(self, of: bytes) -> None:
        """The body with this fingerprint."""
        self._bodies[of] = self._bodies.get(of, 0) + 1

    def texts_came(self, texts: int) -> None:
        """An embeddings request with so many texts."""
        self.texts_asked += texts
        self.max_texts = max(self.max_texts, texts)

    def answered_body(self, of: bytes) -> None:
        self.answered += 1
        if of in self._answered_bodies:
            self.answered_again += 1
        else:
            self._answered_bodies.add(of)

    def keep(self, now: float, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> None:
        if not self._keep:
            return
        shown = {name.lower(): value for name, value in headers.items()}
        if "authorization" in shown:
            shown["authorization"] = shown["authorization"][-4:]
        self.kept.append(RecordedRequest(now, method, path, shown, raw))

    def stats(self) -> Stats:
        asked = sum(self._bodies.values())
        return Stats(
            requests=self.requests,
            answered=self.answered,
            refused=self.refused,
            faulted=self.faulted,
            abandoned=self.abandoned,
            in_flight=self.in_flight,
            max_in_flight=self.max_in_flight,
            distinct=len(self._bodies),
            duplicates=asked - len(self._bodies),
            answered_again=self.answered_again,
            max_per_body=max(self._bodies.values(), default=0),
            max_per_second=self._max_per_second,
            connections=self.connections,
            other_requests=self.other_requests,
            cache_hits=self.cache_hits,
            cost_usd=self.cost_usd,
            texts_asked=self.texts_asked,
            texts_embedded=self.texts_embedded,
            max_texts=self.max_texts,
            documents_ranked=self.documents_ranked,
            by_path=dict(self.by_path),
            by_status=dict(self.by_status),
            by_fault=dict(self.by_fault),
        )
