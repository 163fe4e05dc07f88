"""What a statement is going to ask, before it is asked: distinct questions, on disk when they are many.

A private SQLite database without a name: its pages stay in memory while they fit into a small cache, and go to a
temporary file, which disappears with it, when they do not. So ten million rows take as much memory as a hundred thousand.
A question is kept as what its request is made of; the request itself is made again when its turn comes.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from weakref import finalize

from cachetools import LRUCache

from duck_or.outcome import Completion

CACHE_KB = 131_072
"""Memory for pages, beyond which they go to disk."""

KNOWN_OPTIONS = 1024
"""Options texts whose number is remembered; a statement may have as many different ones as rows."""

PAGE = 2_000
"""Questions read, or answers looked up, at once."""

# 64 bits of a question's key tell a million million pairs apart but for one in millions; and if two should be taken for one,
# the second is asked when its row is evaluated. They have a table of their own: found at random, it must fit into memory
# for much longer than the questions, which are only ever added to.
SCHEMA = """
    CREATE TABLE options (number INTEGER PRIMARY KEY, text TEXT UNIQUE NOT NULL);
    CREATE TABLE questions (
        number INTEGER PRIMARY KEY, key INTEGER NOT NULL, call INTEGER NOT NULL, options INTEGER NOT NULL,
        text TEXT NOT NULL, fatal INTEGER NOT NULL
    );
    CREATE TABLE seen (question INTEGER PRIMARY KEY);
    CREATE TABLE known (text INTEGER PRIMARY KEY);
    CREATE TABLE answers (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
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
        finalize(self, self._database.close).atexit = False  # another thread may be reading then
        self._options: LRUCache[str, int] = LRUCache(KNOWN_OPTIONS)
        self.has_answers = False

    def add(self, questions: Sequence[tuple[bytes, Question]]) -> list[int]:
        """Questions with their requests' keys. Returns the places of those that were not there yet."""
        with self._guard:
            new = self._unseen([_short(key, asked.call) for key, asked in questions])
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO seen VALUES (?)", ((number,) for number in new))
            self._database.executemany(
                "INSERT INTO questions (key, call, options, text, fatal) VALUES (?, ?, ?, ?, ?)",
                [
                    (_short(key, 0), asked.call, self._number(asked.options), asked.text, asked.fatal)
                    for key, asked in (questions[place] for place in new.values())
                ],
            )
            self._database.execute("COMMIT")
        return list(new.values())

    def _unseen(self, numbers: Sequence[int]) -> dict[int, int]:
        """The numbers that nobody has added yet, each with its first place."""
        places: dict[int, int] = {}
        for place, number in enumerate(numbers):
            places.setdefault(number, place)
        for start in range(0, len(numbers), PAGE):
            some = numbers[start : start + PAGE]
            query = f"SELECT question FROM seen WHERE question IN ({', '.join('?' * len(some))})"
            for (number,) in self._database.execute(query, some):
                places.pop(number, None)
        return places

    def add_known(self, texts: Iterable[int]) -> None:
        """Count what is answered already, each text (by a hash of 64 bits) once."""
        with self._guard:
            self._database.executemany("INSERT OR IGNORE INTO known VALUES (?)", ((text,) for text in texts))

    def count_known(self) -> int:
        [(count,)] = self._rows("SELECT count(*) FROM known")
        return int(count)

    def count(self, calls: Collection[int]) -> int:
        """Distinct questions of these calls."""
        one = "count(*)" if len(calls) == 1 else "count(DISTINCT key)"  # a call asks nothing twice
        [(count,)] = self._rows(f"SELECT {one} FROM questions WHERE call IN {_list(calls)}")
        return int(count)

    def questions(self, calls: Collection[int], fatal: bool | None = None) -> Iterator[Question]:
        """The questions of these calls in the order in which they came, each once. fatal: only such. Nothing may be added
        meanwhile."""
        wanted = f"call IN {_list(calls)}" + ("" if fatal is None else f" AND fatal = {int(fatal)}")
        first = "" if len(calls) == 1 else f" AND {self._is_first(wanted)}"
        last = 0
        while page := self._rows(
            "SELECT questions.number, call, options.text, questions.text, fatal "
            "FROM questions JOIN options ON options.number = options "
            f"WHERE questions.number > ? AND {wanted}{first} ORDER BY questions.number LIMIT {PAGE}",
            last,
        ):
            for last, call, options, text, is_fatal in page:  # noqa: B007
                yield Question(call, options, text, bool(is_fatal))

    def _is_first(self, wanted: str) -> str:
        """Another call may have asked the same. The index is made when it is needed, which is quicker than keeping it."""
        with self._guard:
            self._database.execute("CREATE INDEX IF NOT EXISTS by_key ON questions (key)")
        return (
            "NOT EXISTS (SELECT 1 FROM questions AS earlier WHERE earlier.key = questions.key "
            f"AND earlier.number < questions.number AND earlier.{wanted})"
        )

    def forget(self) -> None:
        """Begin a new round: no questions. Answers stay."""
        with self._guard:
            self._database.executescript(
                "DROP INDEX IF EXISTS by_key; DELETE FROM questions; DELETE FROM seen; DELETE FROM known"
            )

    def keep(self, key: bytes, completion: Completion) -> None:
        """Keep an answer that may be stored for the rest of the statement."""
        self.has_answers = True
        with self._guard:
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, completion.body))

    def recall(self, keys: Sequence[bytes]) -> dict[bytes, Completion]:
        """The answers kept among these."""
        found: dict[bytes, Completion] = {}
        for start in range(0, len(keys), PAGE):
            some = keys[start : start + PAGE]
            query = f"SELECT key, body FROM answers WHERE key IN ({', '.join('?' * len(some))})"
            found |= {bytes(key): Completion(bytes(body)) for key, body in self._rows(query, *some)}
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


def _short(key: bytes, call: int) -> int:
    """64 bits of a key, other ones for each call."""
    return int.from_bytes(key[:8], signed=True) ^ (call * SPREAD & MASK)


SPREAD = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio: neighbouring numbers end up far apart
MASK = 2**63 - 1
