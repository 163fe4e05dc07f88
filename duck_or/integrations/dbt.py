"""The functions in a dbt project on DuckDB: in every model, whole models at once, and what a run cost in dbt's own log.

    plugins:                                    # in the profile
      - module: duck_or.integrations.dbt
        config: {model: openai/gpt-5-mini, budget_usd: 0.50}

Decides how dbt's cursors become connections that plan what they run, and what dbt is told. How a statement is planned,
and how anything is asked, it must not know.

dbt-duckdb makes a cursor for every model and hands it to its plugins, but runs SQL on its own reference to it. What makes
those cursors is a method of its environment, which may wrap them: the retries of the profile do. So does this plugin.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import duckdb

from duck_or.cli.wording import since, summary_line
from duck_or.connect import register
from duck_or.engine.cancellation import cancel_running
from duck_or.errors import Cancelled, SettingsError
from duck_or.queries.library import Library
from duck_or.queries.tokens import Words
from duck_or.setting_rules import RULES, displayed, has_password, parsed
from duck_or.settings import Settings
from duck_or.statements.connection import Connection
from duck_or.statements.planner import Parameters
from duck_or.statements.session import Session
from duck_or.stats import Stats

try:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.duckdb.plugins import BasePlugin
    from dbt.adapters.events.logging import AdapterLogger
    from dbt_common.events.contextvars import get_node_info
    from dbt_common.events.event_manager_client import add_callback_to_manager, get_event_manager
    from dbt_common.exceptions import DbtRuntimeError
except ImportError as error:
    raise ImportError('this needs dbt-duckdb: pip install "duck_or[dbt]"') from error

_dbt = AdapterLogger("duck_or")
_log = logging.getLogger("duck_or")

SECRET = "DBT_ENV_SECRET_"
"""dbt writes ***** for the values of variables that begin like this, wherever it writes."""

SECRET_LENGTH = 8
"""Characters from which on a key is hidden: a server on one's own machine takes any word, which the log may need."""

_SHOWN = (
    "`dbt debug` shows the profile, {name} included: let it be env_var('{secret}{ours}'), which dbt hides, "
    "or leave it out: {ours} is read anyway"
)

_CREATE = frozenset({"create", "or", "replace", "temp", "temporary", "recursive"})

# How YAML reads these words, where the profile does not quote them.
_WORDS: Mapping[tuple[str, object], str] = {
    ("on_error", None): "null",
    ("prefetch", False): "off",
    ("progress", False): "off",
}


class Plugin(BasePlugin):  # type: ignore[misc]  # dbt is not there where types are checked
    """What dbt-duckdb makes of the profile's `module: duck_or.integrations.dbt`. config: the names of `Settings`.

    One session serves the whole process, however often dbt opens its database: one cache, one budget, one set of counters.
    """

    def initialize(self, plugin_config: Mapping[str, Any]) -> None:
        of_duckdb = self.creds.settings if self.creds else None
        try:
            self._settings = settings_of(plugin_config, of_duckdb or {})
        except SettingsError as error:
            raise DbtRuntimeError(f"duck_or: {error}") from error  # others are shown as a crash
        self._session: Session | None = None
        _hide(self._settings, plugin_config)

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """dbt has opened the database: for the first time, or again (`keep_open: false`)."""
        if self._session is not None:
            self._session.move_to(conn)
            return
        self._session = register(conn, self._settings)
        self._sum_up = Summary(self._session)
        _log.addHandler(_TO_DBT)
        _log.propagate = False  # else dbt's own libraries print it once more
        _plan_all(self._session)

    def configure_cursor(self, cursor: Any) -> None:
        """dbt is about to use this cursor."""
        assert self._session is not None  # its connection was configured first
        self._session.name_on(cursor.con if isinstance(cursor, Connection) else cursor)
        if self._sum_up not in get_event_manager().callbacks:  # each dbt command begins with none
            add_callback_to_manager(self._sum_up)


def settings_of(config: Mapping[str, Any], of_duckdb: Mapping[str, Any]) -> Settings:
    """What the profile says, before the environment, the config file and the defaults; without a progress line.

    of_duckdb: settings of DuckDB's, which dbt-duckdb puts into every plugin's config. Raises SettingsError.
    """
    ours = {name: value for name, value in config.items() if name in RULES or name not in of_duckdb}
    return Settings.load({"progress": "off", **{name: _read(name, value) for name, value in ours.items()}})


def _read(name: str, value: Any) -> Any:
    """A value as YAML and env_var() give it."""
    value = _WORDS.get((name, value), value) if value is None or value is False else value
    if not isinstance(value, str) or name not in RULES:
        return value
    return parsed(name, value, f"{name}: {displayed(name, value)} in the profile")


def _hide(settings: Settings, config: Mapping[str, Any]) -> None:
    """Have dbt hide the settings' secrets in all that it logs from now on; `dbt debug` shows profiles before that."""
    hidden = [value for name, value in os.environ.items() if name.startswith(SECRET)]
    secret = {"api_key": settings.api_key}
    if has_password(settings.cache_path):
        secret["cache_path"] = str(settings.cache_path)
    for name, value in secret.items():
        if value and len(value) >= SECRET_LENGTH and value not in hidden:
            os.environ[f"{SECRET}DUCK_OR_{name.upper()}"] = value
            if config.get(name):
                _dbt.warning(_SHOWN.format(name=name, ours=RULES[name].environment, secret=SECRET))


# --- whole statements ------------------------------------------------------------------------------------------------


class Cursor(Connection):
    """What dbt runs its SQL on: every statement is planned as a whole, and a view that asks is warned about."""

    def execute(self, query: Any, parameters: Parameters = None) -> Cursor:
        try:
            super().execute(query, parameters)
        except KeyboardInterrupt as error:
            if threading.current_thread() is threading.main_thread():
                raise
            # One of dbt's threads survives errors, but not this.
            raise Cancelled("interrupted; what was answered until then is kept") from error
        if isinstance(query, str) and (view := created_view(query)) and view in Library(self.con).asking:
            _warn_of_view(view)
        return self

    def interrupt(self) -> None:
        """dbt gives up all of its cursors at once: Ctrl-C, --fail-fast. A chunk that waits looks at this, not at DuckDB."""
        cancel_running()
        self.con.interrupt()


def _plan_all(session: Session) -> None:
    """Have the environment that is opening its database make cursors that plan. A remote one has none."""
    environment = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.initialize_cursor = partial(_planning, environment.initialize_cursor, session)
        atexit.register(_close, environment)


def _close(environment: Any) -> None:
    """At exit: dbt leaves its database open, and DuckDB 2.0 prints pages about what is still there when Python ends."""
    _log.removeHandler(_TO_DBT)
    environment.close()


def _planning(make: Callable[..., Any], session: Session, creds: Any, cursor: Any, *given: Any) -> Any:
    return make(creds, Cursor(cursor, session), *given)


def created_view(query: str) -> str | None:
    """The name of the view that a query creates with its last statement, in lower case; None if that is another one."""
    if "view" not in query.lower():
        return None
    words = Words(query)
    at = start = max((semicolon + 1 for semicolon in words.find(";")), default=0)
    while words.word(at) in _CREATE:
        at += 1
    if at == start or words.word(at) != "view":
        return None
    at += 4 if words.word(at + 1) == "if" else 1  # IF NOT EXISTS
    while at + 2 < words.end and words.tokens[at + 1].text == ".":
        at += 2
    return words.tokens[at].name if at < words.end else None


def _warn_of_view(view: str) -> None:
    node = get_node_info()
    name = node.get("unique_id") or view
    _dbt.warning(
        f"{name} is a view, and a view keeps the names of the functions it asks with: it asks whenever it is read, and "
        "whoever opens the database without duck_or cannot read it. Materialize it as a table, or incrementally"
    )


# --- what dbt is told ------------------------------------------------------------------------------------------------


class Summary:
    """Says at the end of each dbt command what its rows asked and cost; nothing where none asked."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told = Stats()

    def __call__(self, message: Any) -> None:
        """dbt calls this with each of its events."""
        if message.info.name != "CommandCompleted":
            return
        before, self._told = self._told, self._session.stats()
        stats = since(before, self._told)
        if stats.requests or stats.rejected or stats.withdrawn:
            _dbt.info(summary_line(stats))


class _ToDbt(logging.Handler):
    """Warnings of this package, in dbt's log: they are about the model that dbt runs on the same thread."""

    def emit(self, record: logging.LogRecord) -> None:
        say = _dbt.error if record.levelno >= logging.ERROR else _dbt.warning
        say(self.format(record))


_TO_DBT = _ToDbt(logging.WARNING)
