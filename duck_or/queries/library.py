"""The views and macros of a connection that hold calls of the functions that ask, as the catalog has them.

Knows the catalog's tables and how names are looked up; what is done with a definition, this module must not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import duckdb

from duck_or.queries.facts import TEMP, Catalogued, Place, catalogue
from duck_or.queries.marks import Path, calls
from duck_or.queries.owners import foreign_names, is_ours, looked_up
from duck_or.queries.syntax import Syntax
from duck_or.queries.tokens import Token, tokens
from duck_or.sql.family import ASKING


@dataclass(frozen=True, slots=True)
class View:
    """text: the query. columns: the names that CREATE VIEW gives, if it does."""

    name: str
    place: Place
    text: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Macro:
    """One overload. text: the expression, or the query of a table macro. asks: whether it holds a call, at any depth."""

    name: str
    place: Place
    table: bool
    parameters: tuple[str, ...]
    text: str
    asks: bool


class Library:
    """Reads the catalog as this connection sees it, temporary views and macros included, when it is made.

    asking: the names of views and macros that ask. foreign: names of functions that ask which here mean somebody else's.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, known: Sequence[Catalogued] | None = None) -> None:
        """known: what `catalogue` says, where the caller has asked already."""
        self._con = con
        self.syntax = Syntax(con.cursor())
        [(database, schema, path)] = con.sql(_HERE).fetchall()
        self.here = Place(database, schema)
        known = catalogue(con) if known is None else known
        self.foreign = foreign_names(known, looked_up(self.here, path))
        views = con.sql(_VIEWS).fetchall()
        macros = _of_the_users(known)
        self.asking = _asking(
            [(row[0], row[3]) for row in views] + [(each.name, each.definition or "") for each in macros],
            self.foreign,
        )
        self._views = [
            View(name, Place(catalog, schema), *parts)
            for name, catalog, schema, text in views
            if name in self.asking and (parts := _view_parts(text))
        ]
        self._macros = [
            Macro(
                each.name,
                Place(each.catalog, each.schema),
                each.kind == "table_macro",
                tuple(each.parameters),
                each.definition or "",
                _asks(each.definition or "", self.asking, self.foreign),
            )
            for each in macros
            if each.name in self.asking
        ]

    def view(self, name: str, places: Iterable[Place]) -> View | None:
        """The view that a name means which is looked up in these places; None if it is a table or holds no call."""
        place = self.place_of(name, places)
        return next((view for view in self._views if (view.name, view.place) == (name, place)), None)

    def macros(self, name: str, places: Iterable[Place]) -> list[Macro]:
        """The overloads of a macro, of the first place that has one."""
        found = [macro for macro in self._macros if macro.name == name]
        for place in places:
            if here := [macro for macro in found if macro.place == place]:
                return here
        return []

    def place_of(self, name: str, places: Iterable[Place]) -> Place | None:
        """The first of the places that has a table or a view of this name."""
        return next((place for place in places if (name, place) in self._tables), None)

    @cached_property
    def _tables(self) -> frozenset[tuple[str, Place]]:
        return frozenset((name, Place(*place)) for name, *place in self._con.sql(_TABLES).fetchall())

    def places(self, catalog: str, schema: str, home: Place | None) -> list[Place]:
        """Where a name is looked up. catalog, schema: as far as it is qualified. home: the place of the view it is in."""
        catalog, schema = catalog.lower(), schema.lower()
        if catalog:
            return [Place(catalog, schema)]
        if schema:
            found = [Place(self.here.catalog, schema), Place(schema, "main")]
            return found if home is None else [Place(home.catalog, schema), *found]
        return [TEMP, self.here] if home is None else [home, TEMP, self.here]


_HERE = "SELECT lower(current_database()), lower(current_schema()), lower(current_setting('search_path'))"
_VIEWS = """
    SELECT lower(view_name), lower(database_name), lower(schema_name), sql FROM duckdb_views() WHERE NOT internal
"""
_TABLES = """
    SELECT lower(table_name), lower(database_name), lower(schema_name) FROM duckdb_tables()
    UNION ALL SELECT lower(view_name), lower(database_name), lower(schema_name) FROM duckdb_views()
"""


def _of_the_users(known: Sequence[Catalogued]) -> list[Catalogued]:
    """The macros that are neither DuckDB's nor ours. An overload of one of ours need not look like it."""
    macros = [each for each in known if each.definition is not None and not each.internal]
    ours = {(each.name, each.place) for each in macros if is_ours(each)}
    return [each for each in macros if (each.name, each.place) not in ours]


def _asking(definitions: list[tuple[str, str]], foreign: frozenset[Path]) -> frozenset[str]:
    """The names of those that hold a call, or name one that does."""
    if not any(name in text.lower() for _, text in definitions for name in ASKING):
        return frozenset()  # nearly always: nothing has to be looked at closely
    read = [(name, tokens(text)) for name, text in definitions]
    named = [(name, {token.name for token in found}) for name, found in read]
    asking = {name for name, found in read if calls(found, ASKING, foreign)}
    while more := {name for name, used in named if used & asking} - asking:
        asking |= more
    return frozenset(asking)


def _asks(text: str, asking: frozenset[str], foreign: frozenset[Path]) -> bool:
    found = tokens(text)
    return bool(calls(found, ASKING, foreign)) or not asking.isdisjoint(token.name for token in found)


def _view_parts(text: str) -> tuple[str, tuple[str, ...]] | None:
    """The query and the columns of `CREATE VIEW name (columns) AS query;`."""
    found = tokens(text)
    place = next((place for place, token in enumerate(found) if token.word == "as" and not token.depth), None)
    if place is None:
        return None
    columns = tuple(_unquoted(token) for token in found[:place] if token.depth and token.text != ",")
    return text[found[place].end :].strip().removesuffix(";"), columns


def _unquoted(token: Token) -> str:
    return token.text[1:-1].replace('""', '"') if token.text.startswith('"') else token.text
