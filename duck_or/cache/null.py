"""No store: memory only. Fulfils the contract by finding nothing and keeping nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from duck_or.cache.contract import Kept, StoreInfo


class NullStore:
    """What `cache_path = None` means."""

    def get_many(self, keys: Sequence[bytes], now: float) -> dict[bytes, Kept]:
        return {}

    def put_many(self, items: Mapping[bytes, bytes], now: float) -> None:
        return

    def delete_many(self, keys: Iterable[bytes]) -> int:
        return 0

    def info(self) -> StoreInfo:
        return StoreInfo("nowhere (memory only)", 0, 0, 0, None, None, 0)

    def clear(self) -> int:
        return 0

    def prune(self, now: float) -> int:
        return 0

    def vacuum(self) -> None:
        return

    def close(self) -> None:
        return
