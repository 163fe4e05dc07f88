"""What the PostgreSQL store does beyond the contracts: its schema, its errors, lost connections, damage, pruning by size."""

from __future__ import annotations

import hashlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg
import pytest
from psycopg.abc import PQGen
from psycopg.waiting import Wait

import duck_or
from duck_or.cache.contract import Kept, StoreError, Unreachable
from duck_or.cache.one_connection import OneConnection
from duck_or.cache.postgres_client import BY_STATE, OTHERWISE, _not_connected, connect, store_error
from duck_or.cache.postgres_schema import SCHEMA_VERSION
from duck_or.cache.postgres_store import PostgresStore
from duck_or.cache.shared import Claims
from support.forking import FORK
from support.servers import free_port, fresh_postgres, postgres_server
from support.wire import Wire

NOW = 1_790_000_000.0
SECRET = "opensesame"


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def noise(number: int, size: int = 1000) -> bytes:
    """Bytes that compression cannot make fewer, so that sizes are what they seem."""
    return random.Random(number).randbytes(size)


@pytest.fixture
def url() -> str:
    return fresh_postgres()


@pytest.fixture
def store(url: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(url)) as opened:
        yield opened


@pytest.fixture
def admin(url: str) -> Iterator[psycopg.Connection]:
    """To look at and change what is there behind the store's back."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def with_options(url: str, *options: str) -> str:
    return url + "?options=" + "%20".join(f"-c%20{option.replace('=', '%3D')}" for option in options)


# --- the schema ------------------------------------------------------------------------------------------------------


def test_everything_is_in_one_schema(store: PostgresStore, admin: psycopg.Connection) -> None:
    before = admin.execute(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    ).fetchone()
    store.put_many({key(1): b"a"}, NOW)
    assert store.info().schema_version == SCHEMA_VERSION
    after = admin.execute(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    ).fetchone()
    assert before == after
    assert admin.execute("SELECT version FROM duck_or.version").fetchall() == [(SCHEMA_VERSION,)]


def test_the_location_has_neither_user_nor_password_nor_options(url: str) -> None:
    place = url.partition("@")[2]
    with closing(PostgresStore(f"postgres://tester:{SECRET}@{place}?application_name=x")) as store:
        assert store.info().location == f"postgres://{place}"


def test_a_newer_schema_is_refused_and_left_as_it_is(store: PostgresStore, admin: psycopg.Connection) -> None:
    store.put_many({key(1): b"a"}, NOW)
    store.close()
    admin.execute("UPDATE duck_or.version SET version = version + 6")
    with pytest.raises(
        StoreError, match=rf"version {SCHEMA_VERSION + 6}.*knows {SCHEMA_VERSION}.*Upgrade duck_or"
    ):
        store.get_many([key(1)], NOW)
    assert admin.execute("SELECT count(*) FROM duck_or.answer").fetchone() == (1,)


def test_another_programs_schema_is_refused_and_left_as_it_is(
    store: PostgresStore, admin: psycopg.Connection
) -> None:
    admin.execute("CREATE SCHEMA duck_or")
    admin.execute("CREATE TABLE duck_or.answer (name text)")
    for _ in range(2):
        with pytest.raises(StoreError, match="its schema duck_or is not as") as caught:
            store.put_many({key(1): b"a"}, NOW)
        assert not isinstance(caught.value, Unreachable)
    tables = admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'duck_or'").fetchall()
    assert tables == [("answer",)]


def test_a_schema_dropped_meanwhile_is_made_anew(store: PostgresStore, admin: psycopg.Connection) -> None:
    store.put_many({key(1): b"a"}, NOW)
    admin.execute("DROP SCHEMA duck_or CASCADE")
    with pytest.raises(StoreError):
        store.get_many([key(1)], NOW)
    assert store.get_many([key(1)], NOW) == {}


def test_the_databases_own_isolation_level_does_not_matter(url: str) -> None:
    address = with_options(url, "default_transaction_isolation=serializable")
    with psycopg.connect(address) as plain, closing(connect(address)) as ours:
        assert plain.execute("SHOW transaction_isolation").fetchone() == ("serializable",)
        assert ours.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


# --- leases at the same moment ---------------------------------------------------------------------------------------


def wait_until_one_waits(admin: psycopg.Connection) -> None:
    """For another transaction's row, that is."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while admin.execute(waiting).fetchone() == (0,):
        pass


def test_who_gets_a_lease_that_ended_meanwhile_is_given_the_answer_that_ended_it(
    url: str, store: PostgresStore, admin: psycopg.Connection
) -> None:
    store.beat("ada", 100.0)
    store.beat("ben", 100.0)
    store.put_many({key(2): b"a"}, NOW)
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("INSERT INTO duck_or.lease (key, holder) VALUES (%s, 'ada')", (key(1),))
        claiming = pool.submit(store.claim_many, [key(1)], NOW, "ben")
        wait_until_one_waits(admin)
        other.execute(
            "INSERT INTO duck_or.answer SELECT %s, stored, format, size, body FROM duck_or.answer", (key(1),)
        )
        other.execute("DELETE FROM duck_or.lease")
        other.commit()
        assert claiming.result() == Claims({key(1): Kept(b"a", NOW)}, frozenset())
    assert admin.execute("SELECT count(*) FROM duck_or.lease").fetchone() == (0,)


def test_a_lease_taken_over_by_one_who_came_meanwhile_is_that_ones(
    url: str, store: PostgresStore, admin: psycopg.Connection
) -> None:
    store.beat("eve", 0.0)
    store.claim_many([key(1)], NOW, "eve")
    store.beat("ben", 100.0)
    with psycopg.connect(url) as other, ThreadPoolExecutor(1) as pool, closing(PostgresStore(url)) as third:
        other.execute("UPDATE duck_or.lease SET holder = 'ada'")
        claiming = pool.submit(store.claim_many, [key(1)], NOW, "ben")
        wait_until_one_waits(admin)
        third.beat("ada", 100.0)
        other.commit()
        assert claiming.result() == Claims({}, frozenset())


# --- pruning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds_apart", [1.0, 0.0])
def test_the_oldest_go_until_the_cap_is_kept(url: str, seconds_apart: float) -> None:
    with closing(PostgresStore(url, max_bytes=500 * 1130)) as store:
        for batch in range(20):
            items = {key(number): noise(number) for number in range(batch * 100, batch * 100 + 100)}
            store.put_many(items, NOW - seconds_apart * batch)
        assert store.prune(NOW) == 1500
        assert store.prune(NOW) == 0
        there = store.get_many([key(number) for number in range(2000)], NOW)
        assert len(there) == 500
        if seconds_apart:
            assert set(there) == {key(number) for number in range(500)}


def test_a_cap_below_everything_keeps_nothing(url: str) -> None:
    with closing(PostgresStore(url, max_bytes=1)) as store:
        store.put_many({key(1): b"a"}, NOW)
        assert store.prune(NOW) == 1


def test_pruning_takes_the_leases_of_the_dead(store: PostgresStore, admin: psycopg.Connection) -> None:
    store.beat("ada", 100.0)
    store.beat("ben", 100.0)
    store.claim_many([key(1)], NOW, "ada")
    store.claim_many([key(2)], NOW, "ben")
    store.leave("ada")
    assert store.prune(NOW) == 0
    assert admin.execute("SELECT holder FROM duck_or.lease").fetchall() == [("ben",)]


def test_the_dead_are_forgotten_by_the_next_sign_of_life(
    store: PostgresStore, admin: psycopg.Connection
) -> None:
    for number in range(5):
        store.beat(f"{number}", 0.0)
    store.beat("ada", 100.0)
    assert admin.execute("SELECT name FROM duck_or.worker").fetchall() == [("ada",)]


def test_vacuum_gives_space_back(store: PostgresStore) -> None:
    store.put_many({key(number): noise(number) for number in range(2000)}, NOW)
    store.clear()
    before = store.info().bytes_on_disk
    store.vacuum()
    assert store.info().bytes_on_disk < before / 5


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    ["body = ''", "body = '\\x28b52ffd00'", "size = size + 1", "format = 77", "stored = 'NaN'", "size = -1"],
)
def test_a_damaged_answer_is_a_miss_that_is_claimed_and_mended(
    url: str, admin: psycopg.Connection, damage: LiteralString
) -> None:
    reports: list[str] = []
    items = {key(number): b'{"choices":[]}' * 20 for number in range(5)}
    with closing(PostgresStore(url, ttl=60, report=reports.append)) as store:
        store.put_many(items, NOW)
        admin.execute(f"UPDATE duck_or.answer SET {damage} WHERE key = ANY(%s)", ([key(1), key(3)],))
        assert set(store.get_many([*items], NOW)) == {key(0), key(2), key(4)}
        assert store.damaged == 2
        assert len(reports) == 1
        assert store.location in reports[0]
        store.beat("ada", 100.0)
        store.beat("ben", 100.0)
        assert store.claim_many([*items], NOW, "ada").mine == {key(1), key(3)}
        assert store.claim_many([*items], NOW, "ben").mine == frozenset()
        store.put_many({key(1): b"again", key(3): b"again"}, NOW)
        assert len(store.claim_many([*items], NOW, "ben").found) == 5


# --- the connection --------------------------------------------------------------------------------------------------


def test_a_connection_closed_while_it_lay_idle_is_not_noticed(
    store: PostgresStore, admin: psycopg.Connection
) -> None:
    store.put_many({key(1): b"a"}, NOW)
    ended = admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    assert ended.fetchall() == [(True,)]
    assert store.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


def test_a_server_that_says_nothing_is_unreachable_and_used_again_afterwards(
    url: str, admin: psycopg.Connection
) -> None:
    with closing(PostgresStore(url, silence=0.1)) as store:
        store.put_many({key(1): b"a"}, NOW)
        with admin.transaction():
            admin.execute("LOCK TABLE duck_or.answer IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Unreachable, match=r"does not answer in time \(no answer for 0\.1 s\)"):
                store.get_many([key(1)], NOW)
        assert store.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


def test_silence_is_waited_for_once(url: str, admin: psycopg.Connection) -> None:
    """Not again by what ends the transaction, and again by what ends the pipeline."""
    with closing(PostgresStore(url, silence=1.0)) as store:
        store.put_many({key(1): b"a"}, NOW)
        with admin.transaction():
            admin.execute("LOCK TABLE duck_or.answer IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            with pytest.raises(Unreachable, match="does not answer in time"):
                store.put_many({key(1): b"b"}, NOW)
            assert time.monotonic() - began < 2.0
        assert store.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


def test_an_interrupt_does_not_wait_for_a_silent_server(url: str) -> None:
    port = int(url.rpartition(":")[2].partition("/")[0])

    def interrupted() -> PQGen[None]:
        yield Wait.R
        raise KeyboardInterrupt

    with Wire(port) as wire, closing(connect(url.replace(f":{port}", f":{wire.port}"))) as connection:
        wire.silence()
        connection.pgconn.send_query(b"SELECT pg_sleep(60)")
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            connection.wait(interrupted())
        assert time.monotonic() - began < 2.0
        assert connection.closed
        wire.mend()


def test_the_server_forgets_a_worker_whose_machine_is_gone(url: str) -> None:
    """What it had begun to put locks its rows until then; the server's own default is two hours."""
    with closing(connect(url)) as connection:
        told = [
            connection.execute("SELECT current_setting(%s)", (f"tcp_{name}",)).fetchone()
            for name in ("keepalives_idle", "keepalives_interval", "keepalives_count", "user_timeout")
        ]
    assert told == [("5",), ("5",), ("3",), ("20000",)]


def test_a_connection_that_fails_at_once_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def refuse() -> bytes:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")  # welcome, ready
                client.recv(1000)
                fields = b"SERROR\0C42501\0Mno\0\0"
                client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields + b"Z\0\0\0\x05I")
                client.settimeout(10)
                return client.recv(1000) + client.recv(1000)

        refusing = pool.submit(refuse)
        place = f"postgresql://h@127.0.0.1:{server.getsockname()[1]}/x?sslmode=disable&gssencmode=disable"
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connect(place)
        assert refusing.result() == b"X\0\0\0\x04", "the error, which is alive, keeps no connection open"
        assert caught.value.sqlstate == "42501"


def test_a_name_without_a_machine_is_not_asked_for_again() -> None:
    """By what no other thread could run meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        error = _not_connected(
            psycopg.OperationalError("failed to resolve host"),
            f"host=127.0.0.1 port={silent.getsockname()[1]} connect_timeout=5",
            "postgresql://nowhere/x",
        )
        assert time.monotonic() - began < 1.0
    assert isinstance(error, Unreachable)
    assert "cannot be reached (failed to resolve host)" in str(error)


class Idle(NamedTuple):
    """trouble: what looking at it raises."""

    trouble: Exception | None


def test_a_connection_that_cannot_even_be_looked_at_is_replaced() -> None:
    made: list[Idle] = []
    closed: list[Idle] = []

    def make() -> Idle:
        made.append(Idle(None if made else OSError("gone")))
        return made[-1]

    def look(one: Idle) -> bool:
        if one.trouble is not None:
            raise one.trouble
        return False

    connection = OneConnection(make, closed.append, look)
    with connection.turn() as first:
        pass
    with pytest.raises(OSError, match="gone"), connection.turn():
        pass
    assert closed == [first]
    with connection.turn() as second:
        assert second is not first


def test_a_server_that_is_stopping_and_one_that_is_gone_may_come_back() -> None:
    fresh_postgres()  # skips where there is none
    with postgres_server() as server, closing(PostgresStore(server.url)) as store:
        with psycopg.connect(server.url):
            server.process.send_signal(signal.SIGTERM)  # it lets those who are connected finish
            while True:
                try:
                    psycopg.connect(server.url).close()
                except psycopg.OperationalError:
                    break
            with pytest.raises(Unreachable, match="it is starting or stopping"):
                store.get_many([key(1)], NOW)
        server.process.wait(20)
        with pytest.raises(Unreachable, match="it cannot be reached") as caught:
            store.get_many([key(1)], NOW)
        assert "tester" not in str(caught.value)


def test_a_forked_child_has_a_connection_of_its_own(url: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", FORK, url],
        cwd=Path(duck_or.__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert told.stdout == "done\n"


def test_constructing_opens_nothing_and_never_fails() -> None:
    for url in (
        f"postgresql://127.0.0.1:{free_port()}/x",
        "postgresql://",
        "postgresql://[",
        "postgres://h:p/x",
    ):
        PostgresStore(url).close()


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [("tester@", f"carla:{SECRET}@"), ("/postgres", "/nothere")])
def test_who_is_refused_is_told_so_and_no_secret_is_told(url: str, change: tuple[str, str]) -> None:
    with (
        closing(PostgresStore(url.replace(*change))) as store,
        pytest.raises(StoreError, match="it refuses the connection") as caught,
    ):
        store.get_many([key(1)], NOW)
    assert not isinstance(caught.value, Unreachable)
    assert url.partition("@")[2].partition("/")[0] in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("carla", "tester", SECRET))


def test_who_may_not_make_the_schema_is_told_so_and_may_use_one_that_is_there(
    url: str, store: PostgresStore, admin: psycopg.Connection
) -> None:
    admin.execute("CREATE ROLE carla LOGIN")
    try:
        with closing(PostgresStore(url.replace("tester", "carla"))) as limited:
            with pytest.raises(StoreError, match="its user may not do this") as caught:
                limited.get_many([key(1)], NOW)
            assert "carla" not in str(caught.value)
            store.put_many({key(1): b"a"}, NOW)
            admin.execute("GRANT USAGE ON SCHEMA duck_or TO carla")
            admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA duck_or TO carla")
            assert limited.claim_many([key(1), key(2)], NOW, "ada").mine == {key(2)}
    finally:
        admin.execute("DROP OWNED BY carla")
        admin.execute("DROP ROLE carla")


def test_a_replica_takes_no_answers_until_the_failover_is_over(url: str, store: PostgresStore) -> None:
    store.put_many({key(1): b"a"}, NOW)
    with closing(PostgresStore(with_options(url, "default_transaction_read_only=on"))) as replica:
        assert replica.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}
        with pytest.raises(Unreachable, match="it is a replica"):
            replica.put_many({key(1): b"a"}, NOW)


def test_no_connection_left_may_pass(url: str, admin: psycopg.Connection, store: PostgresStore) -> None:
    admin.execute("ALTER DATABASE postgres CONNECTION LIMIT 0")
    admin.execute("CREATE ROLE carla LOGIN")
    try:
        with (
            closing(PostgresStore(url.replace("tester", "carla"))) as limited,
            pytest.raises(Unreachable, match="too many connections"),
        ):
            limited.get_many([key(1)], NOW)
    finally:
        admin.execute("DROP ROLE carla")
        admin.execute("ALTER DATABASE postgres CONNECTION LIMIT -1")


def test_who_may_only_read_is_told_so(url: str, admin: psycopg.Connection) -> None:
    admin.execute("CREATE ROLE carla LOGIN SUPERUSER")
    admin.execute("ALTER ROLE carla SET default_transaction_read_only = on")
    try:
        with (
            closing(PostgresStore(url.replace("tester", "carla"))) as reader,
            pytest.raises(StoreError, match=r"or its user may only read.*or let its user write"),
        ):
            reader.put_many({key(1): b"a"}, NOW)
    finally:
        admin.execute("DROP ROLE carla")


def test_a_statement_timeout_is_not_waited_for(url: str, store: PostgresStore) -> None:
    store.put_many({key(1): b"a"}, NOW)
    with (
        closing(PostgresStore(with_options(url, "statement_timeout=50"))) as hurried,
        psycopg.connect(url) as other,
    ):
        hurried.get_many([key(1)], NOW)
        other.execute("LOCK TABLE duck_or.answer IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError, match="statement_timeout is too short") as caught:
            hurried.get_many([key(1)], NOW)
    assert not isinstance(caught.value, Unreachable)


@pytest.mark.parametrize("option", ["sslmode=opensesame", "service=opensesame", "opensesame=1", "sslmode"])
def test_an_option_that_is_none_is_not_waited_for(url: str, option: str) -> None:
    with (
        closing(PostgresStore(f"{url}?{option}")) as store,
        pytest.raises(StoreError, match=r"not the address of a server.*one of its options") as caught,
    ):
        store.get_many([key(1)], NOW)
    assert not isinstance(caught.value, Unreachable)
    assert SECRET not in str(caught.value)


def test_a_scheme_may_be_in_capital_letters(url: str) -> None:
    with closing(PostgresStore(url.replace("postgresql:", "POSTGRESQL:"))) as store:
        assert store.get_many([key(1)], NOW) == {}


@pytest.mark.parametrize(
    "rest",
    [
        "a b:opensesame@host/0",
        "x:opensesame@h:port:2/0",
        "a:b@opensesame@host/0",
        "opensesame:12?b@host/0",
        "u:99/opensesame@h/x",
        "h1:1,h2:2/x?password=opensesame",
        "h/x?opensesame",
    ],
)
def test_an_address_that_is_none_is_not_repeated(rest: str) -> None:
    with (
        closing(PostgresStore(f"postgresql://{rest}")) as store,
        pytest.raises(StoreError) as caught,
    ):
        store.get_many([key(1)], NOW)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("state", [*BY_STATE, "08006", "57P01", "40P01", "99999"])
def test_every_state_has_its_meaning(state: str) -> None:
    meaning = BY_STATE.get(state) or BY_STATE.get(state[:2], OTHERWISE)
    error = psycopg.Error("as PostgreSQL says it")
    error.sqlstate = state
    said = store_error(error, "postgresql://host/x", "write")
    assert isinstance(said, Unreachable) is meaning.passes
    assert all(
        part in str(said) for part in ("cannot write", "postgresql://host/x", meaning.what, meaning.cure)
    )


# --- the library -----------------------------------------------------------------------------------------------------

MISSING = """
import sys
sys.modules["psycopg"] = None
from duck_or.cache.opening import open_shared
from duck_or.errors import SettingsError
try:
    open_shared("postgresql://127.0.0.1/x")
except SettingsError as error:
    print(error)
"""


def test_without_the_library_its_extra_is_named() -> None:
    told = subprocess.run(
        [sys.executable, "-c", MISSING],
        cwd=Path(duck_or.__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert 'pip install "duck_or[postgres]"' in told.stdout
