"""The page about servers that keep answers for several machines, as a reader would type it in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from duck_or.cache.opening import open_store
from support.how_to import HOW_TO, as_a_user, run_page
from support.servers import fresh_postgres, fresh_redis

PAGES = ("shared_store.md",)


@pytest.mark.parametrize("server", [fresh_redis, fresh_postgres], ids=["redis", "postgres"])
def test_the_page(server: Callable[[], str], tmp_path: Path) -> None:
    place = server()
    with as_a_user(tmp_path, DUCK_OR_CACHE=place) as simulator:
        run_page(HOW_TO / PAGES[0], {})
        assert simulator.stats().requests == 100
        store = open_store(place)
        assert store.info().entries == 100
        store.close()
        run_page(HOW_TO / PAGES[0], {})
        assert simulator.stats().requests == 100, "another session finds them there"
