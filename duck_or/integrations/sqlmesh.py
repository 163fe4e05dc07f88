"""The functions in a SQLMesh project on DuckDB: in every model and audit, whole models at once.

    from duck_or.integrations.sqlmesh import DuckOrConnectionConfig   # in config.py

    connection = DuckOrConnectionConfig(database="warehouse.duckdb", openrouter={"model": "openai/gpt-5-mini"})

Decides what SQLMesh's connections and cursors become. How a statement is planned, and how anything is asked, it must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import duckdb

from duck_or.settings import Settings
from duck_or.statements.connection import Connection
from duck_or.statements.planner import Parameters
from duck_or.statements.session import Session

try:
    from sqlmesh.core.config import DuckDBConnectionConfig
except ImportError as error:
    raise ImportError('this needs SQLMesh: pip install "duck_or[sqlmesh]"') from error


class Cursor(Connection):
    """What SQLMesh runs its SQL on. It mixes `execute` and `sql`, which DuckDB 2.0 refuses while a result is open."""

    def sql(self, query: Any, *, alias: str = "", params: Parameters = None) -> Any:
        self.con.execute("SELECT 1").fetchall()
        return super().sql(query, alias=alias, params=params)


class DuckOrConnectionConfig(DuckDBConnectionConfig):  # type: ignore[misc]  # SQLMesh is not there where types are checked
    """A DuckDBConnectionConfig, with all of its fields. openrouter: the names of `duck_or.Settings`.

    SQLMesh writes its configuration down: leave `api_key` to the environment, OPENROUTER_API_KEY.
    """

    openrouter: dict[str, Any] = {}  # noqa: RUF012 - a pydantic field: each instance has its own

    @property
    def _connection_factory(self) -> Callable[..., Cursor]:
        return partial(_connect, self.openrouter)


def _connect(settings: Mapping[str, Any], **given: Any) -> Cursor:
    con = duckdb.connect(**given)
    return Cursor(con, Session(con, Settings.load({"progress": "off", **settings})))
