"""Generated queries that ask in every clause. Every relation in them has the columns id, a, b, n: so any may stand for any.

`F⟨x⟩` is a call, as in `whole_world`. A conjunction is written `∧`, so that a query can be had with its predicates in
either order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

TABLES = [
    "CREATE TABLE t (id INTEGER, a VARCHAR, b VARCHAR, n INTEGER)",
    """INSERT INTO t SELECT i, CASE WHEN i % 6 = 5 THEN NULL ELSE 'p' || (i * 7 % 5) END,
        CASE WHEN i % 4 = 2 THEN NULL ELSE 'r' || i % 3 END, CASE WHEN i % 5 = 3 THEN NULL ELSE i * 5 % 7 END
        FROM range(11) r(i)""",
    "CREATE TABLE u (id INTEGER, a VARCHAR, b VARCHAR, n INTEGER)",
    """INSERT INTO u SELECT i * 2, 'p' || i % 3, CASE WHEN i % 3 = 1 THEN NULL ELSE 's' || i % 2 END, i % 3
        FROM range(6) r(i)""",
    "CREATE TABLE e (id INTEGER, a VARCHAR, b VARCHAR, n INTEGER)",
    "CREATE VIEW v AS SELECT id, F⟨'v:' || a⟩ AS a, b, n FROM t WHERE n > 0",
    "CREATE VIEW w AS SELECT id, a, b, length(F⟨'w:' || b⟩) + n AS n FROM u",
    "CREATE MACRO asked(question, tag) AS F⟨tag || ':' || question⟩",
]
COLUMNS = ("id", "a", "b", "n")


class Relation(NamedTuple):
    """unique: whether its ids are, so that ordering by them is total. ordered: whether its rows come in a certain order."""

    sql: str
    unique: bool
    ordered: bool = False


class Query(NamedTuple):
    """ordered: whether the order of its rows is certain."""

    text: str
    ordered: bool

    def written(self, backwards: bool = False) -> str:
        """As SQL, with the parts of every conjunction the other way round if `backwards`."""
        return _conjoined(self.text, backwards)


def _conjoined(text: str, backwards: bool) -> str:
    """`⟦x ∧ y⟧` as SQL. Conjunctions may stand in each other."""
    while "⟦" in text:
        start = text.rindex("⟦")
        end = text.index("⟧", start)
        parts = text[start + 1 : end].split("∧")
        text = f"{text[:start]}({' AND '.join(parts[::-1] if backwards else parts)}){text[end + 1 :]}"
    return text


class _Maker:
    """Makes one query. below: draws a number from 0 up to, not including, what it is given."""

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below = below
        self._names = 0
        self._ctes: list[tuple[str, Relation]] = []

    # --- drawing

    def pick(self, *options: str) -> str:
        return options[self._below(len(options))]

    def chance(self, of: int = 2) -> bool:
        return self._below(of) == of - 1

    def number(self, low: int, high: int) -> int:
        return low + self._below(high - low + 1)

    def name(self) -> str:
        self._names += 1
        return f"r{self._names}"

    # --- expressions over the columns of `row`, a table's name

    def text(self, row: str, depth: int) -> str:
        if depth <= 0:
            return self.pick(f"{row}.a", f"{row}.b", f"{row}.a")
        return self.one(self._TEXTS)(self, row, depth - 1)

    def one(self, options: Sequence[T]) -> T:
        return options[self._below(len(options))]

    def call(self, row: str, depth: int) -> str:
        question = self.text(row, depth - 1)
        if self.chance(8):
            return f"asked({question}, '{self.number(6, 7)}')"
        return f"F⟨{question}⟩" if self.chance(4) else f"F⟨'{self.number(1, 5)}:' || {question}⟩"

    def integer(self, row: str, depth: int) -> str:
        if depth <= 0 or self.chance():
            return self.pick(f"{row}.n", f"{row}.id", f"{row}.n + 1", f"length({row}.a)")
        return (
            f"length({self.text(row, depth - 1)})" if self.chance() else f"{self.call(row, depth)}::INTEGER"
        )

    def predicate(self, row: str, depth: int) -> str:
        if depth <= 0:
            return self.cheap(row)
        return self.one(self._PREDICATES)(self, row, depth - 1)

    def cheap(self, row: str) -> str:
        return self.pick(
            f"{row}.n > 2", f"{row}.id % 3 < 2", f"{row}.b IS NULL", f"{row}.a > 'p1'", f"{row}.n IN (1, 3, 5)",
            f"{row}.id > 3", f"{row}.b <> 'r1'",
        )  # fmt: skip

    def asking(self, row: str, depth: int) -> str:
        answer = self.call(row, depth)
        return self.pick(
            f"{answer} > '4'", f"{answer} IN ('1', '3', '5', '7')", f"{answer}::INTEGER % 2 = 0", f"{answer} <= '6'",
            f"{answer} LIKE '%3%'", f"{answer} IS NULL", f"coalesce({answer} > '5', true)", f"{answer} = {row}.n::VARCHAR",
        )  # fmt: skip

    def both(self, row: str, depth: int) -> str:
        parts = [
            self.predicate(row, depth),
            self.predicate(row, depth),
            *([self.cheap(row)] if self.chance() else []),
        ]
        return f"⟦{'∧'.join(parts)}⟧"

    def either(self, row: str, depth: int) -> str:
        return f"({self.predicate(row, depth)} OR {self.predicate(row, depth)})"

    def negated(self, row: str, depth: int) -> str:
        return f"(NOT {self.predicate(row, depth)})"

    def exists(self, row: str, depth: int) -> str:
        inner = self.name()
        word = self.pick("EXISTS", "NOT EXISTS")
        where = f"⟦{inner}.id = {row}.id∧{self.predicate(inner, depth)}⟧"
        return f"{word} (SELECT 1 FROM {self.pick('t', 'u')} AS {inner} WHERE {where})"

    def member(self, row: str, depth: int) -> str:
        inner = self.name()
        word = self.pick("IN", "NOT IN")
        read = f"SELECT {self.text(inner, depth)} FROM {self.pick('t', 'u')} AS {inner}"
        return f"{self.text(row, depth)} {word} ({read})"

    def choice(self, row: str, depth: int) -> str:
        otherwise = f" ELSE {self.text(row, depth)}" if self.chance() else ""
        return f"CASE WHEN {self.predicate(row, depth)} THEN {self.text(row, depth)}{otherwise} END"

    def scalar(self, row: str, depth: int) -> str:
        inner = self.name()
        read = f"FROM {self.pick('t', 'u')} AS {inner} WHERE {inner}.id = {row}.id"
        return f"(SELECT max({self.text(inner, depth)}) {read})"

    def coalesced(self, row: str, depth: int) -> str:
        return f"coalesce({self.text(row, depth)}, {self.text(row, depth)})"

    def joined(self, row: str, depth: int) -> str:
        return self.pick("({} || {})", "concat({}, {})").format(self.text(row, depth), self.text(row, 0))

    _TEXTS = (
        call, call, call, call, choice, coalesced, joined, scalar,
        lambda self, row, depth: f"lower({self.text(row, depth)})",
        lambda self, row, depth: f"CAST({self.integer(row, depth)} AS VARCHAR)",
    )  # fmt: skip
    _PREDICATES = (
        asking, asking, asking, both, both, either, negated, exists, member,
        lambda self, row, depth: self.cheap(row),
        lambda self, row, depth: f"({self.predicate(row, depth)} IS NULL)",
        lambda self, row, depth: f"coalesce({self.predicate(row, depth)}, {self.predicate(row, depth)})",
        lambda self, row, depth: f"CASE WHEN {self.predicate(row, depth)} THEN {self.predicate(row, depth)} END",
    )  # fmt: skip

    # --- tables

    def table(self, depth: int) -> Relation:
        """What can stand in FROM, before its alias."""
        if depth <= 0 or self.chance(3):
            name = self.pick("t", "t", "u", "v", "w", "e") if self.chance() else self.pick("t", "u")
            return Relation(name, True)
        if self._ctes and self.chance(3):
            name, relation = self.one(self._ctes)
            return Relation(name, relation.unique)
        relation = self.select(depth - 1) if not self.chance(5) else self.set_operation(depth - 1)
        return Relation(f"({relation.sql})", relation.unique)

    def items(self, row: str, key: str, depth: int) -> str:
        listed = [
            f"{key} AS id",
            f"{self.text(row, depth)} AS a" if self.chance() else f"{row}.a AS a",
            f"{self.text(row, depth)} AS b" if self.chance(3) else f"{row}.b AS b",
            f"{self.integer(row, depth)} AS n" if self.chance(4) else f"{row}.n AS n",
        ]
        return ", ".join(listed)

    def select(self, depth: int) -> Relation:
        kind = self.number(0, 9)
        if kind == 0:
            return self.grouped(depth)
        if kind in (1, 2):
            return self.join(depth)
        row, source = self.name(), self.table(depth)
        where = f" WHERE {self.predicate(row, 2)}" if self.chance() else ""
        qualify = f" QUALIFY row_number() OVER (PARTITION BY {row}.b ORDER BY {row}.id, {row}.a, {row}.n) < 3"
        if self.chance(8) and source.unique:
            if self.chance():
                qualify = f"{qualify} AND {self.cheap(row)}"
        else:
            qualify = ""
        distinct = " DISTINCT" if self.chance(8) else ""
        listed = "*" if self.chance(6) else self.items(row, f"{row}.id", 2)
        select = f"SELECT{distinct} {listed} FROM {source.sql} AS {row}{where}{qualify}"
        return self.limited(Relation(select, source.unique and not distinct), row if not distinct else None)

    def join(self, depth: int) -> Relation:
        left, right = self.name(), self.name()
        first, second = self.table(depth), self.table(depth - 1)
        link = f"{left}.{self.pick('id', 'n')} = {right}.id"
        if self.chance(4):
            link = f"{left}.a = {right}.a"
        word, side = self.pick("JOIN", "JOIN", "LEFT JOIN"), self.pick(left, right)
        condition = self.predicate(side, 1)
        if word == "LEFT JOIN":  # DuckDB 1.x knows no subqueries there
            condition = self.pick(self.cheap(side), f"F⟨'5:' || {side}.a⟩ > '4'")
        on = link if self.chance() else f"⟦{link}∧{condition}⟧"
        where = f" WHERE {self.predicate(self.pick(left, right), 2)}" if on == link else ""
        key = f"({left}.id * 100 + coalesce({right}.id, 99))"
        listed = self.items(self.pick(left, right), key, 2)
        select = f"SELECT {listed} FROM {first.sql} AS {left} {word} {second.sql} AS {right} ON {on}{where}"
        return Relation(select, first.unique and second.unique)

    def grouped(self, depth: int) -> Relation:
        row, source = self.name(), self.table(depth)
        key = self.pick(f"{row}.a", f"{row}.n::VARCHAR", self.text(row, 2))
        where = f" WHERE {self.predicate(row, 2)}" if self.chance() else ""
        having = "" if where else f" HAVING {self.pick('count(*) > 1', self.asked_of_group(key))}"
        listed = f"max({self.text(row, 2)})"
        together = f"F⟨'g:' || {listed}⟩" if self.chance() else listed
        group = f"SELECT min({row}.id) AS id, {key} AS a, {together} AS b, count(*)::INTEGER AS n FROM {source.sql} AS {row}"
        return Relation(f"{group}{where} GROUP BY {key}{having}", source.unique)

    def asked_of_group(self, key: str) -> str:
        return f"⟦F⟨'h:' || {key}⟩ > '3'∧count(*) < 5⟧"

    def set_operation(self, depth: int) -> Relation:
        word = self.pick("UNION ALL", "UNION", "EXCEPT", "INTERSECT")
        return Relation(f"({self.select(depth).sql}) {word} ({self.select(depth).sql})", False)

    def limited(self, relation: Relation, row: str | None) -> Relation:
        if not relation.unique or row is None or not self.chance(3):
            return relation
        order = (
            self.pick("id", "id DESC", "n, id", "b NULLS FIRST, id")
            if self.chance()
            else f"{self.text(row, 2)}, id"
        )
        offset = f" OFFSET {self.number(0, 3)}" if self.chance(3) else ""
        return Relation(f"{relation.sql} ORDER BY {order} LIMIT {self.number(0, 5)}{offset}", True, True)

    def whole(self, size: int) -> Query:
        """size: how deep its tables are nested."""
        ctes = ""
        for _ in range(self.number(0, size)):
            name, relation = self.name(), self.select(size - 1)
            how = self.pick("AS", "AS MATERIALIZED", "AS NOT MATERIALIZED")
            ctes += f"{', ' if ctes else 'WITH '}{name} {how} ({relation.sql})"
            self._ctes.append((name, relation))
        relation = self.set_operation(size - 1) if self.chance(6) else self.select(size)
        return Query(f"{ctes} {relation.sql}".strip(), relation.ordered)


@st.composite
def queries(draw: st.DrawFn, size: int = 1) -> Query:
    return query_of(lambda number: draw(st.integers(0, number - 1)), size)


def query_of(below: Callable[[int], int], size: int = 2) -> Query:
    return _Maker(below).whole(size)
