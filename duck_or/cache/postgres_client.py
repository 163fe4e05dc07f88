"""A connection to a PostgreSQL database, and what its errors mean for an answer cache: what happened, what to do, and whether
it may pass by itself. The only importer of the library. Which tables there are, it must not know.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from selectors import EVENT_READ, DefaultSelector
from typing import NamedTuple, TypeVar

from duck_or.cache.contract import StoreError, Unreachable
from duck_or.cache.server_address import ELSEWHERE, not_an_address
from duck_or.errors import SettingsError
from duck_or.store_address import fault, normal, shown

try:
    import psycopg
    from psycopg import waiting
    from psycopg.abc import PQGen
    from psycopg.conninfo import make_conninfo
    from psycopg.errors import ConnectionTimeout
    from psycopg.pq import Ping
    from psycopg.rows import TupleRow
except ImportError as missing:
    raise SettingsError('answers in PostgreSQL need its client: pip install "duck_or[postgres]"') from missing

SILENCE = 5
"""Seconds without a word from the server after which it counts as unreachable, while connecting and afterwards."""

PINGING = 2
"""Seconds for the question why it refused: the least that libpq knows."""

FORM = "postgresql://user:password@host:port/database"

OPTIONS = "one of its options is none of libpq's, or has a value that is none; and % is written %25"

Error = psycopg.Error
T = TypeVar("T")


class Meaning(NamedTuple):
    """passes: it may pass by itself, as a restart does."""

    what: str
    cure: str
    passes: bool = False


_DOWN = Meaning("it cannot be reached", "see that it runs and that cache_path has its host and port", True)
_LATE = Meaning("it does not answer in time", "see that it runs and is not overloaded", True)
_STARTING = Meaning("it is starting or stopping", "wait until it is up", True)
_REFUSED = Meaning(
    "it refuses the connection", "see that cache_path has the right user, password and database, and its log"
)
_TLS = Meaning("TLS with it is not possible", "correct sslmode and sslrootcert in cache_path")
_AGAIN = Meaning("others were faster", "try again", True)
_TABLES = Meaning("its schema duck_or is not as this duck_or makes it", f"drop that schema, or {ELSEWHERE}")
_MEMORY = Meaning("it has no memory left", "give it more", True)

# By SQLSTATE, else by its first two characters, which are its class. https://www.postgresql.org/docs/current/errcodes-appendix.html
BY_STATE: Mapping[str, Meaning] = {
    "08": _DOWN,
    "25006": Meaning(
        "it is a replica, or its user may only read",
        "wait until the failover is over, or let its user write",
        True,
    ),
    "28": _REFUSED,
    "3D": _REFUSED,
    "3F": _TABLES,
    "40": _AGAIN,
    "42": _TABLES,
    "42501": Meaning("its user may not do this", "let it create a schema, or grant it all on schema duck_or"),
    "53100": Meaning("its disk is full", "free space on it, run `duck-or cache prune`, or " + ELSEWHERE),
    "53200": _MEMORY,
    "53300": Meaning("it has too many connections", "raise its max_connections, or use fewer workers", True),
    "55P03": _AGAIN,
    "57014": _LATE,
    "57": _STARTING,
    "58": Meaning("its disk could not be read or written", "see its log"),
    "XX": Meaning("it is damaged", f"see its log, or {ELSEWHERE}"),
}
_TOO_SHORT = Meaning(
    "its user's statement_timeout is too short",
    f"raise it: ALTER ROLE … SET statement_timeout = '{SILENCE}s'",
)
OTHERWISE = Meaning("it refused", f"see its log, or {ELSEWHERE}")


class Silent(psycopg.OperationalError):
    """The server said nothing for too long."""


class Connection(psycopg.Connection[TupleRow]):
    """silence: seconds the server may say nothing while it works; None: for ever. A socket timeout, which libpq has not."""

    silence: float | None = SILENCE

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        if self.silence is not None:
            gen = _listening(gen, self.silence)
        try:
            # Not the library's own, which after Ctrl-C first asks the server to cancel, and waits for that.
            return waiting.wait(gen, self.pgconn.socket, interval)
        except (Silent, KeyboardInterrupt):
            self.pgconn.finish()  # else whoever ends a transaction or a pipeline on it waits as long again
            raise


def _listening(gen: PQGen[T], silence: float) -> PQGen[T]:
    """`gen` until the socket has been still for too long: `wait` comes by every `interval`, whether or not it is ready."""
    heard = time.monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if ready:
                heard = time.monotonic()
            elif time.monotonic() - heard > silence:
                raise Silent(f"no answer for {silence:g} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result


SESSION = f"""
    SET default_transaction_isolation = 'read committed';
    SET tcp_keepalives_idle = {SILENCE}; SET tcp_keepalives_interval = {SILENCE}; SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = {4 * SILENCE * 1000}
""".encode()
"""Every statement must see what was committed before it, whatever the database's own default is. And the server forgets a
worker whose machine is gone after 20 seconds, not after two hours: what it had begun to put locks its rows."""


def connect(url: str) -> Connection:
    """Raises psycopg.Error; StoreError for what is no address, and where the server cannot be reached or refuses."""
    if why := fault(url):
        raise not_an_address(url, FORM, why)
    try:
        conninfo = make_conninfo(normal(url), connect_timeout=SILENCE, tcp_user_timeout=SILENCE * 1000)
    except psycopg.ProgrammingError:
        raise not_an_address(url, FORM, OPTIONS) from None
    try:
        connection = _open(conninfo, url)
    except StoreError as error:
        if isinstance(error, Unreachable):
            raise
        connection = _open(conninfo, url)  # it may have come up just when it was asked why it refused
    try:
        connection.execute(SESSION)
    except BaseException:
        connection.close()
        raise
    return connection


def _open(conninfo: str, url: str) -> Connection:
    try:
        # Statements are not prepared, so that a pooler may stand in between.
        return Connection.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise _not_connected(error, conninfo, url) from None


@contextmanager
def raised_only() -> Iterator[None]:
    """On this thread meanwhile, the library does not log what follows from an error that it raises as well."""
    _raised_only.on = True
    try:
        yield
    finally:
        _raised_only.on = False


_raised_only = threading.local()
logging.getLogger("psycopg").addFilter(lambda record: not getattr(_raised_only, "on", False))


def is_stale(connection: Connection) -> bool:
    """Whether an idle connection was closed by the server: then there is something to read. Something else may be there,
    too, but a new connection does no harm."""
    with DefaultSelector() as selector:
        selector.register(connection.fileno(), EVENT_READ)
        return bool(selector.select(0))


def _not_connected(error: psycopg.Error, conninfo: str, url: str) -> StoreError:
    """The library says why only in words, in the server's language and with the user's name. So we ask in another way."""
    location = shown(url)
    if isinstance(error, ConnectionTimeout):
        return _store_error(_LATE, "no connection", location, "open")
    if "SSL" in str(error) or "certificate" in str(error):
        return _store_error(_TLS, "see sslmode", location, "open")
    if error.pgconn is None:  # its name means no machine, so there was no attempt
        return _store_error(_DOWN, str(error).strip(), location, "open")
    # No other thread runs meanwhile. It is a moment, since the server has just answered, or refused to.
    state = psycopg.pq.PGconn.ping(make_conninfo(conninfo, connect_timeout=PINGING).encode())
    if state == Ping.NO_ATTEMPT:
        return not_an_address(url, FORM, OPTIONS)
    if state == Ping.OK:
        crowded = "too many" in str(error) or "connection slots" in str(error)
        return _store_error(BY_STATE["53300"] if crowded else _REFUSED, "no connection", location, "open")
    if state == Ping.REJECT:
        return _store_error(_STARTING, "no connection", location, "open")
    return _store_error(_DOWN, str(error).strip(), location, "open")


def store_error(error: psycopg.Error, location: str, doing: str) -> StoreError:
    """Of an error on a connection that was made. doing: 'read', 'write' …, as in "cannot read the answer cache"."""
    state = error.sqlstate
    if state is None:
        lost = isinstance(error, psycopg.OperationalError)
        meaning = _LATE if isinstance(error, Silent) else _DOWN if lost else OTHERWISE
        return _store_error(meaning, str(error).strip(), location, doing)
    meaning = BY_STATE.get(state) or BY_STATE.get(state[:2], OTHERWISE)
    told = error.diag.message_primary or state
    if (
        state == "57014" and "statement timeout" in told
    ):  # whatever cancels a statement, its state is the same
        meaning = _TOO_SHORT
    # The server's own words name users and roles where it is about rights.
    detail = state if meaning in (_REFUSED, BY_STATE["42501"]) else told
    return _store_error(meaning, detail, location, doing)


def _store_error(meaning: Meaning, detail: str, location: str, doing: str) -> StoreError:
    kind = Unreachable if meaning.passes else StoreError
    return kind(
        f"cannot {doing} the answer cache {location}: {meaning.what} ({detail}). To mend it: {meaning.cure}"
    )
