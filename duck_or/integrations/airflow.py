"""Airflow's DuckDB hook with the functions: every statement is planned as a whole, and one session counts what they cost.

    hook = DuckOrHook(database="shop.duckdb", openrouter={"model": "openai/gpt-5-mini", "budget_usd": 2})
    hook.run("CREATE OR REPLACE TABLE moods AS SELECT id, classify(review, ['good', 'bad']) AS mood FROM reviews")

Decides where the settings come from, and what the hook's connections become. How a statement is planned, and how anything is
asked, it must not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duck_or.setting_rules import RULES, checked, displayed
from duck_or.settings import Settings
from duck_or.statements.connection import Connection
from duck_or.statements.session import Session
from duck_or.stats import Stats

try:
    from airflow.providers.duckdb.hooks.duckdb import DuckDBHook
except ImportError as error:
    raise ImportError('this needs Airflow and its DuckDB provider: pip install "duck_or[airflow]"') from error


class DuckOrHook(DuckDBHook):  # type: ignore[misc]  # Airflow is not there where types are checked
    """A DuckDBHook, with all of its arguments and its connection of type `duckdb`.

    openrouter: the names of `duck_or.Settings`. openrouter_conn_id: an Airflow connection whose password is the API key, whose
    host, if any, is the service's address, and whose extra has more settings; Airflow hides its password in logs.
    `openrouter` wins over it, and it over the worker's environment.
    """

    def __init__(
        self,
        *args: Any,
        openrouter: Mapping[str, Any] | None = None,
        openrouter_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._openrouter = dict(openrouter or {})
        self._openrouter_conn_id = openrouter_conn_id
        self._session: Session | None = None

    def get_conn(self) -> Connection:
        """A connection that plans what it runs. Raises SettingsError, and what DuckDBHook raises."""
        con = super().get_conn()
        if self._session is None:
            self._session = Session(con, self._chosen())
        else:
            self._session.move_to(con)
        return Connection(con, self._session)

    def stats(self) -> Stats:
        """What the statements of this hook have asked and cost so far."""
        return Stats() if self._session is None else self._session.stats()

    def _chosen(self) -> Settings:
        return Settings.load({"progress": "off", **self._of_connection(), **self._openrouter})

    def _of_connection(self) -> dict[str, Any]:
        if self._openrouter_conn_id is None:
            return {}
        found = self.get_connection(self._openrouter_conn_id)
        given = {"api_key": found.password, "base_url": found.host} | found.extra_dejson
        source = f"the Airflow connection {self._openrouter_conn_id}"
        return {name: _read(name, value, source) for name, value in given.items() if value is not None}


def _read(name: str, value: Any, source: str) -> Any:
    """A setting's value; `Settings` refuses what is none. Raises SettingsError, which says where it came from."""
    return checked(name, value, f"{name}={displayed(name, value)} in {source}") if name in RULES else value
