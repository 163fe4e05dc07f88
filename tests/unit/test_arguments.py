from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or import misplaced
from duck_or.arguments import parse_options
from duck_or.errors import ArgumentError
from duck_or.messages import parse_messages

ARGUMENTS = ("model", "model_kwargs", "tools", "tool_choice", "provider", "transforms")
MODEL = "openai/gpt-5-mini"
WEATHER = {"name": "get_weather", "parameters": {"type": "object"}}
WRAPPED = {"type": "function", "function": WEATHER}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
ON, OFF = {"id": "context-compression"}, {"id": "context-compression", "enabled": False}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=4,
)


def body(default_model: str | None = MODEL, **arguments: Any) -> dict[str, Any]:
    """The body for these arguments, the others NULL, as DuckDB's json_object hands them over."""
    return parse_options(json.dumps({name: arguments.get(name) for name in ARGUMENTS}), default_model)


def refusal(**arguments: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        body(**arguments)
    return str(caught.value)


# ---- model


@pytest.mark.parametrize(
    ("arguments", "default", "model"),
    [
        ({"model": "a/b"}, MODEL, "a/b"),
        ({"model": "a/b", "model_kwargs": {"model": "c/d"}}, MODEL, "a/b"),
        ({"model_kwargs": {"model": "c/d"}}, MODEL, "c/d"),
        ({"model_kwargs": {"model": None}}, MODEL, MODEL),
        ({}, MODEL, MODEL),
        ({"model_kwargs": {"models": ["a/b", "c/d"]}}, MODEL, None),
        ({"model_kwargs": {"preset": "mine"}}, MODEL, None),
        ({"model_kwargs": {"models": ["a/b"]}, "model": "c/d"}, None, "c/d"),
        ({"model": "gpt-4o"}, None, "gpt-4o"),
        ({"model": "@preset/mine"}, None, "@preset/mine"),
    ],
)
def test_which_model_is_asked(arguments: dict[str, Any], default: str | None, model: str | None) -> None:
    assert body(default, **arguments).get("model") == model


def test_no_model_at_all_says_how_to_set_one() -> None:
    with pytest.raises(ArgumentError, match=r"model := .*OPENROUTER_MODEL.*register\(con, model="):
        body(None)


@pytest.mark.parametrize("model", ["", "  ", '{"a": 1}', "[1]", "auto", "none", "required", 5, True, ["a/b"]])
def test_what_is_no_model(model: object) -> None:
    assert refusal(model=model).startswith("model must be")


# ---- model_kwargs


def test_members_of_model_kwargs_go_into_the_body_and_nulls_do_not() -> None:
    kwargs = {"temperature": 0.5, "reasoning": {"effort": "low"}, "top_k": None, "safe_prompt": True}
    assert body(model_kwargs=kwargs) == {
        "model": MODEL,
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
        "safe_prompt": True,
    }


def test_integers_of_any_size_stay_exact() -> None:
    assert body(model_kwargs={"seed": 2**70})["seed"] == 2**70
    assert body(model_kwargs=json.dumps({"seed": 2**63 + 1}))["seed"] == 2**63 + 1


def test_text_holding_json_means_the_same_as_the_json() -> None:
    arguments: dict[str, Any] = {
        "model_kwargs": {"temperature": 0},
        "tools": [WEATHER],
        "tool_choice": {"tool": "get_weather"},
        "provider": {"order": ["openai"]},
        "transforms": ["middle-out"],
    }
    texts: dict[str, Any] = {name: json.dumps(value) for name, value in arguments.items()}
    assert body(**texts) == body(**arguments)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"messages": []}, "first argument"),
        ({"stream": True}, "one whole answer"),
        ({"stream": "yes"}, "one whole answer"),
        ({"n": 2}, "number 2"),
        ({"n": True}, "one answer"),
        ({"n": "1"}, "one answer"),
    ],
)
def test_a_row_gets_one_whole_answer_to_its_own_messages(kwargs: dict[str, Any], words: str) -> None:
    assert words in refusal(model_kwargs=kwargs)


def test_what_asks_for_one_whole_answer_anyway_is_left_out() -> None:
    kwargs = {"stream": False, "stream_options": {"include_usage": True}, "n": 1}
    assert body(model_kwargs=kwargs) == {"model": MODEL}


def test_gaps_that_duckdb_fills_are_dropped_from_schemas_and_values_of_a_schema_are_kept() -> None:
    branches = [{"type": "string", "minimum": None}, {"type": None, "const": None, "default": {"a": None}}]
    body_format = body(model_kwargs={"response_format": {"anyOf": branches}})["response_format"]
    assert body_format == {"anyOf": [{"type": "string"}, {"const": None, "default": {"a": None}}]}


# ---- explicit arguments win

EXPLICIT: dict[str, tuple[Any, Any]] = {  # name: (explicit value, the other one in model_kwargs)
    "model": ("a/b", "c/d"),
    "tools": ([WEATHER], [{"name": "other"}]),
    "tool_choice": ("none", "auto"),
    "provider": ({"order": ["a"]}, {"only": ["b"]}),
    "transforms": ([], ["middle-out"]),
}


@given(chosen=st.sets(st.sampled_from(sorted(EXPLICIT))))
def test_explicit_arguments_win_over_model_kwargs(chosen: set[str]) -> None:
    kwargs = {name: values[1] for name, values in EXPLICIT.items()}
    explicit = {name: EXPLICIT[name][0] for name in chosen}
    assert body(model_kwargs=kwargs, **explicit) == body(**{**kwargs, **explicit})


# ---- tools


@pytest.mark.parametrize(
    ("tool", "sent"),
    [
        (WEATHER, WRAPPED),
        (WRAPPED, WRAPPED),
        ({"function": WEATHER}, WRAPPED),
        ({"type": "function", **WEATHER}, WRAPPED),
        ({**WEATHER, "strict": None, "type": None}, WRAPPED),
        (
            {**WEATHER, "cache_control": {"type": "ephemeral"}},
            {**WRAPPED, "cache_control": {"type": "ephemeral"}},
        ),
        ({"type": "openrouter:web_search"}, {"type": "openrouter:web_search"}),
    ],
)
def test_tools_are_sent_in_openai_form(tool: dict[str, Any], sent: dict[str, Any]) -> None:
    assert body(tools=[tool])["tools"] == [sent]


def test_a_list_of_two_sql_structs_sends_each_tool_its_own_members_only() -> None:
    first = {
        "name": "a",
        "description": None,
        "parameters": {"properties": {"x": {"type": "string"}, "y": None}},
    }
    second = {
        "name": "b",
        "description": "B",
        "parameters": {"properties": {"x": None, "y": {"type": "number"}}},
    }
    sent = [tool["function"] for tool in body(tools=[first, second])["tools"]]
    assert sent == [
        {"name": "a", "parameters": {"properties": {"x": {"type": "string"}}}},
        {"name": "b", "description": "B", "parameters": {"properties": {"y": {"type": "number"}}}},
    ]


@pytest.mark.parametrize(
    "tools",
    [
        [],
        {},
        WEATHER,
        5,
        "get_weather",
        ["get_weather"],
        [None],
        [{}],
        [{"name": 5}],
        [{"type": 5, "name": "a"}],
        [{"type": "function"}],
        [{"type": "function", "function": "a"}],
        [{"name": "a", "input_schema": {}}],
        [{"role": "user", "content": "x", "name": "a"}],
    ],
)
def test_what_is_no_list_of_tools(tools: object) -> None:
    assert refusal(tools=tools).startswith("tools")


# ---- tool_choice


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"auto": True}, "auto"),
        ({"required": True}, "required"),
        ({"none": True}, "none"),
        ({"tool": "get_weather"}, NAMED),
        ({"auto": None, "required": None, "tool": "get_weather"}, NAMED),
        ({"auto": False, "required": True, "tool": None}, "required"),
        (NAMED, NAMED),
        ({"function": {"name": "get_weather"}}, NAMED),
        ({"type": "openrouter:web_search"}, {"type": "openrouter:web_search"}),
    ],
)
def test_both_dialects_of_tool_choice(choice: object, sent: object) -> None:
    assert body(tools=[WEATHER], tool_choice=choice)["tool_choice"] == sent


@pytest.mark.parametrize(("parallel", "sent"), [(True, {}), (False, {"parallel_tool_calls": False})])
def test_parallel_tool_calls_within_tool_choice(parallel: bool, sent: dict[str, bool]) -> None:
    choice = {"auto": True, "required": False, "tool": None, "parallel_tool_calls": parallel}
    expected = {"model": MODEL, "tools": [WRAPPED], "tool_choice": "auto", **sent}
    assert body(tools=[WEATHER], tool_choice=choice) == expected


@pytest.mark.parametrize(
    "choice",
    [
        "get_weather",
        "any",
        "",
        5,
        [],
        {},
        {"auto": None},
        {"auto": False},
        {"auto": "yes"},
        {"auto": True, "required": True},
        {"auto": True, "tool": "get_weather"},
        {"tool": 5},
        {"type": "auto"},
        {"type": "function"},
        {"type": 5},
        {"type": "function", "function": {}},
        {"name": "get_weather"},
    ],
)
def test_what_is_no_tool_choice(choice: object) -> None:
    assert refusal(tools=[WEATHER], tool_choice=choice).startswith("tool_choice must be")


@pytest.mark.parametrize("choice", [{"tool": "other"}, {"type": "function", "function": {"name": "other"}}])
def test_tool_choice_must_name_one_of_the_tools(choice: object) -> None:
    assert "tools has 'get_weather'" in refusal(tools=[WEATHER], tool_choice=choice)
    assert "no function tools" in refusal(tool_choice=choice)
    assert "tool_choice" in body(tool_choice=choice, model_kwargs={"preset": "brings-its-tools"})


# ---- provider, transforms


def test_provider_is_sent_without_its_nulls() -> None:
    assert body(provider={"order": ["a"], "zdr": None})["provider"] == {"order": ["a"]}
    assert "provider" not in body(provider={"order": None})
    assert "provider" not in body(provider={})


@pytest.mark.parametrize("provider", ["openai", 5, True, [], ["openai"], "{broken"])
def test_what_is_no_provider(provider: object) -> None:
    assert refusal(provider=provider).startswith("provider must be an object")


@pytest.mark.parametrize(
    ("transforms", "plugins", "sent"),
    [
        (["middle-out"], None, [ON]),
        ([], None, [OFF]),
        (None, [{"id": "web", "max_results": None}], [{"id": "web"}]),
        (["middle-out"], [OFF, {"id": "web"}], [{"id": "web"}, ON]),
        ([], [{"id": "web"}, ON], [{"id": "web"}, OFF]),
    ],
)
def test_transforms_become_the_plugin_that_replaced_them(
    transforms: object, plugins: object, sent: object
) -> None:
    result = body(transforms=transforms, model_kwargs={"plugins": plugins})
    assert result == {"model": MODEL, "plugins": sent}


@pytest.mark.parametrize("transforms", ["middle-out", ["middle"], [None], ["middle-out", "x"], {}, 5, True])
def test_what_is_no_list_of_transforms(transforms: object) -> None:
    assert refusal(transforms=transforms).startswith("transforms must be")


def test_plugins_must_be_a_list_when_transforms_have_to_join_them() -> None:
    assert "model_kwargs.plugins must be a list" in refusal(
        transforms=[], model_kwargs={"plugins": {"id": "web"}}
    )


# ---- arguments in each other's places

TYPICAL: dict[str, list[Any]] = {
    "messages": [[{"role": "user", "content": "Hello"}]],
    "model": [MODEL, "gpt-4o", "@preset/mine"],
    "model_kwargs": [{"temperature": 0}, {"reasoning": {"effort": "low"}}, {"max_tokens": 10, "seed": 1}],
    "tools": [[WEATHER], [WRAPPED], [{"type": "openrouter:web_search"}]],
    "tool_choice": [
        "auto",
        "none",
        "required",
        {"auto": True},
        {"required": True},
        {"tool": "get_weather"},
        NAMED,
    ],
    "provider": [{"order": ["openai"]}, {"zdr": True}, {"sort": "price"}, {"max_price": {"prompt": 1}}],
    "transforms": [["middle-out"], []],
}


def misplacements() -> Iterator[tuple[str, str, Any]]:
    for belongs, place in itertools.permutations(TYPICAL, 2):
        for value in TYPICAL[belongs]:
            yield belongs, place, value
            if not isinstance(value, str):
                yield belongs, place, json.dumps(value)


def _given_as(place: str, value: Any) -> None:
    if place == "messages":
        parse_messages(json.dumps(value))
    else:
        body(**{"tools": [WEATHER], place: value})


@pytest.mark.parametrize(("belongs", "place", "value"), list(misplacements()))
def test_no_argument_works_in_the_place_of_another(belongs: str, place: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match=place):
        _given_as(place, value)


@pytest.mark.parametrize(
    ("place", "value", "meant"),
    [
        ("model", "auto", "tool_choice"),
        ("model", '{"order": ["openai"]}', "provider"),
        ("model", {"temperature": 0}, "model_kwargs"),
        ("tools", ["middle-out"], "transforms"),
        ("tool_choice", [WEATHER], "tools"),
        ("provider", MODEL, "model"),
        ("transforms", [{"role": "user", "content": "x"}], "messages"),
        ("model_kwargs", {"order": ["openai"]}, "provider"),
        ("provider", {"temperature": 0}, "model_kwargs"),
    ],
)
def test_the_refusal_names_the_argument_that_was_meant(place: str, value: Any, meant: str) -> None:
    message = refusal(**{place: value})
    assert f"looks like {meant}" in message or f"belongs in {meant}" in message


def test_no_word_belongs_to_two_arguments() -> None:
    vocabularies = (
        misplaced.PROVIDER_MEMBERS,
        misplaced.CHOICE_MEMBERS,
        misplaced.MESSAGE_MEMBERS,
        misplaced.TOOL_MEMBERS,
        misplaced.BODY_MEMBERS,
    )
    for one, other in itertools.combinations(vocabularies, 2):
        assert not one & other


def test_a_refusal_shows_the_value_shortened_and_its_type() -> None:
    message = refusal(provider=["x" * 500])
    assert 'got array ["xxx' in message
    assert len(message) < 250


# ---- anything at all


@given(st.fixed_dictionaries(dict.fromkeys(ARGUMENTS, json_values)))
def test_any_json_gives_a_body_or_an_argument_error(arguments: dict[str, Any]) -> None:
    try:
        result = parse_options(json.dumps(arguments), MODEL)
    except ArgumentError:
        return
    assert isinstance(result, dict)
    assert "messages" not in result


@given(st.text())
def test_any_text_gives_a_body_or_an_argument_error(text: str) -> None:
    for options in (text, json.dumps({"model_kwargs": text}), json.dumps({"tools": text})):
        try:
            parse_options(options, MODEL)
        except ArgumentError:
            continue


@pytest.mark.parametrize("depth", [300, 900, 1_020, 100_000])
def test_absurd_nesting_is_an_argument_error_or_a_body(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    for name in ARGUMENTS:
        with pytest.raises(ArgumentError):
            parse_options(f'{{"{name}": {nested}}}', MODEL)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_duckdb_writes_for_infinite_numbers_is_refused(number: str) -> None:
    with pytest.raises(ArgumentError, match="NaN or infinities"):
        parse_options(f'{{"model_kwargs": {{"temperature": {number}}}}}', MODEL)


def test_a_name_that_is_no_argument_is_refused() -> None:
    with pytest.raises(ArgumentError, match="must be an object of model, model_kwargs"):
        parse_options('{"modle": "a/b"}', MODEL)
