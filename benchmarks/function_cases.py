"""The functions that are measured: one call of each, and what a model says to it."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from benchmarks.canned import SENTENCE
from benchmarks.tables import MODEL
from duck_or.functions import Template, template_of
from duck_or.json_values import JsonObject
from duck_or.simulator.schema_answers import conforming

NOWHERE = "http://127.0.0.1:9/api/v1"  # nothing listens there, and nothing has to

TEXT = "to_json(text)"
TEXTS = "to_json(texts)"
RANKING = "json_object('query', text, 'documents', texts)"
ROW = {TEXT: '"a text"', TEXTS: '["a text"]'}
LABELS = ["praise", "complaint", "question", "delivery", "price"]
FIELDS = {"product": "VARCHAR", "bought": "DATE"}
KIND = "STRUCT(sentiment VARCHAR, score DOUBLE)"
QUESTION = "is it about a product that works?"


class Case(NamedTuple):
    """call: in SQL, over `asked`. options: what the macro makes of the call's constants. row: what it makes of a row."""

    name: str
    call: str
    options: JsonObject
    row: str = TEXT

    @property
    def ranks(self) -> bool:
        return bool(self.options["function"] == "rerank")

    def sent(self, row: str) -> JsonObject:
        """The body of the request for one row."""
        body: JsonObject = orjson.loads(self.template().request(row).body)
        return body

    def template(self) -> Template:
        return template_of(orjson.dumps(self.options).decode(), NOWHERE, MODEL)

    def answer(self) -> tuple[str | None, str]:
        """The name of the schema that it sends, if it does, and what a model would say."""
        wanted = {} if self.ranks else self.sent(ROW[self.row]).get("response_format", {})
        if not wanted:
            return None, SENTENCE
        described = wanted["json_schema"]
        return described["name"], orjson.dumps(conforming(described["schema"], b"")).decode()


CASES = (
    Case("prompt", "prompt(text)", {"function": "prompt"}),
    Case("prompt_as", f"prompt_as(text, '{KIND}')", {"function": "prompt_as", "type": KIND}),
    Case(
        "classify",
        f"classify(text, {LABELS})",
        {"function": "classify", "labels": LABELS, "multi": False},
    ),
    Case(
        "classify, multi",
        f"classify(text, {LABELS}, multi := true)",
        {"function": "classify", "labels": LABELS, "multi": True},
    ),
    Case("extract", f"llm_extract(text, {FIELDS})", {"function": "extract", "fields": FIELDS}),
    Case("llm_filter", f"llm_filter(text, '{QUESTION}')", {"function": "llm_filter", "question": QUESTION}),
    Case("score", f"score(text, '{QUESTION}')", {"function": "score", "question": QUESTION}),
    Case("summarize", "llm_summarize(text)", {"function": "summarize"}),
    Case("translate", "translate(text, 'French')", {"function": "translate", "language": "French"}),
    # Another path and another answer: the reference asks a chat about the same query and documents.
    Case(
        "rerank",
        f"rerank(text, texts, model := '{MODEL}')",
        {"function": "rerank", "model": MODEL},
        row=RANKING,
    ),
    Case(
        "llm_reduce, one question",
        "llm_reduce(texts, 'What do they have in common?')",
        {"function": "llm_reduce", "instruction": "What do they have in common?"},
        row=TEXTS,
    ),
)
