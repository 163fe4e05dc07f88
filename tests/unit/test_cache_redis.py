"""What the Redis store does beyond the contracts: its layout, its errors, lost connections, damage, pruning by size."""

from __future__ import annotations

import hashlib
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from redis import exceptions

import duck_or
from duck_or.cache.contract import Kept, StoreError, Unreachable
from duck_or.cache.redis_client import BY_CLASS, BY_TLS, BY_WORD, OTHERWISE, store_error
from duck_or.cache.redis_store import RedisStore
from support.forking import FORK
from support.servers import Server, free_port, fresh_redis, redis_server

NOW = 1_790_000_000.0
SECRET = "opensesame"


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def noise(number: int, size: int = 1000) -> bytes:
    """Bytes that compression cannot make fewer, so that sizes are what they seem."""
    return random.Random(number).randbytes(size)


@pytest.fixture
def url() -> str:
    return fresh_redis()


@pytest.fixture
def store(url: str) -> Iterator[RedisStore]:
    with closing(RedisStore(url)) as opened:
        yield opened


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    """To look at and change what is there behind the store's back."""
    with redis.Redis.from_url(url) as opened:
        yield opened


# --- the layout ------------------------------------------------------------------------------------------------------


def test_everything_is_below_one_prefix_and_only_answers_stay_for_ever(
    store: RedisStore, client: redis.Redis
) -> None:
    store.put_many({key(1): b"a"}, NOW)
    store.beat("ada", 20.0)
    store.claim_many([key(2)], NOW, "ada")
    store.reserve("service", 1.0, 1)
    lives = {name: client.ttl(name) for name in client.scan_iter()}
    assert set(lives) == {
        b"duck_or:1:answer:" + key(1),
        b"duck_or:1:lease:" + key(2),
        b"duck_or:1:workers",
        b"duck_or:1:bucket:service",
    }
    assert lives.pop(b"duck_or:1:answer:" + key(1)) == -1
    assert lives[b"duck_or:1:workers"] <= 20
    assert lives[b"duck_or:1:bucket:service"] <= 1
    assert all(seconds > 0 for seconds in lives.values())


def test_other_programs_keys_are_left_alone(store: RedisStore, client: redis.Redis) -> None:
    client.mset({"mine": "x", "duck_or:2:answer:x": "y"})
    store.put_many({key(1): b"a"}, NOW)
    assert store.info().entries == 1
    assert store.clear() == 1
    assert {*client.scan_iter()} == {b"mine", b"duck_or:2:answer:x"}


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_the_location_has_neither_user_nor_password_nor_options(url: str, scheme: str) -> None:
    place = url.removeprefix("redis://")
    with closing(RedisStore(f"{scheme}://default:{SECRET}@{place}?client_name=x")) as store:
        assert store.info().location == f"{scheme}://{place}"


def test_two_databases_of_one_server_are_two_caches(url: str, store: RedisStore) -> None:
    store.put_many({key(1): b"a"}, NOW)
    with closing(RedisStore(url.removesuffix("0") + "1")) as other:
        assert other.get_many([key(1)], NOW) == {}


def test_info_says_what_memory_the_answers_take(store: RedisStore) -> None:
    store.put_many({key(number): noise(number) for number in range(2500)}, NOW)
    info = store.info()
    assert (info.entries, info.bytes_of_answers) == (2500, 2_500_000)
    assert 2_500_000 < info.bytes_on_disk < 4_000_000


# --- pruning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds_apart", [1.0, 0.0, 0.001], ids=["a second apart", "at once", "a little apart"]
)
def test_the_oldest_go_until_the_cap_is_kept(url: str, store: RedisStore, seconds_apart: float) -> None:
    for batch in range(25):
        items = {key(number): noise(number) for number in range(batch * 100, batch * 100 + 100)}
        store.put_many(items, NOW - seconds_apart * batch)
    memory = store.info().bytes_on_disk
    cap = memory * 3 // 10
    with closing(RedisStore(url, max_bytes=cap)) as capped:
        assert capped.prune(NOW) + capped.info().entries == 2500
        assert cap * 0.99 < capped.info().bytes_on_disk <= cap
        there = capped.get_many([key(number) for number in range(2500)], NOW)
        assert capped.prune(NOW) == 0
    if seconds_apart == 1.0:
        oldest = max(number for number in range(2500) if key(number) in there)
        assert all(key(number) in there for number in range(oldest - oldest % 100))


def test_a_cap_below_everything_keeps_nothing(url: str) -> None:
    with closing(RedisStore(url, max_bytes=1)) as store:
        store.put_many({key(1): b"a"}, NOW)
        assert store.prune(NOW) == 1


# --- damage ----------------------------------------------------------------------------------------------------------

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "shorter than a header": lambda value: value[:12],
    "cut": lambda value: value[:-1],
    "an unknown format": lambda value: value[:8] + b"\x07" + value[9:],
    "no time": lambda value: b"\x7f\xf8" + bytes(6) + value[8:],
    "other bytes": lambda value: value[:20] + b"\xa5" * (len(value) - 20),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_answer_is_a_miss_that_is_claimed_and_mended(
    url: str, client: redis.Redis, damage: Callable[[bytes], bytes]
) -> None:
    reports: list[str] = []
    items = {key(number): b'{"choices":[]}' * 20 for number in range(5)}
    with closing(RedisStore(url, ttl=60, report=reports.append)) as store:
        store.put_many(items, NOW)
        for number in (1, 3):
            name = b"duck_or:1:answer:" + key(number)
            value = client.get(name)
            assert isinstance(value, bytes)
            client.set(name, damage(value))
        assert set(store.get_many([*items], NOW)) == {key(0), key(2), key(4)}
        assert store.damaged == 2
        assert len(reports) == 1
        assert url in reports[0]
        assert len(store.info().location) > 0
        store.beat("ada", 100.0)
        store.beat("ben", 100.0)
        assert store.claim_many([*items], NOW, "ada").mine == {key(1), key(3)}
        assert store.claim_many([*items], NOW, "ben").mine == frozenset()
        store.put_many({key(1): b"again", key(3): b"again"}, NOW)
        assert len(store.claim_many([*items], NOW, "ben").found) == 5


def test_what_is_no_string_is_a_miss_and_replaced(store: RedisStore, client: redis.Redis) -> None:
    client.lpush(b"duck_or:1:answer:" + key(1), "x")
    assert store.get_many([key(1)], NOW) == {}
    assert store.info().entries == 0
    store.put_many({key(1): b"a"}, NOW)
    assert store.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


# --- the connection --------------------------------------------------------------------------------------------------


def test_a_connection_closed_while_it_lay_idle_is_not_noticed(store: RedisStore, client: redis.Redis) -> None:
    store.put_many({key(1): b"a"}, NOW)
    client.client_kill_filter(_type="normal", skipme=True)
    assert store.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


def test_a_server_that_comes_back_is_used_again_and_has_its_scripts_again() -> None:
    port = free_port()
    with closing(RedisStore(f"redis://127.0.0.1:{port}/0")) as store:
        for _ in range(2):
            with pytest.raises(Unreachable, match=r"cannot write .*cannot be reached"):
                store.beat("ada", 10.0)
            with redis_server(port=port):
                assert store.beat("ada", 10.0) == 1
                assert store.claim_many([key(1)], NOW, "ada").mine == {key(1)}


def test_a_server_that_says_nothing_is_unreachable_and_used_again_afterwards(
    url: str, client: redis.Redis
) -> None:
    with closing(RedisStore(url, silence=0.1)) as store:
        store.put_many({key(1): b"a"}, NOW)
        client.client_pause(200)
        with pytest.raises(Unreachable, match="does not answer in time"):
            store.get_many([key(1)], NOW)
        client.ping()  # answered when the pause is over
        assert store.get_many([key(1)], NOW) == {key(1): Kept(b"a", NOW)}


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
    for url in (f"redis://127.0.0.1:{free_port()}/0", "redis://", "redis://[", "redis://host:port/x"):
        RedisStore(url).close()


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server with a password, and a user who may do little."""
    fresh_redis()  # skips where there is none
    with redis_server("--requirepass", SECRET) as server:
        with redis.Redis.from_url(server.url, password=SECRET) as admin:
            admin.acl_setuser("carla", enabled=True, passwords=[f"+{SECRET}"], commands=["+get"], keys=["*"])
        yield server


@pytest.mark.parametrize(
    ("credentials", "what"),
    [
        (":wr0ng@", "refuses the user or the password"),
        ("carla:wr0ng@", "refuses the user or the password"),
        ("", "refuses the user or the password"),
        (f"carla:{SECRET}@", "its user may not do this"),
    ],
)
def test_who_may_not_is_told_so_and_no_secret_is_told(guarded: Server, credentials: str, what: str) -> None:
    address = guarded.url.replace("redis://", f"redis://{credentials}")
    with closing(RedisStore(address)) as store, pytest.raises(StoreError, match=what) as caught:
        store.put_many({key(1): b"a"}, NOW)
    message = str(caught.value)
    assert not isinstance(caught.value, Unreachable)
    assert guarded.url in message
    assert "cache_path" in message or "grant" in message
    assert not any(secret in message for secret in ("wr0ng", "carla", SECRET))


def test_a_full_server_stores_none_of_the_items(guarded: Server) -> None:
    address = guarded.url.replace("redis://", f"redis://:{SECRET}@")
    with closing(RedisStore(address)) as store, redis.Redis.from_url(address) as admin:
        store.put_many({key(1): b"a"}, NOW)
        admin.config_set("maxmemory", "1")
        with pytest.raises(StoreError, match=r"its memory is full.*duck-or cache prune") as caught:
            store.put_many({key(number): noise(number) for number in range(2, 9)}, NOW)
        admin.config_set("maxmemory", "0")
        assert not isinstance(caught.value, Unreachable)
        assert set(store.get_many([key(number) for number in range(9)], NOW)) == {key(1)}


def test_a_replica_takes_no_answers_until_the_failover_is_over(guarded: Server) -> None:
    address = guarded.url.replace("redis://", f"redis://:{SECRET}@")
    with closing(RedisStore(address)) as store, redis.Redis.from_url(address) as admin:
        admin.replicaof("127.0.0.1", free_port())
        with pytest.raises(Unreachable, match="it is a replica"):
            store.put_many({key(1): b"a"}, NOW)
        admin.replicaof("no", "one")
        store.put_many({key(1): b"a"}, NOW)


def test_another_programs_data_below_our_prefix_is_refused(store: RedisStore, client: redis.Redis) -> None:
    client.set("duck_or:1:workers", "x")
    with pytest.raises(StoreError, match="another program uses keys"):
        store.beat("ada", 1.0)


@pytest.mark.parametrize(
    "rest",
    [
        "x:opensesame@host:port/0",
        ":opensesame@[::1/0",
        "a:b@opensesame@host/0",
        "a:b@opensesame/c@host/0",
        "opensesame:12?b@host/0",
        "a:b[opensesame@host/0",
        "host/opensesame",
        "host/0?opensesame",
        "host/0?decode_responses=true&password=opensesame",
    ],
)
def test_an_address_that_is_none_is_not_repeated(rest: str) -> None:
    with (
        closing(RedisStore(f"redis://{rest}")) as store,
        pytest.raises(StoreError, match="not the address of a server") as caught,
    ):
        store.get_many([key(1)], NOW)
    assert SECRET not in str(caught.value).replace("host/opensesame", "")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", [kind for kind, _ in BY_CLASS if kind is not exceptions.MovedError])
def test_every_kind_of_error_has_its_meaning(kind: type[exceptions.RedisError]) -> None:
    error = exceptions.ClusterError("as Redis says it") if kind is exceptions.ClusterError else kind("said")
    _is_said(error, dict(BY_CLASS)[kind])


@pytest.mark.parametrize(("text", "meaning"), BY_TLS.items())
def test_every_trouble_with_tls_has_its_meaning(text: str, meaning: tuple[str, str, bool]) -> None:
    _is_said(exceptions.ConnectionError(f"Error 1 connecting to host:0. [SSL: {text}] and more."), meaning)


@pytest.mark.parametrize("word", [*BY_WORD, "ERR"])
def test_every_word_has_its_meaning_in_a_pipeline_too(word: str) -> None:
    meaning = BY_WORD.get(word, OTHERWISE)
    _is_said(exceptions.ResponseError(f"{word} and more"), meaning)
    annotated = f"Command # 1 (MSET {SECRET}) of pipeline caused error: {word} and more"
    assert SECRET not in _is_said(exceptions.ResponseError(annotated), meaning)


@pytest.mark.parametrize(
    ("option", "what"),
    [
        ("ssl_ca_certs=/not/there", "a file that its TLS needs cannot be read"),
        ("ssl_certfile=/", "a file that its TLS needs cannot be read"),
        ("ssl_ca_data=x", "TLS with it is not possible"),
        ("ssl_ciphers=none", "TLS with it is not possible"),
        ("ssl_cert_reqs=often", "one of its options has a value that is none"),
        ("ssl_check_hostname=true", "it does not speak TLS on this port"),
    ],
)
def test_tls_that_can_never_be_is_not_waited_for(url: str, option: str, what: str) -> None:
    place = url.replace("redis://", "rediss://")
    with closing(RedisStore(f"{place}?{option}", silence=0.5)) as store, pytest.raises(StoreError) as caught:
        store.get_many([key(1)], NOW)
    assert not isinstance(caught.value, Unreachable)
    assert what in str(caught.value)


def test_a_server_that_says_nothing_to_tls_nor_otherwise_may_come_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"rediss://127.0.0.1:{silent.getsockname()[1]}/0"
        with (
            closing(RedisStore(place, silence=0.1)) as store,
            pytest.raises(Unreachable, match="does not answer in time"),
        ):
            store.get_many([key(1)], NOW)


def test_a_scheme_may_be_in_capital_letters(url: str) -> None:
    with closing(RedisStore(url.replace("redis", "VALKEY"))) as store:
        assert store.get_many([key(1)], NOW) == {}


# --- a server that drops keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "limit", "user", "warned"),
    [
        ("allkeys-lru", "100mb", "", True),
        ("volatile-ttl", "100mb", "", True),
        ("noeviction", "100mb", "", False),
        ("allkeys-lru", "0", "", False),
        ("allkeys-lru", "100mb", "dora", False),
    ],
)
def test_that_a_server_drops_keys_is_said_once(
    guarded: Server, policy: str, limit: str, user: str, warned: bool
) -> None:
    reports: list[str] = []
    address = guarded.url.replace("redis://", f"redis://{user}:{SECRET}@")
    with redis.Redis.from_url(guarded.url, password=SECRET) as admin:
        everything_but_info = ["+@all", "-info"]
        admin.acl_setuser(
            "dora", enabled=True, passwords=[f"+{SECRET}"], commands=everything_but_info, keys=["*"]
        )
        admin.config_set("maxmemory-policy", policy)
        admin.config_set("maxmemory", limit)
        try:
            with closing(RedisStore(address, report=reports.append)) as store:
                assert [store.beat("ada", 10.0), store.beat("ada", 10.0)] == [1, 1]
        finally:
            admin.config_set("maxmemory", "0")
            admin.config_set("maxmemory-policy", "noeviction")
            admin.delete("duck_or:1:workers")
    assert len(reports) == warned
    assert all(policy in said and "requests are then sent twice" in said for said in reports)
    assert not any(SECRET in said for said in reports)


def _is_said(error: exceptions.RedisError, meaning: tuple[str, str, bool]) -> str:
    said = store_error(error, "redis://host/0", "write")
    assert isinstance(said, Unreachable) is meaning[2]
    assert all(part in str(said) for part in ("cannot write", "redis://host/0", meaning[0], meaning[1]))
    return str(said)


# --- the library -----------------------------------------------------------------------------------------------------

MISSING = """
import sys
sys.modules["redis"] = None
from duck_or.cache.opening import open_shared
from duck_or.errors import SettingsError
try:
    open_shared("redis://127.0.0.1/0")
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
    assert 'pip install "duck_or[redis]"' in told.stdout
