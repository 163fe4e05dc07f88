"""The functions in Spark: in SQL after `register(spark)`, on DataFrames by what it returns.

    llm = duck_or.integrations.spark.register(spark, cache_path="redis://cache:6379/0")
    spark.sql("SELECT chat_completions(messages, model => 'openai/gpt-5-mini') FROM t")
    df.select(llm.chat_completions("messages", model="openai/gpt-5-mini"))

Decides what travels to Spark's Python workers: settings without their key, constants, names; an engine never does, each worker
makes its own. How anything is asked, it must not know.

In SQL a call has named arguments and arguments of any type, and Spark hands over one batch after the other. On a DataFrame
the function is handed an iterator of batches, so it asks the next ones while it waits; Spark knows no names there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import pyarrow as pa

from duck_or.arrow.family import CHAT, FAMILY, Asking
from duck_or.arrow.travel import travelling
from duck_or.arrow.worker import kernel_of
from duck_or.errors import DuckOrError
from duck_or.session import OnError
from duck_or.settings import Settings

try:
    from pyspark.sql import Column, SparkSession
    from pyspark.sql.functions import col
    from pyspark.sql.pandas.functions import arrow_udf
    from pyspark.sql.pandas.types import from_arrow_type
except ImportError as error:
    raise ImportError('this needs pyspark 4.1 or newer: pip install "duck_or[spark]"') from error

log = logging.getLogger("duck_or")

TRY = "try_"

_registered: WeakKeyDictionary[SparkSession, set[str]] = WeakKeyDictionary()

Answer = TypeVar("Answer")


def register(spark: SparkSession, settings: Settings | None = None, **overrides: object) -> Functions:
    """Make `chat_completions(...)` and its kin callable in this session's SQL; returns them for DataFrames.

    settings, overrides: as in `duck_or.register`. They travel to the workers without the key, which each worker takes from
    its own environment: OPENROUTER_API_KEY. Off this machine the workers need a store that they share. Raises SettingsError.
    """
    chosen = settings.overridden(overrides) if settings else Settings.load(overrides)
    master = str(spark.conf.get("spark.master", ""))
    travelling(chosen, "Spark's workers", one_machine=master == "local" or master.startswith("local["))
    ours = _registered.setdefault(spark, set())
    for name, (asking, _) in _names().items():
        if name not in ours and asking is not CHAT and spark.catalog.functionExists(name):
            log.warning(
                "%s(...) is a function of your own and stays so; ours is on the value of register()", name
            )
            continue
        spark.udf.register(name, _udf(_in_sql(name, chosen), name))
        ours.add(name)
    return Functions(chosen)


class Functions:
    """The functions for DataFrames, by the names that they have in SQL: `functions.prompt("text", model="…")`.

    The first argument is a column or its name. Each of the others is a constant as it stands, or a column.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __getattr__(self, name: str) -> Callable[..., Column]:
        found = _names().get(name)
        if found is None:
            raise AttributeError(f"there is no function {name!r}; there are {', '.join(_names())}")
        asking, _ = found

        def call(*by_position: object, **by_name: object) -> Column:
            return _on_columns(name, self._settings, asking.bound(by_position, by_name), asking.needed[0])

        call.__name__ = name
        return call

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *_names()]


def _names() -> Mapping[str, tuple[Asking, OnError | None]]:
    """What each name asks, and what becomes of a row that fails: the settings decide where it is None."""
    plain: dict[str, tuple[Asking, OnError | None]] = {
        name: (asking, None) for name, asking in FAMILY.items()
    }
    return plain | {TRY + name: (asking, asking.kind.failing) for name, asking in FAMILY.items()}


# --- what travels to the workers -----------------------------------------------------------------------------------------


def _in_sql(name: str, settings: Settings) -> Callable[..., pa.Array]:
    """A batch's vectors, by position and by name, to its values."""

    def answer(*by_position: pa.Array, **by_name: pa.Array) -> pa.Array:
        return _readable(lambda: _answered(name, settings, by_position, by_name))

    return answer


def _answered(
    name: str, settings: Settings, by_position: Sequence[pa.Array], by_name: Mapping[str, pa.Array]
) -> pa.Array:
    asking, mode = _names()[name]
    given = asking.bound(by_position, by_name)
    kernel = kernel_of(settings)
    packed = asking.packed(given, len(given[asking.needed[0]]))
    return asking.value.read(kernel.answer(asking.kind, packed, kernel.session.new_statement(), mode))


def _ahead(
    name: str, settings: Settings, columns: Sequence[str], constants: Mapping[str, object]
) -> Callable[[Iterator[tuple[pa.Array, ...]]], Iterator[pa.Array]]:
    """A partition's batches, each a vector or a tuple of vectors, to theirs: the next ones are asked ahead."""

    def answer(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        asking, mode = _names()[name]
        vectors = (batch if isinstance(batch, tuple) else (batch,) for batch in batches)
        packed = (
            asking.packed({**constants, **dict(zip(columns, each, strict=True))}, len(each[0]))
            for each in vectors
        )
        with closing(kernel_of(settings).answer_all(asking.kind, packed, mode)) as values:
            while (value := _readable(partial(next, values, None))) is not None:
                yield asking.value.read(value)

    return answer


def _readable(work: Callable[[], Answer]) -> Answer:
    """Spark shows an error as the text of its traceback: what is worth reading must not stand below fifteen frames."""
    try:
        return work()
    except DuckOrError as error:
        raise error.with_traceback(None) from None


# --- on the driver -------------------------------------------------------------------------------------------------------


def _udf(answer: Callable[..., Any], name: str) -> Any:
    """Spark reads in the annotations of `answer` what it takes: vectors, or an iterator of tuples of them."""
    answer.__name__ = name
    # Its declared types ask for a kind besides; when it runs, it warns of one.
    make: Callable[..., Any] = arrow_udf
    return make(answer, from_arrow_type(_names()[name][0].value.type))


def _on_columns(name: str, settings: Settings, given: Mapping[str, Any], first: str) -> Column:
    columns = {each: value for each, value in given.items() if isinstance(value, Column)}
    if isinstance(given[first], str):
        columns[first] = col(given[first])
    constants = {each: value for each, value in given.items() if each not in columns}
    answer = _ahead(name, settings, tuple(columns), constants)
    return cast(Column, _udf(answer, name)(*columns.values()))
