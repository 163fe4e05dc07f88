"""`%load_ext duck_or`: whole statements from a cell, with the notebook's names, and a table of what they return.

    %%chat_sql [con] [--estimate] [--budget USD] [--on-error MODE] [--output NAME | NAME <<] [--rows N]
    SELECT id, prompt('Summarise: ' || review) AS summary FROM reviews

Decides what a cell's options do and how errors are shown. How a statement is asked, it must not know. Only IPython's
`%load_ext` imports it: it needs IPython.
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from weakref import WeakSet

import duckdb
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import MagicArgumentParser

from duck_or.cli.wording import since, summary_line
from duck_or.connect import register
from duck_or.errors import DuckOrError
from duck_or.integrations.notebook_line import (
    AnyConnection,
    Namespace,
    connections,
    parameters_of,
    plain,
    split,
    the_connection,
)
from duck_or.progress.line import surface
from duck_or.progress.surfaces import NotebookLine
from duck_or.sql.interrupt import stop_on_ctrl_c
from duck_or.sql.registration import session_on
from duck_or.statements.brief import STOPPED, show_briefly, was_stopped
from duck_or.statements.connection import Connection
from duck_or.statements.display import SHOWN, mime_bundle
from duck_or.statements.estimate import Estimate
from duck_or.statements.relation import Relation
from duck_or.statements.session import Session

MODES = ("raise", "null", "json")

_WORK = "__duck_or_work"


def _us_dollars(word: str) -> float:
    """What `--budget` is given. argparse shows the message of the error that this raises."""
    try:
        amount = float(word)
    except ValueError:
        amount = math.nan
    if not 0 <= amount < math.inf:
        raise ArgumentTypeError(f"{word!r} is no amount in US dollars: 0.50, say")
    return amount


def _parser() -> MagicArgumentParser:
    parser = MagicArgumentParser(  # type: ignore[no-untyped-call]
        prog="%chat_sql",  # the formatter puts one more before it
        description="Run SQL as whole statements: all that they will ask is asked at once. Data frames of the notebook are "
        "tables under their names; $name is the value of a variable.",
    )
    add = parser.add_argument
    add("con", nargs="?", help="a connection; may be left out where the notebook has only one")
    add("--estimate", action="store_true", help="show what it would ask and cost; nothing is run or sent")
    add("--budget", type=_us_dollars, metavar="USD", help="what this cell may cost")
    add(
        "--on-error",
        choices=MODES,
        metavar="MODE",
        help="what becomes of a row that fails: raise, null or json",
    )
    add("--output", metavar="NAME", help="keep the rows under this name and show none; also: NAME <<")
    add("--rows", type=int, default=SHOWN, metavar="N", help=f"show at most so many rows; {SHOWN} by default")
    add("--help", action="store_true", help="show this")
    return parser


PARSER = _parser()


def load(shell: Any) -> None:
    """What `%load_ext duck_or` does: the magics, Ctrl-C in every cell, and the functions on the notebook's connection."""
    magics = ChatMagics(shell)
    shell.register_magics(magics)
    shell.display_formatter.mimebundle_formatter.for_type(duckdb.DuckDBPyRelation, mime_bundle)
    stop_on_ctrl_c()
    magics.register_what_is_there()


class Target(NamedTuple):
    """A connection, DuckDB's own, and the session that answers on it."""

    con: duckdb.DuckDBPyConnection
    session: Session


class Shown(Relation):
    """What a cell returns: a DuckDB relation over rows that are here already, and how many of them to show."""

    def __init__(self, rows: Any, shown: int) -> None:
        super().__init__(rows, lambda: rows)
        self._shown = shown

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return mime_bundle(self.plain, len(self.plain), self._shown)


@magics_class
class ChatMagics(Magics):
    """`%chat_sql` and `%%chat_sql`."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._names: dict[str, Any] = shell.user_ns
        self._prepared = WeakSet[duckdb.DuckDBPyConnection]()

    @no_var_expand  # braces and dollars are SQL's
    @needs_local_scope
    @line_cell_magic
    def chat_sql(self, line: str, cell: str | None = None, local_ns: Namespace | None = None) -> Any:
        """What `PARSER` says."""
        names = {**self._names, **(local_ns or {})}
        words, rest = split(line, lambda word: isinstance(names.get(word), AnyConnection))
        given = PARSER.parse_args(words)
        if given.help:
            print(PARSER.format_help())
            return None
        if cell is not None and rest:
            raise UsageError(f"{rest.split()[0]!r} is no connection here. The SQL begins on the next line.")
        if given.output is not None and not given.output.isidentifier():
            raise UsageError(f"{given.output!r} is no name for a variable")
        with in_brief():
            statement = Statement(self._target(names, given.con), rest if cell is None else cell, names)
            if given.estimate:
                return statement.estimated()
            rows = statement.run(given.budget, given.on_error)
        if given.output is None:
            return None if rows is None else Shown(rows, given.rows)
        self._names[given.output] = rows  # DuckDB's own relation, which any of its connections can read
        return None

    chat_sql.__doc__ = PARSER.format_help()

    def register_what_is_there(self) -> None:
        """Register the connection that a cell means which names none, where that can be told."""
        with in_brief():
            con = the_connection(connections(self._names), _is_registered)
            if con is not None:
                self._ready(con)

    def _target(self, names: Namespace, name: str | None) -> Target:
        found = connections(names)
        con = the_connection(found, _is_registered) if name is None else names[name]
        if con is None:
            raise UsageError(f"which connection? Say %%chat_sql and one of {', '.join(found)}")
        return self._ready(con)

    def _ready(self, con: AnyConnection) -> Target:
        own = plain(con)
        session = con.session if isinstance(con, Connection) else _session_on(own) or register(own)
        if own not in self._prepared:
            self._prepared.add(own)
            session.name_on(own)  # a cursor of a file database would not see the macros
            if isinstance(surface(session.settings.progress), NotebookLine):
                _without_a_second_bar(own)
        return Target(own, session)


class Statement:
    """The SQL of a cell, on its connection, with the names that it may use."""

    def __init__(self, target: Target, sql: str, names: Namespace) -> None:
        self._con, self._session = target
        self._sql = sql
        self._names = names
        self._runner = self._session.runner(self._con)
        self._parameters = self._its_parameters()

    def estimated(self) -> Estimate:
        print("Nothing was run or sent. Without --estimate, this cell runs:")
        estimate: Estimate = self._among_its_names(lambda: self._runner.estimate(self._sql, self._parameters))
        return estimate

    def run(self, budget_usd: float | None, on_error: str | None) -> Any:
        """Its rows, a relation that asks nothing when it is read; None where it returns none. Says what was asked, also
        where it fails."""
        before = self._session.stats()
        try:
            with _failing(self._session, on_error):
                relation = self._among_its_names(
                    lambda: self._runner.sql(self._sql, self._parameters, budget_usd)
                )
                return None if relation is None else self._held(relation)
        finally:
            stats = since(before, self._session.stats())
            if stats.requests or stats.rejected:
                print(summary_line(stats))

    def _its_parameters(self) -> dict[str, Any] | None:
        statements = self._con.extract_statements(self._sql)
        try:
            return parameters_of(statements[-1].named_parameters if statements else (), self._names)
        except LookupError as error:
            raise UsageError(error.args[0]) from None

    def _among_its_names(self, work: Callable[[], Any]) -> Any:
        """DuckDB looks for data frames among the variables of whoever calls it: let that be the notebook."""
        return eval(f"{_WORK}()", {**self._names, _WORK: work})

    def _held(self, relation: Any) -> Any:
        """The relation's rows, evaluated once. None where it stands for a statement that returns none."""
        if hasattr(relation, "materialize"):
            rows = relation.materialize()
        else:  # before DuckDB 2.0
            rows = self._con.from_arrow(relation.fetch_arrow_table())
        says_only_that_it_ran = relation.columns in (["Success"], ["Count"]) and not len(rows)
        return None if says_only_that_it_ran else rows


def _is_registered(con: AnyConnection) -> bool:
    try:
        return isinstance(con, Connection) or _session_on(con) is not None
    except duckdb.ConnectionException:  # it is closed
        return False


def _session_on(con: duckdb.DuckDBPyConnection) -> Session | None:
    """The session that answers on a connection's database; None where none is registered."""
    session = session_on(con)
    return session if isinstance(session, Session) else None


def _without_a_second_bar(con: duckdb.DuckDBPyConnection) -> None:
    """DuckDB's own bar is a widget under our line that knows less. Where it cannot be switched off, it stays."""
    with suppress(duckdb.InvalidInputException, duckdb.TransactionException):  # locked; a failed transaction
        con.execute("SET enable_progress_bar = false")


@contextmanager
def _failing(session: Session, on_error: str | None) -> Iterator[None]:
    """Meanwhile, a row that fails becomes this. The session's other statements run before and after, not beside it."""
    before = session.settings
    session.settings = before if on_error is None else before.overridden({"on_error": on_error})
    try:
        yield
    finally:
        session.settings = before


@contextmanager
def in_brief() -> Iterator[None]:
    """Errors that speak for themselves are shown without the places in this package that they came through."""
    try:
        yield
    except (DuckOrError, duckdb.Error) as error:
        _show(error, str(error))
        raise
    except (KeyboardInterrupt, RuntimeError) as error:
        if was_stopped(error):
            _show(error, STOPPED)
        raise


def _show(error: BaseException, message: str) -> None:
    show_briefly(error, f"{type(error).__name__}: {message}")
