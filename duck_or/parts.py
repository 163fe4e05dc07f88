"""What one session is made of: its parts, put together from its settings.

How they are used, and what a closed session says, is `session`'s business.
"""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import urlsplit
from weakref import WeakSet

from cachetools import LRUCache

from duck_or.cache.guard import GuardedStore
from duck_or.cache.memory import MemoryCache
from duck_or.cache.opening import is_shared, open_shared
from duck_or.cache.recall import Recall
from duck_or.cache.sharing import SharedAnswers, Worker
from duck_or.cache.sqlite_store import SqliteStore
from duck_or.calls import call_log
from duck_or.calls_file import calls_file
from duck_or.cassette.player import Player
from duck_or.engine.batch import Batch, Post, Statement, Terms
from duck_or.engine.chunk import Asker
from duck_or.engine.lanes import Membership
from duck_or.engine.ledger import Ledger, StoreGate
from duck_or.engine.limits import Limits
from duck_or.engine.loop_thread import loop_thread
from duck_or.engine.shared_rate import StoreBucket
from duck_or.engine.spending import Spending
from duck_or.engine.store_thread import NoStore, StoreThread
from duck_or.engine.survey import Sources
from duck_or.engine.transport import Endpoint
from duck_or.errors import SettingsError
from duck_or.functions import Template, template_of
from duck_or.models import ModelList
from duck_or.outcome import RawResponse
from duck_or.policy.retry import RetryPolicy
from duck_or.progress.watching import Watched
from duck_or.settings import Settings

TEMPLATES = 1024
"""Parsed options kept; a column of options with more distinct values than that is parsed again now and then."""

STATEMENTS = 256
"""Statements remembered at once: more than run at the same time on one database."""

GET_TIMEOUT = 30.0
"""Seconds for the price list and the key's limits."""


@dataclass(eq=False)
class Parts:
    """Everything that holds a lock, a thread, a file or a connection: a forked child builds its own."""

    settings: Settings
    pid: int = field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        settings = effective(self.settings)
        shares = memory_shares(settings)
        worker = Worker()
        player = None if settings.cassette is None else Player(settings.cassette, settings.base_url)
        self.store = player or guarded_store(settings, worker)
        self.bucket = shared_bucket(settings, worker)
        self.membership = player or Membership(
            endpoint_of(settings), Limits(settings.rate_limit, settings.max_in_flight, self.bucket)
        )
        self.models = ModelList(self._get)
        self.ledger = Ledger(
            memory=MemoryCache(shares.answers, settings.cache_ttl),
            store=store_gate(self.store),
            calls=call_log().telling(calls_file(settings.calls_file)),
            log_prompts=settings.log_prompts,
            spending=None if settings.budget_usd is None else Spending(settings.budget_usd),
            base_url=settings.base_url,
        )
        self.recall = Recall(shares.recall)
        self.post = Post(self.ledger, self._submit, self.membership.withdraw)
        self.asker = Asker(
            Sources(self.ledger, self.recall, lru_cache(TEMPLATES)(self._template)),
            self.post,
        )
        self._guard = threading.Lock()
        self._statements: LRUCache[int, Statement] = LRUCache(STATEMENTS)
        _open.add(self)

    def statement(self, identity: Statement | int | None) -> Statement:
        """The statement of this identity; without one, each chunk is a statement of its own."""
        if identity is None:
            return Statement()
        if isinstance(identity, Statement):
            return identity
        with self._guard:
            known = self._statements.get(identity)
            if known is None:
                known = self._statements[identity] = Statement(watcher=self._watcher())
            return known

    def _watcher(self) -> Watched:
        return Watched(self.settings.progress, self.ledger.stats.read, self.settings.budget_usd)

    def close(self) -> None:
        """Take back what is under way, finish the writes, let go of what was remembered. Idempotent."""
        self.membership.leave(self.ledger)
        if self.bucket is not None:
            self.bucket.close()
        self.ledger.store.close()
        self.ledger.calls.flush()
        # The process's log of calls refers to this memory; without a session nothing bounds how many of them there are.
        self.ledger.memory.clear()
        self.recall.clear()

    def _template(self, options: str) -> Template:
        return template_of(options, self.settings.base_url, self.settings.model)

    def _submit(self, batch: Batch) -> None:
        if self.settings.cassette is None:
            require_key(self.settings)
            for spending in batch.budgets:
                spending.prices = self.models.models()
        self.membership.submit(batch)

    def _get(self, path: str) -> RawResponse:
        return self.membership.get(path, GET_TIMEOUT)


_open: WeakSet[Parts] = WeakSet()


def _close_at_exit() -> None:
    """Answers that were paid for are written, nothing is sent any more, and only then the event loop stops.

    Runs before that: exit functions run last in, first out, and the loop's module was imported before this one.
    """
    for parts in list(_open):
        if parts.pid == os.getpid():
            parts.close()


atexit.register(_close_at_exit)


class MemoryShares(NamedTuple):
    """How `memory_cache_bytes` is shared out: answers by key, by row text, and the SQL layer's: whole chunks, and what was
    read out of answers."""

    answers: int
    recall: int
    pages: int
    values: int


def memory_shares(settings: Settings) -> MemoryShares:
    """The shortcuts know no age, so a TTL has to do without them."""
    total = settings.memory_cache_bytes
    if settings.cache_ttl is not None:
        return MemoryShares(total, 0, 0, 0)
    return MemoryShares(total * 3 // 8, total // 4, total // 4, total // 8)


@lru_cache(64)
def terms_of(settings: Settings, stop_on_failure: bool) -> Terms:
    retry = RetryPolicy(settings.attempts, max_total_wait=settings.max_wait)
    return Terms(settings.timeout, retry, stop_on_failure)


def effective(settings: Settings) -> Settings:
    """A cassette is played by itself: nothing else is read or written, nothing grows old, and nothing costs anything."""
    if settings.cassette is None:
        return settings
    return settings.overridden({"cache_path": None, "cache_ttl": None, "budget_usd": None})


def store_gate(store: GuardedStore | SharedAnswers | Player | None) -> StoreGate:
    """The way to a store from both sides: at once from the thread that asks, through its own thread from the event loop."""
    if store is None:
        return NoStore()
    return store if isinstance(store, Player) else StoreThread(store, loop_thread().call)


def guarded_store(settings: Settings, worker: Worker) -> GuardedStore | SharedAnswers | None:
    place = settings.cache_path
    if place is None:
        return None
    if is_shared(place):
        return SharedAnswers(open_shared(str(place), settings.cache_ttl, settings.cache_max_bytes), worker)
    return GuardedStore(SqliteStore(place, ttl=settings.cache_ttl, max_bytes=settings.cache_max_bytes))


def shared_bucket(settings: Settings, worker: Worker) -> StoreBucket | None:
    """Where the rate is kept for all machines that share a store; None where each process keeps its own."""
    place = settings.cache_path
    if not is_shared(place) or not settings.rate_limit:
        return None
    return StoreBucket(open_shared(str(place)), bucket_name(settings), worker, loop_thread().call)


def bucket_name(settings: Settings) -> str:
    """One bucket for each service and key, since that is what a service limits. The key cannot be told from it."""
    said = f"{settings.base_url}\0{settings.api_key or ''}".encode()
    return blake2b(said, digest_size=16).hexdigest()


def endpoint_of(settings: Settings) -> Endpoint:
    return Endpoint(
        settings.base_url,
        settings.api_key or "",
        settings.transport,
        settings.site_url,
        settings.app_name,
    )


def require_key(settings: Settings) -> None:
    """Raises SettingsError when OpenRouter would be asked without a key. Answers from the cache need none."""
    host = urlsplit(settings.base_url).hostname or ""
    if settings.api_key is None and (host == "openrouter.ai" or host.endswith(".openrouter.ai")):
        raise SettingsError(
            "no API key: set the environment variable OPENROUTER_API_KEY, or pass "
            "duck_or.register(con, api_key=...). Keys are made at https://openrouter.ai/settings/keys"
        )
