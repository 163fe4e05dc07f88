"""What is said where the address of a server cannot be used, and where else answers could go."""

from __future__ import annotations

from duck_or.cache.contract import StoreError
from duck_or.store_address import shown

ELSEWHERE = "set cache_path to another place"


def not_an_address(url: str, form: str, why: str) -> StoreError:
    """form: what it should read. why: what is wrong with it; it must not quote the address, which may hold a password."""
    return StoreError(f"cache_path is not the address of a server: {shown(url)}. It reads {form}; {why}")
