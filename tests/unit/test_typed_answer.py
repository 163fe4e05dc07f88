"""The demand for a typed answer, and the value in the text that comes back: alone, fenced, amid prose, unwrapped."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.functions.shapes import Misfit, shape_of, struct_of
from duck_or.functions.typed_answer import TypedAnswer

REVIEW = TypedAnswer(shape_of("STRUCT(mood ENUM('good', 'bad'), score DOUBLE)"), "review")
GOOD = '{"mood": "good", "score": 0.5}'


def answer_of(type_text: str, *, nullable: bool = False) -> TypedAnswer:
    return TypedAnswer(shape_of(type_text, nullable=nullable), "answer")


def test_a_struct_is_its_own_root() -> None:
    assert REVIEW.response_format == {
        "type": "json_schema",
        "json_schema": {"name": "review", "strict": True, "schema": REVIEW.shape.schema},
    }


@pytest.mark.parametrize("answer", [answer_of("INTEGER[]"), answer_of("STRUCT(a DATE)", nullable=True)])
def test_anything_else_is_wrapped_in_an_object(answer: TypedAnswer) -> None:
    assert answer.response_format["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"value": answer.shape.schema},
        "required": ["value"],
        "additionalProperties": False,
    }


# A type, a model's text, and the value in it.
READ = [
    ("INTEGER", '{"value": 3}', 3),
    ("INTEGER", " 3 ", 3),
    ("INTEGER", '{"value": "3", "why": "counted"}', 3),
    ("INTEGER", 'It is {"value": 3}, I think.', 3),
    ("INTEGER", "```\n3\n```", 3),
    ("HUGEINT", f'{{"value": {2**100 + 1}}}', str(2**100 + 1)),
    ("DECIMAL(38,0)", f"```json\n{10**30 + 1}\n```", str(10**30 + 1)),
    ("HUGEINT", f'so: {{"value": {2**100 + 1}}}', str(2**100 + 1)),
    ("INTEGER[]", '{"value": [1, 2]}', [1, 2]),
    ("INTEGER[]", "[1, 2]", [1, 2]),
    ("INTEGER[]", "The list: [1, 2]", [1, 2]),
    ("DATE", "2024-02-29", "2024-02-29"),
    ("ENUM('good', 'bad')", "Good", "good"),
    ("ENUM('good', 'bad')", '"bad"', "bad"),
    ("VARCHAR", '"a text"', "a text"),
    ("MAP(VARCHAR, INTEGER)", '{"a": 1, "b": 2}', {"a": 1, "b": 2}),
    ("MAP(VARCHAR, INTEGER)", '{"value": [{"key": "a", "value": 1}]}', {"a": 1}),
    ("JSON", '{"value": "[1, null]"}', [1, None]),
    ("JSON", '{"value": 1, "unit": "kg"}', {"value": 1, "unit": "kg"}),
    ("STRUCT(value INTEGER)", '{"value": 1}', {"value": 1}),
]


@pytest.mark.parametrize(("type_text", "text", "value"), READ)
def test_the_value_is_found_in_the_text(type_text: str, text: str, value: Any) -> None:
    assert orjson.loads(answer_of(type_text).read(text)) == value


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\n {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n```\n{GOOD}\n```\nAnything else?",
        f"As [1] and {{it}} say: {GOOD} (see [2]).",
        f"```python\nprint('[')\n```\n{GOOD}",
        f'<think>Maybe {{"mood": "bad", "score": 0}}?</think>\n{GOOD}',
        f'{{"mood": "none"}} or rather {GOOD}',
        f'{GOOD} rather than {{"mood": "bad", "score": 0}}',
    ],
)
def test_an_object_is_found_in_fences_prose_and_after_thoughts(text: str) -> None:
    assert REVIEW.read(text) == b'{"mood":"good","score":0.5}'


def test_a_null_answer_is_sqls_null() -> None:
    assert answer_of("DATE", nullable=True).read('{"value": null}') == b"null"
    assert answer_of("STRUCT(a DATE)", nullable=True).read("null") == b"null"


# A type, a model's text, and what the model is told of it.
REFUSED = [
    ("INTEGER", '{"value": "three"}', "value: 'three' is not a number"),
    ("INTEGER", "three", "the answer is not JSON: 'three' is not a number"),
    ("INTEGER", "", "the answer is not JSON: ''"),
    ("INTEGER", '{"value": 3', "the answer is not JSON: '{\"value\": 3' is not a number"),
    ("VARCHAR", "I cannot help with that.", "the answer is not JSON: 'I cannot help with that.'"),
    ("INTEGER", '{"result": 3}', "an object is not a whole number"),
    ("DATE[]", '{"value": ["2024-01-01", "soon"]}', "value[1]: 'soon' is not a date, YYYY-MM-DD"),
    ("DOUBLE", '{"value": NaN}', "the answer is not JSON"),
    ("STRUCT(a INTEGER)", 'As [1] says: {"a": "x"}', "a: 'x' is not a number"),
    ("STRUCT(a INTEGER)", '{"a": 1', "the answer is not JSON"),
    ("STRUCT(a INTEGER)", '{"answer": {"a": 1}}', "'a' is missing"),
    ("VARCHAR", '{"value": "\\ud800"}', "the answer is not JSON"),
]


@pytest.mark.parametrize(("type_text", "text", "reason"), REFUSED)
def test_a_breach_says_what_to_mend(type_text: str, text: str, reason: str) -> None:
    answer = answer_of(type_text)
    assert reason in str(answer.breach(text))
    with pytest.raises(Misfit) as caught:
        answer.read(text)
    assert str(caught.value) == answer.breach(text)


def test_a_good_answer_breaches_nothing() -> None:
    assert REVIEW.breach(GOOD) is None


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 5000 + '"a"', '{"a":' * 2000, "[1]" * 5000])
def test_an_absurd_text_is_refused_and_not_searched_for_ever(text: str) -> None:
    assert REVIEW.breach(text)


FIELDS = TypedAnswer(struct_of({"a": "INTEGER", "b": "VARCHAR[]", "c": "HUGEINT"}), "fields")


@given(
    value=st.fixed_dictionaries(
        {
            "a": st.none() | st.integers(-9, 9),
            "b": st.none() | st.lists(st.text(max_size=4), max_size=3),
            "c": st.none() | st.integers(-(2**127), 2**127 - 1).map(str),
        }
    ),
    before=st.text(st.characters(codec="utf-8", exclude_characters="{["), max_size=20),
    after=st.text(max_size=20),
)
def test_one_object_amid_prose_is_found_whole(value: dict[str, Any], before: str, after: str) -> None:
    written = orjson.dumps(value).decode()
    for text in (written, f"{before} {written} {after}", f"{before}\n```json\n{written}\n```"):
        assert orjson.loads(FIELDS.read(text)) == value


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    breach = FIELDS.breach(text)
    assert (breach is None) == (text.strip().startswith("{") and text.strip().endswith("}"))
