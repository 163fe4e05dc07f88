"""What `con.sql(...)` of a planned connection gives for a query that asks: lazy, as DuckDB's own relations are.

Where all of the relation is wanted, its questions are asked ahead. Where DuckDB may need less than all (filter, limit,
show, …), it is evaluated as DuckDB does it, chunk by chunk. How questions are asked, this module must not know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duck_or.statements.display import mime_bundle

# What evaluates a relation to its last row. Everything else may need less than all of it.
COMPLETE = frozenset(
    {
        *("fetchall", "fetchdf", "df", "to_df", "fetchnumpy", "pl", "torch", "tf", "to_dicts"),
        *("execute", "materialize"),
        *("arrow", "fetch_arrow_table", "to_arrow_table", "__arrow_c_stream__"),
        *("fetch_arrow_reader", "fetch_record_batch", "record_batch", "to_arrow_reader"),
        *("to_table", "create", "insert_into", "to_csv", "write_csv", "to_parquet", "write_parquet"),
    }
)


# What begins to hand out rows: whoever reads on wants the next ones, from the same relation.
STEPWISE = frozenset({"fetchone", "fetchmany", "iter_rows"})


class Relation:
    """Like the DuckDB relation `plain`, which is evaluated chunk by chunk. answered: makes the same one whose questions
    are all answered; called once, when the whole of it is wanted first."""

    def __init__(self, plain: Any, answered: Callable[[], Any]) -> None:
        self._plain = plain
        self._answer = answered
        self._answered: Any = None

    @property
    def plain(self) -> Any:
        """The relation as DuckDB made it."""
        return self._plain if self._answered is None else self._answered  # its truth value would evaluate it

    def __getattr__(self, name: str) -> Any:
        if name in STEPWISE:
            self._answered = self.plain
        return getattr(self._whole() if name in COMPLETE else self.plain, name)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._whole().__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self.plain)

    def __contains__(self, name: str) -> bool:
        return name in self.plain

    def __getitem__(self, name: str) -> Any:
        return self.plain[name]

    def __repr__(self) -> str:
        return repr(self.plain)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return mime_bundle(self.plain)

    def _whole(self) -> Any:
        if self._answered is None:
            self._answered = self._answer()
        return self._answered
