"""The address of a server that keeps answers: whether it is one, what of it may be shown, and whether it holds a secret.

Decides from the text alone, which it never quotes: where an address is not well-formed, any part may be the password's. What
a server is asked, it must not know.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

REDIS = ("redis", "rediss", "valkey", "valkeys")
TLS = ("rediss", "valkeys")
POSTGRES = ("postgresql", "postgres")
SERVERS = (*REDIS, *POSTGRES)
"""Schemes, in lower case."""

ENCODED = "user and password have %40 for @, %2F for /, %3F for ?, %23 for #, %5B for [, %5D for ] and %20 for a space"
ONE_HOST = "it has one host, with a port from 1 to 65535 if any: sockets and several hosts are not supported"
NO_DATABASE = "after the host comes the number of a database"

OPTIONS = frozenset(("client_name", "db", "password", "username"))
TLS_OPTIONS = frozenset(
    f"ssl_{name}"
    for name in (
        "ca_certs",
        "ca_data",
        "ca_path",
        "cert_reqs",
        "certfile",
        "check_hostname",
        "ciphers",
        "keyfile",
        "password",
    )
)
"""What may stand behind the `?` of Redis. Everything else is ours to decide, or unknown to the client."""

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):(/{0,2})(.*)", re.DOTALL)
_HOST = r"(?:[\w.-]+|\[[0-9a-f.:]+(?:%[\w.-]+)?\])"
_PLACE = re.compile(rf"(?:{_HOST}(?::\d{{1,5}})?(?:,|(?=/|\Z)))*(?:/[^\s@]*)?", re.IGNORECASE)
_ADDRESS = re.compile(
    rf"(?P<user>[^@]*@)?(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}))?(?P<path>/[^?]*)?(?:\?(?P<options>.*))?",
    re.IGNORECASE,
)
_SECRET = re.compile("password|secret", re.IGNORECASE)


def is_meant(text: str) -> bool:
    """Whether it was meant as a server's address: no file's path begins with the name of a server and a colon."""
    found = _SCHEME.match(text)
    return "://" in text or (found is not None and found[1].lower() in SERVERS)


def normal(url: str) -> str:
    """With its scheme in lower case, as the clients want it."""
    scheme, colon, rest = url.strip().partition(":")
    return scheme.lower() + colon + rest


def is_tls(url: str) -> bool:
    """Whether it is the address of a Redis server that speaks TLS; else the options say so."""
    return url.partition(":")[0].lower() in TLS


def shown(url: str) -> str:
    """`scheme://host:port/path`, with `…` for all behind the scheme where a part of a password could be among it."""
    found = _SCHEME.fullmatch(url)
    if found is None:
        return "…"
    scheme, slashes, rest = found.groups()
    place = re.split("[?#]", rest.rpartition("@")[2])[0]
    certain = not _is_ambiguous(rest) and _PLACE.fullmatch(place)
    return f"{scheme}:{slashes}{place if certain else '…'}"


def fault(url: str) -> str | None:
    """What keeps it from being the address of one server, in words that quote nothing of it; None where it is one."""
    found = _SCHEME.fullmatch(url)
    scheme, slashes, rest = found.groups() if found else ("", "", "")
    scheme = scheme.lower()
    if scheme not in SERVERS:
        return ONE_HOST if "unix" in scheme else f"its scheme is one of {', '.join(SERVERS)}"
    if slashes != "//":
        return f"it begins with {scheme}://, with two slashes"
    if _is_ambiguous(rest) or re.search(r"[^!-~]|[\[\]].*@", rest):
        return ENCODED
    parts = _ADDRESS.fullmatch(rest)
    if parts is None or (parts["port"] and not 0 < int(parts["port"]) < 65536):
        return ONE_HOST
    return _fault_of_redis(scheme, parts) if scheme in REDIS else _fault_of_postgres(parts)


def holds_secret(url: str) -> bool:
    """Whether its password stands in it, or one of its options may be secret; of what is no address, any part may be."""
    found = _SCHEME.fullmatch(url)
    parts = _ADDRESS.fullmatch(found[3]) if found else None
    if parts is None or fault(url) is not None:
        return True
    names = (name for name, _ in parse_qsl(parts["options"] or "", keep_blank_values=True))
    return ":" in (parts["user"] or "") or any(_SECRET.search(name) for name in names)


def _is_ambiguous(rest: str) -> bool:
    """Whether a part of the password could be taken for the host: it would be asked for, and stand in its error."""
    authority = re.split("[/?#]", rest)[0]
    return rest.count("@") > 1 or "@" in rest[len(authority) :] or "#" in rest


def _fault_of_redis(scheme: str, parts: re.Match[str]) -> str | None:
    allowed = OPTIONS | TLS_OPTIONS if scheme in TLS else OPTIONS
    options = parse_qsl(parts["options"] or "", keep_blank_values=True)
    if any(name not in allowed or not value for name, value in options):
        return f"its options may be {', '.join(sorted(allowed))}"
    numbers = [(parts["path"] or "/")[1:] or "0", *(value for name, value in options if name == "db")]
    return None if all(re.fullmatch("[0-9]+", number) for number in numbers) else NO_DATABASE


def _fault_of_postgres(parts: re.Match[str]) -> str | None:
    """Which options there are, the client knows."""
    options = parse_qsl(parts["options"] or "", keep_blank_values=True)
    return ONE_HOST if any(name == "host" for name, _ in options) else None
