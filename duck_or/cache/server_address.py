"""The address of a server that keeps answers: how it may be shown, without user, password and options, and when it would be
taken for another one."""

from __future__ import annotations

import re

from duck_or.cache.contract import StoreError

ELSEWHERE = "set cache_path to another place"


def shown(url: str) -> str:
    """`scheme://host:port/path`. Whatever could be a password is left out, even where the address is not well-formed."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{re.split('[?#]', rest.rpartition('@')[2])[0]}"


def is_ambiguous(url: str) -> bool:
    """Whether a part of the password could be taken for the host: it would be asked for, and stand in its error."""
    _, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest)[0]
    return rest.count("@") > 1 or "@" in rest[len(authority) :]


def not_an_address(url: str, form: str) -> StoreError:
    """form: what it should read. The reason is left out: it could hold a part of the password."""
    return StoreError(
        f"cache_path is not the address of a server: {shown(url)}. It reads {form}, where user and password have "
        "%40 for @, %2F for /, %3F for ? and %23 for #"
    )
