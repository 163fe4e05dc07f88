"""Whatever the query: run as a whole it gives the plain function's rows, and asks nothing that the plain function would not.

What the plain function asks is DuckDB's choice where a row has to pass several predicates that ask: it sorts them by what
it takes for their cost, not by how they are written. So those questions count as its own that it asks when it takes them
in the order they are written in, where they are written or where it moves them to, or in the opposite one, or when it
reads the two sides of a join the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import Phase, given, settings

from support.whole_queries import TABLES, Query, queries
from support.whole_world import World

OTHERWISE = [
    "",
    "reorder_filter",
    "reorder_filter,filter_pushdown",
    "build_side_probe_side",
    "build_side_probe_side,join_order",
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    world.do(*TABLES)
    yield world
    world.close()


def may_be_asked(world: World, query: Query) -> Iterator[set[str]]:
    """What the plain function asks, one way or another."""
    for optimizers in OTHERWISE:
        with world.without(optimizers):
            yield set(world.plain(query.written()).asked)
            yield set(world.plain(query.written(backwards=True)).asked)


# Queries are not made smaller when one fails: each takes as long as several statements do.
@settings(max_examples=60, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(query=queries())
def test_a_query_gives_the_same_rows_and_asks_no_more(world: World, query: Query) -> None:
    plain = world.plain(query.written())
    whole = world.whole(query.written())
    if query.ordered:
        assert whole.rows == plain.rows
    assert sorted(whole.rows, key=repr) == sorted(plain.rows, key=repr)
    assert len(whole.asked) == len(set(whole.asked)), "each question once"
    more = set(whole.asked) - set(plain.asked)
    others = may_be_asked(world, query)
    while more and (other := next(others, None)) is not None:
        more -= other
    assert not more
