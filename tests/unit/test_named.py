"""Prompts and models by name: what a placeholder is, which version answers, what an alias means in a call."""

from __future__ import annotations

import json
import threading
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.arguments import parse_options
from duck_or.errors import ArgumentError
from duck_or.named import Named
from duck_or.named_models import RESOLVED
from duck_or.named_prompts import parse_prompt, read_values

ARGUMENTS = ("model", "model_kwargs", "tools", "tool_choice", "provider", "transforms")
TOOL = {"name": "look_up", "parameters": {"type": "object"}}
OTHER_TOOL = {"name": "add", "parameters": {"type": "object"}}
FAST = {
    "model": "a/b",
    "temperature": 0,
    "max_tokens": 200,
    "provider": {"sort": "price"},
    "tools": [TOOL],
    "tool_choice": "auto",
    "transforms": ["middle-out"],
    "model_kwargs": {"top_p": 0.5},
}


@pytest.fixture
def named() -> Named:
    ticks = count(100)
    return Named(clock=lambda: float(next(ticks)))


def filled(text: str, **values: Any) -> str | None:
    return parse_prompt(text).fill(read_values(json.dumps(values)))


# ---- what a placeholder is


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Say {x}.", "Say X."),
        ("{x}{x}", "XX"),
        ("{{x}}", "{x}"),
        ("{{{x}}}", "{X}"),
        ("100% {x} %s", "100% X %s"),
        ("", ""),
        ('{"a": 1}', '{"a": 1}'),
        ('{"a": {"b": {}}}', '{"a": {"b": {}}}'),
        ('{"a":{"b":{x}}}', '{"a":{"b":X}}'),
        ('{{"a": {{"b": {x}}}}}', '{"a": {"b": X}}'),
        ('{{"a": {"b": 1}}}', '{"a": {"b": 1}}'),
        ("{ x } {} {1,3} {a b} {0}", "{ x } {} {1,3} {a b} {0}"),
        ("a } b { c", "a } b { c"),
        ("{{ and }}", "{ and }"),
        ("}}{{", "}{"),
    ],
)
def test_placeholders_and_braces(text: str, expected: str) -> None:
    parsed = parse_prompt(text)
    assert parsed.fill(dict.fromkeys(parsed.names, "X")) == expected


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("{b} {a} {b}", ("b", "a", "b")),
        ("{größe} {_x1}", ("größe", "_x1")),
        ("{1x} {a-b} {}", ()),
    ],
)
def test_which_placeholders_a_text_has(text: str, slots: tuple[str, ...]) -> None:
    assert parse_prompt(text).slots == slots


plain = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=8)
json_values = st.recursive(
    st.none() | st.integers() | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from([None, (",", ":")]), st.sampled_from([None, 1]))
def test_json_stays_as_it_is(value: Any, separators: Any, indent: int | None) -> None:
    text = json.dumps(value, separators=separators, indent=indent)
    assert parse_prompt(text).fill({}) == text


@given(st.text("{}ax%\"' ", max_size=20))
def test_doubled_braces_are_always_the_text_itself(text: str) -> None:
    assert parse_prompt(text.replace("{", "{{").replace("}", "}}")).fill({}) == text


@given(st.text("{}ax% ", max_size=12))
def test_what_is_filled_in_is_not_read_again(value: str) -> None:
    assert filled("<{x}>", x=value) == f"<{value}>"


# ---- values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"abc"', "abc"),
        ('"{x} %s"', "{x} %s"),
        ("20", "20"),
        ("1.50", "1.50"),
        ("170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        ("0.12345678901234567890", "0.12345678901234567890"),
        ("NaN", "NaN"),
        ("true", "true"),
        ('[1.0, null, "ü"]', '[1.0,null,"ü"]'),
        ('{"a": {"b": 1e30}}', '{"a":{"b":1e30}}'),
        ("null", None),
    ],
)
def test_values_that_are_no_text_are_written_as_json(value: str, text: str | None) -> None:
    assert parse_prompt("{x}").fill(read_values(f'{{"x":{value}}}')) == text


def test_values_may_be_text_that_holds_json() -> None:
    assert read_values(json.dumps(' {"x": "1"}')) == {"x": "1"}


@pytest.mark.parametrize(
    "text", ["[1]", "3", "null", '"abc"', '"[1]"', '"{"', '"{\\"a\\": \\"\\\\ud800\\"}"']
)
def test_values_must_be_an_object(text: str) -> None:
    with pytest.raises(
        ArgumentError, match=r"placeholders must be an object, for example \{'text': body\}; got"
    ):
        read_values(text)


def test_values_nested_too_deeply_are_refused() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    with pytest.raises(ArgumentError):
        read_values(f'{{"x":{deep}}}')
    with pytest.raises(ArgumentError, match="cannot be written"):
        parse_prompt("{x}").fill(read_values('{"x":' + "[" * 300 + "]" * 300 + "}"))


# ---- prompts and their versions


def test_each_new_text_is_a_version(named: Named) -> None:
    prompts = named.prompts
    assert [prompts.set("p", text) for text in ("one", "one", "two", "two", "one")] == [1, 1, 2, 2, 3]
    assert [prompts.find("p", version).text for version in (1, 2, 3, None)] == ["one", "two", "one", "one"]
    assert prompts.set("q", "one") == 1


def test_the_rows_show_every_version(named: Named) -> None:
    named.prompts.set("p", "{b} {a} {b}")
    named.prompts.set("q", "Hi")
    named.prompts.set("p", "{a}")
    assert named.prompts.rows() == [
        {"name": "p", "version": 1, "text": "{b} {a} {b}", "placeholders": ["b", "a"], "created": 100.0},
        {"name": "p", "version": 2, "text": "{a}", "placeholders": ["a"], "created": 102.0},
        {"name": "q", "version": 1, "text": "Hi", "placeholders": [], "created": 101.0},
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (None, "x", "name must be a text without white space around it; got null"),
        ("", "x", "name must be"),
        (" p", "x", "name must be"),
        ("p", None, "text of the prompt 'p' must not be NULL"),
    ],
)
def test_what_is_no_prompt(named: Named, name: str | None, text: str | None, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        named.prompts.set(name, text)


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("sumary", None, "no prompt 'sumary'; did you mean 'summary'? The prompts are 'summary', 'tags'"),
        ("zzz", None, "no prompt 'zzz'. The prompts are 'summary', 'tags'"),
        ("summary", 3, "the prompt 'summary' has no version 3, only 1 to 2"),
        ("summary", 0, "no version 0, only 1 to 2"),
        ("tags", -1, "no version -1, only 1"),
    ],
)
def test_a_prompt_that_is_not_there(named: Named, name: str, version: int | None, said: str) -> None:
    for each, text in (("summary", "a"), ("summary", "b"), ("tags", "c")):
        named.prompts.set(each, text)
    with pytest.raises(ArgumentError) as caught:
        named.prompts.find(name, version)
    assert said in str(caught.value)


def test_no_prompt_at_all_says_how_to_set_one(named: Named) -> None:
    with pytest.raises(ArgumentError, match="CALL openrouter_set_prompt"):
        named.prompts.find("p")


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("{a} {b}", {"a": 1}, "has the placeholders {a}, {b}; no value is given for {b} (write {{b}} in"),
        ("{a}", {"a": 1, "c": 2}, "has the placeholders {a}; there is none called 'c'"),
        ("{a}", {"A": 1}, "no value is given for {a} (write {{a}} in the prompt for the mere text {a})"),
        ("Hi", {"a": 1}, "(version 1) has no placeholders; there is none called 'a'"),
        ("{a}", {"a": None, "c": 2}, "there is none called 'c'"),
    ],
)
def test_values_and_placeholders_must_be_the_same(
    named: Named, text: str, values: dict[str, Any], said: str
) -> None:
    named.prompts.set("p", text)
    with pytest.raises(ArgumentError) as caught:
        named.prompts.find("p").fill(values)
    assert said in str(caught.value)


def test_one_null_makes_the_whole_text_null(named: Named) -> None:
    named.prompts.set("p", "{a} {b}")
    assert named.prompts.find("p").fill({"a": "x", "b": None}) is None


def test_versions_from_several_threads_are_all_different(named: Named) -> None:
    versions: list[int] = []

    def set_many(mine: int) -> None:
        versions.extend(named.prompts.set("p", f"{mine} {n}") for n in range(200))

    threads = [threading.Thread(target=set_many, args=(mine,)) for mine in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(1, 801))


# ---- models


def options(**arguments: Any) -> str:
    return json.dumps({name: arguments.get(name) for name in ARGUMENTS})


def resolved(named: Named, default: str | None = None, **arguments: Any) -> dict[str, Any]:
    """The body of a call with these arguments."""
    return parse_options(named.resolve(options(**arguments), default), default)


FAST_BODY = {
    "model": "a/b",
    "temperature": 0,
    "max_tokens": 200,
    "top_p": 0.5,
    "provider": {"sort": "price"},
    "tools": [{"type": "function", "function": TOOL}],
    "tool_choice": "auto",
    "plugins": [{"id": "context-compression"}],
}


@pytest.mark.parametrize(
    ("arguments", "default", "changes"),
    [
        ({"model": "fast"}, None, {}),
        ({}, "fast", {}),
        ({"model_kwargs": {"model": "fast"}}, "c/d", {}),
        ({"model_kwargs": {"model": None}}, "fast", {}),
        ({"model": "fast", "model_kwargs": {"temperature": 1}}, None, {"temperature": 1}),
        ({"model": "fast", "model_kwargs": '{"temperature": 1}'}, None, {"temperature": 1}),
        ({"model": "fast", "model_kwargs": {"temperature": None}}, None, {}),
        ({"model": "fast", "model_kwargs": {"seed": 2**64}}, None, {"seed": 2**64}),
        ({"model": "fast", "provider": {"only": ["x"]}}, None, {"provider": {"only": ["x"]}}),
        (
            {"model": "fast", "model_kwargs": {"provider": {"only": ["x"]}}},
            None,
            {"provider": {"only": ["x"]}},
        ),
        (
            {"model": "fast", "tools": [OTHER_TOOL]},
            None,
            {"tools": [{"type": "function", "function": OTHER_TOOL}]},
        ),
        ({"model": "fast", "tool_choice": "none"}, None, {"tool_choice": "none"}),
        (
            {"model": "fast", "transforms": []},
            None,
            {"plugins": [{"id": "context-compression", "enabled": False}]},
        ),
        ({"model": "fast", "model_kwargs": {"models": ["fast", "c/d"]}}, None, {"models": ["a/b", "c/d"]}),
    ],
)
def test_what_a_call_means_that_names_an_alias(
    named: Named, arguments: dict[str, Any], default: str | None, changes: dict[str, Any]
) -> None:
    assert named.models.set("fast", json.dumps(FAST)) == "a/b"
    assert resolved(named, default, **arguments) == {**FAST_BODY, **changes}


@pytest.mark.parametrize(
    ("arguments", "default"),
    [
        ({"model": "c/d"}, "fast"),
        ({"model": "Fast"}, None),
        ({"model_kwargs": {"models": ["c/d"]}}, "fast"),
        ({"model_kwargs": {"preset": "mine"}}, "fast"),
        ({"model": "c/d", "model_kwargs": {"model": "fast"}}, None),
        ({"model": "fast", "model_kwargs": "no json"}, None),
        ({"model": "fast", "model_kwargs": [1]}, None),
        ({"model": {"fast": 1}}, None),
    ],
)
def test_other_calls_are_left_alone(named: Named, arguments: dict[str, Any], default: str | None) -> None:
    text = options(**arguments)
    assert named.resolve(text, default) is text
    named.models.set("fast", json.dumps(FAST))
    assert named.resolve(text, default) is text


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "null", '{"model": NaN}', "[" * 100_000])
def test_what_cannot_be_read_is_left_to_be_refused(named: Named, text: str) -> None:
    named.models.set("fast", json.dumps(FAST))
    assert named.resolve(text, "fast") is text


def test_further_members_stay_and_keep_their_order(named: Named) -> None:
    named.models.set("fast", '{"model": "a/b", "temperature": 0}')
    text = '{"function": "extract", "fields": {"z": "VARCHAR", "a": "DATE"}, "model": "fast", "labels": null}'
    assert list(json.loads(named.resolve(text, None)).items()) == [
        ("function", "extract"),
        ("fields", {"z": "VARCHAR", "a": "DATE"}),
        ("model", "a/b"),
        ("labels", None),
        ("model_kwargs", {"temperature": 0}),
    ]
    assert list(json.loads(named.resolve(text, None))["fields"]) == ["z", "a"]


def test_no_options_at_all_and_a_default_alias(named: Named) -> None:
    named.models.set("fast", '{"model": "a/b"}')
    assert json.loads(named.resolve("{}", "fast")) == {"model_kwargs": {"model": "a/b"}}


def test_a_default_alias_leaves_the_argument_model_empty(named: Named) -> None:
    """A function that needs a model of another sort can still tell that none was named."""
    named.models.set("fast", json.dumps(FAST))
    assert json.loads(named.resolve('{"function": "rerank", "model": null}', "fast"))["model"] is None


def test_what_an_alias_adds_is_no_argument_of_a_function(named: Named) -> None:
    named.models.set("fast", json.dumps(FAST))
    spelled_out = json.loads(named.resolve('{"function": "own", "tools": "mine", "model": "fast"}', None))
    assert spelled_out.keys() == {"function", "tools", "model", "model_kwargs"}
    assert spelled_out["tools"] == "mine"


def test_settings_may_be_text_that_holds_json(named: Named) -> None:
    texts = {**FAST, **{name: json.dumps(FAST[name]) for name in ("provider", "tools", "transforms")}}
    named.models.set("fast", json.dumps(texts))
    assert resolved(named, model="fast") == FAST_BODY


def test_an_alias_among_fallbacks_gives_its_model(named: Named) -> None:
    named.models.set("fast", json.dumps(FAST))
    body = resolved(named, model="c/d", model_kwargs={"models": ["fast", "e/f"]})
    assert body == {"model": "c/d", "models": ["a/b", "e/f"]}


def test_the_fallbacks_of_an_alias_may_be_aliases(named: Named) -> None:
    named.models.set("slow", '{"model": "e/f", "temperature": 1}')
    named.models.set("fast", '{"model": "a/b", "models": ["slow", "c/d"]}')
    assert resolved(named, model="fast") == {"model": "a/b", "models": ["e/f", "c/d"]}


def test_a_replaced_alias_leaves_no_stale_answer(named: Named) -> None:
    text = options(model="fast")
    for version in range(3):
        named.models.set("fast", json.dumps({"model": f"a/{version}"}))
        assert [json.loads(named.resolve(text, None))["model"] for _ in range(2)] == [f"a/{version}"] * 2
    assert [row["model"] for row in named.models.rows()] == ["a/2"]


def test_a_thread_that_resolves_meanwhile_leaves_no_stale_answer(named: Named) -> None:
    done, text = threading.Event(), options(model="fast")

    def resolve() -> None:
        while not done.is_set():
            named.resolve(text, None)

    thread = threading.Thread(target=resolve)
    thread.start()
    try:
        for version in range(300):
            named.models.set("fast", json.dumps({"model": f"a/{version}"}))
            assert json.loads(named.resolve(text, None))["model"] == f"a/{version}"
    finally:
        done.set()
        thread.join()


def test_more_options_than_are_remembered_are_still_right(named: Named) -> None:
    named.models.set("fast", '{"model": "a/b"}')
    texts = [options(model="fast", model_kwargs={"seed": seed}) for seed in range(RESOLVED + 10)] * 2
    seeds = [json.loads(named.resolve(text, None))["model_kwargs"]["seed"] for text in texts]
    assert seeds == [*range(RESOLVED + 10)] * 2


@given(
    st.dictionaries(st.sampled_from(["temperature", "top_p", "seed"]), st.none() | st.integers(0, 9)),
    st.dictionaries(st.sampled_from(["temperature", "top_p", "seed"]), st.none() | st.integers(0, 9)),
)
def test_resolving_twice_is_resolving_once(alias: dict[str, Any], call: dict[str, Any]) -> None:
    """Even for an alias that bears its model's name, as where it gives a local model its settings."""
    named = Named()
    named.models.set("tiny", json.dumps({"model": "tiny", **alias}))
    once = named.resolve(options(model="tiny", model_kwargs=call), None)
    twice = named.resolve(once, None)
    assert json.loads(twice) == json.loads(once)
    expected = {name: value for given in (alias, call) for name, value in given.items() if value is not None}
    assert parse_options(once, None) == {"model": "tiny", **expected}


@pytest.mark.parametrize(
    "alias", [None, "", " ", " fast", "a/b", "a:free", "~a", "@preset", "{a", "[", "auto", "none", "required"]
)
def test_what_may_be_no_alias(named: Named, alias: str | None) -> None:
    with pytest.raises(ArgumentError, match="alias must be a plain name"):
        named.models.set(alias, '{"model": "a/b"}')


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (None, "must be an object, for example"),
        (
            '"openai/gpt-5-mini"',
            "must be an object, for example {'model': 'openai/gpt-5-mini', 'temperature': 0}",
        ),
        ("[1]", "must be an object"),
        ('"{"', "not valid JSON"),
        ('{"model": "a/b", "temperature": NaN}', "not valid JSON"),
        ("{}", "must name a model, for example 'model': 'openai/gpt-5-mini'; got null"),
        ('{"temperature": 0}', "must name a model"),
        ('{"model": 7}', "must name a model, for example 'model': 'openai/gpt-5-mini'; got number 7"),
        ('{"model": "a/b", "model_kwargs": 1}', "model_kwargs of 'fast' must be an object; got number 1"),
        ('{"model": "a/b", "provider": "cheap"}', "settings of 'fast': provider must be an object"),
        ('{"model": "a/b", "tools": {}}', "settings of 'fast': tools must be a non-empty list"),
        ('{"model": "a/b", "messages": []}', "must not hold messages"),
        ('{"model": "a/b", "n": 2}', "n must be 1"),
        ('{"model": "other"}', "'fast' must name a model, not another alias: 'other' is one, of 'x'"),
    ],
)
def test_settings_that_no_call_could_use(named: Named, settings: str | None, said: str) -> None:
    named.models.set("other", '{"model": "x"}')
    with pytest.raises(ArgumentError) as caught:
        named.models.set("fast", settings)
    assert said in str(caught.value)
    assert [row["alias"] for row in named.models.rows()] == ["other"]


def test_a_model_that_an_alias_names_cannot_become_one(named: Named) -> None:
    named.models.set("fast", '{"model": "tiny"}')
    with pytest.raises(ArgumentError, match="'tiny' cannot be an alias: it is the model that 'fast' names"):
        named.models.set("tiny", '{"model": "a/b"}')


def test_the_rows_show_what_an_alias_means(named: Named) -> None:
    named.models.set("fast", json.dumps(json.dumps(FAST)))
    [row] = named.models.rows()
    assert json.loads(row.pop("settings")) == {
        **{name: value for name, value in FAST.items() if name not in ("model", "model_kwargs")},
        "top_p": 0.5,
    }
    assert row == {"alias": "fast", "model": "a/b", "created": 100.0}


def test_a_member_beside_model_kwargs_wins_over_one_in_it(named: Named) -> None:
    named.models.set("fast", '{"model": "a/b", "seed": 1, "model_kwargs": {"seed": 2, "model": "c/d"}}')
    assert resolved(named, model="fast") == {"model": "a/b", "seed": 1}
