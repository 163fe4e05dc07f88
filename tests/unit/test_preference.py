"""Which of several predicates goes first, from what each did to a sample."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.queries.guard import Choice
from duck_or.statements.preference import PREDICATES, Experience, Preferences


def choice(*keys: str) -> Choice:
    """Only the keys count here: not what the predicates are, nor where they stand."""
    facts: Any = None
    return Choice([{} for _ in keys], list(keys), [], {}, None, facts)


def learned(**found: Experience) -> Preferences:
    preferences = Preferences()
    for key, experience in found.items():
        preferences.learn(key, experience)
    return preferences


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Experience(32, 30, 0.01), Experience(32, 2, 0.01), [1, 0]),
        (Experience(32, 2, 0.01), Experience(32, 30, 0.01), [0, 1]),
        (Experience(32, 16, 0.10), Experience(32, 24, 0.01), [1, 0]),
        (Experience(32, 16, None), Experience(32, 24, 0.01), [0, 1]),
        (Experience(32, 16, 0.0), Experience(32, 24, 0.01), [0, 1]),
        (Experience(32, 16, 0.01), Experience(32, 16, 0.01), [0, 1]),
        (Experience(32, 32, 0.01), Experience(32, 31, 0.01), [1, 0]),
        (Experience(0, 0, None), Experience(32, 0, None), [1, 0]),
    ],
    ids=[
        "drops more",
        "drops more, first",
        "cheaper",
        "price unknown",
        "free",
        "equal",
        "drops nothing",
        "unseen",
    ],
)
def test_what_drops_most_for_its_price_goes_first(
    first: Experience, second: Experience, expected: list[int]
) -> None:
    assert learned(a=first, b=second).order(choice("a", "b")) == expected


def test_as_written_while_one_of_them_is_not_known() -> None:
    preferences = learned(b=Experience(32, 0, 0.01))
    assert preferences.order(choice("a", "b")) == [0, 1]
    assert not preferences.knows(choice("a", "b"))
    preferences.learn("a", Experience(32, 32, 0.01))
    assert preferences.knows(choice("a", "b"))
    assert preferences.order(choice("a", "b")) == [1, 0]


experiences = st.integers(0, 100).flatmap(
    lambda seen: st.builds(
        Experience, st.just(seen), st.integers(0, seen), st.none() | st.floats(0, 10, allow_nan=False)
    )
)


@given(st.lists(experiences, min_size=1, max_size=5))
def test_every_predicate_stands_once(found: list[Experience]) -> None:
    keys = [str(place) for place in range(len(found))]
    preferences = learned(**dict(zip(keys, found, strict=True)))
    assert sorted(preferences.order(choice(*keys))) == list(range(len(found)))


def test_the_oldest_are_forgotten() -> None:
    preferences = Preferences()
    for number in range(PREDICATES + 1):
        preferences.learn(str(number), Experience(1, 1, None))
    assert not preferences.knows(choice("0"))
    assert preferences.knows(choice(str(PREDICATES)))
