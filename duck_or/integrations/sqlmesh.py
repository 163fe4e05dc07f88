"""The functions in a SQLMesh project on DuckDB: in every model and audit, whole models at once.

    from duck_or.integrations.sqlmesh import DuckOrConnectionConfig   # in config.py

    connection = DuckOrConnectionConfig(database="warehouse.duckdb", openrouter={"model": "openai/gpt-5-mini"})

Decides what SQLMesh's connections and cursors become. How a statement is planned, and how anything is asked, it must not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import duckdb

from duck_or.errors import SettingsError
from duck_or.settings import Settings
from duck_or.statements.connection import Connection
from duck_or.statements.planner import Parameters
from duck_or.statements.session import Session

try:
    from pydantic import field_validator
    from sqlmesh.core.config import DuckDBConnectionConfig
    from sqlmesh.utils.errors import ConfigError
except ImportError as error:
    raise ImportError('this needs SQLMesh: pip install "duck_or[sqlmesh]"') from error


class Cursor(Connection):
    """What SQLMesh runs its SQL on. It mixes `execute` and `sql`, which DuckDB 2.0 refuses while a result is open."""

    def sql(self, query: Any, *, alias: str = "", params: Parameters = None) -> Any:
        self.con.execute("SELECT 1").fetchall()
        return super().sql(query, alias=alias, params=params)


class DuckOrConnectionConfig(DuckDBConnectionConfig):  # type: ignore[misc]  # SQLMesh is not there where types are checked
    """A DuckDBConnectionConfig, with all of its fields. openrouter: the names of `duck_or.Settings`.

    SQLMesh writes its configuration down: leave `api_key` to the environment, OPENROUTER_API_KEY. A wrong setting is a
    ConfigError when this is made.
    """

    openrouter: dict[str, Any] = {}  # noqa: RUF012 - a pydantic field: each instance has its own

    @field_validator("openrouter")
    @classmethod
    def _refuse_wrong(cls, given: dict[str, Any]) -> dict[str, Any]:
        _settings(given)
        return given

    @property
    def _connection_factory(self) -> Callable[..., Cursor]:
        return partial(_connect, self.openrouter)


def _connect(openrouter: Mapping[str, Any], **given: Any) -> Cursor:
    con = duckdb.connect(**given)
    with _told_by_sqlmesh():
        return Cursor(con, Session(con, _settings(openrouter)))


def _settings(openrouter: Mapping[str, Any]) -> Settings:
    """Raises ConfigError."""
    with _told_by_sqlmesh():
        return Settings.load({"progress": "off", **openrouter})


@contextmanager
def _told_by_sqlmesh() -> Iterator[None]:
    """SQLMesh shows its own errors in a line, and others with a traceback through all of it."""
    try:
        yield
    except SettingsError as error:
        raise ConfigError(f"duck_or: {error}") from error
