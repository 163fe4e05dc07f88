"""Whose function a name means: ours, or somebody else's of the same name.

`score`, `embed`, `prompt` are common names. Decides from the catalog and the places where DuckDB looks a name up, one after
another; what a query does with the names, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from duck_or.queries.facts import SYSTEM, TEMP, Catalogued, Place
from duck_or.queries.marks import Path
from duck_or.sql.family import ASKING
from duck_or.sql.ownership import BY_POSITION, CALLED, INTERNAL


def is_ours(function: Catalogued) -> bool:
    """Whether it is a macro of ours; true of one of its overloads at least."""
    return INTERNAL in (function.definition or "")


def looked_up(here: Place, search_path: str) -> list[Place]:
    """Where a bare name is looked for, first place first. here: the current database and schema; search_path: DuckDB's
    setting, in lower case."""
    listed = [part.strip().strip('"') for part in search_path.split(",")]
    parts = [[name.strip('"') for name in each.split(".")] for each in listed if each]
    named = [Place(*each) if len(each) == 2 else Place(here.catalog, each[-1]) for each in parts]
    return list(dict.fromkeys([TEMP, *named, here, Place(here.catalog, "main"), SYSTEM]))


def foreign_names(known: Iterable[Catalogued], places: Sequence[Place]) -> frozenset[Path]:
    """The names of functions that ask, qualified or not, which mean somebody else's function, or none at all.

    places: where bare names are looked for, as `looked_up` has them.
    """
    ours: dict[str, dict[Place, bool]] = {name: {} for name in ASKING}
    for each in known:
        if each.name in ASKING and each.kind in CALLED:
            owned = is_ours(each) or (each.name in BY_POSITION and each.place == SYSTEM)
            ours[each.name][each.place] = ours[each.name].get(each.place, False) or owned
    return frozenset(chain.from_iterable(_foreign(name, found, places) for name, found in ours.items()))


def _foreign(name: str, ours: dict[Place, bool], places: Sequence[Place]) -> set[Path]:
    here = places[-2].catalog
    found: set[Path] = set()
    for place in (place for place, owned in ours.items() if not owned):
        found.add((*place, name))
        if place.schema == "main":
            found.add((place.catalog, name))
        if place.catalog == here:
            found.add((place.schema, name))
    mains = [
        place for place in places if place.schema == "main" and place.catalog in (here, "temp", "system")
    ]
    for path, looked in (((name,), places), (("main", name), mains)):
        first = next((place for place in looked if place in ours), None)
        if first is None or ours[first]:
            found.discard(path)
        else:
            found.add(path)
    if all(place not in ours for place in places):
        found.add((name,))
    return found
