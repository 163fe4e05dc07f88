"""A connection as its user sees it: with the variables around the call, which a query may name in its FROM.

DuckDB looks for such a name among the variables of whoever calls it, and that is this package, with variables of its own.
So a query is run from a place where the user's variables are all there is. What the query does, it must not know.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa

from duck_or.statements.relation import Relation

Variables: TypeAlias = Mapping[str, Any]

_PACKAGE = __name__.partition(".")[0]
_WORK = "__duck_or_work"
_ALL_FRAMES = "SELECT current_setting('python_scan_all_frames')"

_WORDS = re.compile(r"\w+")

_REREADABLE = frozenset({"pandas", "polars", "numpy", "duckdb", "_duckdb", "ibis", "narwhals"})
_READ_ONCE = frozenset({"PyCapsule", "RecordBatchReader", "Scanner"})


class Viewpoint:
    """Runs queries on `con`, and the names that DuckDB does not know mean the variables that `seeing` was given."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self._variables: Variables = {}

    @contextmanager
    def seeing(self, variables: Variables) -> Iterator[None]:
        before, self._variables = self._variables, variables
        try:
            yield
        finally:
            self._variables = before

    def sql(self, query: str, **given: Any) -> Any:
        """As the connection's."""
        return self._there(partial(self.con.sql, query, **given))

    def execute(self, query: str, parameters: Any = None) -> Any:
        """As the connection's."""
        return self._there(partial(self.con.execute, query, parameters))

    def is_read_once(self, name: str) -> bool:
        """Whether a name means a variable whose rows can be read only once."""
        return name in self._variables and _is_read_once(self._variables[name])

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """As the connection's: another one, which sees no variables."""
        return self.con.cursor()

    def extract_statements(self, query: str) -> list[duckdb.Statement]:
        """As the connection's."""
        return self.con.extract_statements(query)

    def fetchmany(self, size: int) -> list[Any]:
        """As the connection's."""
        return self.con.fetchmany(size)

    def _there(self, work: Callable[[], Any]) -> Any:
        return eval(f"{_WORK}()", {**self._variables, _WORK: work})


def variables_around(con: duckdb.DuckDBPyConnection, query: str) -> Variables:
    """What DuckDB would look at if whoever called this package had called it: the variables of that place, and of the
    places that led there where the setting python_scan_all_frames says so."""
    frame = _caller()
    found = _visible(frame)
    words, further = set(_WORDS.findall(query)), dict[str, Any]()
    while frame is not None and (frame := frame.f_back) is not None:
        visible = _visible(frame)
        further = {name: visible[name] for name in words & visible.keys()} | further
    if not further.keys() <= found.keys() and _sees_all_frames(con):
        found = further | found
    return {name: value.plain if isinstance(value, Relation) else value for name, value in found.items()}


def _caller() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return frame


def _visible(frame: FrameType | None) -> dict[str, Any]:
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}


def _sees_all_frames(con: duckdb.DuckDBPyConnection) -> bool:
    with con.cursor() as cursor:  # the connection may be holding a result
        [(sees,)] = cursor.execute(_ALL_FRAMES).fetchall()
    return bool(sees)


def _is_read_once(value: object) -> bool:
    """Whether it gives its rows away when it is read, or might: of an unknown kind of stream nobody can tell."""
    kind = type(value)
    if isinstance(value, pa.Table | pa.RecordBatch) or kind.__module__.partition(".")[0] in _REREADABLE:
        return False
    return kind.__name__ in _READ_ONCE or hasattr(value, "__arrow_c_stream__")
