"""A client for a Redis or Valkey server, and what its errors mean for an answer cache: what happened, what to do, and whether
it may pass by itself. The only importer of the library.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from duck_or.cache.contract import StoreError, Unreachable
from duck_or.cache.server_address import ELSEWHERE, not_an_address
from duck_or.errors import SettingsError
from duck_or.store_address import fault, is_tls, normal

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.exceptions import (
        AuthenticationError,
        AuthorizationError,
        BusyLoadingError,
        ClusterError,
        ConnectionError,  # noqa: A004  what the library calls it
        InvalidResponse,
        MasterDownError,
        MovedError,
        NoPermissionError,
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        ResponseError,
        TimeoutError,  # noqa: A004
    )
    from redis.retry import Retry
except ImportError as missing:
    raise SettingsError(
        'answers in Redis or Valkey need its client: pip install "duck_or[redis]"'
    ) from missing

SILENCE = 5.0
"""Seconds without a word from the server after which it counts as unreachable, while connecting and afterwards."""

PROBING = 1.0
"""Seconds for the question whether it speaks TLS at all."""

FORM = "redis://user:password@host:port/0"

Redis = redis.Redis
RedisError = redis.RedisError


class Meaning(NamedTuple):
    """passes: it may pass by itself, as a restart does."""

    what: str
    cure: str
    passes: bool = False


_CREDENTIALS = Meaning("it refuses the user or the password", "correct them in cache_path")
_CLUSTER = Meaning("it is part of a Redis Cluster", f"use a single server, or {ELSEWHERE}")
_DOWN = Meaning("it cannot be reached", "see that it runs and that cache_path has its host and port", True)
_SWITCHING = Meaning("it is a replica, or about to be another one's", "wait until the failover is over", True)

# The first that fits, so that a kind comes before the kinds it belongs to.
BY_CLASS: Sequence[tuple[type[RedisError], Meaning]] = (
    (AuthenticationError, _CREDENTIALS),
    (AuthorizationError, _CREDENTIALS),
    (BusyLoadingError, Meaning("it is starting", "wait until it has loaded its data", True)),
    (MasterDownError, _SWITCHING),
    (ReadOnlyError, _SWITCHING),
    (TimeoutError, Meaning("it does not answer in time", "see that it runs and is not overloaded", True)),
    (ConnectionError, _DOWN),
    (InvalidResponse, Meaning("it is not a Redis server", ELSEWHERE)),
    (ClusterError, _CLUSTER),
    (MovedError, _CLUSTER),
    (
        NoPermissionError,
        Meaning("its user may not do this", "grant it all commands on keys that begin with duck_or:"),
    ),
    (
        OutOfMemoryError,
        Meaning("its memory is full", "raise its maxmemory, run `duck-or cache prune`, or " + ELSEWHERE),
    ),
)

# The first word of any other error. https://github.com/redis/redis, server.c: createSharedObjects.
BY_WORD: Mapping[str, Meaning] = {
    "BUSY": Meaning("a script keeps it busy", "wait until that one is done", True),
    "CROSSSLOT": _CLUSTER,
    "MISCONF": Meaning("it cannot save its data and takes no more", "see its log: its disk may be full"),
    "NOREPLICAS": Meaning("too few of its replicas are there", "wait until they are back", True),
    "UNKILLABLE": Meaning("a script keeps it busy", "wait until that one is done", True),
    "WRONGTYPE": Meaning("another program uses keys that begin with duck_or:", ELSEWHERE),
}
OTHERWISE = Meaning("it refused", f"see its log, or {ELSEWHERE}")
_CERTIFICATE = Meaning("its TLS certificate is not trusted", "add ssl_ca_certs=FILE to cache_path")
_FILES = Meaning(
    "a file that its TLS needs cannot be read",
    "correct ssl_ca_certs, ssl_certfile and ssl_keyfile in cache_path",
)
_TLS = Meaning("TLS with it is not possible", "correct the options that begin with ssl_ in cache_path")
_NO_TLS = Meaning("it does not speak TLS on this port", "use redis:// or its TLS port")
BY_TLS: Mapping[str, Meaning] = {
    "CERTIFICATE_VERIFY_FAILED": _CERTIFICATE,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
}
BY_CAUSE: Sequence[tuple[type[OSError], Meaning]] = (
    (ssl.SSLEOFError, _DOWN),
    (ssl.SSLZeroReturnError, _DOWN),
    (ssl.SSLSyscallError, _DOWN),
    (ssl.SSLError, _TLS),
    (FileNotFoundError, _FILES),
    (PermissionError, _FILES),
    (IsADirectoryError, _FILES),
)
"""Where TLS is spoken: what the library only says to be no connection. The first that fits."""


def open_client(url: str, silence: float) -> Redis:
    """A client that connects at its first command, and again where the server closed an idle connection.

    silence: see `RedisStore`. Raises StoreError for what is no address.
    """
    if why := fault(url):
        raise not_an_address(url, FORM, why)
    address = normal(url)
    address = address.replace("valkey", "redis", 1) if address.startswith("valkey") else address
    try:
        client = redis.Redis.from_url(
            address,
            protocol=2,
            socket_timeout=silence,
            socket_connect_timeout=silence,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),  # who waits for the server, and how long, is decided above
        )
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # says what is wrong with options; it connects later
    except (ValueError, TypeError, RedisError):
        raise not_an_address(url, FORM, "one of its options has a value that is none") from None
    return client


def is_plain(error: RedisError, url: str) -> bool:
    """Whether TLS was waited for in vain because the server speaks none: what it was sent it took for half a command."""
    if not (isinstance(error, TimeoutError) and is_tls(url)):
        return False
    parts = urlsplit(url)
    with suppress(OSError), socket.create_connection((parts.hostname, parts.port or 6379), PROBING) as probe:
        probe.settimeout(PROBING)
        probe.sendall(b"PING\r\n")
        return probe.recv(1) in (b"+", b"-")
    return False


def evicting(client: Redis) -> str | None:
    """The policy by which the server drops keys when its memory is full; None where it drops none, or does not say."""
    try:
        memory = client.info("memory")
    except ResponseError:  # not everybody may ask
        return None
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    return policy if policy != "noeviction" and memory.get("maxmemory") != 0 else None


def store_error(error: RedisError, location: str, doing: str, plain: bool = False) -> StoreError:
    """doing: 'read', 'write' …, as in "cannot read the answer cache". plain: see `is_plain`."""
    # Where several commands were sent together, the library puts the command that failed, and with it answers, before it.
    said = str(error).rpartition("caused error: ")[2]
    meaning = _NO_TLS if plain else _meaning(error, said, is_tls(location))
    # Only of these the text holds neither user nor data.
    telling = isinstance(error, (ConnectionError, TimeoutError)) and meaning is not _CREDENTIALS
    detail = said[:200] if telling or meaning is OTHERWISE else type(error).__name__
    kind = Unreachable if meaning.passes else StoreError
    return kind(
        f"cannot {doing} the answer cache {location}: {meaning.what} ({detail}). To mend it: {meaning.cure}"
    )


def _meaning(error: RedisError, said: str, tls: bool) -> Meaning:
    for mark, meaning in BY_TLS.items():
        if mark in said.upper().replace(" ", "_"):
            return meaning
    for cause, meaning in BY_CAUSE:
        if tls and isinstance(error.__context__, cause):
            return meaning
    for kind, meaning in BY_CLASS:
        if isinstance(error, kind):
            return meaning
    return BY_WORD.get(said.partition(" ")[0], OTHERWISE)


class Script(NamedTuple):
    """text: Lua. sha: its hash, by which the server knows it once it has run."""

    text: str
    sha: str

    def run(self, client: Redis, keys: Sequence[bytes], arguments: Sequence[bytes | str | float]) -> Any:
        """What it returns is said in the script's own head."""
        try:
            return client.evalsha(self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return client.eval(self.text, len(keys), *keys, *arguments)


def script(name: str) -> Script:
    """The one in redis_NAME.lua."""
    text = files("duck_or.cache").joinpath(f"redis_{name}.lua").read_text(encoding="utf-8")
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
