"""Which tables a query looks for outside of itself."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from duck_or.queries.reads import tables_read
from duck_or.queries.syntax import Syntax


@pytest.fixture(scope="module")
def syntax() -> Iterator[Syntax]:
    with duckdb.connect() as con:
        yield Syntax(con.cursor())


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("SELECT t.x AS u, 'v', w(x) FROM t", {"t"}),
        ('SELECT 1 FROM "T b" AS t', {"T b"}),
        ("SELECT 1 FROM s.t, c.s.u", {"t", "u"}),
        ("SELECT 1 FROM t JOIN u USING (x) LEFT JOIN (SELECT * FROM v) AS w ON true", {"t", "u", "v"}),
        ("SELECT (SELECT max(x) FROM t) FROM u WHERE EXISTS (SELECT 1 FROM v)", {"t", "u", "v"}),
        ("SELECT * FROM range(3) AS t(i)", set()),
        ("SELECT * FROM t UNION ALL SELECT * FROM u ORDER BY (SELECT max(x) FROM v)", {"t", "u", "v"}),
        ("WITH t AS (SELECT * FROM u) SELECT * FROM t, T AS again, v", {"u", "v"}),
        ("WITH t AS (SELECT * FROM t) SELECT * FROM t", {"t"}),
        ("WITH t AS (SELECT * FROM u), u AS (SELECT * FROM t) SELECT * FROM u", {"u"}),
        ("WITH t AS (SELECT 1) SELECT * FROM main.t", {"t"}),
        ("WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t, u WHERE x < 3) FROM t", {"u"}),
        ("WITH t AS (SELECT 1) SELECT * FROM (WITH u AS (SELECT * FROM t) SELECT * FROM u), u", {"u"}),
        ("SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t), t", {"t"}),
    ],
)
def test_names_that_stand_as_tables(syntax: Syntax, query: str, read: set[str]) -> None:
    assert {table["table_name"] for table in tables_read(syntax.parse(query))} == read
