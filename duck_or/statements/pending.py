"""What a statement is going to ask, before it is asked: distinct questions, on disk when they are many.

A private SQLite database without a name: its pages stay in memory while they fit into a small cache, and go to a
temporary file, which disappears with it, when they do not. So ten million rows take as much memory as a hundred thousand.
A question is kept as what its request is made of; the request itself is made again when its turn comes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from cachetools import LRUCache

from duck_or.outcome import Completion, Outcome

CACHE_KB = 131_072
"""Memory for pages, beyond which they go to disk."""

KNOWN_OPTIONS = 1024
"""Options texts whose number is remembered; a statement may have as many different ones as rows."""

PAGE = 2_000
"""Questions read, or answers looked up, at once."""

# 64 bits of a question's key tell a million million pairs apart but for one in millions; and if two should be taken for one,
# the second is asked when its row is evaluated.
SCHEMA = """
    CREATE TABLE options (number INTEGER PRIMARY KEY, text TEXT UNIQUE NOT NULL);
    CREATE TABLE questions (
        number INTEGER PRIMARY KEY, key INTEGER NOT NULL, call INTEGER NOT NULL, options INTEGER NOT NULL,
        text TEXT NOT NULL, fatal INTEGER NOT NULL, UNIQUE (key, call)
    );
    CREATE TABLE known (text INTEGER PRIMARY KEY);
    CREATE TABLE answers (key BLOB PRIMARY KEY, body BLOB NOT NULL, storable INTEGER NOT NULL) WITHOUT ROWID;
"""


class Question(NamedTuple):
    """call: which call of the statement asks it. fatal: its failure would stop the statement."""

    call: int
    options: str
    text: str
    fatal: bool


class Pending:
    """One statement's questions of one round, each once, and the answers that nobody else keeps. Safe to use from several
    threads. Keys are 32 bytes."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        self._database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + SCHEMA)
        self._options: LRUCache[str, int] = LRUCache(KNOWN_OPTIONS)
        self.has_answers = False

    def add(self, questions: Iterable[tuple[bytes, Question]]) -> None:
        """Questions with their requests' keys. Those that are there already change nothing."""
        with self._guard:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR IGNORE INTO questions (key, call, options, text, fatal) VALUES (?, ?, ?, ?, ?)",
                [
                    (_short(key), asked.call, self._number(asked.options), asked.text, asked.fatal)
                    for key, asked in questions
                ],
            )
            self._database.execute("COMMIT")

    def add_known(self, texts: Iterable[int]) -> None:
        """Count what is answered already, each text (by a hash of 64 bits) once."""
        with self._guard:
            self._database.executemany("INSERT OR IGNORE INTO known VALUES (?)", ((text,) for text in texts))

    def count_known(self) -> int:
        [(count,)] = self._rows("SELECT count(*) FROM known")
        return int(count)

    def count(self, calls: Iterable[int]) -> int:
        """Distinct questions of these calls."""
        [(count,)] = self._rows(f"SELECT count(DISTINCT key) FROM questions WHERE call IN {_list(calls)}")
        return int(count)

    def questions(self, calls: Iterable[int], fatal: bool | None = None) -> Iterator[Question]:
        """The questions of these calls in the order in which they came, each once. fatal: only such. Nothing may be added
        meanwhile."""
        wanted = f"call IN {_list(calls)}" + ("" if fatal is None else f" AND fatal = {int(fatal)}")
        last = 0
        while page := self._rows(
            "SELECT questions.number, call, options.text, questions.text, fatal "
            f"FROM questions JOIN options ON options.number = options WHERE questions.number > ? AND {wanted} "
            f"AND NOT EXISTS (SELECT 1 FROM questions AS earlier WHERE earlier.key = questions.key "
            f"AND earlier.number < questions.number AND earlier.{wanted}) ORDER BY questions.number LIMIT {PAGE}",
            last,
        ):
            for last, call, options, text, is_fatal in page:  # noqa: B007
                yield Question(call, options, text, bool(is_fatal))

    def forget(self) -> None:
        """Begin a new round: no questions. Answers stay."""
        with self._guard:
            self._database.executescript("DELETE FROM questions; DELETE FROM known")

    def keep(self, key: bytes, completion: Completion) -> None:
        """Keep an answer for the rest of the statement."""
        self.has_answers = True
        with self._guard:
            self._database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, completion.body, completion.storable)
            )

    def recall(self, keys: Sequence[bytes]) -> dict[bytes, Outcome]:
        """The answers kept among these."""
        found: dict[bytes, Outcome] = {}
        for start in range(0, len(keys), PAGE):
            some = keys[start : start + PAGE]
            rows = self._rows(
                f"SELECT key, body, storable FROM answers WHERE key IN ({', '.join('?' * len(some))})", *some
            )
            found |= {key: Completion(body, bool(storable)) for key, body, storable in rows}
        return found

    def rest(self) -> None:
        """Forget the questions, and let go of the memory: answers can be read from disk."""
        self.forget()
        with self._guard:
            self._database.executescript("PRAGMA cache_size = 100; PRAGMA shrink_memory")

    def _number(self, options: str) -> int:
        number = self._options.get(options)
        if number is None:
            self._database.execute("INSERT OR IGNORE INTO options (text) VALUES (?)", (options,))
            [number] = self._database.execute(
                "SELECT number FROM options WHERE text = ?", (options,)
            ).fetchone()
            self._options[options] = number
        return int(number)

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._guard:
            rows: list[Any] = self._database.execute(query, values).fetchall()
        return rows


def _list(numbers: Iterable[int]) -> str:
    return f"({', '.join(map(str, sorted(numbers)))})"


def _short(key: bytes) -> int:
    return int.from_bytes(key[:8], signed=True)
