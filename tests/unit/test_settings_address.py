"""The address of a server as a setting: which are refused and why, and that its password is nowhere to be seen."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.errors import SettingsError
from duck_or.setting_rules import displayed, has_password
from duck_or.settings import Settings
from duck_or.store_address import (
    ENCODED,
    NO_DATABASE,
    ONE_HOST,
    SERVERS,
    fault,
    holds_secret,
    is_meant,
    normal,
    shown,
)

SECRET = "opensesame"
SCHEMES = st.sampled_from([*SERVERS, "REDIS", "PostgreSQL", "redi", "http", "unix", "mysql"])
PIECES = st.text(max_size=6) | st.text("/?#@:[]%&=,. \n\\'\"0", max_size=6)
PASSWORDS = st.tuples(PIECES, PIECES).map(SECRET.join)
FORMS = (
    "{scheme}://anna:{password}@db.example.org/0",
    "{scheme}://:{password}@db.example.org:6379",
    "{scheme}://anna:12{password}@[::1]:6379/0?db=1",
    "{scheme}:/anna:{password}@db.example.org/0",
    "{scheme}:anna:{password}@db.example.org/0",
    " {scheme}://anna:{password}@",
    "{scheme}://anna:{password}",
    "{scheme}://anna:{password}@h1:1,h2:2/0",
    "{scheme}:///0?password={password}",
    "{scheme}://db.example.org/0?password={password}",
    "{scheme}://db.example.org/0?db=1&pass%77ord={password}",
    "{scheme}://db.example.org/0?sslpassword={password}#x",
    "{scheme}://db.example.org/0?client_name=x&oauth_client_secret={password}",
)


def everything_said(**settings: object) -> str:
    """By an error and what led to it, or by the settings and their pickle."""
    try:
        made = Settings(**settings)  # type: ignore[arg-type]
    except SettingsError as error:
        return _with_causes(error)
    return f"{made!r} {pickle.dumps(made)!r}"


def _with_causes(error: BaseException | None) -> str:
    return (
        "" if error is None else f"{error} {_with_causes(error.__cause__)} {_with_causes(error.__context__)}"
    )


@given(st.sampled_from(FORMS), SCHEMES, PASSWORDS, st.booleans())
def test_no_part_of_a_password_is_said_whatever_its_characters(
    form: str, scheme: str, password: str, encoded: bool
) -> None:
    place = form.format(scheme=scheme, password=quote(password, safe="") if encoded else password)
    if "://" in place or scheme.lower() in SERVERS:  # anything else may be a file's name
        assert SECRET not in everything_said(cache_path=place)
    if scheme.lower() in SERVERS:
        assert SECRET not in everything_said(cache_path=Path(place.replace("\0", "")))
        assert SECRET not in everything_said(cassette=place)
        assert SECRET not in everything_said(calls_path=place)


@given(st.sampled_from(FORMS[:2]), st.sampled_from(SERVERS), PASSWORDS)
def test_any_password_may_be_said_percent_encoded(form: str, scheme: str, password: str) -> None:
    place = form.format(scheme=scheme, password=quote(password, safe=""))
    assert Settings(cache_path=place).cache_path == place
    assert has_password(place)


@given(st.text())
def test_of_any_text_it_is_decided(text: str) -> None:
    is_meant(text), shown(text), normal(text)
    assert fault(text) is None or holds_secret(text)
    assert shown(shown(text)) == shown(text)


@pytest.mark.parametrize(
    ("address", "why", "seen"),
    [
        ("redis://user:pa/ss@host/0", ENCODED, "redis://…"),
        ("redis://:12?cret@host/0", ENCODED, "redis://…"),
        ("redis://:12#cret@host/0", ENCODED, "redis://…"),
        ("redis://u:p@ss@host/0", ENCODED, "redis://…"),
        ("redis://u:p[x]y@host/0", ENCODED, "redis://host/0"),
        ("redis://u:p[y@host/0", ENCODED, "redis://host/0"),
        ("redis://u:pä@host/0", ENCODED, "redis://host/0"),
        ("redis://u:p x@host/0", ENCODED, "redis://host/0"),
        ("redis://host/0?password=a@b/c", ENCODED, "redis://…"),
        ("redis://user:secret", ONE_HOST, "redis://…"),
        ("redis:/u:secret@host/0", "two slashes", "redis:/host/0"),
        ("Redis:u:secret@host/0", "two slashes", "Redis:host/0"),
        ("redi://host", "scheme is one of redis", "redi://host"),
        ("unix:///tmp/r.sock", ONE_HOST, "unix:///tmp/r.sock"),
        ("postgresql:///db?host=/run/postgresql", ONE_HOST, "postgresql:///db"),
        ("postgresql://%2Frun%2Fpostgresql/db", ONE_HOST, "postgresql://…"),
        ("postgresql://h/db?host=%2Frun", ONE_HOST, "postgresql://h/db"),
        ("postgresql://u:s@h1:5432,h2:5433/db", ONE_HOST, "postgresql://h1:5432,h2:5433/db"),
        ("postgresql://h1,h2/db", ONE_HOST, "postgresql://h1,h2/db"),
        ("redis://h:99999/0", ONE_HOST, "redis://h:99999/0"),
        ("redis://host/abc", NO_DATABASE, "redis://host/abc"),
        ("redis://host/0?db=x", NO_DATABASE, "redis://host/0"),
        (
            "redis://host/0?foo=bar",
            "its options may be client_name, db, password, username",
            "redis://host/0",
        ),
        ("redis://host/0?socket_timeout=900", "its options may be", "redis://host/0"),
        ("redis://host/0?decode_responses=true", "its options may be", "redis://host/0"),
        ("redis://host/0?opensesame", "its options may be", "redis://host/0"),
        ("redis://host/0?ssl_ca_certs=x", "its options may be", "redis://host/0"),
        ("rediss://host/0?protocol=3", "ssl_ca_certs", "rediss://host/0"),
    ],
)
def test_what_is_refused_is_shown_as_far_as_it_is_certain_and_why_is_said(
    address: str, why: str, seen: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(cache_path=address)
    assert f"cache_path={seen!r}: " in str(caught.value)
    assert why in str(caught.value)
    assert holds_secret(address)


@pytest.mark.parametrize(
    ("address", "taken_for", "secret"),
    [
        ("REDIS://Host/0", "redis://Host/0", False),
        (" valkey://host \n", "valkey://host", False),
        ("redis://anna@host:6379", "redis://anna@host:6379", False),
        ("redis://:p@[::1]:6379/15", "redis://:p@[::1]:6379/15", True),
        ("redis://host/?db=2&password=x", "redis://host/?db=2&password=x", True),
        ("redis://host/0?pass%77ord=x", "redis://host/0?pass%77ord=x", True),
        ("rediss://host?ssl_cert_reqs=none", "rediss://host?ssl_cert_reqs=none", False),
        ("valkeys://host?ssl_password=x", "valkeys://host?ssl_password=x", True),
        ("PostgreSQL://h/db?sslmode=require", "postgresql://h/db?sslmode=require", False),
        ("postgres://h_1.example.org/a%20b", "postgres://h_1.example.org/a%20b", False),
    ],
)
def test_what_is_an_address(address: str, taken_for: str, secret: bool) -> None:
    settings = Settings(cache_path=address)
    assert settings.cache_path == taken_for
    assert has_password(settings.cache_path) is secret
    assert (taken_for.encode() in pickle.dumps(settings)) is not secret


def test_a_file_has_no_password() -> None:
    assert not has_password(Path("/data/a:b@c"))
    assert not has_password(None)
    assert displayed("cache_path", Path("/data/a.sqlite")) == "'/data/a.sqlite'"


# ---- the worker's own address


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("none", "to a redis:// or postgresql:// address; there it is 'none'"),
        ("/data/a.sqlite", "there it is '/data/a.sqlite'"),
        ("", "set DUCK_OR_CACHE where they arrive, to a redis://"),
        ("redis://u:pa/ss@host/0", "DUCK_OR_CACHE='redis://…': cache_path must be"),
        ("REDIS://u:ours@host/0", "arrived: redis://u:ours@host/0"),
    ],
)
def test_settings_that_arrive_without_their_address_take_no_other_place(variable: str, said: str) -> None:
    pickled = pickle.dumps(Settings(cache_path="redis://u:theirs@host/0"))
    program = f"import pickle; print('arrived:', pickle.loads({pickled!r}).cache_path)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "DUCK_OR_CACHE": variable},
        capture_output=True,
        text=True,
    )
    assert said in done.stdout + done.stderr
    assert ("SettingsError" in done.stderr) is not done.stdout.startswith("arrived")
