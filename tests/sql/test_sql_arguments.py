"""The seven arguments: what each form of each argument puts on the wire, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from support.bridge import Bridge, ask, call

MESSAGES = "[{'role': 'user', 'content': 'hi'}]"
HI = {"role": "user", "content": "hi"}
TOOL_SQL = "[{'name': 'f', 'parameters': {'type': 'object'}}]"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

ABSENT = object()
# name, SQL value, what it puts into the body
FORMS = [
    ("model", "'fake/model'", {"model": "fake/model"}),
    ("model_kwargs", "{'temperature': 0.5, 'top_k': 3}", {"temperature": 0.5, "top_k": 3}),
    ("model_kwargs", "'{\"max_tokens\": 7}'", {"max_tokens": 7}),
    ("model_kwargs", "'{\"max_tokens\": 7}'::JSON", {"max_tokens": 7}),
    ("model_kwargs", "MAP {'max_tokens': 7}", {"max_tokens": 7}),
    ("model_kwargs", "{'seed': 9223372036854775808}", {"seed": 2**63}),
    ("model_kwargs", "{'seed': 9223372036854775807}", {"seed": 2**63 - 1}),
    ("model_kwargs", "{'max_tokens': 7, 'temperature': NULL}", {"max_tokens": 7}),
    # With `models` the default model stays away: it would come before them.
    ("model_kwargs", "{'models': ['fake/model']}", {"models": ["fake/model"], "model": ABSENT}),
    ("model_kwargs", "{'reasoning': {'effort': 'low'}}", {"reasoning": {"effort": "low"}}),
    ("model_kwargs", "{'temperature': 0.10::DECIMAL(4,2)}", {"temperature": 0.1}),
    (
        "model_kwargs",
        "{'metadata': {'day': DATE '2024-01-02', 'at': TIME '10:00:00'}}",
        {"metadata": {"day": "2024-01-02", "at": "10:00:00"}},
    ),
    (
        "model_kwargs",
        "{'metadata': {'at': TIMESTAMP '2024-01-02 03:04:05'}}",
        {"metadata": {"at": "2024-01-02 03:04:05"}},
    ),
    ("model_kwargs", "{'user': '🦥'}", {"user": "🦥"}),
    ("tools", TOOL_SQL, {"tools": [TOOL]}),
    ("tools", f"[{{'type': 'function', 'function': {TOOL_SQL[1:-1]}}}]", {"tools": [TOOL]}),
    ("provider", "{'order': ['simulator']}", {"provider": {"order": ["simulator"]}}),
    ("transforms", "['middle-out']", {"plugins": [{"id": "context-compression"}]}),
    ("transforms", "[]::VARCHAR[]", {"plugins": [{"id": "context-compression", "enabled": False}]}),
]
ORDER = ("model", "model_kwargs", "tools", "tool_choice", "provider", "transforms")


def whole(body: dict[str, object]) -> dict[str, object]:
    members = {"model": "fake/echo", "messages": [HI], **body}
    return {name: member for name, member in members.items() if member is not ABSENT}


def positional(name: str, value: str) -> str:
    place = ORDER.index(name)
    return ", ".join([*["NULL"] * place, value])


@pytest.mark.parametrize(("name", "value", "body"), FORMS)
@pytest.mark.parametrize("named", [True, False], ids=["named", "positional"])
def test_an_argument_reaches_the_wire(
    bridge: Bridge, name: str, value: str, body: dict[str, object], named: bool
) -> None:
    options = f"{name} := {value}" if named else positional(name, value)
    assert bridge.value(f"SELECT chat_completions({MESSAGES}, {options}) IS NOT NULL")
    assert bridge.bodies() == [whole(body)]


@pytest.mark.parametrize(("name", "value", "body"), FORMS)
def test_by_position_without_the_macros_the_request_is_the_same(
    bridge: Bridge, name: str, value: str, body: dict[str, object]
) -> None:
    sql = f"system.main.chat_completions({MESSAGES}, {positional(name, value)})"
    assert bridge.value(f"SELECT {sql} IS NOT NULL")
    assert bridge.bodies() == [whole(body)]
    bridge.rows(f"SELECT {call(**{name: value})}")
    assert bridge.sent == 1, "the macro must make the same request"


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("'auto'", "auto"),
        ("'none'", "none"),
        ("'required'", "required"),
        ("{'auto': true}", "auto"),
        ("{'required': true}", "required"),
        ("{'tool': 'f'}", {"type": "function", "function": {"name": "f"}}),
        ("{'type': 'function', 'function': {'name': 'f'}}", {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_both_dialects_of_tool_choice(bridge: Bridge, choice: str, sent: object) -> None:
    bridge.rows(f"SELECT {call(tools=TOOL_SQL, tool_choice=choice)}")
    assert bridge.bodies()[0]["tool_choice"] == sent


def test_all_seven_at_once(bridge: Bridge) -> None:
    values = (
        "'fake/model'",
        "{'max_tokens': 9}",
        TOOL_SQL,
        "{'tool': 'f'}",
        "{'sort': 'price'}",
        "['middle-out']",
    )
    every = ", ".join(values)
    named = ", ".join(f"{name} := {value}" for name, value in reversed(list(zip(ORDER, values, strict=True))))
    for sql in (every, named):
        path = "$.choices[0].message.tool_calls[0].function.name"
        answer = bridge.value(f"SELECT chat_completions({MESSAGES}, {sql}) ->> '{path}'")
        assert answer == "f"
    assert bridge.bodies() == [
        {
            "model": "fake/model",
            "messages": [HI],
            "max_tokens": 9,
            "tools": [TOOL],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "provider": {"sort": "price"},
            "plugins": [{"id": "context-compression"}],
        }
    ]


def test_explicit_arguments_win_over_model_kwargs(bridge: Bridge) -> None:
    bridge.rows("SELECT " + call(model="'fake/model'", model_kwargs="{'model': 'no/such'}"))
    assert bridge.bodies()[0]["model"] == "fake/model"


def test_each_row_its_own_model_and_options(bridge: Bridge) -> None:
    rows = bridge.rows(f"""
        SELECT i, r ->> '$.model', r ->> '$.usage.completion_tokens' FROM (
            SELECT i, {call("'number ' || i", model="model", model_kwargs="{'max_tokens': most}")} AS r
            FROM (SELECT i, if(i % 2 = 0, 'fake/echo', NULL) AS model, 1 + i % 3 AS most FROM range(12) t(i))
        ) ORDER BY i
    """)
    assert [row[0] for row in rows] == list(range(12))
    assert {row[1] for row in rows} == {"fake/echo-20260101"}
    assert bridge.sent == 12
    by_question = {body["messages"][0]["content"]: body for body in bridge.bodies()}
    assert [by_question[f"number {i}"]["max_tokens"] for i in range(12)] == [1 + i % 3 for i in range(12)]


def test_rows_with_different_models_ask_different_models(bridge: Bridge) -> None:
    rows = bridge.rows(f"""
        SELECT m, {call("'q'", model="m")} ->> '$.model'
        FROM (VALUES ('fake/model'), ('openai/gpt-5-mini'), (NULL), ('fake/model')) t(m)
    """)
    assert rows == [
        ("fake/model", "fake/model-20260101"),
        ("openai/gpt-5-mini", "openai/gpt-5-mini-2025-08-07"),
        (None, "fake/echo-20260101"),
        ("fake/model", "fake/model-20260101"),
    ]
    assert bridge.sent == 3


@pytest.mark.parametrize(
    "messages",
    [
        MESSAGES,
        '\'[{"role": "user", "content": "hi"}]\'',
        '\'[{"role": "user", "content": "hi"}]\'::JSON',
        "[MAP {'role': 'user', 'content': 'hi'}]",
        "json_array(json_object('content', 'hi', 'role', 'user'))",
        "[{'role': 'user', 'content': 'hi', 'name': NULL}]",
        "array_value({'role': 'user', 'content': 'hi'})",
    ],
)
@pytest.mark.parametrize("function", ["chat_completions", "system.main.chat_completions"])
def test_messages_of_every_kind_are_the_same_request(bridge: Bridge, messages: str, function: str) -> None:
    bridge.rows(f"SELECT chat_completions({MESSAGES})")
    assert bridge.value(f"SELECT {function}({messages}) ->> '$.choices[0].message.content'") == "hi"
    assert bridge.bodies() == [{"model": "fake/echo", "messages": [HI]}]


def test_a_conversation_in_a_column(bridge: Bridge) -> None:
    bridge.rows("CREATE TABLE talk (turn INT, role VARCHAR, content VARCHAR)")
    bridge.rows(
        "INSERT INTO talk VALUES (3, 'user', 'and now?'), (1, 'system', 'be brief'), (2, 'assistant', 'ok')"
    )
    assert (
        bridge.value(
            "SELECT chat_completions(list({'role': role, 'content': content} ORDER BY turn))"
            " ->> '$.choices[0].message.content' FROM talk"
        )
        == "and now?"
    )
    assert [message["role"] for message in bridge.bodies()[0]["messages"]] == ["system", "assistant", "user"]


@pytest.mark.parametrize("function", ["chat_completions", "try_chat_completions"])
@pytest.mark.parametrize(
    "messages", ["NULL", "NULL::VARCHAR", "NULL::JSON", "NULL::STRUCT(role VARCHAR, content VARCHAR)[]"]
)
def test_null_messages_are_null_and_nothing_is_sent(bridge: Bridge, messages: str, function: str) -> None:
    assert bridge.rows(f"SELECT {function}({messages}), {function}({messages}, 'fake/model')") == [
        (None, None)
    ]
    assert bridge.sent == 0


@pytest.mark.parametrize("options", ["", "model := m"], ids=["constant", "column"])
def test_null_rows_between_others(bridge: Bridge, options: str) -> None:
    answers = bridge.rows(f"""
        SELECT i, chat_completions(if(i % 3 = 0, NULL, [{{'role': 'user', 'content': 'q' || i}}]){", " if options else ""}{options})
            ->> '$.choices[0].message.content'
        FROM (SELECT i, if(i % 2 = 0, 'fake/echo', NULL) AS m FROM range(10) t(i)) ORDER BY i
    """)
    assert answers == [(i, None if i % 3 == 0 else f"q{i}") for i in range(10)]
    assert bridge.sent == 6


def test_a_null_argument_is_an_absent_one(bridge: Bridge) -> None:
    bridge.rows(f"SELECT {call(**dict.fromkeys(ORDER, 'NULL'))}")
    assert bridge.bodies() == [{"model": "fake/echo", "messages": [HI]}]


@pytest.mark.parametrize(
    "text",
    [
        "naïve café",
        "🦥👩‍👩‍👧 \U0001f1eb\U0001f1f7",
        "line\nbreak\ttab",
        'quo"te \\ back\\slash',
        "汉字 العربية עברית",
        "\x01\x1f",
        " ",
        "'; DROP TABLE x; --",
    ],
)
def test_text_comes_back_as_it_went(bridge: Bridge, text: str) -> None:
    assert bridge.value(f"SELECT {ask('$1')}", [text]) == text
    assert bridge.bodies()[0]["messages"][0]["content"] == text


def test_a_megabyte_there_and_back(bridge: Bridge) -> None:
    text = "0123456789abcdéf" * 65536
    assert bridge.value(f"SELECT {ask('$1')}", [text]) == text


def test_answers_of_a_megabyte_in_many_rows(bridge: Bridge) -> None:
    """One chunk's answers together may be larger than one of them times anything small."""
    answer = ask("repeat(chr(97 + (i % 3)::INT), 1000000)")
    sql = f"SELECT sum(length({answer})) FROM range(60) t(i)"
    assert bridge.value(sql) == 60_000_000
    assert bridge.sent == 3


@pytest.mark.parametrize("function", ["chat_completions", "try_chat_completions"])
def test_a_misspelt_option_is_a_binder_error(bridge: Bridge, function: str) -> None:
    with pytest.raises(duckdb.BinderException, match="model_kwargs"):
        bridge.rows("SELECT " + call(mdoel="'fake/model'", function=function))
    assert bridge.sent == 0


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (call(model="5"), "model must be .*number 5"),
        (call(model="''"), "model must be "),
        (call(model_kwargs="5"), "model_kwargs must be .*number 5"),
        (call(model_kwargs="'warm'"), "model_kwargs must be .*text 'warm'"),
        (call(model_kwargs="['temperature']"), "model_kwargs must be .*array"),
        (call(model_kwargs="{'n': 2}"), "model_kwargs.n must be 1"),
        (call(model_kwargs="{'stream': true}"), "model_kwargs.stream must be false"),
        (call(tools="'f'"), "tools must be .*text 'f'"),
        (call(tools="{'name': 'f'}"), "tools must be .*object"),
        (call(tool_choice="'always'"), "tool_choice must be .*text 'always'"),
        (call(tool_choice="1"), "tool_choice must be .*number 1"),
        (call(provider="'openai'"), "provider must be .*text 'openai'"),
        (call(provider="{'temperature': 1}"), "'temperature', which belongs in model_kwargs"),
        (call(transforms="'middle-out'"), "transforms must be .*text 'middle-out'"),
        (call(transforms="['shorter']"), "transforms must be .*array"),
        ("chat_completions(5)", "messages must be .*number 5"),
        ("chat_completions('hello')", "messages must be a list .*text 'hello'"),
        ("chat_completions({'role': 'user', 'content': 'x'})", "messages must be a list; got one message"),
        ("chat_completions([])", "messages must be a non-empty list"),
        ("chat_completions([{'role': 'wizard', 'content': 'x'}])", r"messages\[0\].role .*'wizard'"),
        (
            "chat_completions([{'role': 'user', 'content': 5}])",
            r"messages\[0\].content must be text .*number 5",
        ),
        ("chat_completions([{'role': 'user', 'content': NULL}])", r"messages\[0\].content is NULL"),
        ("chat_completions(['hello'])", r"messages\[0\] must be an object"),
        ("chat_completions([NULL])", r"messages\[0\] must be an object"),
    ],
)
def test_a_wrong_type_is_an_error_that_names_the_argument(bridge: Bridge, sql: str, named: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match=f"ArgumentError: .*{named}"):
        bridge.rows(f"SELECT {sql}")
    assert bridge.sent == 0
    assert bridge.session.stats().requests == 0
    assert bridge.value(f"SELECT {ask()}") == "hi", "the session goes on"


VALUES = {
    "model": "'fake/model'",
    "model_kwargs": "{'max_tokens': 5}",
    "tools": TOOL_SQL,
    "tool_choice": "'auto'",
    "provider": "{'order': ['simulator']}",
    "transforms": "['middle-out']",
}


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for place, right in enumerate(ORDER) for name in ORDER if name != right]
)
def test_a_value_in_another_arguments_place_is_an_error(bridge: Bridge, name: str, place: int) -> None:
    """DuckDB drops the names of arguments of a plain function: `name := value` then stands where it stands."""
    before = ["NULL"] * place
    sql = f"system.main.chat_completions({', '.join([MESSAGES, *before, f'{name} := {VALUES[name]}'])})"
    with pytest.raises(duckdb.InvalidInputException, match=f"ArgumentError: {ORDER[place]} "):
        bridge.rows(f"SELECT {sql}")
    assert bridge.sent == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("'nan'::DOUBLE", "cannot be written as JSON"),
        ("'ab'::BLOB", "to_base64"),
    ],
)
def test_by_position_what_json_cannot_hold_is_an_error(bridge: Bridge, value: str, said: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match=f"ArgumentError: .*{said}"):
        bridge.rows(f"SELECT system.main.chat_completions({MESSAGES}, NULL, {{'temperature': {value}}})")
    assert bridge.sent == 0


@pytest.mark.parametrize("arguments", ["", ", ".join(["NULL"] * 8)])
def test_too_few_or_too_many_by_position(bridge: Bridge, arguments: str) -> None:
    with pytest.raises(duckdb.Error, match=r"1 to 7 arguments|No function matches|at least"):
        bridge.rows(f"SELECT system.main.chat_completions({arguments})")


def test_without_any_model_the_error_names_the_cure(connect: Callable[..., Bridge]) -> None:
    bridge = connect(model=None)
    with pytest.raises(duckdb.InvalidInputException, match=r"no model: say model := .*OPENROUTER_MODEL"):
        bridge.rows(f"SELECT {call()}")
    assert bridge.value("SELECT " + ask(model="'fake/echo'")) == "hi"
