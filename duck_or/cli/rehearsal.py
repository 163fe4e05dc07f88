"""What a script would ask, statement by statement. Sends nothing, and leaves nothing behind.

A statement often reads what an earlier one makes. So the script is rehearsed in one transaction that is rolled back:

    nothing to send          run there, as far as a transaction can take it back; every answer it wants is known
    something to send        not run; what it would write to is missing from then on
    names what is missing    not run; what it would write to is missing too

What is missing is also dropped there: nobody shall estimate from the rows of an earlier run. Looked for by name, and not
by trying: since DuckDB 2.0 a name that cannot be bound ends the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb

from duck_or.cli.exits import ending, told
from duck_or.cli.script import Step, perform
from duck_or.errors import Cancelled, DuckOrError
from duck_or.queries.library import Library
from duck_or.queries.marks import calls
from duck_or.queries.tokens import Words, tokens
from duck_or.sql.family import ASKING
from duck_or.statements.estimate import Estimate
from duck_or.statements.session import Session


class Part(Enum):
    RUN = auto()  # rolled back with the rest, or gone with this process
    PASS = auto()  # nothing that comes after it needs it
    END = auto()  # it reaches outside the transaction, or nobody knows


PARTS = {
    **dict.fromkeys(("CREATE", "INSERT", "UPDATE", "DELETE", "MERGE_INTO", "DROP", "ALTER"), Part.RUN),
    **dict.fromkeys(("SET", "VARIABLE_SET", "PREPARE"), Part.RUN),
    **dict.fromkeys(("SELECT", "EXPLAIN", "MULTI", "VACUUM", "ANALYZE", "PRAGMA"), Part.PASS),
}
# Where the type alone does not tell.
BY_WORDS: dict[str, Callable[[Words], Part]] = {
    "CREATE": lambda s: Part.END if "persistent" in _first_words(s) else Part.RUN,  # a secret on the disk
    "COPY": lambda s: Part.RUN if s.first("from") < s.first("to") else Part.PASS,
    "LOAD": lambda s: Part.RUN if s.word(0) == "load" else Part.PASS,
    "ATTACH": lambda s: Part.RUN if _makes_no_file(s) else Part.END,
    "TRANSACTION": lambda s: Part.PASS if s.word(0) in ("begin", "start", "commit", "end") else Part.END,
    "CALL": lambda s: Part.PASS if "checkpoint" in _first_words(s) else Part.END,
}
# What may stand behind the last question of a script without leaving any uncounted.
ASKS_NEVER = frozenset({"ATTACH", "DETACH", "DROP", "EXPORT", "LOAD", "SET", "TRANSACTION", "VACUUM"})
# The word in front of the name of what a statement makes or writes to.
WRITES_AFTER = {
    "create table as": "table",
    "insert": "into",
    "update": "update",
    "delete": "from",
    "merge": "into",
}
# What comes later does not miss these.
WRITES_NOTHING = frozenset({"SELECT", "COPY", "EXPLAIN", "MULTI"})
# Nor these, where the table that they name is missing itself.
OF_ITS_TABLE = frozenset({"ALTER", "DROP"})


class Left(NamedTuple):
    """A statement that asks and was not looked at, and why."""

    step: Step
    reason: str


class Written(NamedTuple):
    """What a statement makes or writes to. kind: TABLE or VIEW; sql: its name as it is written; name: the bare one."""

    kind: str
    sql: str
    name: str


class _Ends(Exception):
    """Why nothing after this statement can be looked at."""


class Rehearsal:
    """On a connection that nobody else uses. left: the statements that ask and were not looked at; the last of them may
    have ended the rehearsal. current: the number of the statement that is at work.

    The session's budget has to be 0: where a statement asks what nobody saw coming, even that costs nothing.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, session: Session) -> None:
        self._con = con
        self._session = session
        self._missing: dict[str, Step] = {}  # by bare name, who would write it
        self._asking: set[str] = set()  # missing views that ask
        self._files: list[str] = []
        self.left: list[Left] = []
        self.current: int | None = None

    def estimates(self, steps: Sequence[Step]) -> Iterator[tuple[Step, Estimate]]:
        """Each statement that can be looked at, and what it would ask now.

        Raises duckdb.Error and DuckOrError where a statement is wrong, and no earlier one is to blame.
        """
        self._con.begin()
        try:
            for place, step in enumerate(steps):
                self.current = step.number
                try:
                    estimate = self._looked_at(step)
                except _Ends as why:
                    if not all(each.type in ASKS_NEVER for each in steps[place:]):
                        self.left.append(Left(step, f"{why}; nor was what follows it"))
                    return
                if estimate is not None:
                    yield step, estimate
        finally:
            self._con.rollback()

    def _looked_at(self, step: Step) -> Estimate | None:
        """None where there is no telling."""
        part = part_of(step)
        if step.text is None:
            return None
        if part is Part.END:
            raise _Ends("it cannot be rolled back, so it was not run")
        if file := next((file for file in self._files if reads_file(step, file)), None):
            raise _Ends(f"it names the file {file}, which an earlier statement would write")
        if file := file_of(step):
            self._files.append(file)
        if missing := next(iter(names_in(step) & self._missing.keys()), None):
            self._leave(step, f"it names {missing}, which waits for the answers to {self._missing[missing]}")
            return None
        if step.sends_uncounted:
            self._leave(step, "what it would ask cannot be told beforehand, DuckDB runs it as it is")
            return None
        return self._estimated(step, step.text, part)

    def _estimated(self, step: Step, text: str, part: Part) -> Estimate | None:
        try:
            estimate = self._session.estimate(text)
            if is_silent(estimate) and part is Part.RUN:
                perform(self._con, self._session, step)
        except (duckdb.InterruptException, Cancelled):
            raise
        except duckdb.TransactionException as error:  # such as writing to a second database
            raise _Ends(f"one transaction cannot do it: {_first_line(error)}") from error
        except (duckdb.Error, DuckOrError) as error:
            if self._missing and isinstance(error, duckdb.Error):
                raise _Ends(f"it seems to need what is missing: {_first_line(error)}") from error
            if type(error) is not DuckOrError:  # its kinds are failures; itself says that nobody can tell
                raise
            self._leave(step, str(error))
            return None
        if not is_silent(estimate):
            self._withhold(step, step)
        return estimate

    def _leave(self, step: Step, reason: str) -> None:
        names = names_in(step)
        blamed = next((self._missing[name] for name in names & self._missing.keys()), step)
        self._withhold(step, blamed)
        if self._asks(step):
            self.left.append(Left(step, reason))
            if _makes(step, "view"):
                self._asking.add(written(step).name)

    def _asks(self, step: Step) -> bool:
        library = Library(self._con)
        named = not names_in(step).isdisjoint(self._asking | library.asking)
        return named or bool(calls(tokens(step.text or ""), ASKING, library.foreign))

    def _withhold(self, step: Step, blamed: Step) -> None:
        """What the statement would write to is missing from now on. Raises _Ends where that cannot be arranged."""
        if step.type in WRITES_NOTHING or (step.type in OF_ITS_TABLE and blamed is not step):
            return
        if _makes(step, "index"):
            return
        kind, sql, name = written(step)
        self._missing[name] = blamed
        try:
            self._con.execute(f"DROP {kind} IF EXISTS {sql}").fetchall()
        except duckdb.Error as error:
            raise _Ends(f"what it writes to cannot be set aside: {_first_line(error)}") from error


def is_silent(estimate: Estimate) -> bool:
    """Whether running the statement now sends nothing for sure. Its notes would name what was not counted."""
    return estimate.complete and not estimate.to_send and not estimate.notes


def part_of(step: Step) -> Part:
    """What becomes of a statement with nothing to send."""
    decide = BY_WORDS.get(step.type)
    return decide(Words(step.text or "")) if decide else PARTS.get(step.type, Part.END)


def names_in(step: Step) -> frozenset[str]:
    """Every name in a statement: of tables, columns, functions, and words of SQL among them."""
    return frozenset(token.name for token in tokens(step.text or ""))


def written(step: Step) -> Written:
    """What a statement makes or writes to. Raises _Ends where that is neither a table nor a view."""
    s = Words(step.text or "")
    kind = "VIEW" if _makes(step, "view") else "TABLE"
    word = "view" if kind == "VIEW" else WRITES_AFTER.get(step.kind)
    if word is None:
        raise _Ends("it was not run, and what comes after it may need it")
    at = s.first(word) + 1
    at += 3 if s.word(at) == "if" and s.word(at + 1) == "not" else 0  # IF NOT EXISTS
    stop = at + 1
    while stop + 1 < s.end and s.tokens[stop].text == ".":
        stop += 2
    return Written(kind, s.piece(at, stop), s.tokens[stop - 1].name)


def file_of(step: Step) -> str:
    """What a COPY … TO writes to; empty for everything else."""
    s = Words(step.text or "")
    at = s.first("to") + 1 if step.type == "COPY" else s.end
    return _string(s, at)


def reads_file(step: Step, file: str) -> bool:
    """Whether the statement names the file, a pattern that fits it, or something below it."""
    s = Words(step.text or "")
    named = filter(None, (_string(s, at) for at in range(s.end)))
    return any(name == file or name.startswith(f"{file}/") or fnmatchcase(file, name) for name in named)


def _string(s: Words, at: int) -> str:
    is_string = at < s.end and s.tokens[at].kind == "string"
    return s.tokens[at].text[1:-1].replace("''", "'") if is_string else ""


def _makes(step: Step, what: str) -> bool:
    """Whether it is a CREATE VIEW, or a CREATE INDEX."""
    return step.type == "CREATE" and not step.planned and what in _first_words(Words(step.text or ""))


def _first_words(s: Words) -> list[str]:
    return [s.word(at) for at in range(5)]


def _makes_no_file(s: Words) -> bool:
    path = next(filter(None, (_string(s, at) for at in range(s.end))), "")
    words = {token.word for token in s.tokens}
    return "read_only" in words or path == ":memory:" or Path(path).is_file()


def _first_line(error: Exception) -> str:
    message = (told(error) if isinstance(error, duckdb.Error) else ending(error)).message
    return message.partition("\n")[0]


@contextmanager
def stage(database: str) -> Iterator[str]:
    """Where to rehearse: in the database itself, or, if there is none yet, in one of the same name that is gone at the end."""
    elsewhere = database.startswith(":memory:") or ":" in database[2:] or Path(database).exists()
    if elsewhere:
        yield database
        return
    with TemporaryDirectory(prefix="duck_or-") as directory:
        yield str(Path(directory) / Path(database).name)
