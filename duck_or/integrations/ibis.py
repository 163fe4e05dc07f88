"""The functions that ask, for Ibis expressions: with names and defaults for their arguments, and a type for their answers.

    from duck_or.integrations.ibis import classify, prompt

    reviews.mutate(mood=classify(reviews.review, ["good", "bad"]), reply=prompt(reviews.review, system="Be brief."))

Decides how Python arguments become SQL's, in SQL's order (an Ibis function has no named ones), and which Ibis type a column
of answers has. On which connection it runs, and what is asked, it must not know.

Every argument may be a column, except what makes the answer's type: `type`, `fields`, `multi`, `dimensions`. Rows that fail
are the session's matter: `on_error`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import orjson

from duck_or.sql.registration import CATALOG

try:
    import ibis
    import ibis.expr.datatypes as dt
    import ibis.expr.types as ir
    from ibis.backends.sql.datatypes import DuckDBType
    from ibis.common.deferred import Deferred
except ImportError as error:
    raise ImportError('this needs Ibis: pip install "duck_or[ibis]"') from error

Text: TypeAlias = "str | ir.Value | None"
Json: TypeAlias = "Mapping[str, Any] | Sequence[Any] | ir.Value | None"
Type: TypeAlias = "str | dt.DataType"
"""A DuckDB type in text, or an Ibis type."""

COLUMNS = (ir.Value, Deferred)
QUALIFIED = frozenset({"translate"})
"""What Ibis writes as a function of its own, with three arguments at most, unless it stands in a catalog."""


def chat_completions(
    messages: Json | str,
    *,
    model: Text = None,
    model_kwargs: Json = None,
    tools: Json = None,
    tool_choice: Json | str = None,
    provider: Json = None,
    transforms: Json = None,
) -> ir.JSONValue:
    """The whole response. messages: a list of dicts, which may hold columns; or a column of JSON."""
    options = (
        model,
        _json(model_kwargs),
        _json(tools),
        _json(tool_choice),
        _json(provider),
        _json(transforms),
    )
    return _call("chat_completions", dt.json, _json(messages), *options)


def chat_text(response: ir.Value) -> ir.StringValue:
    """The text in a response of `chat_completions`."""
    return _call("chat_text", dt.string, response)


def chat_json(response: ir.Value) -> ir.JSONValue:
    """The same text as JSON."""
    return _call("chat_json", dt.json, response)


def prompt(
    text: Text,
    *,
    model: Text = None,
    system: Text = None,
    images: Any = None,
    model_kwargs: Json = None,
    provider: Json = None,
) -> ir.StringValue:
    """The model's text. images: a column of BLOBs or URLs, or of lists of them."""
    return _call("prompt", dt.string, text, model, system, images, _json(model_kwargs), _json(provider))


def prompt_as(
    text: Text,
    type: Type,  # noqa: A002 - as in SQL
    *,
    model: Text = None,
    system: Text = None,
    images: Any = None,
    model_kwargs: Json = None,
    provider: Json = None,
) -> ir.Value:
    """A value of that type: `'STRUCT(mood ENUM(''good'', ''bad''), days UTINYINT)'`, `dt.int32`."""
    options = (model, system, images, _json(model_kwargs), _json(provider))
    return _call("prompt_as", _ibis_type(type), text, _duckdb_type(type), *options)


def classify(
    text: Text,
    labels: Json,
    *,
    multi: bool = False,
    model: Text = None,
    model_kwargs: Json = None,
    provider: Json = None,
) -> ir.Value:
    """One of the labels, a string; with `multi` those that apply, a list. labels: a list, or a dict of what each means."""
    found = dt.Array(dt.string) if multi else dt.string
    return _call("classify", found, text, _json(labels), multi, model, _json(model_kwargs), _json(provider))


def extract(
    text: Text,
    fields: Mapping[str, Type],
    *,
    model: Text = None,
    model_kwargs: Json = None,
    provider: Json = None,
) -> ir.StructValue:
    """A struct of these fields, NULL where the text does not say. `{"name": "VARCHAR", "born": "DATE"}`."""
    found = dt.Struct({name: _ibis_type(each) for name, each in fields.items()})
    wanted = {name: _duckdb_type(each) for name, each in fields.items()}
    return _call("llm_extract", found, text, _json(wanted), model, _json(model_kwargs), _json(provider))


def llm_filter(
    text: Text, question: Text, *, model: Text = None, model_kwargs: Json = None, provider: Json = None
) -> ir.BooleanValue:
    """Whether it is so: for `filter` and the predicates of joins."""
    return _call("llm_filter", dt.boolean, text, question, model, _json(model_kwargs), _json(provider))


def score(
    text: Text, question: Text, *, model: Text = None, model_kwargs: Json = None, provider: Json = None
) -> ir.FloatingValue:
    """How far it is so, from 0 to 1."""
    return _call("score", dt.float64, text, question, model, _json(model_kwargs), _json(provider))


def summarize(
    text: Text, *, model: Text = None, model_kwargs: Json = None, provider: Json = None
) -> ir.StringValue:
    """A few sentences in the text's own language."""
    return _call("llm_summarize", dt.string, text, model, _json(model_kwargs), _json(provider))


def translate(
    text: Text, language: Text, *, model: Text = None, model_kwargs: Json = None, provider: Json = None
) -> ir.StringValue:
    """The text in that language."""
    only_by_name = None  # keeps the macro apart from DuckDB's own translate(text, from, to)
    return _call(
        "translate", dt.string, text, language, only_by_name, model, _json(model_kwargs), _json(provider)
    )


def embed(
    text: Text,
    *,
    model: Text,
    dimensions: int | None = None,
    model_kwargs: Json = None,
    provider: Json = None,
) -> ir.ArrayValue:
    """The text's vector, of 32-bit floats. The model has to be named."""
    vector = dt.Array(dt.float32, length=dimensions)
    return _call("embed", vector, text, model, dimensions, _json(model_kwargs), _json(provider))


def rerank(
    query: Text,
    documents: Json,
    *,
    model: Text,
    top_n: int | ir.Value | None = None,
    model_kwargs: Json = None,
    provider: Json = None,
) -> ir.ArrayValue:
    """The documents' places, from 1, and their scores, the best first. The model has to be named."""
    places = dt.Array(dt.Struct({"index": dt.int32, "score": dt.float64}))
    listed = _column(documents)
    return _call("rerank", places, query, listed, model, top_n, _json(model_kwargs), _json(provider))


def llm_reduce(
    texts: Json,
    instruction: Text,
    *,
    model: Text = None,
    context_length: int | None = None,
    model_kwargs: Json = None,
    provider: Json = None,
) -> ir.StringValue:
    """A list of texts of any length to one text: `llm_reduce(t.body.collect(order_by=t.id), '…')` in `agg`."""
    listed = _column(texts)
    options = (model, context_length, _json(model_kwargs), _json(provider))
    return _call("llm_reduce", dt.string, listed, instruction, *options)


# --- arguments -------------------------------------------------------------------------------------------------------


def _call(name: str, dtype: dt.DataType, *arguments: Any) -> Any:
    """All arguments that the SQL function has, in its order; None is NULL, which is: not given."""
    return _function(name, dtype, len(arguments))(*arguments)


@cache
def _function(name: str, dtype: dt.DataType, arity: int) -> Callable[..., Any]:
    def stub(*_: Any) -> None: ...

    stub.__name__ = name
    places = [inspect.Parameter(f"a{i}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for i in range(arity)]
    stub.__signature__ = inspect.Signature(places)  # type: ignore[attr-defined]  # Ibis makes its argument list of it
    where = {"catalog": CATALOG, "database": "main"} if name in QUALIFIED else {}
    made: Callable[..., Any] = ibis.udf.scalar.builtin(stub, signature=((None,) * arity, dtype), **where)
    return made


def _json(value: Any) -> Any:
    """A constant as one JSON value; what holds columns as a struct or an array of its parts."""
    if value is None or isinstance(value, COLUMNS):
        return value
    return _column(value) if _has_columns(value) else ibis.literal(orjson.dumps(value).decode(), dt.json)


def _column(value: Any) -> Any:
    if isinstance(value, Mapping):
        return ibis.struct({name: _column(part) for name, part in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ibis.array([_column(part) for part in value])
    return value


def _has_columns(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_columns, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(map(_has_columns, value))
    return isinstance(value, COLUMNS)


def _ibis_type(type: Type) -> dt.DataType:  # noqa: A002
    return DuckDBType.from_string(type) if isinstance(type, str) else type


def _duckdb_type(type: Type) -> str:  # noqa: A002
    return type if isinstance(type, str) else DuckDBType.to_string(type)
